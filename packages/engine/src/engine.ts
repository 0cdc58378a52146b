/**
 * The engine: dispatches requests and news to its parts, runs what is ready, and keeps house.
 * See README.md for the parts, `engine-api.ts` for the face.
 *
 * Every public method ends in `turn`, which runs ready jobs, oldest first, until none is left,
 * and asks for the pages they lack in one effect.
 */
import {
  NONE,
  SixfoldError,
  assert,
  type Lsn,
  type PageId,
  type ReadPoint,
  type StreamId,
  type TransactionId,
} from "@sixfold/model";
import { endAged } from "./ageing.ts";
import type {
  AbortCause,
  CallRequest,
  Claim,
  CommitRequest,
  EngineEffect,
  EngineFace,
  EngineOptions,
  EngineStats,
  ForeignEntry,
  GetRequest,
  LoadedPage,
  Pressure,
  ReadView,
  ScanRequest,
} from "./engine-api.ts";
import { EngineState } from "./engine-state.ts";
import { applyForeign, dropCleanPages, loadFailed, noteClaims, pagesLoaded } from "./foreign.ts";
import { aborted, committed, dropUnsent, takeBackAll, unknownOutcome } from "./in-flight.ts";
import { Job, type Work } from "./job.ts";
import { checkAdmission, checkReads, pressureOf } from "./pressure.ts";
import { runCall } from "./procedures.ts";
import { beginAt, runGet, runList, runScan, transactionOf } from "./reads.ts";
import type { Transaction } from "./transactions.ts";
import { UNWIND } from "./unwind.ts";
import { OWN_WORK, Upkeep } from "./upkeep.ts";
import { bytesOf, checkWrites, runCommit, runCreate, runDrop } from "./writes.ts";

/** Ages are looked at this often. */
const AGEING_MS = 500;
/** Frames whose history is looked at with each tick. */
const TRIMMED_FRAMES = 256;
/** After so many rows read others than the engine have their turn: some milliseconds. */
const TURN_ROWS = 4096;

export class Engine implements EngineFace {
  readonly effects: EngineEffect[];
  protected readonly state: EngineState;
  private agedAt = Number.NEGATIVE_INFINITY;
  private paused = false;
  private readonly upkeep: Upkeep;
  /** Streams of this node that were closed while entries were undecided. */
  private readonly formerStreams = new Set<StreamId>();

  constructor(options: EngineOptions) {
    this.state = new EngineState(options);
    this.effects = this.state.effects;
    this.upkeep = new Upkeep(this.state);
  }

  get applied(): ReadPoint {
    return this.state.applied;
  }

  get stats(): EngineStats {
    const { state } = this;
    return {
      pages: state.pool.size,
      inFlight: state.inFlight.size,
      waiting: state.jobs.size,
      transactions: state.transactions.size,
      ...state.counts,
      loads: state.loads.asked,
      loading: state.loads.underWay,
      evictions: state.pool.evictions,
    };
  }

  get pressure(): Pressure {
    return pressureOf(this.state);
  }

  open(stream: StreamId, exclusive: boolean, nextLsn: Lsn, now: number): void {
    const { state } = this;
    assert(state.stream === 0, "a node writes one stream at a time");
    state.now = now;
    state.stream = stream;
    state.exclusive = exclusive;
    state.isWriter = true;
    state.nextLsn = nextLsn;
    state.builder.lastDecided = nextLsn - 1;
    state.extents.open(stream);
    this.upkeep.open();
    this.turn();
  }

  closeStream(error: SixfoldError, now: number): void {
    const { state } = this;
    state.now = now;
    if (state.stream === 0) return;
    const unsent = dropUnsent(state);
    const inFlight = takeBackAll(state);
    if (inFlight.length > 0) this.formerStreams.add(state.stream);
    state.stream = 0 as StreamId;
    for (const job of inFlight) {
      const isKnown = job.unsafe.length === 0 && unsent.has(job.entry!.version.lsn);
      state.finish(job, { kind: "failed", error: isKnown ? error : unknownOutcome(job, error) });
    }
    // Those, too, that came while the engine was paused: in the next stream they would outlive the one that their transactions began in.
    for (const job of [...state.jobs, ...state.ready.all]) {
      if (job.isWrite || (job.work.kind === "get" && job.work.read.forUpdate)) {
        const told = job.unsafe.length > 0 ? unknownOutcome(job, error) : error;
        state.finish(job, { kind: "failed", error: told });
        if (job.tx !== undefined) state.endTransaction(job.tx, error);
      }
    }
    state.aborting.clear();
    state.held.clear();
    state.waitingForFormat.length = state.waitingForPages.length = 0;
    state.pagesToClaim = 0;
    this.upkeep.close();
    this.turn();
  }

