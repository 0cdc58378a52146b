/**
 * The runtime monitor: the protocol's safety conditions, judged on what a running cluster says of itself.
 *
 *     segment-a1 ── stored, voted ──┐
 *     writer-1 ── sent, decided ────┼──> observe ──> judge (conditions.ts) ──> take in (fact-store.ts)
 *     writer-2 ── manifest, shown ──┘                   └──> violations
 *
 * In the simulator events come in true order, and every condition is judged at once. From real processes they come only roughly so: a condition
 * that needs support from elsewhere ("a commit has q accepts") is judged again after `graceMs`, and once more at the end; support that a
 * process may have taken with it when it died is not asked for (silences.ts).
 *
 * Cost: O(1) amortised an event; bounded memory (`FactLimits`).
 */
import type { NodeName, Traced } from "@sixfold/model";
import { judge } from "./conditions.ts";
import type { Condition, Step } from "./condition.ts";
import { DEFAULT_FACT_LIMITS, FactStore, type FactLimits } from "./fact-store.ts";
import { manifestSteps } from "./manifest-steps.ts";
import { showStep } from "./show-step.ts";
import { Silences } from "./silences.ts";

export interface Violation {
  /** The condition's name. */
  readonly condition: string;
  readonly rule: string;
  readonly says: string;
  readonly process: NodeName;
  /** What happened, in words. */
  readonly event: string;
  /** What is wrong with it. */
  readonly detail: string;
  /** Number of the event: counts from 1. */
  readonly at: number;
}

export interface MonitorOptions {
  /** `true`: events come in the order in which they happened, across processes too. `rough`: only those of one process do. */
  readonly order: "true" | "rough";
  /** How long support may be late; rough order only. */
  readonly graceMs?: number;
  readonly limits?: Partial<FactLimits>;
  /** Called at once, besides being kept. */
  readonly onViolation?: (violation: Violation) => void;
}

/** Beyond it violations are counted, not kept: the first ones tell. */
const VIOLATIONS_MAX = 100;
/** Support may be late for so many at once; more are judged as they stand (I10). */
const PENDING_MAX = 100_000;

interface Pending {
  readonly condition: Condition;
  readonly step: Step;
  readonly process: NodeName;
  readonly at: number;
  readonly since: number;
}

export class Monitor {
  readonly violations: Violation[] = [];
  /** Of violations, those not kept included. */
  violationCount = 0;
  /** Events seen. */
  events = 0;
  private readonly options: MonitorOptions;
  private readonly graceMs: number;
  private readonly silences = new Silences();
  private readonly facts: FactStore;
  private pending: Pending[] = [];
  private now = 0;

  constructor(options: MonitorOptions = { order: "true" }) {
    this.options = options;
    this.graceMs = options.graceMs ?? 2_000;
    this.facts = new FactStore({ ...DEFAULT_FACT_LIMITS, ...options.limits }, this.silences);
  }

  /** What is remembered, for tests and metrics. */
  get sizes(): { readonly entries: number; readonly pages: number; readonly pending: number } {
    return { ...this.facts.sizes, pending: this.pending.length };
  }

  observe({ process, event }: Traced): void {
    this.events += 1;
    if (event.kind !== "died") this.silences.heard(process, this.now, this.facts.sentEntries);
    else if (this.options.order === "rough") this.silences.died(process);
    this.step(process, event);
    if (event.kind !== "manifest") return;
    const before = this.facts.manifest;
    if (before !== undefined && event.manifest.revision <= before.revision) return;
    const steps = manifestSteps(before, event.manifest, (stream, after) =>
      this.facts.sentAfter(stream, after),
    );
    // The manifest is taken in first: a close is judged with its outcomes in sight.
    this.facts.apply(event, process);
    for (const step of steps) this.step(process, step);
  }

  /** Time passes: judges again what lacked support. Rough order only; every second will do. */
  tick(now: number): void {
    this.now = now;
    const through = now - this.graceMs;
    if (this.pending.length > 0) {
      const due = this.pending.findIndex((p) => p.since > through);
      const ripe = due < 0 ? this.pending : this.pending.slice(0, due);
      this.pending = due < 0 ? [] : this.pending.slice(due);
      for (const p of ripe) this.judgeLate(p);
    }
    this.silences.judged(through);
  }

  /** The end: nothing more will come. Returns the violations. */
  finish(): readonly Violation[] {
    for (const p of this.pending) this.judgeLate(p);
    this.pending = [];
    return this.violations;
  }

  private step(process: NodeName, step: Step): void {
    judge(this.facts, step, process, (condition, detail) => {
      if (condition.order === "true" && this.options.order === "rough")
        this.postpone(condition, step, process);
      else this.violation({ condition, step, process, at: this.events, since: this.now }, detail);
    });
    if (step.kind !== "manifest") this.facts.apply(step, process);
  }

  private postpone(condition: Condition, step: Step, process: NodeName): void {
    const p = { condition, step: lasting(step), process, at: this.events, since: this.now };
    if (this.pending.length < PENDING_MAX) this.pending.push(p);
    else this.judgeLate(p);
  }

  private judgeLate(p: Pending): void {
    const detail = this.facts.before(p.step, p.process, () =>
      p.condition.fails(this.facts, p.step, p.process),
    );
    if (detail !== undefined) this.violation(p, detail);
  }

  private violation({ condition, step, process, at }: Pending, detail: string): void {
    this.violationCount += 1;
    const { name, rule, says } = condition;
    const violation = { condition: name, rule, says, process, event: showStep(step), detail, at };
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(violation);
    this.options.onViolation?.(violation);
  }
}

/** A step whose objects no longer change. */
function lasting(step: Step): Step {
  if (step.kind === "shown") return { ...step, vector: step.vector.clone() };
  if (step.kind === "answered") return { ...step, readPoint: step.readPoint.clone() };
  return step;
}

/** For reports: one line. */
export function showViolation(v: Violation): string {
  return `${v.condition} (${v.rule}): ${v.says}\n  event ${v.at}, ${v.process}: ${v.event}\n  but ${v.detail}`;
}
