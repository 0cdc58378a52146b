/**
 * Quorum arithmetic over six replicas in three zones (Aurora, SIGMOD 2017, section 2; DESIGN section 6).
 */
import { assert } from "./assert.ts";

/** Replicas of a protection group: two in each of three zones. */
export const REPLICAS = 6;
export const ZONES = 3;
/** Accepts that commit an entry whose stream owns the pages; also fence, durable abort and manifest majority. */
export const OWNED_QUORUM = 4;
/** Accepts that commit an entry on pages that pass from one stream to another. */
export const TRANSFERRED_QUORUM = 5;
/** Segments that a recovery must fence in each PG. */
export const FENCE_QUORUM = 4;
/** Manifest seats that a read-only check must hear: any four meet any three. */
export const MANIFEST_CHECK_QUORUM = 3;

// Two rivals on one base are never both owners; whichever four segments a recovery sees, only one of them can have been committed.
assert(OWNED_QUORUM + TRANSFERRED_QUORUM + FENCE_QUORUM > 2 * REPLICAS, "4 + 5 + 4 > 12");
// Every write quorum meets every fence, so a fenced stream can commit nothing that recovery does not see.
assert(OWNED_QUORUM + FENCE_QUORUM > REPLICAS, "4 + 4 > 6");
// A whole zone and nothing else may be lost without stopping writes (I7).
assert(REPLICAS - REPLICAS / ZONES >= OWNED_QUORUM, "6 - 2 >= 4");
assert(MANIFEST_CHECK_QUORUM + FENCE_QUORUM > REPLICAS, "3 + 4 > 6");

/** Accepts that an entry needs in a PG. */
export const quorumFor = (owned: boolean): number => (owned ? OWNED_QUORUM : TRANSFERRED_QUORUM);

/**
 * Can an entry have been committed by votes, given how many of the fenced segments did *not* accept it?
 * (DESIGN section 7, step 2, last rule.)
 */
export const mayHaveCommitted = (owned: boolean, fencedWithoutAccept: number): boolean =>
  fencedWithoutAccept <= REPLICAS - quorumFor(owned);
