/**
 * The engine's face: what a database node asks of it, tells it, and gets back.
 *
 * The engine is a synchronous machine. Every method takes its input (and the time, in
 * milliseconds, where time matters) and appends to `effects`, which the owner drains
 * after each turn. Requests are numbers of the owner's choosing; each is answered
 * exactly once by a `reply` effect with the same number.
 *
 *     owner                                   engine
 *       get / scan / commit / call      ->      load    (pages it has not)      -> pagesLoaded / loadFailed
 *                                               submit  (an entry, LSN dense)   -> decided
 *                                       <-      reply
 *
 * Byte arrays in requests are borrowed until the reply and must not change; byte arrays
 * in replies and entries belong to the receiver.
 */
import type {
  Conflicts,
  ConflictPhase,
  Consistency,
  Delta,
  Entry,
  Geometry,
  Isolation,
  Lsn,
  PageId,
  PageVersion,
  PlantedBugs,
  ReadPoint,
  SixfoldError,
  SliceFields,
  StreamId,
  TransactionId,
} from "@sixfold/model";
import type { ReadView } from "./read-view.ts";

export type { ReadView } from "./read-view.ts";

export interface EngineOptions {
  readonly geometry: Geometry;
  /** Pages that the buffer pool keeps. Exceeded only by pages that may not leave: undecided, or needed by a waiting request. */
  readonly poolPages: number;
  /** What a lost page race means to a client, unless the commit says otherwise. */
  readonly conflicts: Conflicts;
  readonly seed: number;
  /** Narrower bounds than `LIMITS`, for small worlds. */
  readonly inFlightBytes?: number;
  readonly queuedCommits?: number;
  readonly queuedBytes?: number;
  readonly waitingReads?: number;
  readonly openTransactions?: number;
  /** Pages of a piece of what goes ahead of a large commit. */
  readonly piecePages?: number | undefined;
  /** Rules to break on purpose: only for tests that must show that a broken rule is noticed (STYLE 29). */
  readonly planted?: PlantedBugs | undefined;
}

/** Names a transaction in each of its requests; its first read begins it. */
export interface TxHandle {
  readonly id: TransactionId;
  readonly isolation: Isolation;
  /** `cluster` is the owner's work (it waits before it passes the first request on); the engine reads at `applied` either way. */
  readonly consistency: Consistency;
  /**
   * The client has had an answer to a read in this transaction. If the engine no longer knows it then,
   * the request fails (`connection-lost`, or the reason it ended) instead of beginning anew or writing blindly (I9).
   */
  readonly began: boolean;
}

export interface GetRequest {
  /** Absent: a transaction of its own, at the newest read point. */
  readonly tx?: TxHandle | undefined;
  /** What it sees, if its transaction begins with it (or it has none); else as `applied` is then. Stays the caller's: the engine takes a share. */
  readonly view?: ReadView | undefined;
  readonly table: string;
  readonly keys: readonly Uint8Array[];
  /** Locks the rows against other transactions of this node until the transaction ends. Needs `tx`. */
  readonly forUpdate: boolean;
}

/** Bounds by memcmp order. At most one of `gte`/`gt`, and of `lt`/`lte`. */
export interface ScanRange {
  readonly gte?: Uint8Array | undefined;
  readonly gt?: Uint8Array | undefined;
  readonly lt?: Uint8Array | undefined;
  readonly lte?: Uint8Array | undefined;
  /** At most `LIMITS.scanRows`, which is also the default. */
  readonly limit?: number | undefined;
  /** From the upper bound down. */
  readonly reverse?: boolean | undefined;
}

export interface ScanRequest extends ScanRange {
  readonly tx?: TxHandle | undefined;
  /** As in `GetRequest`. */
  readonly view?: ReadView | undefined;
  readonly table: string;
}

export interface Write {
  readonly table: string;
  readonly key: Uint8Array;
  /** Absent: delete. */
  readonly value?: Uint8Array | undefined;
}

export interface CommitRequest {
  readonly tx: TxHandle;
  /** Applied in order; the last write of a key wins. */
  readonly writes: readonly Write[];
  readonly conflicts?: Conflicts | undefined;
  /** Its client asks for little: it is refused last (pressure.ts). */
  readonly isModest?: boolean | undefined;
}

