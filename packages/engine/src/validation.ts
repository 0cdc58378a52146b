/**
 * Validation (DESIGN section 5, commit step 1): are the rows that must not have changed the
 * same at the newest local state as at the transaction's read point?
 *
 *  - rows read and written: always (I9)
 *  - rows and ranges only read: when serializable; their leaves become read checks
 *  - tables written, and when serializable those only read: always; one that was dropped and made again is another
 *
 * A row is unchanged iff its newest version is visible at the read point, or it is
 * absent now and was absent then. A change by an own undecided entry is no conflict yet: wait for it and look again.
 */
import {
  NONE,
  SixfoldError,
  isNone,
  lsn,
  pageId,
  showVersion,
  streamId,
  type ConflictDetails,
  type PageId,
  type PageVersion,
} from "@sixfold/model";
import { unknownTable } from "./catalog.ts";
import type { Write } from "./engine-api.ts";
import type { EngineState } from "./engine-state.ts";
import type { Job } from "./job.ts";
import { rowName } from "./row-locks.ts";
import { KIND_LEAF, cellAt, rowLsn, rowStream, searchLeaf } from "./slotted-page.ts";
import type { RangeRead, Transaction } from "./transactions.ts";
import { ScanCursor, copyOfKey, findLeaf } from "./tree.ts";
import { UNWIND } from "./unwind.ts";

/** Throws `row-conflict`, or unwinds to wait or to fetch. The builder is active and has changed nothing yet. */
export function validate(state: EngineState, job: Job, tx: Transaction, writes: readonly Write[]): void {
  if (tx.view === undefined) return;
  state.viewReader.view = tx.view;
  const { planted } = state;
  const all = tx.isolation === "serializable";
  checkTables(state, job, tx, all ? [...writes, ...tx.rows.values(), ...tx.ranges] : writes);
  const allRows = all && !planted.has("read-rows-unvalidated");
  if (allRows) for (const { table, key } of tx.rows.values()) tryRow(state, job, tx, table, key);
  if (all && !planted.has("ranges-unvalidated"))
    for (const range of tx.ranges) tryRange(state, job, tx, range);
  if (!allRows && !planted.has("written-rows-unvalidated"))
    for (const { table, key } of writes)
      if (tx.hasRead(rowName(table, key), table, key)) tryRow(state, job, tx, table, key);
  if (state.wants.any) throw UNWIND;
}

/** Are the tables the same that the transaction has seen? Most have one or two of them, many rows each. */
function checkTables(
  state: EngineState,
  job: Job,
  tx: Transaction,
  uses: readonly { readonly table: string }[],
): void {
  let last: string | undefined;
  for (const { table } of uses) {
    if (table === last) continue;
    last = table;
    try {
      checkTable(state, job, tx, table);
    } catch (reason) {
      if (reason !== UNWIND || !state.wants.onlyPages) throw reason;
    }
  }
}

function checkTable(state: EngineState, job: Job, tx: Transaction, table: string): void {
  const { builder, catalog } = state;
  const { readPoint } = tx.view!;
  const root = catalog.root(builder, table);
  const version = catalog.versionOf(table);
  if (root === undefined) {
    untilDecided(state, job, version);
    throw unknownTable(table);
  }
  if (readPoint.includes(version)) return;
  // It was made since: by itself that is no matter, but if there was one before, that was another.
  const before = catalog.rootAt(state.viewReader, table);
  if (before === undefined) return;
  if (state.isUndecided(version)) waitFor(state, version.lsn);
  throw new SixfoldError(
    "schema-changed",
    `table "${table}" was dropped and made again by ${showVersion(version)} while the transaction ran`,
    { details: { table, transaction: job.transaction } },
  );
}

/** A table that is gone by an own undecided entry may come back: waits for that, once. */
export function untilDecided(state: EngineState, job: Job, version: PageVersion): void {
  if (state.isUndecided(version)) waitOnce(state, job, version.lsn);
}

/** Checks; lets the next check run if only pages are missing, so that all are fetched together. */
function tryRow(state: EngineState, job: Job, tx: Transaction, table: string, key: Uint8Array): void {
  try {
    checkRow(state, job, tx, table, key);
  } catch (reason) {
    if (reason !== UNWIND || !state.wants.onlyPages) throw reason;
  }
}

function tryRange(state: EngineState, job: Job, tx: Transaction, range: RangeRead): void {
  try {
    checkRange(state, job, tx, range);
  } catch (reason) {
    if (reason !== UNWIND || !state.wants.onlyPages) throw reason;
  }
}

/** Checks one row against the transaction's read point. */
export function checkRow(
  state: EngineState,
  job: Job,
  tx: Transaction,
  table: string,
  key: Uint8Array,
): void {
  const { builder } = state;
  const root = state.catalog.rootOrFail(builder, table);
  const frame = builder.head(findLeaf(builder, root, key));
  const p = frame.image;
  const index = p[0] === KIND_LEAF ? searchLeaf(p, key) : -1;
  const readPoint = tx.view!.readPoint;
  if (builder.active) builder.readLeaf(frame);
  if (index >= 0) {
    const changedBy = versionOf(p, cellAt(p, index));
    if (readPoint.includes(changedBy)) return;
    if (state.isUndecided(changedBy)) waitFor(state, changedBy.lsn);
    job.proven = true;
    const read = versionThen(state, table, key);
    throw rowConflict(state, job, { table, row: key, page: frame.page, read, winner: changedBy });
  }
  const read = versionThen(state, table, key);
  if (isNone(read)) return;
  waitOnce(state, job, undecidedOnPath(state, root, key));
  throw rowConflict(state, job, { table, row: key, page: frame.page, read, winner: frame.version });
}

