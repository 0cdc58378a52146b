/**
 * What the parts of the engine share: pages, transactions, jobs, the positions of the
 * streams, and how a job waits, wakes and ends.
 *
 *     applied   what readers see: own durable point, foreign streams as far as they were applied
 *     newest    what heads contain beside own undecided entries: `applied` and foreign entries applied a moment ago
 */
import {
  LIMITS,
  NO_BUGS,
  NONE,
  ReadPoint,
  SixfoldError,
  lsn as asLsn,
  streamId,
  type Lsn,
  type PageVersion,
  type PlantedBugs,
  type StreamId,
  YoungMap,
  YoungSet,
} from "@sixfold/model";
import { BufferPool } from "./buffer-pool.ts";
import { Catalog } from "./catalog.ts";
import { CommitPace } from "./commit-pace.ts";
import type { EngineEffect, EngineOptions, EngineResult } from "./engine-api.ts";
import { EntryBuilder } from "./entry-builder.ts";
import { Extents } from "./extents.ts";
import type { Frame } from "./frame.ts";
import { HeldPages } from "./held-pages.ts";
import { JobQueue, type InFlightEntry, type Job } from "./job.ts";
import { LongWork } from "./long-work.ts";
import { PageLoads } from "./page-loads.ts";
import { ReadViews, ViewReader, type ReadView } from "./read-view.ts";
import { RowLocks, type LockOwner } from "./row-locks.ts";
import { PIECE_PAGES } from "./staged-values.ts";
import { TransactionTable, type Transaction } from "./transactions.ts";
import { TreeEditor } from "./tree-edit.ts";
import { UNWIND, Wants } from "./unwind.ts";
import { WinnerNames } from "./winner-names.ts";

/** Pages one request may need at once; a procedure over more than this has to be cut in pieces. */
const MAX_PINS = 65_536;

/** At least this much of the past is kept on copies: several of the longest values. */
const PAST_BYTES = 32 * LIMITS.valueBytes;

export class EngineState {
  readonly effects: EngineEffect[] = [];
  readonly options: EngineOptions;
  readonly planted: PlantedBugs;
  /** Planted: readers see own undecided entries. */
  private readonly showsUndecided: boolean;
  readonly wants = new Wants();
  readonly pool: BufferPool;
  readonly views: ReadViews;
  readonly viewReader: ViewReader;
  readonly held = new HeldPages();
  readonly builder: EntryBuilder;
  readonly extents: Extents;
  readonly trees: TreeEditor;
  readonly catalog: Catalog;
  readonly loads: PageLoads;
  readonly locks = new RowLocks<Job>();
  readonly transactions = new TransactionTable();
  readonly winners = new WinnerNames();

  applied = new ReadPoint(streamId(0));
  newest = new ReadPoint(streamId(0));
  /** The own open stream, or 0. */
  stream = streamId(0);
  exclusive = false;
  /** It has opened a stream: no replica. */
  isWriter = false;
  nextLsn = asLsn(1);
  now = 0;

  readonly inFlight = new YoungMap<Lsn, InFlightEntry>();
  inFlightBytes = 0;
  /** Jobs that can run now. */
  readonly ready = new JobQueue();
  /** Commits that wait for in-flight bytes to go down. */
  readonly queued = new JobQueue();
  /** Those that give way to others. */
  readonly long = new LongWork();
  /** Rows read in this turn of the node's. */
  rowsRead = 0;
  /** Every job not done that did not end in its first run. */
  readonly jobs = new YoungSet<Job>();
  pendingWrites = 0;
  pendingBytes = 0;
  /** Reads that have waited for something, and have no answer yet. */
  pendingReads = 0;
  readonly pace = new CommitPace();
  readonly waitingForPages: Job[] = [];
  readonly waitingForFormat: Job[] = [];
  /** Pages that jobs lack in own extents; a claim is due if above 0. */
  pagesToClaim = 0;
  /** Failures that wait for aborts to be durable. */
  readonly aborting = new Map<Lsn, Job>();

  readonly counts = { commits: 0, builds: 0, takenBack: 0, rowConflicts: 0, pageConflicts: 0, refused: 0 };

  constructor(options: EngineOptions) {
    this.options = options;
    const planted = (this.planted = options.planted ?? NO_BUGS);
    this.showsUndecided = planted.has("undecided-read");
    const { pageBytes } = options.geometry;
    this.pool = new BufferPool(pageBytes, options.poolPages, planted);
    this.views = new ReadViews(Math.max(options.poolPages, Math.ceil(PAST_BYTES / pageBytes)));
    this.viewReader = new ViewReader(this.pool, this.views, this.wants);
    this.builder = new EntryBuilder(this.pool, this.wants, this.held, planted);
    this.extents = new Extents(pageBytes, this.wants);
    this.trees = new TreeEditor(this.builder, this.extents);
    this.catalog = new Catalog(this.wants);
    this.loads = new PageLoads(this.effects);
  }

