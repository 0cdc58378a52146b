/**
 * Device: the medium under a simulated disk or page store, as far as time and faults go. It serves one request
 * after the other, each for a drawn time; it can be slowed, stalled, filled, told to fail, and told to lie: to
 * acknowledge a write that it put elsewhere or spoiled.
 */
import { assert, type Random } from "@sixfold/model";
import type { Delay } from "./delay.ts";
import { drawDelay } from "./delay.ts";
import type { Incarnation, Timeline, WorldEvent } from "./timeline.ts";

export interface DeviceOptions {
  readonly world: Timeline;
  readonly random: Random;
  readonly sync: Delay;
  /** Bytes. */
  readonly capacity: number;
}

/** 400 MB/s. */
const bytesPerMs = 400_000;

interface Request extends WorldEvent {
  readonly owner: Incarnation;
}

/** What a device does to a write that it acknowledges as done. */
export type Lie = "misdirect" | "corrupt";

export class Device {
  readonly random: Random;
  /** Room in bytes; lower it below what is used, and nothing new fits. */
  capacity: number;
  /** Multiplies every delay. */
  slowdown = 1;
  protected readonly world: Timeline;
  readonly #sync: Delay;
  #freeAtMs = 0;
  #stalledUntilMs = -Infinity;
  #held: Request[] = [];
  /** Requests that a stall held, and whose end is due now. */
  #releasing = 0;
  readonly #failures: Error[] = [];
  readonly #lies: Lie[] = [];

  constructor(options: DeviceOptions) {
    this.world = options.world;
    this.random = options.random;
    this.#sync = options.sync;
    this.capacity = options.capacity;
  }

  /** Every request from now on takes `factor` times as long; 1 ends it. */
  slowBy(factor: number): void {
    assert(factor > 0, "time goes forward");
    this.slowdown = factor;
  }

  /** Requests are taken, none is finished for `ms` or until `unstall`. */
  stall(ms = Infinity): void {
    const endMs = this.world.nowMs + ms;
    if (endMs <= this.#stalledUntilMs) return;
    this.#stalledUntilMs = endMs;
    if (ms === Infinity) return;
    const run = (): void => {
      if (this.#stalledUntilMs === endMs) this.unstall();
    };
    this.world.schedule(endMs, { owner: undefined, kind: "unstall", detail: 0, run });
  }

  /** What waited is finished at once, in order. */
  unstall(): void {
    this.#stalledUntilMs = -Infinity;
    const held = this.#held;
    this.#held = [];
    for (const request of held) this.#release(request);
  }

  /** The next `count` writes (or batches) end in this error. May be called again for the ones after them. */
  failNext(error: Error, count = 1): void {
    for (let i = 0; i < count; i++) this.#failures.push(error);
  }

  /** The next `count` writes land in another place, and are acknowledged. */
  misdirectNext(count = 1): void {
    for (let i = 0; i < count; i++) this.#lies.push("misdirect");
  }

  /** The next `count` writes have some bits flipped on the medium, and are acknowledged. */
  corruptNext(count = 1): void {
    for (let i = 0; i < count; i++) this.#lies.push("corrupt");
  }

  /** Faults planned for writes to come that none has met yet. */
  get planned(): number {
    return this.#failures.length + this.#lies.length;
  }

  /** Takes them back. */
  cancelPlanned(): void {
    this.#failures.length = 0;
    this.#lies.length = 0;
  }

  /** The error planned for the write that is just ending, if any. */
  takeFailure(): Error | undefined {
    return this.#failures.shift();
  }

  /** What is to become of the write that is just beginning, if it is not to be done as told. */
  protected takeLie(): Lie | undefined {
    return this.#lies.shift();
  }

  /** Changes up to 16 bytes in a row, somewhere in the range. */
  protected spoil(bytes: Uint8Array, from: number, to: number): void {
    const start = from + this.random.int(to - from);
    const end = Math.min(to, start + 1 + this.random.int(16));
    for (let i = start; i < end; i++) bytes[i]! ^= 1 + this.random.int(255);
  }

  /** Does the request when its turn and time have come; never if its owner is dead by then. */
  serve(request: Request, bytes: number): void {
    const { world } = this;
    const took = (drawDelay(this.#sync, this.random) + bytes / bytesPerMs) * this.slowdown;
    this.#freeAtMs = Math.max(this.#freeAtMs, world.nowMs) + took;
    const { owner, kind, detail } = request;
    const run = (): void => {
      // Not before those that waited for the end of a stall.
      if (this.#releasing > 0) this.#release(request);
      else this.#finish(request);
    };
    world.schedule(this.#freeAtMs, { owner, kind, detail, run });
  }

  /** The process that asked is dead: its requests will never be answered, but the device is idle again. */
  forget(): void {
    this.#held = [];
    this.#releasing = 0;
    this.#freeAtMs = 0;
  }

  #release(request: Request): void {
    this.#releasing += 1;
    const { owner, kind, detail } = request;
    const run = (): void => {
      this.#releasing -= 1;
      this.#finish(request);
    };
    this.world.schedule(this.world.nowMs, { owner, kind, detail, run });
  }

  #finish(request: Request): void {
    // At the end of a stall those that it held are still to be released.
    if (this.world.nowMs < this.#stalledUntilMs || this.#held.length > 0) this.#held.push(request);
    else request.run();
  }
}
