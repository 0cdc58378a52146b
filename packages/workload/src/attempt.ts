/**
 * One transaction of a workload, in either style, to its end.
 *
 * Interactive transactions are retried by the SDK, which reports each lost attempt; procedures
 * are called again here. Both give up only by time, so that a conflict shows as attempts and
 * latency and not as a transaction that the client dropped.
 */
import { isRetryable, SixfoldError } from "@sixfold/model";
import type { WorkloadDatabase, WorkloadTransaction } from "./database-face.ts";
import type { OperationOutcome, RunContext, TransactionStyle } from "./workload.ts";

const GIVE_UP_MS = 10_000;
/** No limit of its own: time is the limit. */
const ATTEMPTS = 100_000;

export interface Operation {
  readonly as: TransactionStyle;
  /** Name and arguments in `procedures.ts`. */
  readonly procedure: string;
  readonly args: readonly unknown[];
  /** The same interactively. May run several times. */
  readonly body: (tx: WorkloadTransaction) => Promise<unknown>;
}

export interface OperationResult {
  readonly outcome: OperationOutcome;
  /** What procedure or body returned, if committed. */
  readonly value: unknown;
  /** The id to ask for, if the outcome is unknown and the error named it. */
  readonly transaction: string | undefined;
}

/** Runs `operation` until it is committed, given up or in doubt; reports to `context`. Throws what is no transaction's fault. */
export async function attempt(
  db: WorkloadDatabase,
  operation: Operation,
  context: RunContext,
): Promise<OperationResult> {
  const startMs = context.now();
  try {
    const value =
      operation.as === "interactive"
        ? await db.transaction(operation.body, {
            retry: { attempts: ATTEMPTS, timeoutMs: GIVE_UP_MS },
            onRetry: (error) => context.attemptAborted(codeOf(error)),
          })
        : await callUntilDone(db, operation, context, startMs);
    context.record(context.now() - startMs, "committed");
    return { outcome: "committed", value, transaction: undefined };
  } catch (error) {
    if (!(error instanceof SixfoldError)) throw error;
    if (error.outcome !== "unknown" && !isRetryable(error)) throw error;
    const outcome = error.outcome === "unknown" ? "unknown" : "aborted";
    if (outcome === "aborted") context.attemptAborted(error.code);
    context.record(context.now() - startMs, outcome);
    await context.pause();
    return { outcome, value: undefined, transaction: error.details.transaction };
  }
}

async function callUntilDone(
  db: WorkloadDatabase,
  operation: Operation,
  context: RunContext,
  startMs: number,
): Promise<unknown> {
  for (;;) {
    try {
      return await db.call(operation.procedure, ...operation.args);
    } catch (error) {
      const again = isRetryable(error) && error instanceof SixfoldError && error.outcome !== "unknown";
      if (!again || context.now() - startMs > GIVE_UP_MS || context.stopped()) throw error;
      context.attemptAborted(error.code);
      // A lost race is run again at once; a node that cannot serve is given time.
      if (error.retryable === "same-request") await context.pause();
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof SixfoldError ? error.code : "other";
}
