/**
 * Entries and slices: the log.
 *
 * An entry is one mini-transaction: every page delta (and read check) of one
 * transaction. Readers see all of it or nothing (I4). A slice is the part that
 * concerns one protection group (PG); it is the unit that travels: to the six
 * segments of the PG and, the very same bytes, to the other database nodes.
 *
 *     entry 1:17 = { page 3, page 9 | page 700 }
 *                     |                |
 *     slice pg 0: back 16       slice pg 1: back 12      (the previous LSN of the stream there)
 */
import type { Delta } from "./delta.ts";
import type { Epoch, Lsn, PageId, PgId, StreamId, TransactionId } from "./ids.ts";
import type { SliceDelta } from "./slice-delta.ts";
import type { PageVersion } from "./version.ts";

/** A page that an entry changes or checks, and the version it was built on. */
export interface PageUse {
  readonly page: PageId;
  readonly base: PageVersion;
}

/** A page that the transaction read and that must still be at `base` (serializable only). Shares its claim. */
export type ReadCheck = PageUse;

export interface Entry {
  readonly stream: StreamId;
  readonly lsn: Lsn;
  /** The aborted attempt that this entry replaces, or 0. Always lower than `lsn`. */
  readonly supersedes: Lsn;
  readonly transaction: TransactionId;
  /** Own entries, undecided when this was built, that it builds on or whose rows it read. Ascending. */
  readonly ownBases: readonly Lsn[];
  /** At most one per page, by page id ascending. */
  readonly deltas: readonly Delta[];
  /** Pages without a delta, by page id ascending. */
  readonly checks: readonly ReadCheck[];
}

/** A slice before it was encoded. */
export interface SliceFields {
  readonly stream: StreamId;
  readonly lsn: Lsn;
  readonly pg: PgId;
  /** The previous LSN of this stream with a slice in this PG, or 0. */
  readonly back: Lsn;
  readonly supersedes: Lsn;
  /** The stream owns every page of this slice: quorum 4, else 5 (DESIGN section 6). */
  readonly owned: boolean;
  /** Membership epoch that the writer knew. */
  readonly epoch: Epoch;
  /** Every PG of the entry, ascending, this one included. */
  readonly pgs: readonly PgId[];
  readonly ownBases: readonly Lsn[];
  /** Present in the slice of the entry's first PG, else empty. */
  readonly transaction: TransactionId;
  readonly deltas: readonly Delta[];
  readonly checks: readonly ReadCheck[];
}

export interface Slice extends SliceFields {
  /** They lie in `frame`. */
  readonly deltas: readonly SliceDelta[];
  /** Where it lies as encoded by wire, perhaps among others: what the log stores and what is sent on. */
  readonly frame: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly byteLength: number;
  /** A view, made when asked for. */
  readonly bytes: Uint8Array;
}

/** An entry by name. */
export interface EntryId {
  readonly stream: StreamId;
  readonly lsn: Lsn;
}
