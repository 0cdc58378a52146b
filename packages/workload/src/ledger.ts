/**
 * What the clients of a run know: how often each key was changed for certain, and which
 * transactions may or may not have happened.
 *
 * A commit whose reply was lost is asked for by its id; only if nobody can say does it stay
 * uncertain, and then the key's count may be anything between.
 */
import type { WorkloadOperations } from "./database-face.ts";
import { Doubts } from "./doubts.ts";

/** How often a key was changed: at least `least`, at most `most`. */
export interface ExpectedChanges {
  readonly least: number;
  readonly most: number;
}

export class Ledger {
  private readonly committed = new Map<string, number>();
  /** The keys of each transaction in doubt. */
  private readonly doubts = new Doubts<readonly string[]>();

  /** A transaction that changed each of `keys` once was acknowledged. */
  commit(keys: readonly string[]): void {
    for (const key of keys) this.committed.set(key, (this.committed.get(key) ?? 0) + 1);
  }

  /** A transaction that would have changed `keys` ended without an answer. */
  doubt(transaction: string | undefined, keys: readonly string[]): void {
    this.doubts.add(keys, transaction);
  }

  /** Asks the database for the outcomes still open. */
  settle(db: WorkloadOperations): Promise<void> {
    return this.doubts.settle(db, (keys, outcome) => {
      if (outcome === "committed") this.commit(keys);
    });
  }

  changesOf(key: string): ExpectedChanges {
    const least = this.committed.get(key) ?? 0;
    let most = least;
    for (const { of: keys } of this.doubts.open) for (const k of keys) if (k === key) most++;
    return { least, most };
  }

  /** Changes over all keys together. */
  allChanges(): ExpectedChanges {
    let least = 0;
    for (const n of this.committed.values()) least += n;
    let most = least;
    for (const { of: keys } of this.doubts.open) most += keys.length;
    return { least, most };
  }
}

/** "41, not 42" or "41, not 42 to 44", if `actual` is out of the expected range. */
export function unexpected(actual: number, expected: ExpectedChanges): string | undefined {
  if (actual >= expected.least && actual <= expected.most) return undefined;
  return `${actual}, not ${expected.least}${expected.most === expected.least ? "" : ` to ${expected.most}`}`;
}
