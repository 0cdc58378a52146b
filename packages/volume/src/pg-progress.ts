/**
 * How far the own stream has come in one PG, segment by segment.
 *
 *     SCL   per segment: no slice up to here is missing there
 *     PGCL  the fourth highest SCL: a write quorum has everything up to here
 *     known the fourth highest `decidedThrough`: decisions up to here are durable on four of six,
 *           so batches need not carry them any more (DESIGN section 6)
 *
 * Segments are numbered 0 … 5 in the order of the manifest's members.
 */
import {
  assert,
  OWNED_QUORUM,
  REPLICAS,
  type Lsn,
  type NodeName,
  type PgId,
  type Slice,
} from "@sixfold/model";
import { RetainedSlices } from "./retained.ts";
import type { SentOn } from "./sent.ts";

export const ALL_MEMBERS = (1 << REPLICAS) - 1;

/** Bits set in a mask of six. */
const BITS = Uint8Array.from({ length: 1 << REPLICAS }, (_, mask) => {
  let n = 0;
  for (let bits = mask; bits !== 0; bits &= bits - 1) n++;
  return n;
});
export const countBits = (mask: number): number => BITS[mask]!;

const scratch = new Float64Array(REPLICAS);

/** The highest position that `quorum` segments have reached. */
export function reachedBy(quorum: number, positions: readonly number[]): Lsn {
  // Insertion sort of six numbers, descending: no allocation, and mostly sorted already.
  for (let i = 0; i < REPLICAS; i++) {
    const x = positions[i]!;
    let j = i;
    for (; j > 0 && scratch[j - 1]! < x; j--) scratch[j] = scratch[j - 1]!;
    scratch[j] = x;
  }
  return scratch[quorum - 1] as Lsn;
}

export class PgProgress {
  readonly pg: PgId;
  readonly members: readonly NodeName[];
  readonly kept = new RetainedSlices<SentOn<PgProgress>>();
  readonly scl: number[] = [0, 0, 0, 0, 0, 0];
  readonly decidedThrough: number[] = [0, 0, 0, 0, 0, 0];
  /** When the segment's SCL last moved, or slices were first sent to it after it had all. */
  readonly movedAt: number[] = [0, 0, 0, 0, 0, 0];
  pgcl = 0 as Lsn;
  known = 0 as Lsn;
  /** Last LSN with a slice in this PG: the next one's back-link. */
  lastSlice = 0 as Lsn;
  /** Last decided LSN with a slice here, and the last committed one. */
  lastDecided = 0 as Lsn;
  lastCommitted = 0 as Lsn;
  /** Decisions sent to this PG's segments reach to here. */
  decidedSent = 0 as Lsn;
  /** Until then foreign slices count as waiting here for what this writer claims. */
  rivalsUntil = 0;
  /** Aborts beyond the durable point that this PG's segments have not been sent. */
  hasNewAborts = false;
  /** Since when decisions wait to be sent; undefined while none do. */
  dirtySince: number | undefined;
  decisionsSentAt = 0;
  /** Segments that get batches as they are sent; others are first asked where they stand. */
  live = 0;
  /** Segments that fell too far behind: gossip brings what they lack, until they are taken back. */
  left = 0;
  /** Last LSN sent to each on its present link. */
  readonly sentTo: number[] = [0, 0, 0, 0, 0, 0];
  /** Answers to slices up to here say nothing of how long an answer takes: they were sent again. */
  readonly resentTo: number[] = [0, 0, 0, 0, 0, 0];
  /** Bytes that a write quorum has and a live segment has not, as last counted. */
  readonly behind: number[] = [0, 0, 0, 0, 0, 0];
  /** Segments that were asked, and whose next ack says what to send again. */
  asked = 0;
  /** Of those asked, the ones that have moved since: what was sent to them before comes in, and is not to be sent again. */
  stirred = 0;
  /** Slices cut for the batch that is being made. */
  outgoing: Slice[] = [];
  /** Place in the writer's list of PGs with slices that no quorum has, or -1. */
  pendingIndex = -1;
  /** This PG alone: shared by all entries with a single slice. */
  readonly alone: readonly PgProgress[];

  /** Segments that make a position durable: 4, unless a test plants another number. */
  private readonly quorum: number;

  constructor(pg: PgId, members: readonly NodeName[], quorum = OWNED_QUORUM) {
    this.quorum = quorum;
    assert(members.length === REPLICAS, "a protection group has six segments");
    this.pg = pg;
    this.members = members;
    this.alone = [this];
  }

  /** Takes an ack's positions; true if the PGCL moved. Positions never go back: acks are of durable things. */
  acked(member: number, scl: Lsn, decidedThrough: Lsn, now: number): boolean {
    if (decidedThrough > this.decidedThrough[member]!) {
      this.decidedThrough[member] = decidedThrough;
      this.known = reachedBy(OWNED_QUORUM, this.decidedThrough);
    }
    if (scl <= this.scl[member]!) return false;
    this.scl[member] = scl;
    this.movedAt[member] = now;
    const reached = reachedBy(this.quorum, this.scl);
    if (reached <= this.pgcl) return false;
    this.pgcl = reached;
    this.kept.reached(reached);
    return true;
  }

  /** Segments that know the decision of the slice at `at`, and have it. A decision may be there before its slice. */
  holdersOf(at: Lsn): number {
    let n = 0;
    for (let i = 0; i < REPLICAS; i++) if (this.scl[i]! >= at && this.decidedThrough[i]! >= at) n++;
    return n;
  }

  /** The position that all six have reached. */
  slowest(): Lsn {
    let low = this.scl[0]!;
    for (let i = 1; i < REPLICAS; i++) if (this.scl[i]! < low) low = this.scl[i]!;
    return low as Lsn;
  }

  /** Names of the segments in `mask`. */
  names(mask: number): readonly NodeName[] {
    if (mask === ALL_MEMBERS) return this.members;
    return this.members.filter((_, i) => (mask & (1 << i)) !== 0);
  }
}
