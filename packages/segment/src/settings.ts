/** The segment server's settings and the reasons for their defaults. */
import { LIMITS } from "@sixfold/model";
import { CAPACITY, CHECKPOINTED } from "./ended.ts";
import type { SegmentSettings } from "./segment-api.ts";

const MIB = 1024 * 1024;

export const DEFAULT_SETTINGS: SegmentSettings = Object.freeze({
  // Five rounds a second cost six servers nothing and bring back a segment that was away within a second.
  gossipMs: 200,
  pullTimeoutMs: 1_000,
  // An eighth of a frame: answers do not stand in the way of appends for long.
  pullBytesMax: 4 * MIB,
  // The more at once the fewer turns; nothing else is on that link, and the peer neither copies nor sums what it sends on it.
  copyStepBytes: MIB,
  // Less than a millisecond of a peer that has the pages in the system's cache: what else is asked of it waits no longer.
  copyTurnBytes: MIB / 4,
  // Some steps of each of five survivors, and a batch being synced.
  copyAheadBytes: 24 * MIB,
  // More than a disk takes: commits go first by the order of the work. Less is for those who share the network with others.
  copyBytesPerSecond: 1024 * MIB,
  // 4096 pages of 8 KiB.
  imageCacheBytes: 32 * MIB,
  // Some 70,000 small slices, seconds of a busy writer: of a million rows each page has a patch for five or six.
  mergeAboveBytes: 56 * MIB,
  // Storing a page is a fifth of the work then, and its batch is worth its two syncs.
  ripeChanges: 64,
  ripePages: 32,
  retainBytesMax: 72 * MIB,
  // Objects, and about half as much again that waits for the collector; with what else a server needs (80 MiB of program and buffers, images,
  // pages under way) below 512 MiB (docs/performance.md).
  keepBytesMax: 88 * MIB,
  // 80 to 120 MiB of log that a peer can pull; read back in well under two seconds.
  logFilesKept: 2,
  // Half a minute for a report to come.
  lowWaterAgeMs: LIMITS.transactionAgeMs + 30_000,
  // Some 5 MiB.
  idleChainsMax: 16_384,
  outcomesKept: CAPACITY,
  outcomesCheckpointed: CHECKPOINTED,
  // 256 pages of 8 KiB each 20 ms are 100 MB/s, more than the log brings.
  mergePagesPerTick: 256,
  // Some 8 ms.
  mergeChangesPerTick: 2048,
  // 48 pages of 8 KiB, some 2 ms: 19 MB/s, and others have most of the processor.
  mergeBytesPerTick: 384 * 1024,
  // 20,000 slices each 20 ms are a million a second.
  indexSlicesPerTick: 20_000,
  // A PG of 10 GiB is gone within a few minutes.
  removePagesPerTick: 256,
  // 50 ticks a second: at most 1.6 MB/s of 8 KiB pages, and so up to 280 GiB in the two days.
  scrubPagesPerTick: 4,
  scrubPassMs: 2 * 24 * 3_600_000,
});
