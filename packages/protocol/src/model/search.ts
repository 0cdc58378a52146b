/**
 * Breadth-first search of a scenario: every state that can be reached, level by level, until none is new or a condition fails. The first
 * violation found is one of the shortest.
 */
import type { Traced } from "@sixfold/model";
import { showStep } from "../show-step.ts";
import { allActions, stageOf } from "./actions.ts";
import { initialState } from "./initial-state.ts";
import type { ModelBreak, Scenario } from "./scenario.ts";
import { StateStore } from "./state-store.ts";
import { Walk } from "./walk.ts";
import { World } from "./world.ts";

export interface ModelViolation {
  readonly condition: string;
  readonly rule: string;
  readonly says: string;
  /** What is wrong, and with which event. */
  readonly detail: string;
  /** The steps that lead there, the violating one last. */
  readonly steps: readonly string[];
  /** What a cluster would have said of them. */
  readonly events: readonly Traced[];
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

class Search {
  private readonly scenario: Scenario;
  private readonly breaks: ReadonlySet<ModelBreak>;
  private readonly world: World;
  private readonly store: StateStore;
  private parents = new Int32Array(4096);
  /** The state whose successors are being met. */
  private from = 0;
  private isBroken = false;

  constructor(scenario: Scenario, breaks: ReadonlySet<ModelBreak>) {
    this.scenario = scenario;
    this.breaks = breaks;
    this.world = new World(scenario, breaks);
    this.store = new StateStore(this.world.size);
  }

  run(): SearchResult {
    const { store, world } = this;
    const statesMax = this.scenario.statesMax ?? Number.POSITIVE_INFINITY;
    const stage = stageOf(world, {
      successor: () => this.successor(),
      violation: () => {
        this.isBroken = true;
      },
    });
    const state = new Uint8Array(world.size);
    initialState(world);
    store.add(world.words);
    this.parents[0] = -1;
    let depth = 0;
    let levelEnd = 1;
    for (let n = 0; n < store.count && !this.isBroken && store.count < statesMax; n++) {
      if (n === levelEnd) {
        depth += 1;
        levelEnd = store.count;
      }
      this.from = n;
      store.read(n, state);
      stage.start(state);
      if (!world.isOver()) allActions(stage);
    }
    const violation = this.isBroken ? this.tell() : undefined;
    const complete = !this.isBroken && store.count < statesMax;
    return { states: store.count, depth, complete, violation };
  }

  private successor(): void {
    if (this.isBroken) return;
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

  /** The way to the state whose step broke a condition, walked again. */
  private tell(): ModelViolation | undefined {
    const path: number[] = [];
    for (let n = this.from; n > 0; n = this.parents[n]!) path.unshift(n);
    const walk = new Walk(this.scenario, this.breaks);
    const state = new Uint8Array(this.world.size);
    for (const n of path) {
      this.store.read(n, state);
      walk.follow(state);
    }
    walk.violate();
    if (walk.violation === undefined) return undefined;
    const { condition, process, step, detail } = walk.violation;
    const { name, rule, says } = condition;
    const words = `${process}: ${showStep(step)}: ${detail}`;
    return { condition: name, rule, says, detail: words, steps: walk.labels, events: walk.events };
  }
}
