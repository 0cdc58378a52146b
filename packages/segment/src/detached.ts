/**
 * Committed deltas of one page whose base is not on its chain yet.
 *
 *     head ── ?                 the base is still to come, from a stream that is sent again later, or from a peer
 *               └── d5 ── d6    they wait here, and join the chain when it is there
 *
 * A segment that was away gets one stream's slices before another's, and thousands of a hot page may wait: they are found by what they build
 * on and by what they are, each in O(1).
 */
import type { PageVersion, SliceDelta } from "@sixfold/model";
import type { Taken } from "./stream-log.ts";

/** A committed delta. */
export interface Change {
  readonly taken: Taken;
  readonly delta: SliceDelta;
}

const NOTHING: readonly Change[] = [];

const keyOf = (v: PageVersion): string => `${v.stream}:${v.lsn}`;

export class Detached {
  /** By version, in order of arrival. */
  private readonly changes = new Map<string, Change>();
  /** By base; of several on one base only one can ever join. */
  private readonly bases = new Map<string, Change[]>();

  get size(): number {
    return this.changes.size;
  }

  add(change: Change): void {
    this.changes.set(keyOf(change.taken), change);
    const key = keyOf(change.delta.base);
    const rivals = this.bases.get(key);
    if (rivals === undefined) this.bases.set(key, [change]);
    else rivals.push(change);
  }

  has(version: PageVersion): boolean {
    return this.changes.has(keyOf(version));
  }

  /** Those built on this version, in order of arrival. */
  on(base: PageVersion): readonly Change[] {
    return (this.bases.size > 0 ? this.bases.get(keyOf(base)) : undefined) ?? NOTHING;
  }

  remove(change: Change): void {
    this.changes.delete(keyOf(change.taken));
    const key = keyOf(change.delta.base);
    const rivals = this.bases.get(key)!.filter((other) => other !== change);
    if (rivals.length === 0) this.bases.delete(key);
    else this.bases.set(key, rivals);
  }

  /** In order of arrival. */
  [Symbol.iterator](): IterableIterator<Change> {
    return this.changes.values();
  }
}

/** Most chains have none. */
export const NO_CHANGES: ReadonlyDetached = new Detached();

/** What others may ask. */
export type ReadonlyDetached = Pick<Detached, "size" | "has" | "on" | typeof Symbol.iterator>;
