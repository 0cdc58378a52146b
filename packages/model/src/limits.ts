/** Every limit and its name (I10, DESIGN section 9). Errors state the limit's name, its value and the actual size. */
import { assert } from "./assert.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

export const LIMITS = Object.freeze({
  keyBytes: 1 * KIB,
  valueBytes: 1 * MIB,
  entryBytes: 16 * MIB,
  frameBytes: 32 * MIB,
  transactionAgeMs: 5 * 60 * 1000,
  writers: 16,
  replicas: 15,
  inFlightBytesPerWriter: 64 * MIB,
  queuedCommits: 100_000,
  queuedBytes: 64 * MIB,
  waitingReads: 16_384,
  openTransactions: 65_536,
  waitingRequests: 16_384,
  requestsPerConnection: 32_768,
  scanRows: 10_000,
  scanBytes: 4 * MIB,
  procedureRows: 10_000,
  tableNameBytes: 128,
  transactionIdBytes: 64,
  tables: 100_000,
});

export type LimitName = keyof typeof LIMITS;

/** 8 KiB; a power of two from 4 to 64 KiB, fixed when the volume is created. */
export const DEFAULT_PAGE_BYTES = 8 * KIB;
export const MIN_PAGE_BYTES = 4 * KIB;
export const MAX_PAGE_BYTES = 64 * KIB;
/** Size of a protection group. */
export const DEFAULT_SEGMENT_BYTES = 10 * KIB * MIB;

// A frame holds at least one whole entry and its headers.
assert(LIMITS.frameBytes >= 2 * LIMITS.entryBytes, "a frame holds an entry");
// A row's longest value fits an entry several times, so that a rebuild with page splits does too.
assert(LIMITS.entryBytes >= 8 * LIMITS.valueBytes, "an entry holds several of the longest values");
