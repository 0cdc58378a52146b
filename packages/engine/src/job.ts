/**
 * Jobs: requests under way, and the engine's own small works.
 *
 *     ready -> (run) -> waiting -> ready ...        something was missing: run again from its start
 *                    -> in-flight -> done           its entry was submitted
 *                    -> in-flight -> ready ...      its entry lost: built again; or it was a piece that went ahead (`staged-values`)
 *                    -> settling -> done            nothing to write, but what it read is undecided yet
 *                    -> aborting -> done            its failure may be told once an abort is durable
 *
 * Ready jobs run in the order of their arrival, retries included: a burst of aborts keeps the order it had.
 */
import type { ConflictPhase, Conflicts, Lsn, PageVersion, TransactionId } from "@sixfold/model";
import type { CallRequest, CommitRequest, EngineResult, GetRequest, ScanRequest } from "./engine-api.ts";
import type { Frame } from "./frame.ts";
import type { ReadView } from "./read-view.ts";
import type { LockOwner } from "./row-locks.ts";
import type { Transaction } from "./transactions.ts";
import type { StagedValues } from "./staged-values.ts";
import type { ScanCursor } from "./tree.ts";

export type Work =
  | { readonly kind: "get"; readonly read: GetRequest }
  | { readonly kind: "scan"; readonly scan: ScanRequest; cursor: ScanCursor | undefined }
  | { readonly kind: "list"; readonly cursor: ScanCursor<Uint8Array> }
  | { readonly kind: "commit"; readonly commit: CommitRequest; readonly overflowPages: number }
  | { readonly kind: "call"; readonly call: CallRequest }
  | { readonly kind: "create"; readonly table: string }
  | { readonly kind: "drop"; readonly table: string }
  | { readonly kind: "format" }
  | { readonly kind: "claim"; readonly pages: number; extents: readonly number[] }
  | { readonly kind: "reap" };

export type JobState = "ready" | "waiting" | "in-flight" | "settling" | "aborting" | "done";

/** An own entry that is not decided yet. */
export interface InFlightEntry {
  readonly version: PageVersion;
  readonly job: Job;
  /** Pages it changed. On each, this version lies above those of its own bases. */
  readonly frames: readonly Frame[];
  readonly bytes: number;
  /** Entries that have this one as an own base. */
  readonly dependents: InFlightEntry[];
  /** Jobs that look again once this is decided. */
  readonly waiters: Job[];
  /** Jobs whose result relies on its commit, with the job's run that read it. */
  readonly readers: { readonly job: Job; readonly run: number }[];
  /** What the client hears on commit; undefined for a piece that goes ahead of it. */
  readonly result: EngineResult | undefined;
}

export class Job implements LockOwner {
  /** Arrival; the order in which jobs run. */
  readonly order: number;
  /** The owner's number; -1 for the engine's own works. */
  readonly request: number;
  readonly work: Work;
  readonly transaction: TransactionId;
  readonly conflicts: Conflicts;
  readonly arrivedAt: number;
  state: JobState = "ready";
  /** Registrations that must be answered before it runs again. */
  waits = 0;
  /** Counts runs. */
  run = 0;
  tx: Transaction | undefined = undefined;
  /** A view of its own, for reads without a transaction. */
  view: ReadView | undefined = undefined;
  /** What the request brought, counted against the limit of queued bytes. */
  bytes = 0;
  /** Long values that go ahead of the commit. */
  staged: StagedValues | undefined = undefined;
  /** Pages kept for it until it ends. */
  readonly pins: Frame[] = [];
  entry: InFlightEntry | undefined = undefined;
  /** The last attempt that was aborted, or 0. */
  supersedes = 0 as Lsn;
  attempts = 0;
  /** It gives way to others (`long-work`). */
  isLong = false;
  /** Aborted attempts of which no committed rival is known: a recovery might yet find them committed. */
  readonly unsafe: Lsn[] = [];
  /** The conflict found is with a committed version of a row: no attempt so far can be committed. */
  proven = false;
  /** Validation has waited for undecided changes and looked a second time. */
  lookedAgain = false;
  lastPhase: ConflictPhase | undefined = undefined;
  /** What to answer once settled or safely aborted. */
  result: EngineResult | undefined = undefined;
  waitsFor: string | undefined = undefined;
  locks: Set<string> | undefined = undefined;
  /** Counted against the limit of queued commits. */
  readonly isWrite: boolean;

  constructor(
    order: number,
    request: number,
    work: Work,
    transaction: TransactionId,
    conflicts: Conflicts,
    now: number,
  ) {
    this.order = order;
    this.request = request;
    this.work = work;
    this.transaction = transaction;
    this.conflicts = conflicts;
    this.arrivedAt = now;
    this.isWrite = work.kind !== "get" && work.kind !== "scan" && work.kind !== "list";
  }
}

/** A heap of jobs, oldest first. */
export class JobQueue {
  private readonly heap: Job[] = [];

  get size(): number {
    return this.heap.length;
  }

  /** In no order. */
  get all(): readonly Job[] {
    return this.heap;
  }

  push(job: Job): void {
    const h = this.heap;
    let i = h.length;
    h.push(job);
    while (i > 0) {
      const up = (i - 1) >>> 1;
      if (h[up]!.order <= job.order) break;
      h[i] = h[up]!;
      i = up;
    }
    h[i] = job;
  }

  pop(): Job | undefined {
    const h = this.heap;
    const top = h[0];
    const last = h.pop();
    if (top === undefined || last === undefined || h.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= h.length) break;
      if (child + 1 < h.length && h[child + 1]!.order < h[child]!.order) child++;
      if (h[child]!.order >= last.order) break;
      h[i] = h[child]!;
      i = child;
    }
    h[i] = last;
    return top;
  }
}
