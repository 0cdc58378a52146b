/**
 * Reads of clients: at the read point of their transaction, or at the newest for single ones.
 *
 * Fast path: descend on the newest pages; a row found there whose version is visible at the
 * read point *is* the answer, because any later change of it would be its version. Otherwise the
 * tree is descended as of the read point: pages that are visible as they are, are used as they
 * are, others are rebuilt from their history or fetched.
 */
import {
  LIMITS,
  SixfoldError,
  lsn,
  streamId,
  type PageId,
  type ReadPoint,
  limitExceeded,
} from "@sixfold/model";
import { unknownTable } from "./catalog.ts";
import type { ScanRange, TxHandle } from "./engine-api.ts";
import type { EngineState } from "./engine-state.ts";
import type { Job } from "./job.ts";
import { checkTransactions } from "./pressure.ts";
import type { ReadView } from "./read-view.ts";
import { rowName } from "./row-locks.ts";
import { KIND_LEAF, cellAt, rowLsn, rowStream, searchLeaf } from "./slotted-page.ts";
import { MAX_READS_NOTED, type Transaction } from "./transactions.ts";
import { ScanCursor, copyRows, findLeaf, lookup, rowValue } from "./tree.ts";
import { UNWIND } from "./unwind.ts";
import { checkRow } from "./validation.ts";

type JobOf<K extends Job["work"]["kind"]> = Job & { readonly work: Extract<Job["work"], { kind: K }> };

/** Finds or begins the transaction of a request. Throws why it cannot go on. */
export function transactionOf(state: EngineState, handle: TxHandle, begin: boolean): Transaction | undefined {
  const tx = state.transactions.get(handle.id);
  if (tx !== undefined) {
    if (tx.ended !== undefined) throw tx.ended;
    if (tx.committing) throw new SixfoldError("bad-handle", "the transaction is being committed");
    return tx;
  }
  if (handle.began)
    throw new SixfoldError("connection-lost", "this node does not know the transaction any more", {
      details: { transaction: handle.id },
    });
  if (!begin) return undefined;
  checkTransactions(state);
  return state.transactions.begin(handle, state.now);
}

/** The transaction of a read begins at this view, if it has not begun. */
export function beginAt(state: EngineState, job: Job, view: ReadView | undefined): void {
  if (view === undefined) return;
  if (job.tx === undefined) job.view = state.views.share(view);
  else job.tx.view ??= state.views.share(view);
}

export function runGet(state: EngineState, job: JobOf<"get">): void {
  const { read } = job.work;
  if (job.tx?.ended !== undefined) throw job.tx.ended;
  if (read.forUpdate) lockRows(state, job, job.tx!);
  if (job.tx !== undefined) job.tx.view ??= state.openView();
  else if (job.run > 1) job.view ??= state.openView();
  const view = job.tx?.view ?? job.view;
  const at = view?.readPoint ?? state.applied;
  const values: (Uint8Array | undefined)[] = [];
  for (const key of read.keys) {
    try {
      const fast = readAtHead(state, at, read.table, key);
      values.push(fast ?? readPast(state, job, read.table, key));
    } catch (reason) {
      // Look at the other keys too, so that all missing pages are fetched together.
      if (reason !== UNWIND || !state.wants.onlyPages) throw reason;
    }
  }
  if (state.wants.any) throw UNWIND;
  state.rowsRead += read.keys.length;
  if (job.tx !== undefined) noteReads(job.tx, read.table, read.keys);
  state.finish(job, { kind: "values", values });
}

/** The row's value if the newest one is visible at `at`; undefined if that cannot be told from the newest pages. */
function readAtHead(
  state: EngineState,
  at: ReadPoint,
  table: string,
  key: Uint8Array,
): Uint8Array | undefined {
  const { builder } = state;
  const root = state.catalog.root(builder, table);
  if (root === undefined) return undefined;
  const leaf = builder.read(findLeaf(builder, root, key));
  if (leaf[0] !== KIND_LEAF) return undefined;
  const index = searchLeaf(leaf, key);
  if (index < 0) return undefined;
  const cell = cellAt(leaf, index);
  if (at.get(streamId(rowStream(leaf, cell))) < rowLsn(leaf, cell)) return undefined;
  return rowValue(builder, leaf, index);
}

function readPast(state: EngineState, job: Job, table: string, key: Uint8Array): Uint8Array | undefined {
  const root = pastRoot(state, job, table);
  return lookup(state.viewReader, root, key);
}