  get maxInFlightBytes(): number {
    return this.options.inFlightBytes ?? LIMITS.inFlightBytesPerWriter;
  }

  get maxQueuedCommits(): number {
    return this.options.queuedCommits ?? LIMITS.queuedCommits;
  }

  get piecePages(): number {
    return this.options.piecePages ?? PIECE_PAGES;
  }

  get maxQueuedBytes(): number {
    return this.options.queuedBytes ?? LIMITS.queuedBytes;
  }

  get maxWaitingReads(): number {
    return this.options.waitingReads ?? LIMITS.waitingReads;
  }

  get maxOpenTransactions(): number {
    return this.options.openTransactions ?? LIMITS.openTransactions;
  }

  /** Is this version an own entry that is not decided? Commits go in LSN order and aborted ones leave no version, so one comparison tells. */
  isUndecided(version: PageVersion): boolean {
    return version.stream === this.stream && version.lsn > this.builder.lastDecided && this.stream !== 0;
  }

  /** The oldest read point that pages may have to be rebuilt for. */
  get horizon(): ReadPoint {
    return this.views.oldest() ?? this.applied;
  }

  openView(): ReadView {
    if (!this.showsUndecided || this.stream === 0) return this.views.at(this.applied);
    const point = this.applied.clone();
    point.advance(this.stream, asLsn(this.nextLsn - 1));
    this.views.appliedMoved();
    return this.views.at(point);
  }

  /** Registers everything in `wants` for the job; it runs again when all of it is answered. */
  park(job: Job): void {
    const { wants } = this;
    this.keep(job);
    job.state = "waiting";
    job.waits = 0;
    for (const page of distinct(wants.heads)) {
      this.loads.wantHead(page, job);
      job.waits++;
    }
    const view = job.tx?.view ?? job.view;
    for (const page of distinct(wants.pasts)) {
      this.loads.wantPast(view!, page, job);
      job.waits++;
    }
    if (wants.entry > 0) {
      const entry = this.inFlight.get(asLsn(wants.entry));
      if (entry !== undefined) {
        entry.waiters.push(job);
        job.waits++;
      }
    }
    if (wants.held >= 0 && this.held.wait(wants.held as Frame["page"], job)) job.waits++;
    if (wants.freePages > 0) {
      this.waitingForPages.push(job);
      this.pagesToClaim = Math.max(this.pagesToClaim, wants.freePages);
      job.waits++;
    }
    if (wants.format) {
      this.waitingForFormat.push(job);
      job.waits++;
    }
    if (wants.lock !== undefined) this.queueForLock(job, wants.lock);
    if (job.waits === 0 && job.state === "waiting") this.makeReady(job);
  }

  /** Does anything wait for nothing but its turn? */
  get hasMore(): boolean {
    return this.ready.size > 0 || this.long.isWaiting;
  }

  private keep(job: Job): void {
    if (!job.isWrite && !this.jobs.has(job)) {
      this.pendingReads++;
      if (job.tx !== undefined) job.tx.waitingReads++;
    }
    this.jobs.add(job);
  }

  /** One of the things a job waits for has happened. */
  wake(job: Job): void {
    if (job.state === "waiting" && --job.waits === 0) this.makeReady(job);
  }

  wakeAll(jobs: Job[]): void {
    for (const job of jobs) this.wake(job);
  }

  /** Wakes and empties a list that is kept. */
  wakeList(list: Job[]): void {
    if (list.length === 0) return;
    this.wakeAll(list.splice(0, list.length));
  }

  /** The oldest job that can run now, the long ones left out. */
  nextReady(): Job | undefined {
    const hasRoom = this.inFlightBytes < this.maxInFlightBytes;
    return this.ready.pop() ?? (hasRoom ? this.queued.pop() : undefined);
  }

  makeReady(job: Job): void {
    job.state = "ready";
    if (!job.isLong) return this.ready.push(job);
    this.keep(job);
    this.long.add(job);
  }

  pin(job: Job, frame: Frame): void {
    if (job.pins.length >= MAX_PINS) return;
    frame.pins++;
    job.pins.push(frame);
  }

