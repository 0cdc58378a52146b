/**
 * Running something again until it succeeds, cannot succeed, or has had its time.
 *
 * A conflict is over when it is reported (its winner has committed), so the first re-runs come at once; many in a row
 * mean a crowd, which pauses thin out. A node that cannot serve is given time from the start.
 */
import { isRetryable, SixfoldError } from "@sixfold/model";
import { pause, type ClientCore } from "./client-core.ts";
import { cancelled, clientClosed } from "./endings.ts";

export interface RetryPolicy {
  readonly attempts: number;
  readonly timeoutMs: number;
  readonly onRetry: ((error: unknown, attempt: number) => void) | undefined;
  readonly signal: AbortSignal | undefined;
  /** Whether a lost conflict is run again; errors that say "not now" always are. */
  readonly rerunConflicts: boolean;
}

/** Conflicts in a row that are run again without a pause. */
const CROWD_AFTER = 5;
const CROWD_PAUSE_MAX_MS = 20;
const BUSY_PAUSE_FIRST_MS = 5;
const BUSY_PAUSE_MAX_MS = 400;

export async function retrying<R>(
  core: ClientCore,
  policy: RetryPolicy,
  attempt: (deadlineMs: number, number: number) => Promise<R>,
): Promise<R> {
  const deadlineMs = core.clock.nowMs() + policy.timeoutMs;
  for (let number = 1; ; number++) {
    if (core.isClosed) throw clientClosed();
    if (policy.signal?.aborted === true) throw cancelled(policy.signal);
    try {
      return await attempt(deadlineMs, number);
    } catch (error) {
      const verdict = judge(error);
      if (
        verdict === "final" ||
        (verdict === "conflict" && !policy.rerunConflicts) ||
        number >= policy.attempts
      )
        throw error;
      const pauseMs = pauseBefore(verdict, number) * (0.5 + core.jitter() / 2);
      // "Nobody can serve this" says more than "it took too long".
      if (core.clock.nowMs() + pauseMs >= deadlineMs)
        throw verdict === "busy" ? error : outOfTime(error, number, policy.timeoutMs);
      policy.onRetry?.(error, number);
      if (pauseMs > 0) await pause(core, pauseMs);
    }
  }
}

type Verdict = "final" | "conflict" | "busy";

function judge(error: unknown): Verdict {
  if (!isRetryable(error)) return "final";
  const known = sixfoldCause(error)!;
  if (known.outcome === "unknown") return "final";
  // A lost connection is no lost race: somebody has to come up first.
  return known.retryable === "same-request" || known.code === "connection-lost" || known.code === "fenced"
    ? "busy"
    : "conflict";
}

function sixfoldCause(error: unknown): SixfoldError | undefined {
  for (let e = error, depth = 0; e instanceof Error && depth < 16; e = e.cause, depth++)
    if (e instanceof SixfoldError) return e;
  return undefined;
}

function pauseBefore(verdict: Verdict, number: number): number {
  if (verdict === "busy") return Math.min(BUSY_PAUSE_FIRST_MS * 2 ** (number - 1), BUSY_PAUSE_MAX_MS);
  return number <= CROWD_AFTER ? 0 : Math.min(2 ** (number - CROWD_AFTER), CROWD_PAUSE_MAX_MS);
}

function outOfTime(error: unknown, attempts: number, timeoutMs: number): SixfoldError {
  const known = sixfoldCause(error)!;
  return new SixfoldError(
    "timeout",
    `not done after ${attempts} attempts within ${timeoutMs} ms; the last failed with: ${known.message}`,
    {
      details: { ...known.details, lastCode: known.code, attempts },
      cause: error,
    },
  );
}
