/**
 * Device: the medium under a simulated disk or page store, as far as time and faults go. It serves one request
 * after the other, each for a drawn time; it can be slowed, stalled, filled, and told to fail.
 */
import type { Random } from "@sixfold/model";
import type { Delay } from "./delay.ts";
import { drawDelay } from "./delay.ts";
import type { Incarnation, Timeline } from "./timeline.ts";

export interface DeviceOptions {
  readonly random: Random;
  readonly sync: Delay;
  /** Bytes. */
  readonly capacity: number;
}

/** 400 MB/s. */
const bytesPerMs = 400_000;

interface Request {
  readonly owner: Incarnation;
  readonly kind: string;
  readonly detail: number;
  readonly run: () => void;
}

export class Device {
  readonly random: Random;
  /** Room in bytes; lower it below what is used, and nothing new fits. */
  capacity: number;
  /** Multiplies every delay. */
  slowdown = 1;
  readonly #sync: Delay;
  #freeAtMs = 0;
  #stalled = false;
  #held: { world: Timeline; request: Request }[] = [];
  #failures: Error[] = [];

  constructor(options: DeviceOptions) {
    this.random = options.random;
    this.#sync = options.sync;
    this.capacity = options.capacity;
  }

  /** Requests are taken, none is finished until `unstall`. */
  stall(): void {
    this.#stalled = true;
  }

  /** What waited is finished at once, in order. */
  unstall(): void {
    this.#stalled = false;
    const held = this.#held;
    this.#held = [];
    for (const { world, request } of held) world.schedule(world.nowMs, request);
  }

  /** The next write (or batch) ends in this error. May be called several times for the following ones. */
  failNext(error: Error): void {
    this.#failures.push(error);
  }

  /** The error planned for the write that is just ending, if any. */
  takeFailure(): Error | undefined {
    return this.#failures.shift();
  }

  /** Does the request when its turn and time have come; never if its owner is dead by then. */
  serve(world: Timeline, request: Request, bytes: number): void {
    const took = (drawDelay(this.#sync, this.random) + bytes / bytesPerMs) * this.slowdown;
    this.#freeAtMs = Math.max(this.#freeAtMs, world.nowMs) + took;
    const run = (): void => {
      if (this.#stalled) this.#held.push({ world, request });
      else request.run();
    };
    world.schedule(this.#freeAtMs, { ...request, run });
  }

  /** The process that asked is dead: its requests will never be answered, but the device is idle again. */
  forget(): void {
    this.#held = [];
    this.#freeAtMs = 0;
  }
}