function waitFor(state: EngineState, at: number): never {
  state.wants.entry = at;
  throw UNWIND;
}

/**
 * Rows are gone, and pages on the way to them have undecided changes up to `at`: wait for these, then look again. Once:
 * other changes will be under way on a busy page by then, and prove nothing of the rows.
 */
function waitOnce(state: EngineState, job: Job, at: number): void {
  if (at === 0 || job.lookedAgain) return;
  job.lookedAgain = true;
  waitFor(state, at);
}

/** The latest own undecided change of a page between the root and the leaf of `key`, or 0. An emptied leaf is seen in its parent only. */
function undecidedOnPath(state: EngineState, root: PageId, key: Uint8Array): number {
  let latest = 0;
  const seen = {
    read: (page: PageId): Uint8Array => {
      const frame = state.builder.head(page);
      if (state.isUndecided(frame.version)) latest = Math.max(latest, frame.version.lsn);
      return frame.image;
    },
  };
  seen.read(findLeaf(seen, root, key));
  return latest;
}

/** The row's version at the transaction's read point; `NONE` if it was not there. */
function versionThen(state: EngineState, table: string, key: Uint8Array): PageVersion {
  const root = state.catalog.rootAt(state.viewReader, table);
  if (root === undefined) return NONE;
  const p = state.viewReader.read(findLeaf(state.viewReader, root, key));
  const index = p[0] === KIND_LEAF ? searchLeaf(p, key) : -1;
  return index < 0 ? NONE : versionOf(p, cellAt(p, index));
}

function versionOf(p: Uint8Array, cell: number): PageVersion {
  return { stream: streamId(rowStream(p, cell)), lsn: lsn(rowLsn(p, cell)) };
}

/** Scans a range again at the newest state: the same number of rows, none newer than the read point, is the same rows. */
function checkRange(state: EngineState, job: Job, tx: Transaction, read: RangeRead): void {
  const { builder } = state;
  const root = state.catalog.rootOrFail(builder, read.table);
  const readPoint = tx.view!.readPoint;
  let undecided = 0;
  let newer: PageVersion | undefined;
  let last: PageId = root;
  const cursor = new ScanCursor(read.range, read.count + 1, copyOfKey, false);
  cursor.onPage = (page) => {
    const { version } = builder.head(page);
    if (state.isUndecided(version)) undecided = Math.max(undecided, version.lsn);
  };
  cursor.onLeaf = (page) => {
    builder.readLeaf(builder.head(page));
    last = page;
  };
  cursor.onRow = (p, cell) => {
    const version = versionOf(p, cell);
    if (!readPoint.includes(version)) newer ??= version;
  };
  cursor.run(builder, state.wants, root);
  if (newer === undefined && cursor.rows.length === read.count && !cursor.more) return;
  waitOnce(state, job, undecided);
  throw rowConflict(state, job, {
    table: read.table,
    page: pageId(last),
    winner: newer ?? builder.head(last).version,
  });
}

export function rowConflict(
  state: EngineState,
  job: Job,
  what: { table: string; row?: Uint8Array; page: PageId; read?: PageVersion; winner: PageVersion },
): SixfoldError {
  state.counts.rowConflicts++;
  const winnerTransaction = state.winners.of(what.winner);
  const conflict: ConflictDetails = {
    page: what.page,
    table: what.table,
    ...(what.row === undefined ? {} : { row: what.row }),
    ...(what.read === undefined ? {} : { versionRead: showVersion(what.read) }),
    winningVersion: showVersion(what.winner),
    ...(winnerTransaction === undefined ? {} : { winnerTransaction }),
    phase: job.lastPhase ?? (what.winner.stream === state.stream ? "local" : "delta"),
    attempts: job.attempts + 1,
  };
  return new SixfoldError(
    "row-conflict",
    `a row of "${what.table}" was changed by ${showVersion(what.winner)}`,
    {
      details: { conflict, transaction: job.transaction },
    },
  );
}

export function pageConflict(
  state: EngineState,
  job: Job,
  page: PageId | undefined,
  winner: PageVersion | undefined,
): SixfoldError {
  state.counts.pageConflicts++;
  const winnerTransaction = winner === undefined ? undefined : state.winners.of(winner);
  const conflict: ConflictDetails = {
    ...(page === undefined ? {} : { page }),
    ...(winner === undefined ? {} : { winningVersion: showVersion(winner) }),
    ...(winnerTransaction === undefined ? {} : { winnerTransaction }),
    phase: job.lastPhase ?? "storage-vote",
    attempts: job.attempts,
  };
  return new SixfoldError("page-conflict", `another master changed a page that the transaction changed`, {
    details: { conflict, transaction: job.transaction },
  });
}
