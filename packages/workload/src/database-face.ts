/**
 * The part of the SDK that workloads use, and nothing more.
 *
 * Workloads run against whatever has this face: the SDK on a real cluster, the SDK in the
 * simulator, or `ReferenceDatabase`, which is so dumb that it is right by inspection.
 */
import type { TransactionOutcome } from "@sixfold/model";

/** What workloads use as keys: a tuple, so that the rows of one part lie together (and on pages of their own). */
export type RowKey = readonly (string | number)[];

export interface ScanRange {
  readonly gte?: RowKey;
  readonly lt?: RowKey;
}

/** An interactive transaction. */
export interface WorkloadTransaction {
  get<T>(table: string, key: RowKey, options?: { readonly forUpdate?: boolean }): Promise<T | undefined>;
  put(table: string, key: RowKey, value: unknown): void;
  scan<T>(table: string, range?: ScanRange): AsyncIterable<readonly [key: unknown, value: T]>;
}

export interface WorkloadTransactionOptions {
  readonly isolation?: "snapshot" | "serializable";
  readonly consistency?: "session" | "cluster";
  readonly retry?: { readonly attempts?: number; readonly timeoutMs?: number };
  /** One attempt was aborted and another follows. */
  readonly onRetry?: (error: unknown) => void;
}

export interface WorkloadDatabase {
  createTable(table: string): Promise<unknown>;
  get<T>(table: string, key: RowKey): Promise<T | undefined>;
  transaction<R>(
    body: (tx: WorkloadTransaction) => Promise<R>,
    options?: WorkloadTransactionOptions,
  ): Promise<R>;
  call(procedure: string, ...args: unknown[]): Promise<unknown>;
  outcome(transaction: string): Promise<TransactionOutcome>;
}

/** What a procedure sees: the same rows, synchronously, at the writer. */
export interface ProcedureTransaction {
  get<T>(table: string, key: RowKey): T | undefined;
  put(table: string, key: RowKey, value: unknown): void;
}
