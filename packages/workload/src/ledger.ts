/**
 * What the clients of a run know: how often each key was changed for certain, and which
 * transactions may or may not have happened.
 *
 * A commit whose reply was lost is asked for by its id; only if nobody can say does it stay
 * uncertain, and then the key's count may be anything between.
 */
import type { WorkloadDatabase } from "./database-face.ts";

interface Uncertain {
  readonly transaction: string | undefined;
  readonly keys: readonly string[];
}

/** How often a key was changed: at least `least`, at most `most`. */
export interface ExpectedChanges {
  readonly least: number;
  readonly most: number;
}

const NO_CHANGES: ExpectedChanges = { least: 0, most: 0 };
/** Observations kept word by word; the rest is only counted. */
const OBSERVATIONS_KEPT = 3;

export class Ledger {
  private readonly committed = new Map<string, number>();
  private uncertain: Uncertain[] = [];
  private readonly observations: string[] = [];
  private observationCount = 0;
  /** Transactions acknowledged as committed. */
  transactions = 0;

  /** A transaction that changed each of `keys` once was acknowledged. */
  commit(keys: readonly string[]): void {
    this.transactions++;
    for (const key of keys) this.committed.set(key, (this.committed.get(key) ?? 0) + 1);
  }

  /** A transaction that would have changed `keys` ended without an answer. */
  doubt(transaction: string | undefined, keys: readonly string[]): void {
    this.uncertain.push({ transaction, keys });
  }

  /** A client saw what it must never see. */
  observe(violation: string): void {
    this.observationCount++;
    if (this.observations.length < OBSERVATIONS_KEPT) this.observations.push(violation);
  }

  /** What clients saw and never should have; undefined if nothing. */
  violation(): string | undefined {
    if (this.observationCount === 0) return undefined;
    const more = this.observationCount - this.observations.length;
    return this.observations.join("; ") + (more > 0 ? `; and ${more} more` : "");
  }

  /** Asks the database for the outcomes still open. */
  async settle(db: WorkloadDatabase): Promise<void> {
    const open: Uncertain[] = [];
    for (const doubt of this.uncertain) {
      const outcome = doubt.transaction === undefined ? "unknown" : await db.outcome(doubt.transaction);
      if (outcome === "committed") this.commit(doubt.keys);
      else if (outcome === "unknown") open.push(doubt);
    }
    this.uncertain = open;
  }

  get uncertainTransactions(): number {
    return this.uncertain.length;
  }

  changesOf(key: string): ExpectedChanges {
    const least = this.committed.get(key) ?? 0;
    if (this.uncertain.length === 0) return least === 0 ? NO_CHANGES : { least, most: least };
    let most = least;
    for (const doubt of this.uncertain) for (const k of doubt.keys) if (k === key) most++;
    return { least, most };
  }

  /** Changes over all keys together. */
  allChanges(): ExpectedChanges {
    let least = 0;
    for (const n of this.committed.values()) least += n;
    let most = least;
    for (const doubt of this.uncertain) most += doubt.keys.length;
    return { least, most };
  }
}

/** "41, not 42" or "41, not 42 to 44", if `actual` is out of the expected range. */
export function unexpected(actual: number, expected: ExpectedChanges): string | undefined {
  if (actual >= expected.least && actual <= expected.most) return undefined;
  return `${actual}, not ${expected.least}${expected.most === expected.least ? "" : ` to ${expected.most}`}`;
}
