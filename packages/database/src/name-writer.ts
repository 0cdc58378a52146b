/** A refused write, with the name of a node that takes it: the client goes there at once. */
import { openStreams, SixfoldError, type Manifest } from "@sixfold/model";

export function nameWriter(error: SixfoldError, manifest: Manifest | undefined): SixfoldError {
  if (error.code !== "not-a-writer" || error.details["writer"] !== undefined || manifest === undefined)
    return error;
  const writer = openStreams(manifest)[0]?.node;
  if (writer === undefined) return error;
  const { code, message, retryable, outcome, details } = error;
  return new SixfoldError(code, `${message}; ${writer} does`, {
    ...{ retryable, outcome, cause: error },
    details: { ...details, writer },
  });
}