  get(request: number, read: GetRequest, now: number): void {
    this.state.now = now;
    if (read.forUpdate && read.tx === undefined)
      return this.refuse(request, new SixfoldError("bad-request", "forUpdate needs a transaction"));
    const job = this.job(request, { kind: "get", read }, read.tx?.id ?? OWN_WORK);
    try {
      checkReads(this.state);
      if (read.tx !== undefined) job.tx = transactionOf(this.state, read.tx, true)!;
    } catch (reason) {
      return this.refuse(request, reason);
    }
    beginAt(this.state, job, read.view);
    this.start(job);
  }

  scan(request: number, scan: ScanRequest, now: number): void {
    this.state.now = now;
    const job = this.job(request, { kind: "scan", scan, cursor: undefined }, scan.tx?.id ?? OWN_WORK);
    try {
      checkReads(this.state);
      if (scan.tx !== undefined) job.tx = transactionOf(this.state, scan.tx, true)!;
    } catch (reason) {
      return this.refuse(request, reason);
    }
    beginAt(this.state, job, scan.view);
    this.start(job);
  }

  commit(request: number, commit: CommitRequest, now: number): void {
    const { state } = this;
    state.now = now;
    let tx: Transaction | undefined;
    try {
      tx = transactionOf(state, commit.tx, false);
      const asksStorage = tx?.isolation === "serializable" && state.isWriter && !state.exclusive;
      if (commit.writes.length === 0 && !asksStorage) return this.endReadOnly(request, tx);
      checkAdmission(this.state, commit.isModest);
      const pages = checkWrites(commit.writes, state.options.geometry.pageBytes);
      const job = this.job(
        request,
        { kind: "commit", commit, overflowPages: pages },
        commit.tx.id,
        commit.conflicts,
      );
      job.tx = tx;
      job.bytes = bytesOf(commit.writes);
      if (tx !== undefined) tx.committing = true;
      this.start(job);
    } catch (reason) {
      // What the client hears now is the transaction's end, unless it may send the same commit again.
      tx ??= state.transactions.get(commit.tx.id);
      if (tx !== undefined && !(reason instanceof SixfoldError && reason.retryable === "same-request"))
        state.endTransaction(tx, undefined);
      this.refuse(request, reason);
    }
  }

  /** What it has read was one snapshot: nothing is left to check. Not so for serializable ones beside other masters. */
  private endReadOnly(request: number, tx: Transaction | undefined): void {
    if (tx !== undefined) this.endOf(tx.id, new SixfoldError("bad-handle", "the transaction was committed"));
    this.effects.push({ kind: "reply", request, result: { kind: "committed", version: NONE, attempts: 0 } });
    this.turn();
  }

  rollback(request: number, tx: TransactionId, now: number): void {
    this.state.now = now;
    this.endOf(tx, new SixfoldError("bad-handle", "the transaction was rolled back"));
    this.effects.push({ kind: "reply", request, result: { kind: "rolled-back" } });
    this.turn();
  }

  call(request: number, call: CallRequest, now: number): void {
    this.state.now = now;
    this.startWrite(request, { kind: "call", call }, call.tx, call.conflicts, call);
  }

  createTable(request: number, tx: TransactionId, table: string, now: number): void {
    this.state.now = now;
    this.startWrite(request, { kind: "create", table }, tx, "row");
  }

  dropTable(request: number, tx: TransactionId, table: string, now: number): void {
    this.state.now = now;
    this.startWrite(request, { kind: "drop", table }, tx, "row");
  }

  listTables(request: number, now: number): void {
    this.state.now = now;
    this.start(this.job(request, { kind: "list", cursor: this.state.catalog.cursorOfNames() }, OWN_WORK));
  }

