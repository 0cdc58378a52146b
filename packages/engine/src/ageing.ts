/** Transactions and waiting writes that are older than the limit end (I10); tombstones are forgotten after as long again. */
import { LIMITS, SixfoldError, type TransactionId } from "@sixfold/model";
import type { EngineState } from "./engine-state.ts";
import { TOMBSTONE_MS } from "./transactions.ts";

/** O(transactions that are too old + jobs). */
export function endAged(state: EngineState): void {
  const limit = state.now - LIMITS.transactionAgeMs;
  for (const tx of state.transactions.all()) {
    if (tx.begunAt > limit) break;
    if (tx.ended !== undefined) {
      if (tx.begunAt <= limit - TOMBSTONE_MS) state.transactions.forget(tx.id);
    } else if (!tx.committing) {
      const error = tooOldTransaction(tx.id);
      state.failReads(tx, error);
      state.endTransaction(tx, error);
    }
  }
  for (const job of [...state.jobs])
    if (job.request >= 0 && job.arrivedAt <= limit && (job.state === "waiting" || job.state === "ready"))
      state.fail(job, tooOldTransaction(job.transaction));
}

function tooOldTransaction(id: TransactionId): SixfoldError {
  const { transactionAgeMs: max } = LIMITS;
  return new SixfoldError("timeout", `the transaction is older than the limit of ${max} ms`, {
    details: { transaction: id, limit: { name: "transactionAgeMs", max, actual: max } },
  });
}
