/** What the desk itself answers instead of the engine. */
import { LIMITS, SixfoldError, type TransactionId } from "@sixfold/model";

/** As many wait here already as may. */
export function tooManyWait(waiting: number): SixfoldError {
  const max = LIMITS.waitingRequests;
  return new SixfoldError("overloaded", `${waiting} requests wait at this node`, {
    details: { limit: { name: "waitingRequests", max, actual: waiting } },
  });
}

export function aborted(id: TransactionId): SixfoldError {
  return new SixfoldError("timeout", `transaction ${id} was given up before it reached this node`, {
    details: { transaction: id },
  });
}