  abandon(tx: TransactionId, now: number): void {
    this.state.now = now;
    const found = this.state.transactions.get(tx);
    if (found?.committing !== true) this.endOf(tx, new SixfoldError("connection-lost", "the client is gone"));
    this.turn();
  }

  pagesLoaded(results: readonly LoadedPage[], now: number): void {
    this.state.now = now;
    pagesLoaded(this.state, results);
    this.turn();
  }

  loadFailed(
    pages: readonly PageId[],
    readPoint: ReadPoint,
    reason: "too-old" | SixfoldError,
    now: number,
  ): void {
    this.state.now = now;
    loadFailed(this.state, pages, readPoint, reason);
    this.turn();
  }

  decided(lsn: Lsn, decision: "commit" | "abort", cause: AbortCause | undefined, now: number): void {
    this.state.now = now;
    if (decision === "commit") committed(this.state, lsn);
    else aborted(this.state, lsn, cause);
    this.turn();
  }

  abortDurable(lsn: Lsn, now: number): void {
    const { state } = this;
    state.now = now;
    const job = state.aborting.get(lsn);
    state.aborting.delete(lsn);
    if (job?.state === "aborting" && --job.waits === 0) state.finish(job, job.result!);
    this.turn();
  }

  applyForeign(entry: ForeignEntry, now: number): void {
    this.state.now = now;
    applyForeign(this.state, entry);
    this.turn();
  }

  advance(stream: StreamId, to: Lsn, now: number): void {
    const { state } = this;
    state.now = now;
    // A recovery may have committed entries of ours that were taken back when the stream was closed.
    if (this.formerStreams.has(stream) && stream !== state.stream && to > state.newest.get(stream))
      dropCleanPages(state);
    state.show(stream, to);
    if (state.held.size > 0) state.wakeAll(state.held.arrived(state.newest));
    this.turn();
  }

  dropCleanPages(now: number): void {
    this.state.now = now;
    dropCleanPages(this.state);
    this.turn();
  }

  settle(through: StreamId): void {
    const { state } = this;
    if (through <= state.applied.settledThrough) return;
    state.applied = state.applied.settle(through);
    state.newest = state.newest.settle(through);
    state.views.appliedMoved();
    state.extents.settle(through);
    for (const stream of this.formerStreams) if (stream <= through) this.formerStreams.delete(stream);
  }

  streamClosed(stream: StreamId): void {
    this.state.extents.streamClosed(stream);
  }

  foreignClaims(stream: StreamId, claims: readonly Claim[], now: number): void {
    noteClaims(this.state, stream, claims, now);
  }

  holdPages(pages: readonly PageId[], now: number): void {
    this.state.now = now;
    for (const page of pages) this.state.held.hold(page, now);
  }

  releasePages(pages: readonly PageId[], now: number): void {
    this.state.now = now;
    for (const page of pages) this.state.wakeAll(this.state.held.release(page));
    this.turn();
  }

  openView(): ReadView {
    return this.state.views.at(this.state.applied);
  }

  viewAbove(base: ReadView, point: ReadPoint): ReadView {
    return this.state.views.above(base, point);
  }

  closeView(view: ReadView): void {
    this.state.views.close(view);
  }

  oldestReadPoint(): ReadPoint {
    return (this.state.views.oldest() ?? this.state.applied).clone();
  }

  tick(now: number): void {
    const { state } = this;
    state.now = now;
    if (state.held.size > 0) state.wakeAll(state.held.expire(now));
    state.pool.trimSome(state.horizon, state.inFlight.size, TRIMMED_FRAMES);
    if (now - this.agedAt >= AGEING_MS) {
      this.agedAt = now;
      endAged(state);
      this.upkeep.restart();
    }
    this.turn();
  }

  /**
   * The applied vector is not causally closed for a while (the node missed part of a stream): nothing may read, so
   * nothing runs; requests wait (I5).
   */
  pause(): void {
    this.paused = true;
  }

  resume(now: number): void {
    if (!this.paused) return;
    this.paused = false;
    this.state.now = now;
    this.turn();
  }

  get hasMore(): boolean {
    return !this.paused && this.state.hasMore;
  }

