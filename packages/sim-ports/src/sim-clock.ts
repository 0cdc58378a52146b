/**
 * The Clock port of one incarnation, on the local time of its machine: the world's time, but the machine's wall clock
 * may be ahead or behind by any amount, and its oscillator may run fast or slow. Both can change while it runs.
 *
 *      local time = base + (world time - base's world time) * rate          `nowMs`: monotonic, no jumps
 *      wall clock = world's wall clock + (local time - world time) + ahead  `wallMs`: jumps when `ahead` is set
 */
import type { Clock, Timer } from "@sixfold/ports";
import type { Incarnation, Timeline, WorldEvent } from "./timeline.ts";

export class LocalTime {
  /** What this machine's wall clock is ahead of the world's. */
  wallAheadMs: number;
  readonly #world: Timeline;
  #rate: number;
  #baseMs = 0;
  #baseWorldMs = 0;

  constructor(world: Timeline, options: { readonly wallAheadMs: number; readonly driftPpm: number }) {
    this.#world = world;
    this.wallAheadMs = options.wallAheadMs;
    this.#rate = 1 + options.driftPpm / 1e6;
  }

  /** How much faster both clocks run than the world's, in millionths. */
  setDrift(ppm: number): void {
    this.#baseMs = this.nowMs;
    this.#baseWorldMs = this.#world.nowMs;
    this.#rate = 1 + ppm / 1e6;
  }

  get nowMs(): number {
    return this.#baseMs + (this.#world.nowMs - this.#baseWorldMs) * this.#rate;
  }

  get wallMs(): number {
    return Math.floor(this.#world.wallMs + (this.nowMs - this.#world.nowMs) + this.wallAheadMs);
  }

  /**
   * How long, in world time, this clock takes for `ms`. The times of a clock that drifts, or has, are no binary fractions:
   * one grain more, so that rounding seldom makes a timer early, and one that is early gets on.
   */
  worldMs(ms: number): number {
    const isExact = this.#rate === 1 && this.#baseMs === this.#baseWorldMs;
    return isExact ? ms : ms / this.#rate + 1 / 1024;
  }
}

export class SimClock implements Clock {
  readonly #world: Timeline;
  readonly #owner: Incarnation;
  readonly #time: LocalTime;

  constructor(world: Timeline, owner: Incarnation, time: LocalTime) {
    this.#world = world;
    this.#owner = owner;
    this.#time = time;
  }

  nowMs(): number {
    return this.#time.nowMs;
  }

  wallMs(): number {
    return this.#time.wallMs;
  }

  after(delayMs: number, run: () => void): Timer {
    return new SimTimer(this.#world, this.#owner, this.#time, Math.max(0, delayMs), run);
  }

  soon(run: () => void): void {
    const world = this.#world;
    world.schedule(world.nowMs, { owner: this.#owner, kind: "soon", detail: 0, run });
  }
}

/** A timer and the event that it becomes. */
class SimTimer implements Timer, WorldEvent {
  readonly owner: Incarnation;
  readonly kind = "timer";
  readonly detail = 0;
  readonly #world: Timeline;
  readonly #time: LocalTime;
  readonly #dueMs: number;
  #action: (() => void) | undefined;
  #item: ReturnType<Timeline["schedule"]>;

  constructor(world: Timeline, owner: Incarnation, time: LocalTime, delayMs: number, action: () => void) {
    this.#world = world;
    this.owner = owner;
    this.#time = time;
    this.#dueMs = time.nowMs + delayMs;
    this.#action = action;
    this.#item = this.#arm(delayMs);
  }

  cancel(): void {
    // It may have been taken already and wait in the backlog of a paused node.
    this.#action = undefined;
    this.#world.cancel(this.#item);
  }

  run(): void {
    const action = this.#action;
    if (action === undefined) return;
    const earlyMs = this.#dueMs - this.#time.nowMs;
    if (earlyMs > 0) {
      // Its clock has slowed down meanwhile.
      this.#item = this.#arm(earlyMs);
      return;
    }
    this.#action = undefined;
    action();
  }

  #arm(delayMs: number): ReturnType<Timeline["schedule"]> {
    return this.#world.schedule(this.#world.nowMs + this.#time.worldMs(delayMs), this);
  }
}
