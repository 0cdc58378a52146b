/**
 * Breadth-first search of a scenario: every state that can be reached, level by level, until none is new or a condition fails. The first
 * violation found is one of the shortest.
 */
import type { Condition } from "../condition.ts";
import { showStep } from "../show-step.ts";
import { allActions, stageOf } from "./actions.ts";
import type { ModelBreak, Scenario } from "./scenario.ts";
import type { Stage } from "./stage.ts";
import { StateStore } from "./state-store.ts";
import { World } from "./world.ts";

export interface ModelViolation {
  readonly condition: string;
  readonly rule: string;
  readonly says: string;
  /** What is wrong, and with which event. */
  readonly detail: string;
  /** The steps that lead there, the violating one last. */
  readonly steps: readonly string[];
}

export interface SearchResult {
  readonly states: number;
  /** Steps from the beginning to the farthest state. */
  readonly depth: number;
  /** Every reachable state was met. */
  readonly complete: boolean;
  readonly violation: ModelViolation | undefined;
}

export function search(scenario: Scenario, breaks: ReadonlySet<ModelBreak> = new Set()): SearchResult {
  return new Search(scenario, breaks).run();
}

/** The state before anything happened. */
export function initialState(world: World): void {
  world.s.fill(0);
  for (let pg = 0; pg < world.pgCount; pg++)
    for (let i = 0; i < (world.scenario.lost ?? 0); i++) world.setLost(pg, world.width - 1 - i);
  world.canonical();
}

interface Found {
  readonly condition: Condition;
  readonly detail: string;
  /** Its label is known once the step is complete. */
  label: string;
}

class Search {
  private readonly world: World;
  private readonly store: StateStore;
  private readonly stage: Stage;
  private readonly statesMax: number;
  private parents = new Int32Array(4096);
  private from = -1;
  private found: Found | undefined;
  private foundFrom = -1;
  /** While a trace is told: the successor looked for, and its label. */
  private wanted: Uint8Array | undefined;
  private wantedLabel = "";

  constructor(scenario: Scenario, breaks: ReadonlySet<ModelBreak>) {
    this.world = new World(scenario, breaks);
    this.store = new StateStore(this.world.size);
    this.statesMax = scenario.statesMax ?? Number.POSITIVE_INFINITY;
    this.stage = stageOf(this.world, {
      successor: (label) => this.successor(label),
      violation: (condition, detail, process, step) => {
        if (this.wanted === undefined)
          this.found ??= { condition, detail: `${process}: ${showStep(step)}: ${detail}`, label: "" };
      },
    });
  }

  run(): SearchResult {
    const { store, world } = this;
    const state = new Uint8Array(world.size);
    initialState(world);
    store.add(world.words);
    this.parents[0] = -1;
    let depth = 0;
    let levelEnd = 1;
    for (let n = 0; n < store.count && this.found === undefined && store.count < this.statesMax; n++) {
      if (n === levelEnd) {
        depth += 1;
        levelEnd = store.count;
      }
      this.from = n;
      store.read(n, state);
      this.stage.start(state);
      if (!world.isOver()) allActions(this.stage);
    }
    const complete = this.found === undefined && store.count < this.statesMax;
    return { states: store.count, depth, complete, violation: this.tell() };
  }

  private successor(label: () => string): void {
    if (this.wanted !== undefined) {
      this.world.canonical();
      if (this.wantedLabel === "" && same(this.world.s, this.wanted)) this.wantedLabel = label();
      return;
    }
    if (this.found !== undefined) {
      if (this.foundFrom >= 0) return;
      this.foundFrom = this.from;
      this.found.label = label();
      return;
    }
    this.world.canonical();
    const n = this.store.add(this.world.words);
    if (n < 0) return;
    if (n >= this.parents.length) {
      const parents = new Int32Array(this.parents.length * 2);
      parents.set(this.parents);
      this.parents = parents;
    }
    this.parents[n] = this.from;
  }

  /** The steps to the violation: each state's parent is known, the step between them is found again. */
  private tell(): ModelViolation | undefined {
    if (this.found === undefined) return undefined;
    const { condition, detail, label } = this.found;
    const path: number[] = [];
    for (let n = this.foundFrom; n >= 0; n = this.parents[n]!) path.unshift(n);
    const steps: string[] = [];
    const state = new Uint8Array(this.world.size);
    const next = new Uint8Array(this.world.size);
    for (let i = 0; i + 1 < path.length; i++) {
      this.store.read(path[i]!, state);
      this.store.read(path[i + 1]!, next);
      this.wanted = next;
      this.wantedLabel = "";
      this.stage.start(state);
      allActions(this.stage);
      steps.push(this.wantedLabel);
    }
    this.wanted = undefined;
    return {
      condition: condition.name,
      rule: condition.rule,
      says: condition.says,
      detail,
      steps: [...steps, label],
    };
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
