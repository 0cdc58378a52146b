/**
 * The part of the SDK that workloads use, and nothing more.
 *
 * Workloads run against whatever has this face: the SDK on a real cluster, the SDK in the
 * simulator, or `ReferenceDatabase`, which is so dumb that it is right by inspection.
 */
import type { Consistency, Isolation, TransactionOutcome } from "@sixfold/model";

/** What workloads use as keys: a tuple, so that the rows of one part lie together (and on pages of their own). */
export type RowKey = readonly (string | number)[];

/** At most one bound of each side. Without any: the whole table. */
export interface ScanRange {
  readonly gt?: RowKey;
  readonly gte?: RowKey;
  readonly lt?: RowKey;
  readonly lte?: RowKey;
  /** Rows at most. */
  readonly limit?: number;
  readonly reverse?: boolean;
}

/** What a transaction changes: the same in both styles, since interactive writes wait for the commit. */
export interface RowWriter {
  put(table: string, key: RowKey, value: unknown): void;
  delete(table: string, key: RowKey): void;
}

/** An interactive transaction. */
export interface WorkloadTransaction extends RowWriter {
  /** Another one in each attempt. `outcome` takes it. */
  readonly id: string;
  get<T>(table: string, key: RowKey, options?: { readonly forUpdate?: boolean }): Promise<T | undefined>;
  scan<T>(table: string, range?: ScanRange): AsyncIterable<readonly [key: unknown, value: T]>;
}

export interface WorkloadTransactionOptions {
  readonly isolation?: Isolation;
  readonly consistency?: Consistency;
  /** Writes nothing: a replica may serve it. */
  readonly readOnly?: boolean;
  readonly retry?: { readonly attempts?: number; readonly timeoutMs?: number };
  /** One attempt was aborted and another follows. */
  readonly onRetry?: (error: unknown) => void;
  /** The caller gives up. */
  readonly signal?: AbortSignal;
}

/** What a database and a session of it have in common. */
export interface WorkloadOperations {
  createTable(table: string): Promise<unknown>;
  dropTable(table: string): Promise<unknown>;
  listTables(options?: { readonly consistency?: Consistency }): Promise<readonly string[]>;
  get<T>(table: string, key: RowKey): Promise<T | undefined>;
  transaction<R>(
    body: (tx: WorkloadTransaction) => Promise<R>,
    options?: WorkloadTransactionOptions,
  ): Promise<R>;
  call(procedure: string, ...args: unknown[]): Promise<unknown>;
  outcome(transaction: string): Promise<TransactionOutcome>;
}

export interface WorkloadDatabase extends WorkloadOperations {
  /** A flow of its own, which reads its own writes at every node. */
  session(): WorkloadOperations;
}

/** What a procedure sees: the same rows, synchronously, at the writer. */
export interface ProcedureTransaction extends RowWriter {
  get<T>(table: string, key: RowKey): T | undefined;
  scan<T>(table: string, range?: ScanRange): readonly (readonly [key: unknown, value: T])[];
}
