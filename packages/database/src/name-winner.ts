/** Adds to a conflict what the engine cannot know: which node won. */
import { SixfoldError, streamId, streamState, type Manifest } from "@sixfold/model";

/** The same error with `details.conflict.winnerNode`, if the winning version is known and its stream not long gone. */
export function nameWinner(error: SixfoldError, manifest: Manifest | undefined): SixfoldError {
  const { conflict } = error.details;
  if (conflict?.winningVersion === undefined || manifest === undefined) return error;
  const stream = streamId(Number.parseInt(conflict.winningVersion, 10));
  const node = streamState(manifest, stream)?.node;
  if (node === undefined) return error;
  const { outcome, retryable, cause } = error;
  const details = { ...error.details, conflict: { ...conflict, winnerNode: node } };
  return new SixfoldError(error.code, error.message, { outcome, retryable, details, cause });
}
