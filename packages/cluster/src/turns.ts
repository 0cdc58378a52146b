/** The turns of a machine on its ports: one for all that came in, and one more when it says that it is due. */
import type { Clock, Timer } from "@sixfold/ports";

export class Turns {
  private readonly clock: Clock;
  private readonly run: () => number | undefined;
  private isSoon = false;
  private alarm: Timer | undefined;

  /** `run` returns when it is to run again at the latest, though nothing came in; undefined if it has nothing to wait for. */
  constructor(clock: Clock, run: () => number | undefined) {
    this.clock = clock;
    this.run = run;
  }

  /** Something came in: a turn once the frames that came with it have all been taken. */
  soon(): void {
    if (this.isSoon) return;
    this.isSoon = true;
    this.clock.soon(() => {
      this.isSoon = false;
      const dueAt = this.run();
      if (dueAt !== undefined) this.at(dueAt);
    });
  }

  /** One alarm at a time: the earlier one leads to the later. */
  private at(dueAt: number): void {
    const delayMs = dueAt - this.clock.nowMs();
    if (delayMs <= 0) return this.soon();
    this.alarm ??= this.clock.after(delayMs, () => {
      this.alarm = undefined;
      this.soon();
    });
  }
}
