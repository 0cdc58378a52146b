/**
 * What clients saw: the only input of the checker.
 *
 * A history is a set of transactions as their clients recorded them. Two kinds of rows are understood:
 *
 *     lists      append(key, value), list(key) -> values     a read tells the whole order of its key's versions
 *     registers  write(key, value), read(key) -> value       a read tells only which version it saw
 *
 * A key is used as one of the two. Every value is written to its key at most once in the whole history, by
 * attempts that failed as well: it is by its value that a version is known again. Record a write before it is sent: a
 * value that is read and that no transaction of the history wrote counts as garbage.
 */

/** One operation, as the transaction saw it itself: reads show the transaction's own earlier writes. */
export type HistoryOperation =
  /** Adds `value` at the end of a list. Counts as a read-modify-write of the row, whether it was listed or not. */
  | { readonly kind: "append"; readonly key: string; readonly value: number }
  /** Reads a whole list; `[]` if the row is absent. */
  | { readonly kind: "list"; readonly key: string; readonly values: readonly number[] }
  /** Sets a register. Blind unless the same transaction read the key before. */
  | { readonly kind: "write"; readonly key: string; readonly value: number }
  /** Reads a register; `undefined`: the row is absent, its initial state. */
  | { readonly kind: "read"; readonly key: string; readonly value: number | undefined };

/** How a transaction ended for its client. */
export type Outcome = "committed" | "aborted" | "unknown";
export type Isolation = "snapshot" | "serializable";
export type Consistency = "session" | "cluster";

export interface HistoryTransaction {
  /** Unique in the history. */
  readonly id: number;
  /** Transactions of one session ran one after another, and expect the session's guarantees. */
  readonly session: number;
  /** Just before the client began. One clock for the whole history, any unit. */
  readonly invokedAt: number;
  /**
   * When the client had its answer: the same clock, at least `invokedAt`, Infinity if it never had one. What is unknown
   * may take effect at any time after `invokedAt`, whatever stands here.
   */
  readonly returnedAt: number;
  /** `unknown`: it may have happened, now or later. */
  readonly outcome: Outcome;
  readonly isolation: Isolation;
  readonly consistency: Consistency;
  /** In program order. Of aborted and unknown transactions what is known: all attempted writes, and the reads that returned. */
  readonly operations: readonly HistoryOperation[];
}

/** In any order. */
export type History = readonly HistoryTransaction[];