  /** Ends a job with its answer. */
  finish(job: Job, result: EngineResult): void {
    if (job.state === "done") return;
    job.state = "done";
    const hasWaited = this.jobs.delete(job);
    if (job.isWrite) this.pendingWrites--;
    else if (hasWaited) {
      this.pendingReads--;
      if (job.tx !== undefined) job.tx.waitingReads--;
    }
    this.pendingBytes -= job.bytes;
    if (job.staged !== undefined) this.extents.release(job.staged.pages);
    for (const frame of job.pins) frame.pins--;
    job.pins.length = 0;
    if (job.view !== undefined) this.views.close(job.view);
    job.view = undefined;
    this.releaseLocks(job);
    if (job.tx !== undefined && job.work.kind === "commit") this.endTransaction(job.tx, undefined);
    if (job.request >= 0) this.effects.push({ kind: "reply", request: job.request, result });
  }

  /**
   * Ends a job in failure. If attempts of it were aborted without a committed rival, the client
   * hears of it only when those aborts are durable (I2); `proven` says that none of them can be committed any more.
   */
  fail(job: Job, error: SixfoldError, proven = false): void {
    const result: EngineResult = { kind: "failed", error };
    if (proven || job.unsafe.length === 0) return this.finish(job, result);
    job.state = "aborting";
    job.result = result;
    this.jobs.add(job);
    job.waits = job.unsafe.length;
    for (const lsn of job.unsafe) {
      this.aborting.set(lsn, job);
      this.effects.push({ kind: "abandonAbort", lsn });
    }
  }

  /** Fails the reads that a transaction waits for. O(jobs) if there are any. */
  failReads(tx: Transaction, error: SixfoldError): void {
    if (tx.waitingReads === 0) return;
    for (const job of [...this.jobs])
      if (job.tx === tx && !job.isWrite) this.finish(job, { kind: "failed", error });
  }

  /** Releases everything a transaction holds. With a reason it stays as a tombstone, else it is forgotten. */
  endTransaction(tx: Transaction, reason: SixfoldError | undefined): void {
    if (tx.view !== undefined) this.views.close(tx.view);
    tx.view = undefined;
    tx.rows.clear();
    tx.ranges.length = 0;
    this.releaseLocks(tx);
    if (reason === undefined) this.transactions.forget(tx.id);
    else tx.ended ??= reason;
  }

  releaseLocks(owner: Transaction | Job): void {
    this.locks.stopWaiting(owner);
    if (owner.locks !== undefined) this.wakeAll(this.locks.release(owner));
  }

  /** Takes the row's lock for a job's transaction, or unwinds to wait for it. */
  lockRow(row: string, job: Job): void {
    if (this.locks.take(row, job.tx ?? job)) return;
    this.wants.lock = row;
    throw UNWIND;
  }

  /** Unwinds if another holds the row. The job takes the lock with the queue's order then. */
  respectLock(row: string, job: Job): void {
    if (!this.locks.inTheWay(row, job.tx ?? job)) return;
    this.wants.lock = row;
    throw UNWIND;
  }

  private queueForLock(job: Job, row: string): void {
    const owner = job.tx ?? job;
    if (owner.waitsFor !== undefined) {
      // Another request of the same transaction waits already.
      this.fail(job, new SixfoldError("bad-handle", "a transaction locks rows in one request at a time"));
      return;
    }
    job.waits++;
    const victim = this.locks.wait(row, owner, job);
    if (victim === undefined) return;
    const error = new SixfoldError(
      "deadlock",
      `transactions waited for each other's rows; this one is the youngest`,
      {
        details: { transaction: job.transaction },
      },
    );
    this.endOwner(victim, error);
  }

  /** Fails the waiting requests of a lock's owner, and its transaction. */
  private endOwner(victim: LockOwner, error: SixfoldError): void {
    for (const job of [...this.jobs]) {
      const { tx } = job;
      if ((job !== victim && tx !== victim) || job.state === "in-flight" || job.state === "aborting")
        continue;
      this.fail(job, error);
      if (tx !== undefined) this.endTransaction(tx, error);
    }
  }

  /** Moves a component of `applied`. */
  show(stream: StreamId, to: Lsn): void {
    if (this.applied.get(stream) >= to) return;
    this.applied.advance(stream, to);
    this.newest.advance(stream, to);
    this.views.appliedMoved();
  }

  /** The version the next entry gets. */
  nextVersion(): PageVersion {
    return this.stream === 0 ? NONE : { stream: this.stream, lsn: this.nextLsn };
  }
}

const distinct = <T>(items: readonly T[]): Iterable<T> => (items.length > 1 ? new Set(items) : items);
