/**
 * Turns: calls one function again and again, and lets all microtasks settle before each call, however many start one
 * another.
 *
 * Node.js runs all microtasks between two immediates (since version 11), also between those of one pass of the event loop.
 * A pass costs a microsecond, mostly in the kernel; an immediate hardly anything. So they are queued by the
 * dozen: measured 0.07 us a call, against 1.1 us for awaiting one immediate each time.
 */
const perPass = 64;

export class Turns {
  readonly #take: () => boolean;
  /** Immediates that have not run yet. Those left over when `take` ends do nothing, or serve the next beginning. */
  #queued = 0;
  #going = false;

  /** `take` says whether it wants another turn. It must not throw. */
  constructor(take: () => boolean) {
    this.#take = take;
  }

  /** Never calls `take` within this call. */
  begin(): void {
    this.#going = true;
    if (this.#queued === 0) this.#fill();
  }

  #fill(): void {
    for (; this.#queued < perPass; this.#queued++) setImmediate(this.#run);
  }

  readonly #run = (): void => {
    this.#queued -= 1;
    if (this.#going) this.#going = this.#take();
    if (this.#going && this.#queued === 0) this.#fill();
  };
}
