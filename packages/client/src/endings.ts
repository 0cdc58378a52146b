/** How the caller, and not the database, ends things. */
import { SixfoldError } from "@sixfold/model";

export function clientClosed(): SixfoldError {
  return new SixfoldError("closed", "this client was closed");
}

export function cancelled(signal: AbortSignal): SixfoldError {
  return new SixfoldError("cancelled", "the caller's signal was aborted", { cause: signal.reason });
}
