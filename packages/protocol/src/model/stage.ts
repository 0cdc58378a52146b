/**
 * The stage on which steps of the model are taken: from one state, step by step, each back to where it started. A step is a function of
 * the state and nothing else. It says what it does in the trace events that real nodes emit; each is judged by the conditions of the
 * protocol before it takes effect.
 */
import type { StreamId, TraceEvent } from "@sixfold/model";
import type { NodeName } from "@sixfold/model";
import { judge } from "../conditions.ts";
import type { Condition, Step } from "../condition.ts";
import { manifestSteps } from "../manifest-steps.ts";
import { EventMaker } from "./event-maker.ts";
import { ModelFacts, RECOVERER, segmentName } from "./model-facts.ts";
import { SegmentRules } from "./segment-rules.ts";
import type { World } from "./world.ts";

/** Where successors go. */
export interface Sink {
  /** The world holds the successor, not yet canonical; `label` names the step. */
  successor(label: () => string): void;
  /** A condition failed in the step that is under way. */
  violation(condition: Condition, detail: string, process: NodeName, step: Step): void;
  /** Hears every event; undefined where nobody listens, and then none is kept. */
  readonly event?: ((process: NodeName, event: TraceEvent) => void) | undefined;
}

/** The state steps start from, and what every kind of step needs. */
export class Stage {
  readonly w: World;
  readonly facts: ModelFacts;
  readonly events: EventMaker;
  readonly segments: SegmentRules;
  private readonly origin: Uint8Array;
  private readonly sink: Sink;
  private readonly follow: ((stage: Stage) => void) | undefined;
  private readonly notes: string[] = [];

  /** `follow`: what is done at the end of every step. */
  constructor(world: World, sink: Sink, follow?: (stage: Stage) => void) {
    this.w = world;
    this.sink = sink;
    this.follow = follow;
    this.facts = new ModelFacts(world);
    this.events = new EventMaker(this.facts);
    this.origin = new Uint8Array(world.size);
    const { events } = this;
    this.segments = new SegmentRules(world, {
      voted: (pg, i, e, vote) => this.say(segmentName(i), events.voted(pg, e, vote)),
      learned: (pg, i, e, decision, source) =>
        this.say(segmentName(i), events.learned(pg, e, decision, source)),
      stored: (pg, i, e) => this.say(segmentName(i), events.stored(pg, e)),
    });
  }

  /** The state whose successors are wanted. */
  start(state: Uint8Array): void {
    this.origin.set(state);
    this.w.s.set(state);
  }

  /** One step: its effect on the world and what follows at once, then back to where it started. */
  step(label: () => string, effect: () => void): void {
    this.notes.length = 0;
    effect();
    this.follow?.(this);
    this.sink.successor(() => [label(), ...this.notes].join("; "));
    this.w.s.set(this.origin);
  }

  /** Something for the step's label. */
  note(text: string): void {
    this.notes.push(text);
  }

  /** Something happens: judged before it takes effect. */
  say(process: NodeName, event: TraceEvent): void {
    this.judge(process, event);
    this.sink.event?.(process, event);
  }

  private judge(process: NodeName, step: Step): void {
    judge(this.facts, step, process, (condition, detail) =>
      this.sink.violation(condition, detail, process, step),
    );
  }

  /** A compare-and-set of the manifest that succeeded: `change` closes streams, lists and drops outcomes. Rulings follow from it. */
  changeManifest(process: NodeName, change: () => void): void {
    const { w, facts, events } = this;
    const before = (facts.manifest = events.manifest());
    change();
    w.manifestChanged();
    const after = events.manifest(before.revision + 1);
    const steps = manifestSteps(before, after, (stream: StreamId, at) => facts.sentAfter(stream, at));
    this.judge(process, { kind: "manifest", manifest: after });
    this.sink.event?.(process, { kind: "manifest", manifest: after });
    facts.manifest = after;
    for (const step of steps) {
      this.judge(process, step);
      if (step.kind === "ruled") {
        const e = w.ofStream[step.stream - 1]![step.lsn - 1]!;
        if (w.ruling(e.index) === 0) w.setRuling(e.index, step.decision === "commit" ? 1 : 2);
      }
    }
  }

  readonly recoverer = RECOVERER;
  readonly segmentName = segmentName;
}
