/**
 * One run of the model, with every segment under its own name: the trace of a violation told again, or a walk at random. Says the trace events
 * of the run, as a cluster would, so that the monitor can judge them.
 *
 * The search forgets who is who; a walk does not. To follow a path of canonical states it takes, at each, a step whose outcome looks the same.
 */
import { nodeName, type NodeName, type Random, type Traced, type TraceEvent } from "@sixfold/model";
import type { Condition, Step } from "../condition.ts";
import { allActions, stageOf } from "./actions.ts";
import { initialState } from "./initial-state.ts";
import { segmentName, writerName } from "./model-facts.ts";
import type { ModelBreak, Scenario } from "./scenario.ts";
import type { Stage } from "./stage.ts";
import { World } from "./world.ts";

export interface WalkViolation {
  readonly condition: Condition;
  readonly process: NodeName;
  readonly step: Step;
  readonly detail: string;
}

/** A step that may be taken. */
interface Choice {
  readonly label: string;
  readonly state: Uint8Array;
  readonly events: readonly Traced[];
  readonly violation: WalkViolation | undefined;
}

export class Walk {
  /** What happened so far. */
  readonly events: Traced[] = [];
  readonly labels: string[] = [];
  violation: WalkViolation | undefined;
  private readonly world: World;
  private readonly canon: World;
  private readonly stage: Stage;
  private readonly state: Uint8Array;
  private said: Traced[] = [];
  private broken: WalkViolation | undefined;
  private offer: (choice: () => Choice) => void = () => {};
  private revision = 1;

  constructor(scenario: Scenario, breaks: ReadonlySet<ModelBreak>) {
    this.world = new World(scenario, breaks);
    this.canon = new World(scenario, breaks);
    this.state = new Uint8Array(this.world.size);
    this.stage = stageOf(this.world, {
      successor: (label) => this.successor(label),
      violation: (condition, detail, process, step) => {
        this.broken ??= { condition, process, step, detail };
      },
      event: (process, event) => this.said.push({ process, event }),
    });
    initialState(this.world);
    this.state.set(this.world.s);
    scenario.streams.forEach((planned, stream) => {
      const exclusive = planned.exclusive === true;
      this.hear({ process: writerName(stream), event: this.stage.events.opened(stream, exclusive) });
    });
  }

  /** Takes a step that leads to this state, up to the order of segments. */
  follow(canonical: Uint8Array): void {
    const found = this.choose((state, isTaken) => {
      if (isTaken) return false;
      this.canon.s.set(state);
      this.canon.canonical();
      return canonical.every((byte, at) => this.canon.s[at] === byte);
    });
    if (found !== undefined) this.take(found);
  }

  /** Takes a step that violates a condition. */
  violate(): void {
    const found = this.choose((_, isTaken) => !isTaken && this.broken !== undefined);
    if (found !== undefined) this.take(found);
  }

  /** Takes any step; false if there is none. */
  wander(random: Random): boolean {
    let n = 0;
    const found = this.choose(() => random.int(++n) === 0);
    if (found !== undefined) this.take(found);
    return found !== undefined;
  }

  /** The last successor for which `suits`, told whether one did before. */
  private choose(suits: (state: Uint8Array, isTaken: boolean) => boolean): Choice | undefined {
    let found: Choice | undefined;
    this.offer = (choice) => {
      if (suits(this.world.s, found !== undefined)) found = choice();
    };
    this.said = [];
    this.broken = undefined;
    this.stage.start(this.state);
    allActions(this.stage);
    return found;
  }

  private successor(label: () => string): void {
    const { said: events, broken: violation } = this;
    this.offer(() => ({ label: label(), state: this.world.s.slice(), events, violation }));
    this.said = [];
    this.broken = undefined;
  }

  private take(choice: Choice): void {
    this.state.set(choice.state);
    this.labels.push(choice.label);
    this.violation ??= choice.violation;
    for (const traced of choice.events) this.hear(traced);
  }

  /** A group of segments speaks with as many voices as it has members; revisions of the manifest grow. */
  private hear({ process, event }: Traced): void {
    for (const name of this.voices(process)) this.events.push({ process: name, event: this.numbered(event) });
  }

  private voices(process: NodeName): NodeName[] {
    const i = this.world.groups.findIndex((_, at) => segmentName(at) === process);
    if (i < 0) return [process];
    return Array.from({ length: this.world.groups[i]! }, (_, n) => nodeName(`${process}.${n + 1}`));
  }

  private numbered(event: TraceEvent): TraceEvent {
    if (event.kind !== "manifest") return event;
    this.revision += 1;
    return { kind: "manifest", manifest: { ...event.manifest, revision: this.revision } };
  }
}
