/**
 * Guards of running transactions: each breaks its transaction off when the deadline passes, the caller's signal is
 * aborted or the client is closed, even if the callback itself never comes back.
 */
import { SixfoldError, YoungSet } from "@sixfold/model";
import type { DeadlineSweep, Sweepable } from "./deadline-sweep.ts";
import { cancelled, clientClosed } from "./endings.ts";

/** What a guard needs of its transaction. */
export interface Guarded {
  readonly id: string;
  /** Its commit was sent: it can no longer be given up without doubt. */
  readonly isCommitting: boolean;
}

export class Guard {
  /** Never resolves. */
  readonly broken: Promise<never>;
  readonly deadlineMs: number;
  private readonly tx: Guarded;
  private readonly signal: AbortSignal | undefined;
  private reject: (error: SixfoldError) => void = () => undefined;

  constructor(tx: Guarded, deadlineMs: number, signal: AbortSignal | undefined) {
    this.tx = tx;
    this.deadlineMs = deadlineMs;
    this.signal = signal;
    this.broken = new Promise((_, reject) => (this.reject = reject));
    // Broken before anyone looks: that is no unhandled rejection.
    this.broken.catch(() => undefined);
    signal?.addEventListener("abort", this.onAbort, { once: true });
  }

  get isCommitting(): boolean {
    return this.tx.isCommitting;
  }

  break(error: SixfoldError): void {
    if (!this.tx.isCommitting) return this.reject(error);
    // The commit is out: whoever gives up now does not know.
    const { code, message } = error;
    this.reject(
      new SixfoldError(code, `${message}, while the commit was under way`, {
        outcome: "unknown",
        retryable: "no",
        details: { transaction: this.tx.id },
        cause: error,
      }),
    );
  }

  release(): void {
    this.signal?.removeEventListener("abort", this.onAbort);
  }

  private readonly onAbort = (): void => {
    this.break(cancelled(this.signal!));
  };
}

export class Guards implements Sweepable {
  private readonly deadlines: DeadlineSweep;
  private readonly guards = new YoungSet<Guard>();

  constructor(deadlines: DeadlineSweep) {
    this.deadlines = deadlines;
    deadlines.add(this);
  }

  watch(tx: Guarded, deadlineMs: number, signal: AbortSignal | undefined): Guard {
    const guard = new Guard(tx, deadlineMs, signal);
    this.guards.add(guard);
    this.deadlines.arm();
    return guard;
  }

  release(guard: Guard): void {
    guard.release();
    this.guards.delete(guard);
  }

  /** A commit under way has its own deadline, and an error that says more. */
  sweep(now: number): boolean {
    for (const guard of this.guards)
      if (guard.deadlineMs <= now && !guard.isCommitting)
        guard.break(new SixfoldError("timeout", "the transaction's time is over"));
    return this.guards.size > 0;
  }

  close(): void {
    for (const guard of this.guards) guard.break(clientClosed());
  }
}
