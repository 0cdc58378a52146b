/**
 * Works that build entries: commits, table definitions, and the engine's own upkeep.
 *
 * Each runs from its start every time: validate, apply to the newest local pages, submit.
 */
import { CATALOG_ROOT_PAGE, LIMITS, SixfoldError, limitExceeded, pageId } from "@sixfold/model";
import { formatPage } from "./cell-edit.ts";
import type { Write } from "./engine-api.ts";
import type { EngineState } from "./engine-state.ts";
import { submit, submitPiece } from "./in-flight.ts";
import type { Job } from "./job.ts";
import { overflowPages } from "./overflow.ts";
import { PIECES_AT_ONCE, StagedValues, valuesToStage } from "./staged-values.ts";
import { rowName } from "./row-locks.ts";
import { KIND_BLANK, KIND_LEAF, leafCellBytes, maxCellBytes } from "./slotted-page.ts";
import { UNWIND } from "./unwind.ts";
import { untilDecided, validate } from "./validation.ts";

type JobOf<K extends Job["work"]["kind"]> = Job & { readonly work: Extract<Job["work"], { kind: K }> };

/** Leaves freed by one entry of the reaper. */
const REAP_LEAVES = 64;

/** Throws what is wrong with a row to be written. */
export function checkWrite(key: Uint8Array, value: Uint8Array | undefined): void {
  if (key.length > LIMITS.keyBytes) throw limitExceeded("keyBytes", key.length, "the key");
  if (value !== undefined && value.length > LIMITS.valueBytes)
    throw limitExceeded("valueBytes", value.length, "the value");
}

/** Checks a commit's writes against the limits; returns the overflow pages they will take. */
export function checkWrites(writes: readonly Write[], pageBytes: number): number {
  const maxCell = maxCellBytes(pageBytes);
  let pages = 0;
  for (const { key, value } of writes) {
    checkWrite(key, value);
    if (value !== undefined && leafCellBytes(key.length, value.length) > maxCell)
      pages += overflowPages(pageBytes, value.length);
  }
  const bytes = bytesOf(writes);
  if (bytes > LIMITS.entryBytes) throw limitExceeded("entryBytes", bytes, "the transaction's changes");
  return pages;
}

/** What a commit's writes bring. */
export function bytesOf(writes: readonly Write[]): number {
  let bytes = 0;
  for (const { key, value } of writes) bytes += key.length + (value?.length ?? 0);
  return bytes;
}

export function runCommit(state: EngineState, job: JobOf<"commit">): void {
  const { tx, work } = job;
  const { writes } = work.commit;
  if (state.locks.size > 0) for (const w of writes) state.respectLock(rowName(w.table, w.key), job);
  if (goesAhead(state, job)) return;
  const { builder } = state;
  builder.begin(state.nextVersion(), tx?.isolation === "serializable");
  const isValid = job.supersedes !== 0 && state.planted.has("rebuild-unvalidated");
  if (tx !== undefined && !isValid) validate(state, job, tx, writes);
  if (work.overflowPages > 0 && job.staged === undefined) state.extents.reserve(builder, work.overflowPages);
  for (let i = 0; i < writes.length; i++) {
    const w = writes[i]!;
    try {
      const root = state.catalog.rootOrFail(builder, w.table);
      if (w.value === undefined) state.trees.remove(root, w.key);
      else state.trees.put(root, w.key, w.value, job.staged?.take(builder, state.extents, w.value));
    } catch (reason) {
      if (reason === UNWIND && state.wants.onlyPages) prefetch(state, writes, i + 1);
      if (reason instanceof SixfoldError && reason.code === "unknown-table")
        untilDecided(state, job, state.catalog.versionOf(w.table));
      throw reason;
    }
  }
  submit(state, job, undefined);
}

/** Submits the next piece of long values that go ahead of a large commit; false if all are there, or there are none. */
function goesAhead(state: EngineState, job: JobOf<"commit">): boolean {
  const { builder, extents, piecePages } = state;
  const { commit, overflowPages: pages } = job.work;
  if (pages <= PIECES_AT_ONCE * piecePages) return false;
  if (job.staged === undefined) {
    const maxCell = maxCellBytes(extents.pageBytes);
    const isLong = ({ key, value }: Write): boolean => leafCellBytes(key.length, value!.length) > maxCell;
    const values = valuesToStage(commit.writes, isLong);
    if (values.length === 0) return false;
    job.staged = new StagedValues(values, extents.pageBytes);
  }
  builder.begin(state.nextVersion(), false);
  job.staged.check(builder, extents);
  if (job.staged.isDone) {
    builder.undo();
    return false;
  }
  job.staged.build(builder, extents, piecePages);
  submitPiece(state, job);
  return true;
}

/** One write lacks pages: notes what the later ones will lack, so that all are fetched together. */
function prefetch(state: EngineState, writes: readonly Write[], from: number): void {
  for (let i = from; i < writes.length; i++) {
    const w = writes[i]!;
    try {
      state.trees.prefetch(state.catalog.rootOrFail(state.builder, w.table), w.key);
    } catch (reason) {
      if (reason !== UNWIND) return;
      if (!state.wants.onlyPages) return;
    }
  }
}

export function runCreate(state: EngineState, job: JobOf<"create">): void {
  state.builder.begin(state.nextVersion(), false);
  state.catalog.create(state.builder, state.trees, state.extents, job.work.table);
  submit(state, job, undefined);
}

export function runDrop(state: EngineState, job: JobOf<"drop">): void {
  state.builder.begin(state.nextVersion(), false);
  state.catalog.checkFormatted(state.builder);
  state.catalog.drop(state.builder, state.trees, job.work.table);
  submit(state, job, undefined);
}

/** Writes the volume's first pages, unless they are there: the writer's first work. */
export function runFormat(state: EngineState, job: Job): void {
  const { builder } = state;
  builder.begin(state.nextVersion(), false);
  builder.ready(pageId(0));
  builder.ready(pageId(2));
  const catalog = builder.head(CATALOG_ROOT_PAGE);
  if (state.wants.any) throw UNWIND;
  if (catalog.image[0] === KIND_BLANK) {
    state.extents.format(builder);
    formatPage(builder.edit(catalog), KIND_LEAF, 0);
    submit(state, job, undefined);
    state.extents.own(0);
  } else {
    builder.undo();
    state.finish(job, { kind: "rolled-back" });
  }
  state.wakeList(state.waitingForFormat);
}

/** Claims extents for those who wait for pages, and ahead of need. */
export function runClaim(state: EngineState, job: JobOf<"claim">): void {
  const { builder } = state;
  builder.begin(state.nextVersion(), false);
  state.catalog.checkFormatted(builder);
  const extents = state.extents.claim(builder, Math.max(job.work.pages, 1));
  job.work.extents = extents;
  submit(state, job, undefined);
  state.extents.claimBuilt(extents);
  // Who still lacks pages says so again.
  state.pagesToClaim = 0;
  state.wakeList(state.waitingForPages);
}

/** Frees some pages of a dropped table. */
export function runReap(state: EngineState, job: Job): boolean {
  const { builder } = state;
  builder.begin(state.nextVersion(), false);
  const more = state.catalog.reap(builder, state.trees, REAP_LEAVES);
  submit(state, job, undefined);
  return more;
}
