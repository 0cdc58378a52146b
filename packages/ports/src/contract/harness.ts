/**
 * What a contract suite needs of the world its port lives in: a way to let that world go on. A real one goes on
 * by itself; a simulated one stands still unless it is run.
 */
export interface Harness {
  /** Lets the world go on until the condition holds; fails if it never will. */
  until(condition: () => boolean): Promise<void>;
  /** Lets the world go on until the promise settles, and passes on how. */
  settle<T>(promise: Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** A callback's outcome, to be waited for: `harness.until(outcome.isCalled)`. */
export class Outcome {
  calls = 0;
  error: Error | undefined;

  readonly done = (error?: Error): void => {
    this.calls += 1;
    this.error = error;
  };

  readonly isCalled = (): boolean => this.calls > 0;
}

/** Distinct, cheap, reproducible content. */
export function pattern(bytes: number, seed: number): Uint8Array {
  const out = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) out[i] = (i * 31 + (i >>> 8) * 17 + seed * 101) & 0xff;
  return out;
}
