/**
 * Clock: time and turns, as a machine's driver sees them.
 *
 * Cores take time as a value; only drivers hold a Clock. Two notions are kept apart because mixing
 * them is a classic fault: `nowMs` never goes back and means nothing outside the process (use it for
 * every duration and deadline), `wallMs` is what a person reads and may jump (use it only to show).
 */

export interface Timer {
  /** Idempotent; harmless after the timer has fired. */
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds with a fraction; the origin is arbitrary. */
  nowMs(): number;

  /** Unix time in milliseconds. May jump either way. */
  wallMs(): number;

  /**
   * Runs `run` once, not before `delayMs` from now and never within this call. Timers that are due
   * together fire in the order of their due times, then of their creation.
   */
  after(delayMs: number, run: () => void): Timer;

  /**
   * Runs `run` once, after the I/O events of this turn: the place to flush what several frames of one
   * turn have gathered. Callbacks run in the order given; one given from within a callback runs in
   * a later round, so that I/O is never starved.
   */
  soon(run: () => void): void;
}