/** The table's root as the job's view sees it; the view reader is set to that view. */
function pastRoot(state: EngineState, job: Job, table: string): PageId {
  if (job.tx !== undefined) job.tx.view ??= state.openView();
  else job.view ??= state.openView();
  state.viewReader.view = (job.tx?.view ?? job.view)!;
  const root = state.catalog.rootAt(state.viewReader, table);
  if (root === undefined) throw unknownTable(table);
  return root;
}

/**
 * Takes the rows' locks, or unwinds to wait for them. A transaction that begins with this sees the rows as they
 * are once all are locked and decided; in one begun before, a row changed since is a conflict now, not at commit.
 */
function lockRows(state: EngineState, job: JobOf<"get">, tx: Transaction): void {
  const { read } = job.work;
  if (state.stream === 0) throw new SixfoldError("not-a-writer", "rows are locked at a writer");
  for (const key of read.keys) state.lockRow(rowName(read.table, key), job);
  if (tx.view === undefined) for (const key of read.keys) untilShown(state, job, read.table, key);
  tx.view ??= state.openView();
  state.viewReader.view = tx.view;
  for (const key of read.keys) checkRow(state, job, tx, read.table, key);
}

/** Unwinds until the row's newest version is decided and visible. */
function untilShown(state: EngineState, job: Job, table: string, key: Uint8Array): void {
  const { builder } = state;
  const root = state.catalog.rootOrFail(builder, table);
  const frame = builder.head(findLeaf(builder, root, key));
  const p = frame.image;
  const index = searchLeaf(p, key);
  let { version } = frame;
  if (index >= 0)
    version = { stream: streamId(rowStream(p, cellAt(p, index))), lsn: lsn(rowLsn(p, cellAt(p, index))) };
  // An absent row may have been deleted a moment ago; once is enough, for a busy page is never without undecided changes.
  else if (job.lookedAgain) return;
  if (!state.isUndecided(version)) return;
  if (index < 0) job.lookedAgain = true;
  state.wants.entry = version.lsn;
  throw UNWIND;
}

function noteReads(tx: Transaction, table: string, keys: readonly Uint8Array[]): void {
  for (const key of keys) if (!tx.noteRow(rowName(table, key), table, key)) throw tooManyReads(tx);
}

/** Only serializable transactions have to remember all they read. */
function tooManyReads(tx: Transaction): SixfoldError {
  return new SixfoldError(
    "limit-exceeded",
    `a serializable transaction reads at most ${MAX_READS_NOTED} rows and ranges`,
    {
      details: { transaction: tx.id },
    },
  );
}

/** Rows that a scan takes at a time before others have their turn: about a millisecond. More than the SDK asks for at once. */
const SLICE_ROWS = 2048;

export function scanLimit(range: ScanRange): number {
  const limit = range.limit ?? LIMITS.scanRows;
  if (!Number.isSafeInteger(limit) || limit < 1)
    throw new SixfoldError("bad-request", "a scan's limit is a positive integer");
  if (limit > LIMITS.scanRows) throw limitExceeded("scanRows", limit, "the scan's limit");
  return limit;
}

export function runScan(state: EngineState, job: JobOf<"scan">): void {
  const { work } = job;
  if (job.tx?.ended !== undefined) throw job.tx.ended;
  const limit = scanLimit(work.scan);
  const root = pastRoot(state, job, work.scan.table);
  const cursor = (work.cursor ??= new ScanCursor(work.scan, limit, copyRows(state.viewReader.values)));
  const before = cursor.rows.length;
  const isDone = cursor.run(state.viewReader, state.wants, root, SLICE_ROWS);
  state.rowsRead += cursor.rows.length - before;
  if (!isDone) {
    job.isLong = true;
    return state.makeReady(job);
  }
  if (job.tx !== undefined) {
    const seen = { table: work.scan.table, range: seenRange(work.scan, cursor), count: cursor.rows.length };
    if (!job.tx.noteRange(seen)) throw tooManyReads(job.tx);
  }
  state.finish(job, { kind: "rows", rows: cursor.rows, more: cursor.more });
}

/** The part of the range that the scan got to. */
function seenRange(range: ScanRange, cursor: ScanCursor): ScanRange {
  const { gte, gt, lt, lte } = range;
  const last = cursor.rows[cursor.rows.length - 1]?.key;
  if (!cursor.more || last === undefined) return { gte, gt, lt, lte };
  return range.reverse === true ? { gte: last, lt, lte } : { gte, gt, lte: last };
}

export function runList(state: EngineState, job: JobOf<"list">): void {
  job.view ??= state.openView();
  state.viewReader.view = job.view;
  state.finish(job, { kind: "tables", names: state.catalog.names(job.work.cursor, state.viewReader) });
}
