/** What users hand to the SDK, and what they get back. */
import type { Consistency, Isolation, TransactionOutcome } from "@sixfold/model";
import type { Key } from "@sixfold/wire";
import type { AnyProcedures, ArgumentsOf, ResultOf } from "./procedure.ts";
import type { ScanOptions } from "./scan-options.ts";
import type { ReadFrom } from "./serving.ts";

/** Which writer should serve a row: callers with the same hint meet at the same writer. A number is taken modulo the writers by name. */
export type Affinity = (table: string, key: Key | undefined) => string | number | undefined;

export interface RetryOptions {
  /** Runs of the transaction at most, the first included. */
  readonly attempts?: number;
  /** For everything, retries included; then the call fails with `timeout`, or `outcome-unknown` if a commit was under way. */
  readonly timeoutMs?: number;
}

export interface ConnectOptions {
  readonly token?: string;
  readonly affinity?: Affinity;
  /** The availability zone to prefer: where the client is. */
  readonly az?: string;
  /**
   * Where reads go that need no writer: those without a transaction, and read-only transactions. `any` (default): to all in turn; `writer`:
   * to writers; `replica`: to replicas, or writers while there is none; `nearest`: to those in the zone `az`, or without one to those that answer soonest.
   */
  readonly readFrom?: ReadFrom;
  /** Use all nodes that the cluster names, now and later. By default only the given ones, while those can serve what is asked for. */
  readonly discover?: boolean;
  /** Defaults for all calls; 20 attempts in 10 s unless given. */
  readonly retry?: RetryOptions;
  /** Called before a transaction or call is run again. */
  readonly onRetry?: (error: unknown, attempt: number) => void;
  /** Run a procedure again that lost to another writer (default), or report the conflict to the caller. */
  readonly retryCalls?: boolean;
  /** How long `connect` tries until one node answers. */
  readonly connectTimeoutMs?: number;
  /** Shown by the nodes. */
  readonly name?: string;
}

export interface TransactionOptions {
  readonly isolation?: Isolation;
  readonly consistency?: Consistency;
  /** Writes nothing, so that a replica can serve it: `put` and `delete` are refused. */
  readonly readOnly?: boolean;
  /** Where a read-only one runs; as `connect` was told unless given. */
  readonly readFrom?: ReadFrom;
  /**
   * Bounded staleness: what was committed anywhere longer ago than this, in milliseconds, is seen. A node that lags further behind
   * catches up within a moment, or another is asked: a replica, then a writer. If none can in time: `too-stale`.
   */
  readonly maxLagMs?: number;
  readonly retry?: RetryOptions;
  readonly onRetry?: (error: unknown, attempt: number) => void;
  readonly signal?: AbortSignal;
}

export interface ReadOptions {
  readonly consistency?: Consistency;
  /** As `connect` was told unless given. */
  readonly readFrom?: ReadFrom;
  /** As for transactions. */
  readonly maxLagMs?: number;
}

export type Row<T> = [key: Key, value: T];

/** A transaction as its callback sees it. Valid until the callback ends. */
export interface Tx {
  /** `<stream>.<LSN before it>-<random>`; another one in each attempt. `db.outcome` takes it. */
  readonly id: string;
  /** The attempt that this is, from 1. */
  readonly attempt: number;
  get<T = unknown>(
    table: string,
    key: Key,
    options?: { readonly forUpdate?: boolean },
  ): Promise<T | undefined>;
  put(table: string, key: Key, value: unknown): void;
  delete(table: string, key: Key): void;
  scan<T = unknown>(table: string, options?: ScanOptions): AsyncIterableIterator<Row<T>>;
  /** Ends the transaction without effect and without another attempt: `transaction` rejects with `aborted-by-caller`. */
  abort(reason: string, details?: Readonly<Record<string, unknown>>): never;
}

/** The operations that a database and a session of it have in common. */
export interface Operations<P extends object = AnyProcedures> {
  /** True if it was not there before. */
  createTable(table: string): Promise<boolean>;
  /** True if it was there. */
  dropTable(table: string): Promise<boolean>;
  listTables(options?: ReadOptions): Promise<readonly string[]>;
  get<T = unknown>(table: string, key: Key, options?: ReadOptions): Promise<T | undefined>;
  put(table: string, key: Key, value: unknown): Promise<void>;
  delete(table: string, key: Key): Promise<void>;
  scan<T = unknown>(table: string, options?: ScanOptions & ReadOptions): AsyncIterableIterator<Row<T>>;
  transaction<R>(body: (tx: Tx) => Promise<R> | R, options?: TransactionOptions): Promise<R>;
  call<N extends keyof P & string>(procedure: N, ...args: ArgumentsOf<P[N]>): Promise<ResultOf<P[N]>>;
  outcome(transaction: string): Promise<TransactionOutcome>;
}

export interface Session<P extends object = AnyProcedures> extends Operations<P> {
  /** Shows everything that this session wrote; hand it to `db.session(token)` elsewhere to read it there. */
  readonly token: Uint8Array;
}

export interface NodeInfo {
  readonly name: string;
  readonly role: "writer" | "replica";
  readonly az: string;
  readonly url: string;
  /** It has a stream of its own now; a writer that stands by has none. */
  readonly writes: boolean;
  /** How far behind the writers a replica is, as far as that is known. */
  readonly lagMs: number;
  readonly connected: boolean;
}

export interface Database<P extends object = AnyProcedures> extends Operations<P> {
  /** A flow of its own: sees its own writes at every node, and waits for nobody else's. */
  session(token?: Uint8Array): Session<P>;
  /** The database nodes as the cluster names them. */
  nodes(): readonly NodeInfo[];
  /** What a node says of itself, free-form. */
  status(node?: string): Promise<Readonly<Record<string, unknown>>>;
  /** Fails what is under way with `closed`. Idempotent. */
  close(): Promise<void>;
}
