/**
 * One timer for every deadline of the client: it looks around every 25 ms while there is anything to wait for,
 * so that a request costs a comparison and not a timer of its own. Deadlines are met up to 25 ms late.
 */
import type { Clock, Timer } from "@sixfold/ports";

const SWEEP_MS = 25;

export interface Sweepable {
  /** Ends what is overdue. True while there is more to wait for. */
  sweep(now: number): boolean;
}

export class DeadlineSweep {
  private readonly clock: Clock;
  private readonly members = new Set<Sweepable>();
  private timer: Timer | undefined;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  add(member: Sweepable): void {
    this.members.add(member);
  }

  /** Something has a deadline now. */
  arm(): void {
    this.timer ??= this.clock.after(SWEEP_MS, () => this.run());
  }

  stop(): void {
    this.members.clear();
    this.timer?.cancel();
    this.timer = undefined;
  }

  private run(): void {
    this.timer = undefined;
    const now = this.clock.nowMs();
    let more = false;
    for (const member of this.members) more = member.sweep(now) || more;
    if (more) this.arm();
  }
}