  newTurn(now: number): void {
    const { state } = this;
    state.now = now;
    state.rowsRead = 0;
    this.turn(state.long.newTurn());
  }

  /** Runs what is ready, oldest first, until as much was read as may be in a turn. */
  private turn(isForLong = false): void {
    const { state } = this;
    while (!this.paused && state.rowsRead < TURN_ROWS) {
      const job = (isForLong ? state.long.next() : undefined) ?? state.nextReady() ?? this.upkeep.next();
      if (job === undefined) break;
      if (job.state === "ready") this.execute(job);
    }
    state.loads.flush(state.newest);
    state.pool.shrink(state.applied);
  }

  private execute(job: Job): void {
    const { state } = this;
    if (job.isWrite && job.request >= 0 && state.inFlightBytes >= state.maxInFlightBytes) {
      state.jobs.add(job);
      state.queued.push(job);
      return;
    }
    job.run++;
    state.wants.clear();
    try {
      this.dispatch(job);
    } catch (reason) {
      if (state.builder.active) state.builder.undo();
      if (reason === UNWIND) state.park(job);
      else if (reason instanceof SixfoldError) this.failed(job, reason);
      else throw reason;
    }
  }

  private dispatch(job: Job): void {
    const { state } = this;
    const { work } = job;
    if (job.isWrite && state.stream === 0)
      throw new SixfoldError("not-a-writer", "this node does not take writes");
    switch (work.kind) {
      case "get":
        return runGet(state, job as Job & { work: typeof work });
      case "scan":
        return runScan(state, job as Job & { work: typeof work });
      case "list":
        return runList(state, job as Job & { work: typeof work });
      case "commit":
        return runCommit(state, job as Job & { work: typeof work });
      case "call":
        return runCall(state, job as Job & { work: typeof work });
      case "create":
        return runCreate(state, job as Job & { work: typeof work });
      case "drop":
        runDrop(state, job as Job & { work: typeof work });
        return this.upkeep.reap();
      case "format":
      case "claim":
      case "reap":
        return this.upkeep.run(job);
    }
  }

  private startWrite(
    request: number,
    work: Work,
    tx: TransactionId,
    conflicts: CallRequest["conflicts"],
    call?: CallRequest,
  ): void {
    const job = this.job(request, work, tx, conflicts);
    if (call !== undefined) {
      job.bytes = call.bytes ?? 0;
      job.isLong = this.state.long.isLong(call);
    }
    try {
      checkAdmission(this.state, call?.isModest);
    } catch (reason) {
      return this.refuse(request, reason);
    }
    this.start(job);
  }

  private job(request: number, work: Work, tx: TransactionId, conflicts?: CallRequest["conflicts"]): Job {
    const { state } = this;
    return new Job(
      state.transactions.nextOrder(),
      request,
      work,
      tx,
      conflicts ?? state.options.conflicts,
      state.now,
    );
  }

  /** Runs a new job at once if nothing older is ready. */
  private start(job: Job): void {
    const { state } = this;
    if (job.isWrite) state.pendingWrites++;
    state.pendingBytes += job.bytes;
    state.makeReady(job);
    this.turn();
  }

  private refuse(request: number, reason: unknown): void {
    if (!(reason instanceof SixfoldError)) throw reason;
    this.effects.push({ kind: "reply", request, result: { kind: "failed", error: reason } });
    this.turn();
  }

  /** A job met an error that its client must hear. Reads that fail for good end their transaction. */
  private failed(job: Job, error: SixfoldError): void {
    const { state } = this;
    const { tx } = job;
    state.fail(job, error, job.proven);
    if (tx !== undefined && job.work.kind !== "commit" && error.retryable === "new-transaction")
      state.endTransaction(tx, error);
  }

  /** Ends a transaction that is not committing, and its waiting reads. */
  private endOf(id: TransactionId, reason: SixfoldError): void {
    const { state } = this;
    const tx = state.transactions.get(id);
    if (tx === undefined) return;
    state.failReads(tx, reason);
    if (tx.committing) return;
    state.endTransaction(tx, undefined);
    // A read of it that has not run yet, since the engine was paused, must not open a view: nobody would close it.
    tx.ended ??= reason;
  }
}
