import type { Clock, Timer } from "@sixfold/ports";
import type { Incarnation, Timeline } from "./timeline.ts";

/** The Clock port of one incarnation: the world's time, ahead and drifting as its node's options say. */
export class SimClock implements Clock {
  readonly #world: Timeline;
  readonly #owner: Incarnation;
  readonly #rate: number;

  constructor(world: Timeline, owner: Incarnation) {
    this.#world = world;
    this.#owner = owner;
    this.#rate = 1 + owner.node.driftPpm / 1e6;
  }

  nowMs(): number {
    return this.#world.nowMs * this.#rate;
  }

  wallMs(): number {
    const drifted = this.#world.nowMs * (this.#rate - 1);
    return Math.floor(this.#world.wallMs + drifted + this.#owner.node.wallAheadMs);
  }

  after(delayMs: number, run: () => void): Timer {
    // A drifting clock's times are no binary fractions: one grain more, so that rounding never fires it early.
    const grain = this.#rate === 1 ? 0 : 1 / 1024;
    return this.#schedule(Math.max(0, delayMs) / this.#rate + grain, "timer", run);
  }

  soon(run: () => void): void {
    this.#schedule(0, "soon", run);
  }

  #schedule(delayMs: number, kind: string, run: () => void): Timer {
    let cancelled = false;
    const event = { owner: this.#owner, kind, detail: 0, run: () => cancelled || run() };
    const item = this.#world.schedule(this.#world.nowMs + delayMs, event);
    return {
      cancel: () => {
        // It may have been taken already and wait in the backlog of a paused node.
        cancelled = true;
        this.#world.cancel(item);
      },
    };
  }
}
