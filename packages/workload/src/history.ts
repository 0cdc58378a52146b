/**
 * What clients did and saw, as the checker wants it: the types are the checker's own, matched by their shape, so that
 * neither package knows the other.
 *
 * Each *attempt* is a transaction of the history. An attempt that the SDK ran again was reported as aborted, so it must
 * have left no trace (I2); its writes have values that no other attempt uses. Moments are those of the attempt
 * itself: what committed began with it, not with an earlier one.
 */
import type { Consistency, Isolation } from "@sixfold/model";
import type { WorkloadOperations } from "./database-face.ts";
import { Doubts } from "./doubts.ts";

/** How a transaction ended for its client, retries included. */
export type OperationOutcome = "committed" | "aborted" | "unknown";

export type HistoryOperation =
  | { readonly kind: "append"; readonly key: string; readonly value: number }
  | { readonly kind: "list"; readonly key: string; readonly values: readonly number[] }
  | { readonly kind: "write"; readonly key: string; readonly value: number }
  | { readonly kind: "read"; readonly key: string; readonly value: number | undefined };

export interface HistoryTransaction {
  readonly id: number;
  /** Transactions of one session ran one after another. One that ended without an answer is the last of its session. */
  readonly session: number;
  readonly invokedAt: number;
  /** `Infinity` if there never was an answer. */
  readonly returnedAt: number;
  readonly outcome: OperationOutcome;
  readonly isolation: Isolation;
  readonly consistency: Consistency;
  /** In program order; of a transaction that did not commit, those known. */
  readonly operations: readonly HistoryOperation[];
}

/** A transaction of the history while it runs. */
export interface OpenTransaction extends HistoryTransaction {
  returnedAt: number;
  outcome: OperationOutcome;
  operations: HistoryOperation[];
}

export class HistoryRecorder {
  private readonly all: OpenTransaction[] = [];
  private readonly doubts = new Doubts<OpenTransaction>();

  begin(terms: {
    readonly session: number;
    readonly at: number;
    readonly isolation: Isolation;
    readonly consistency: Consistency;
  }): OpenTransaction {
    const { session, at, isolation, consistency } = terms;
    const open: OpenTransaction = {
      id: this.all.length,
      session,
      invokedAt: at,
      returnedAt: Infinity,
      outcome: "unknown",
      isolation,
      consistency,
      operations: [],
    };
    this.all.push(open);
    return open;
  }

  /** An answer came. */
  end(open: OpenTransaction, outcome: "committed" | "aborted", at: number): void {
    open.outcome = outcome;
    open.returnedAt = at;
  }

  /** None came; `transaction` is the id to ask for, if it is known. */
  doubt(open: OpenTransaction, transaction: string | undefined): void {
    this.doubts.add(open, transaction);
  }

  /** Asks for what became of those without an answer. They still have not returned. */
  settle(db: WorkloadOperations): Promise<void> {
    return this.doubts.settle(db, (open, outcome) => void (open.outcome = outcome));
  }

  /** Of all transactions, also of those that did not commit; in the order of their first write. */
  keysWritten(): ReadonlySet<string> {
    const keys = new Set<string>();
    for (const { operations } of this.all)
      for (const operation of operations)
        if (operation.kind === "append" || operation.kind === "write") keys.add(operation.key);
    return keys;
  }

  get transactions(): readonly HistoryTransaction[] {
    return this.all;
  }
}
