/**
 * Procedures: whole transactions in one message, run at the writer on the newest local state.
 *
 * Own undecided changes are seen like committed ones, so that procedures queue behind one another
 * without ever conflicting within one writer; what was seen undecided becomes an own base. A
 * procedure is run again from its start when a page is missing, a lock is in the way, or its entry lost
 * a page race. Results and failures that rest on undecided rows wait until these are committed.
 */
import { AssertionFailure, LIMITS, SixfoldError, limitExceeded, pageId, type PageId } from "@sixfold/model";
import type { MakeRow, ProcedureContext, ScanRange } from "./engine-api.ts";
import type { EngineState } from "./engine-state.ts";
import type { Frame } from "./frame.ts";
import { settle, submit } from "./in-flight.ts";
import type { Job } from "./job.ts";
import { scanLimit } from "./reads.ts";
import { rowName } from "./row-locks.ts";
import {
  KIND_BRANCH,
  KIND_LEAF,
  cellAt,
  childAt,
  rowLsn,
  rowStream,
  searchBranch,
  searchLeaf,
} from "./slotted-page.ts";
import { ScanCursor, rowValue } from "./tree.ts";
import { UNWIND } from "./unwind.ts";
import { checkWrite } from "./writes.ts";

type CallJob = Job & { readonly work: Extract<Job["work"], { kind: "call" }> };

export function runCall(state: EngineState, job: CallJob): void {
  const { builder } = state;
  const { call } = job.work;
  builder.begin(state.nextVersion(), call.isolation === "serializable");
  const context = new Context(state, job);
  let value: unknown;
  let failure: SixfoldError | undefined;
  try {
    value = call.run(context);
    if (isThenable(value))
      failure = failed(job, new TypeError("a procedure is synchronous; this one returned a promise"));
    else if (!state.wants.any) builder.checkSize();
  } catch (reason) {
    if (reason instanceof AssertionFailure) throw reason;
    if (reason !== UNWIND) failure = reason instanceof SixfoldError ? reason : failed(job, reason);
  } finally {
    context.ended = true;
    state.long.learn(call, context.rows, !state.wants.any);
  }
  // Also if the procedure swallowed the exception.
  if (state.wants.any) throw UNWIND;
  if (failure === undefined) return submit(state, job, value);
  const bases = builder.ownBases();
  builder.undo();
  settle(state, job, bases, { kind: "failed", error: failure });
}

function failed(job: Job, cause: unknown): SixfoldError {
  const what = cause instanceof Error ? cause.message : String(cause);
  return new SixfoldError("procedure-failed", `the procedure failed: ${what}`, {
    cause,
    details: { transaction: job.transaction },
  });
}

/** A procedure runs in one go, and everybody else waits for it. */
function tooManyRows(rows: number): SixfoldError {
  return limitExceeded("procedureRows", rows, "the number of rows that the procedure has scanned");
}

/** Rows of a scan that would be left out without a word. */
function isCutShort({ rows, more }: ScanCursor<unknown>, { limit }: ScanRange): boolean {
  return more && (limit === undefined || rows.length < limit);
}

function isThenable(value: unknown): boolean {
  return (
    typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function"
  );
}

class Context implements ProcedureContext {
  ended = false;
  /** Read or written so far. */
  rows = 0;
  private rowsScanned = 0;
  private readonly state: EngineState;
  private readonly job: Job;
  private readonly forgetsBases: boolean;

  constructor(state: EngineState, job: Job) {
    this.forgetsBases = state.planted.has("read-bases-forgotten");
    this.state = state;
    this.job = job;
  }

  get(table: string, key: Uint8Array): Uint8Array | undefined {
    const { builder, catalog } = this.alive();
    this.rows++;
    const leaf = this.descend(catalog.rootOrFail(builder, table), key);
    const p = leaf.image;
    const index = p[0] === KIND_LEAF ? searchLeaf(p, key) : -1;
    builder.readLeaf(leaf);
    if (index < 0) {
      builder.relyOn(leaf);
      return undefined;
    }
    const cell = cellAt(p, index);
    if (!this.forgetsBases) builder.dependOn(rowStream(p, cell), rowLsn(p, cell));
    return rowValue(builder, p, index);
  }

  put(table: string, key: Uint8Array, value: Uint8Array): void {
    const state = this.alive();
    this.rows++;
    checkWrite(key, value);
    if (state.locks.size > 0) state.respectLock(rowName(table, key), this.job);
    state.trees.put(state.catalog.rootOrFail(state.builder, table), key, value);
  }

  delete(table: string, key: Uint8Array): void {
    const state = this.alive();
    this.rows++;
    checkWrite(key, undefined);
    if (state.locks.size > 0) state.respectLock(rowName(table, key), this.job);
    state.trees.remove(state.catalog.rootOrFail(state.builder, table), key);
  }

  scan<T>(table: string, range: ScanRange, make: MakeRow<T>): T[] {
    const { builder, catalog, wants } = this.alive();
    const root = catalog.rootOrFail(builder, table);
    const left = LIMITS.procedureRows - this.rowsScanned;
    // One more than is left, to see whether it was enough.
    const cursor = new ScanCursor(range, Math.min(scanLimit(range), left + 1), make);
    cursor.onPage = (page) => builder.relyOn(builder.head(page));
    cursor.onLeaf = (page) => builder.readLeaf(builder.head(page));
    cursor.run(builder, wants, root);
    this.rowsScanned += cursor.rows.length;
    this.rows += cursor.rows.length;
    if (this.rowsScanned > LIMITS.procedureRows) throw tooManyRows(this.rowsScanned);
    if (isCutShort(cursor, range))
      throw cursor.rows.length < LIMITS.scanRows
        ? limitExceeded("scanBytes", cursor.bytes, "the size of what a procedure's scan has found")
        : tooManyRows(this.rowsScanned + 1);
    this.state.rowsRead += cursor.rows.length;
    return cursor.rows;
  }

  /** To the leaf of `key`. Undecided branches on the way count: what they lead to rests on them. */
  private descend(root: PageId, key: Uint8Array): Frame {
    const { builder } = this.state;
    let frame = builder.head(root);
    while (frame.image[0] === KIND_BRANCH) {
      builder.relyOn(frame);
      frame = builder.head(pageId(childAt(frame.image, searchBranch(frame.image, key))));
    }
    return frame;
  }

  private alive(): EngineState {
    if (this.ended) throw new SixfoldError("bad-handle", "the procedure has ended");
    // A procedure that swallowed an unwinding goes on for nothing; end it as soon as it asks for more.
    if (this.state.wants.any) throw UNWIND;
    return this.state;
  }
}
