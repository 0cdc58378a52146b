/**
 * Which transactions count, and the longest list that was read of each key.
 *
 * Committed ones count. Unknown ones count if a transaction that counts read one of their writes: then they
 * happened. Otherwise they are left out: whether they happened or not, nobody can tell, and nobody was promised anything. Aborted ones never
 * count; who reads of them meets G1a.
 *
 * Lists are walked once: a read that continues the longest list known so far needs a look at the new elements only.
 */
import { startsWith, type ExternalRead, type Footprint } from "./footprint.ts";
import type { History } from "./history.ts";
import { NOBODY, type Versions } from "./versions.ts";

export interface Counted {
  /** By position in the history. */
  readonly isCounted: Uint8Array;
  /** By key; undefined if no counted transaction listed it. */
  readonly longest: readonly (readonly number[] | undefined)[];
}

export function countTransactions(
  history: History,
  footprints: readonly Footprint[],
  versions: Versions,
): Counted {
  const isCounted = new Uint8Array(history.length);
  const longest: (readonly number[] | undefined)[] = new Array<undefined>(versions.keyCount).fill(undefined);
  const waiting: number[] = [];
  const count = (transaction: number): void => {
    if (transaction === NOBODY || isCounted[transaction] === 1) return;
    if (history[transaction]!.outcome === "aborted") return;
    isCounted[transaction] = 1;
    waiting.push(transaction);
  };
  const countWriter = (key: number, value: number): void => {
    const version = versions.find(key, value);
    if (version !== undefined) count(versions.writerOf(version));
  };
  const follow = (key: number, read: ExternalRead): void => {
    if (versions.kindOf(key) === "register") {
      if (read.value !== undefined) countWriter(key, read.value);
      return;
    }
    const known = longest[key] ?? [];
    const common = Math.min(known.length, read.length);
    const from = startsWith(known, read.values, common) ? common : 0;
    for (let i = from; i < read.length; i++) countWriter(key, read.values[i]!);
    if (read.length > known.length || longest[key] === undefined)
      longest[key] = read.values.length === read.length ? read.values : read.values.slice(0, read.length);
  };
  history.forEach(({ outcome }, index) => {
    if (outcome === "committed") count(index);
  });
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop())
    for (const [key, read] of footprints[next]!.reads) follow(key, read);
  return { isCounted, longest };
}