export interface CallRequest {
  readonly tx: TransactionId;
  readonly isolation: Isolation;
  /** Its name, by which those that take long are known and give way to others (`long-work`). */
  readonly procedure?: string;
  /** Synchronous, and pure but for the context: it may be run again. */
  readonly run: (context: ProcedureContext) => unknown;
  /** Of its arguments. */
  readonly bytes?: number;
  readonly isModest?: boolean | undefined;
  readonly conflicts?: Conflicts | undefined;
}

export interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Makes of a row what its reader wants: of a key and a value that lie in other bytes, on loan. */
export type MakeRow<T> = (
  key: Uint8Array,
  keyFrom: number,
  keyTo: number,
  value: Uint8Array,
  from: number,
  to: number,
) => T;

/** What a procedure sees: the newest local state, its own writes included. Do not swallow exceptions of these methods. */
export interface ProcedureContext {
  get(table: string, key: Uint8Array): Uint8Array | undefined;
  put(table: string, key: Uint8Array, value: Uint8Array): void;
  delete(table: string, key: Uint8Array): void;
  /** At most `limit` rows (`LIMITS.scanRows`). */
  scan<T>(table: string, range: ScanRange, make: MakeRow<T>): T[];
}

export type EngineResult =
  /** To `get`: one per key, in its order. */
  | { readonly kind: "values"; readonly values: readonly (Uint8Array | undefined)[] }
  /** To `scan`. `more`: the range goes on beyond the last row (a limit was met); scan again from there. */
  | { readonly kind: "rows"; readonly rows: readonly Row[]; readonly more: boolean }
  /** To `commit`, `createTable`, `dropTable`. `version` is `NONE` if nothing had to be written. `attempts`: entries built for it, 0 if none. */
  | { readonly kind: "committed"; readonly version: PageVersion; readonly attempts: number }
  /** To `call`; `value` is what the procedure returned. */
  | {
      readonly kind: "called";
      readonly value: unknown;
      readonly version: PageVersion;
      readonly attempts: number;
    }
  | { readonly kind: "rolled-back" }
  | { readonly kind: "tables"; readonly names: readonly string[] }
  | { readonly kind: "failed"; readonly error: SixfoldError };

export type EngineEffect =
  /** Fetch these pages as they are at `readPoint`; answer each with `pagesLoaded` or `loadFailed`, with the same `readPoint` object. */
  | { readonly kind: "load"; readonly pages: readonly PageId[]; readonly readPoint: ReadPoint }
  /** A new entry of the own stream. LSNs are dense and ascending. */
  | { readonly kind: "submit"; readonly entry: Entry }
  /** This own entry has lost to `winner` (or built on one that has): abort the attempt. `decided(lsn, "abort")` may follow or not. */
  | { readonly kind: "giveUp"; readonly lsn: Lsn; readonly winner: PageVersion }
  /** This aborted attempt will not be retried, and its client waits to hear of it: call `abortDurable(lsn)` once the abort is durable (DESIGN section 6). */
  | { readonly kind: "abandonAbort"; readonly lsn: Lsn }
  | { readonly kind: "reply"; readonly request: number; readonly result: EngineResult };

export interface LoadedPage {
  readonly page: PageId;
  /** Owned by the engine from here on. Undefined: never written at this read point. */
  readonly image: Uint8Array | undefined;
  readonly version: PageVersion;
  /** The object of the `load` effect. */
  readonly readPoint: ReadPoint;
}

/** A committed entry of another stream, as far as the engine cares. */
export interface ForeignEntry {
  readonly stream: StreamId;
  readonly lsn: Lsn;
  readonly transaction: TransactionId;
  readonly deltas: readonly Delta[];
}

/** Why an own entry was aborted. */
export interface AbortCause {
  /** The foreign entry in the way: committed if the entry was rejected, undecided if it yielded. */
  readonly winner?: PageVersion | undefined;
  readonly page?: PageId | undefined;
  readonly phase: ConflictPhase;
  /** A yield: no committed rival is known, so that the client may hear of the abort only once it is durable. */
  readonly yielded?: boolean | undefined;
}

/** Numbers for metrics and the console. Counters only grow. */
export interface EngineStats {
  readonly pages: number;
  readonly inFlight: number;
  readonly waiting: number;
  readonly transactions: number;
  readonly commits: number;
  readonly builds: number;
  readonly takenBack: number;
  readonly rowConflicts: number;
  readonly pageConflicts: number;
  /** Pages asked for so far, and those not answered yet. */
  readonly loads: number;
  readonly loading: number;
  readonly evictions: number;
}

