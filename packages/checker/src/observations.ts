/** What a history's transactions saw and did, ready for the orders of versions to be worked out key by key. */
import type { Footprint } from "./footprint.ts";
import type { History } from "./history.ts";
import type { Versions } from "./versions.ts";

export interface Observations {
  readonly history: History;
  /** These three by position in the history. */
  readonly footprints: readonly Footprint[];
  readonly isCounted: Uint8Array;
  readonly versions: Versions;
}

/** Counted transactions that read a key before they wrote it, if they did, and those that wrote it. */
export interface KeyUsers {
  readonly readers: number[];
  readonly writers: number[];
}

/** By key. */
export function usersOf({ footprints, isCounted, versions }: Observations): KeyUsers[] {
  const users = Array.from({ length: versions.keyCount }, (): KeyUsers => ({ readers: [], writers: [] }));
  footprints.forEach(({ reads, writes }, index) => {
    if (isCounted[index] === 0) return;
    for (const key of reads.keys()) users[key]!.readers.push(index);
    for (const key of writes.keys()) users[key]!.writers.push(index);
  });
  return users;
}
