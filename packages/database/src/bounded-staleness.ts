/**
 * Reads with `maxLagMs`: what was committed longer ago than that, anywhere, is seen (DESIGN section 8 has the promises between
 * which this one stands).
 *
 *     session      own writes; others' when they arrive
 *     maxLagMs     others' too, but for those of the last maxLagMs
 *     cluster      everything committed before
 *
 * A node knows of a moment (`freshAt`, by its own clock) before which it shows everything: the beginning of the last round of
 * `ClusterReads` that has ended. A read whose bound reaches back to that moment is served at once. Another one begins a round, or
 * joins the next, so that all such reads together cost one round in `maxLagMs`, and waits for its end; but not for long, as
 * another node may be better off: then it is `too-stale`.
 */
import { SixfoldError, type NodeName } from "@sixfold/model";
import type { TransactionOptions } from "@sixfold/wire";

/** May what this node shows lack something that the reader must see? */
export function isTooOld({ maxLagMs }: TransactionOptions, freshAt: number, now: number): boolean {
  return maxLagMs !== undefined && now - freshAt > maxLagMs;
}

/** The read has waited for `waitedMs`. */
export function tooStale(maxLagMs: number, waitedMs: number, freshAt: number, now: number): SixfoldError {
  const lagMs = Math.ceil(now - freshAt);
  const known = Number.isFinite(lagMs);
  return new SixfoldError(
    "too-stale",
    `maxLagMs is ${maxLagMs}, but this node ${known ? `may be ${lagMs} ms behind` : "has not caught up yet"}, and was not able to catch up within ${waitedMs} ms`,
    { details: { maxLagMs, ...(known ? { lagMs } : {}) } },
  );
}

/**
 * What was read is validated where entries are built. A replica builds none, and a snapshot is no serializable read, not even for a
 * transaction that only reads: two of those may see two independent commits in opposite orders.
 */
export function validatesNothing(node: NodeName): SixfoldError {
  return new SixfoldError(
    // It may have been a writer when the transaction was sent here.
    "not-a-writer",
    `isolation "serializable" is a writer's to promise, and ${node} does not write: ask a writer, or for isolation "snapshot"`,
    { details: { option: "isolation", node } },
  );
}
