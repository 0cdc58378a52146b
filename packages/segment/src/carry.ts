/**
 * Carrying slices forward in the log, so that a few do not keep a file (Rosenblum and Ousterhout, "The Design and Implementation
 * of a Log-Structured File System", 1992: cleaning).
 *
 *     file 3   . . s . . . . .      file 7   ... | checkpoint | s (again) | ...        file 3 may go
 *
 * Most of an old file's slices have been merged. Those that cannot be, because they are undecided or a reader is before them, are
 * stated again at the head with their votes as they are now. What happens if the log ends in between: both are there, and
 * recovery takes a slice once.
 */
import type { LogRecord } from "@sixfold/wire";
import { ACCEPT } from "@sixfold/model";
import type { Kept } from "./kept.ts";
import type { PgState } from "./pg-state.ts";
import { statedVote, type StreamLog, type Taken } from "./stream-log.ts";

/** What must leave old files, and what does so by itself. */
interface Overdue {
  readonly overdueBefore: number;
  /** It can be merged, and will be soon. */
  isOnItsWay(taken: Taken): boolean;
}

/** More than this is not carried: files that hold so much are worth keeping. A fifth of a log file. */
const CARRY_BYTES_MAX = 8 << 20;
/** Slices in one record. It is one append, which must fit into a log file, and some are small. */
const RECORD_BYTES = 64 << 10;

/** The records that state what stands in files that are overdue and would stay; they are appended to file `file` or a later one. */
export function carry(
  kept: Kept<StreamLog>,
  merger: Overdue,
  pgs: ReadonlyMap<number, PgState>,
  file: number,
): LogRecord[] {
  // What has just become overdue may yet be merged.
  return restate(kept, pgs, {
    before: merger.overdueBefore - 1,
    file,
    bytesMax: CARRY_BYTES_MAX,
    stays: (taken) => merger.isOnItsWay(taken),
  });
}

/** What is known of a damaged log file and those before it, stated anew; nothing that stands in them is needed then. */
export function restateAll(
  kept: Kept<StreamLog>,
  pgs: ReadonlyMap<number, PgState>,
  damaged: number,
  file: number,
): LogRecord[] {
  const all = { before: damaged + 1, file, bytesMax: Number.POSITIVE_INFINITY, stays: () => false };
  return restate(kept, pgs, all);
}

interface What {
  /** Slices in files before this one. */
  readonly before: number;
  readonly file: number;
  /** Nothing is carried if it is more. */
  readonly bytesMax: number;
  readonly stays: (taken: Taken) => boolean;
}

function restate(
  kept: Kept<StreamLog>,
  pgs: ReadonlyMap<number, PgState>,
  { before, file, bytesMax, stays }: What,
): LogRecord[] {
  if (kept.firstFile(file) >= before) return [];
  const old: Taken[][] = [];
  let bytes = 0;
  for (const log of kept.logs) {
    const found: Taken[] = [];
    for (let i = log.first; i < log.slices.length; i++) {
      const taken = log.slices[i]!;
      if (taken.file >= before || stays(taken)) continue;
      found.push(taken);
      bytes += taken.slice.byteLength;
      if (bytes > bytesMax) return [];
    }
    if (found.length > 0) old.push(found);
  }
  const records: LogRecord[] = [];
  for (const found of old) {
    const { log } = found[0]!;
    const forgets = pgs.get(log.pg)?.planted?.has("vote-not-persisted") === true;
    for (const run of runs(found)) records.push(recordOf(log, run, forgets));
    for (const taken of found) log.carried(taken, file);
  }
  return records;
}

function* runs(found: readonly Taken[]): Iterable<readonly Taken[]> {
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < found.length; i++) {
    const size = found[i]!.slice.byteLength;
    if (i > from && bytes + size > RECORD_BYTES) {
      yield found.slice(from, i);
      from = i;
      bytes = 0;
    }
    bytes += size;
  }
  yield found.slice(from);
}

function recordOf(log: StreamLog, run: readonly Taken[], forgets: boolean): LogRecord {
  const votes = run
    .map((taken) => ({ lsn: taken.lsn, vote: statedVote(taken) }))
    .filter(({ vote }) => vote !== ACCEPT && vote.kind !== "accept" && !forgets);
  const { pg, stream, exclusive } = log;
  return { kind: "slices", pg, stream, exclusive, slices: run.map((taken) => taken.slice), votes };
}
