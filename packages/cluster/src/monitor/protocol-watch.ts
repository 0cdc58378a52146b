/**
 * The runtime monitor of a local cluster: every process's steps, judged by the protocol's conditions while the cluster runs.
 *
 *     one process    hosts ──────────────────────────────────> Monitor (true order)
 *     processes      StepReporter ──IPC──> StepMerger ─────────> Monitor (rough order)
 *
 * Merged by time the steps of processes are nearly in true order: a process says a step a few microseconds before or after the frame
 * that goes with it. What needs support from elsewhere is judged two seconds of steps later, by the steps' own clock.
 */
import { nodeName, type Trace } from "@sixfold/model";
import { Monitor, showViolation, type Violation } from "@sixfold/protocol";
import type { ClusterEvent } from "../cluster-api.ts";
import { StepMerger, type StepSource } from "./step-merger.ts";
import { sharedClock } from "./step-reporter.ts";

const DRAIN_MS = 100;

export class ProtocolWatch {
  private readonly monitor: Monitor;
  private readonly merger: StepMerger;
  private readonly on: (event: ClusterEvent) => void;
  private readonly timer: NodeJS.Timeout | undefined;
  private tickedAt = 0;

  constructor(order: "true" | "rough", on: (event: ClusterEvent) => void) {
    this.on = on;
    this.monitor = new Monitor({ order, onViolation: (violation) => this.tell(violation) });
    this.merger = new StepMerger(
      (traced, at) => {
        this.tick(at);
        this.monitor.observe(traced);
      },
      (name) =>
        on({ event: "log", level: "warn", name, message: "not monitored any more: too slow", fields: {} }),
    );
    if (order === "rough") this.timer = setInterval(() => this.drain(), DRAIN_MS).unref();
  }

  /** For a host in this process. */
  trace(name: string): Trace {
    const process = nodeName(name);
    return (event) => this.monitor.observe({ process, event });
  }

  /** A process is being started. */
  started(name: string): StepSource {
    return this.merger.add(nodeName(name), sharedClock());
  }

  get events(): number {
    return this.monitor.events;
  }

  violations(): readonly string[] {
    return this.monitor.violations.map(showViolation);
  }

  /** Every process has ended: judges what is left. */
  finish(): void {
    clearInterval(this.timer);
    this.drain();
    this.monitor.finish();
  }

  private drain(): void {
    this.merger.drain();
    const { through } = this.merger;
    if (through !== Number.POSITIVE_INFINITY) this.tick(through);
  }

  private tick(at: number): void {
    if (at - this.tickedAt < DRAIN_MS) return;
    this.tickedAt = at;
    this.monitor.tick(at);
  }

  private tell(violation: Violation): void {
    // The first ones tell; the monitor keeps no more either.
    if (!this.monitor.violations.includes(violation)) return;
    const { condition, rule, process } = violation;
    this.on({ event: "violation", condition, rule, process, text: showViolation(violation) });
  }
}
