/** Time that only passes when everybody waits for it. */
import type { Clock, Timer } from "@sixfold/ports";

const STEP_MS = 5;
/** Turns of the event loop after which nothing more happens without time. */
const QUIET_TURNS = 6;

export class TestClock implements Clock {
  private now = 1000;
  private timers: { readonly dueMs: number; readonly run: () => void }[] = [];

  nowMs(): number {
    return this.now;
  }

  wallMs(): number {
    return this.now;
  }

  after(delayMs: number, run: () => void): Timer {
    const timer = { dueMs: this.now + delayMs, run };
    this.timers.push(timer);
    return { cancel: () => (this.timers = this.timers.filter((t) => t !== timer)) };
  }

  soon(run: () => void): void {
    setImmediate(run);
  }

  get timersSet(): number {
    return this.timers.length;
  }

  advance(ms: number): void {
    this.now += ms;
    const due = this.timers.filter((t) => t.dueMs <= this.now).sort((a, b) => a.dueMs - b.dueMs);
    this.timers = this.timers.filter((t) => t.dueMs > this.now);
    for (const timer of due) timer.run();
  }

  /** Lets what is under way go on without time passing. */
  async settle(): Promise<void> {
    for (let i = 0; i < QUIET_TURNS; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Passes time until `work` is done. Its failure is the caller's. */
  async run<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const mark = (): void => void (isDone = true);
    work.then(mark, mark);
    for (;;) {
      await this.settle();
      if (isDone) return work;
      this.advance(STEP_MS);
    }
  }
}