/** Back-pressure, as users see it (pressure.ts). */
export interface Pressure {
  readonly state: "ok" | "queueing" | "refusing";
  /** Of entries that are not decided. */
  readonly inFlightBytes: number;
  readonly inFlightBytesMax: number;
  /** Writes that wait for in-flight bytes to go down. */
  readonly queued: number;
  /** Writes that have no answer yet, the queued ones included. */
  readonly pendingWrites: number;
  /** As many may at the pace of the last second. */
  readonly pendingWritesMax: number;
  /** What these brought from their clients. */
  readonly pendingBytes: number;
  readonly pendingBytesMax: number;
  /** Reads that wait for pages or locks. */
  readonly pendingReads: number;
  /** Writes, reads and transactions refused as `overloaded` so far. */
  readonly refused: number;
}

/** What an undecided entry, or a slice of it, is about to change. */
export type Claim = Pick<SliceFields, "lsn" | "deltas">;

/** The whole face, for owners who want to name it. `Engine` implements it. */
export interface EngineFace {
  readonly effects: EngineEffect[];
  /** What this node shows: the own durable point and foreign applied positions. Live: clone it to keep it. */
  readonly applied: ReadPoint;
  readonly stats: EngineStats;
  readonly pressure: Pressure;
  /** Becomes a writer with this stream. The first entry gets `nextLsn`. */
  open(stream: StreamId, exclusive: boolean, nextLsn: Lsn, now: number): void;
  /** Fenced or stopped: every waiting write and in-flight commit is answered; reads go on. */
  closeStream(error: SixfoldError, now: number): void;
  get(request: number, read: GetRequest, now: number): void;
  scan(request: number, scan: ScanRequest, now: number): void;
  commit(request: number, commit: CommitRequest, now: number): void;
  rollback(request: number, tx: TransactionId, now: number): void;
  call(request: number, call: CallRequest, now: number): void;
  /** Idempotent: an existing table is left alone. */
  createTable(request: number, tx: TransactionId, table: string, now: number): void;
  /** Idempotent, too. */
  dropTable(request: number, tx: TransactionId, table: string, now: number): void;
  listTables(request: number, now: number): void;
  /** The client is gone: ends the transaction, and its waiting reads. */
  abandon(tx: TransactionId, now: number): void;
  pagesLoaded(results: readonly LoadedPage[], now: number): void;
  loadFailed(
    pages: readonly PageId[],
    readPoint: ReadPoint,
    reason: "too-old" | SixfoldError,
    now: number,
  ): void;
  /** Own entries. Commits in LSN order, aborts in any; a commit moves the own component of `applied`. */
  decided(lsn: Lsn, decision: "commit" | "abort", cause: AbortCause | undefined, now: number): void;
  /** Answers `abandonAbort`. */
  abortDurable(lsn: Lsn, now: number): void;
  /** Committed, durable, in causal order; every entry once. */
  applyForeign(entry: ForeignEntry, now: number): void;
  /** After the entries of `stream` up to `to` were applied, or the own durable point moved. */
  advance(stream: StreamId, to: Lsn, now: number): void;
  /** This node missed part of a foreign stream: forget every cached page. */
  dropCleanPages(now: number): void;
  /** Streams up to `through` are closed and visible whole. */
  settle(through: StreamId): void;
  /** This stream is closed: its extents may be adopted. */
  streamClosed(stream: StreamId): void;
  /** Nothing runs until `resume`: the applied vector is not causally closed (I5). */
  pause(): void;
  resume(now: number): void;
  /** Something is ready to run, and waits for the next turn, since much was read in this one. */
  readonly hasMore: boolean;
  /** A turn of the owner's begins. */
  newTurn(now: number): void;
  /** Undecided entries of another stream, on their way through storage: nothing is built beside them for a moment. */
  foreignClaims(stream: StreamId, claims: readonly Claim[], now: number): void;
  /** Courtesy: start nothing new on these pages until released. */
  holdPages(pages: readonly PageId[], now: number): void;
  releasePages(pages: readonly PageId[], now: number): void;
  /** Opens a view at `applied`, for `viewAbove`: from now on all that it needs is kept. Pair with `closeView`, as each of these three. */
  openView(): ReadView;
  /** Opens a view at a read point of another node, at or above that of `base`: read there once all of it is shown here. */
  viewAbove(base: ReadView, point: ReadPoint): ReadView;
  closeView(view: ReadView): void;
  /** The oldest read point in use here. */
  oldestReadPoint(): ReadPoint;
  /** Ages transactions and holds. Call it every few milliseconds. */
  tick(now: number): void;
}
