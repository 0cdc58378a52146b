/**
 * Transactions that ended without an answer, until `outcome` says what became of them. What nobody can say stays open: it
 * may have happened or not.
 */
import type { WorkloadOperations } from "./database-face.ts";

/** Who is asked at once after a failure may need a moment to know. */
const ASKED_AT_MOST = 5;

interface Doubt<T> {
  readonly of: T;
  /** The id to ask for; undefined: the client never knew it. */
  readonly transaction: string | undefined;
}

export class Doubts<T> {
  private doubts: Doubt<T>[] = [];

  add(of: T, transaction: string | undefined): void {
    this.doubts.push({ of, transaction });
  }

  get open(): readonly Doubt<T>[] {
    return this.doubts;
  }

  async settle(
    db: WorkloadOperations,
    settled: (of: T, outcome: "committed" | "aborted") => void,
  ): Promise<void> {
    for (let times = 0; times < ASKED_AT_MOST && this.doubts.length > 0; times++) {
      const asked = this.doubts;
      this.doubts = [];
      for (const doubt of asked) {
        const outcome = doubt.transaction === undefined ? "unknown" : await db.outcome(doubt.transaction);
        if (outcome === "unknown") this.doubts.push(doubt);
        else settled(doubt.of, outcome);
      }
    }
  }
}
