/**
 * One transaction of a workload, in either style, to its end.
 *
 * Interactive transactions are retried by the SDK, which reports each lost attempt; procedures
 * are called again here. Both give up only by time, so that a conflict shows as attempts and
 * latency and not as a transaction that the client dropped.
 */
import { type ErrorCode, isRetryable, SixfoldError } from "@sixfold/model";
import type { WorkloadOperations, WorkloadTransaction, WorkloadTransactionOptions } from "./database-face.ts";
import type { OperationOutcome, Promises, RunContext } from "./workload.ts";

const GIVE_UP_MS = 10_000;
/** No limit of its own: time is the limit. */
const ATTEMPTS = 100_000;

interface InteractiveOperation extends Promises {
  readonly as: "interactive";
  /** May run several times. */
  readonly body: (tx: WorkloadTransaction) => Promise<unknown>;
  /** Writes nothing: a replica may serve it. */
  readonly readOnly?: boolean | undefined;
  /** One attempt is known to be aborted, another follows. */
  readonly onLostAttempt?: (() => void) | undefined;
  /** The client gives up on its signal. */
  readonly signal?: AbortSignal | undefined;
  /** 10 s unless given. */
  readonly timeoutMs?: number | undefined;
  /** Errors that are no defect although a retry does not help. */
  readonly expected?: readonly ErrorCode[] | undefined;
}

interface ProcedureOperation {
  readonly as: "procedure";
  /** Name and arguments in `procedures.ts`. */
  readonly procedure: string;
  readonly args: readonly unknown[];
}

/** One that can do the same in either style says how for both. */
export type Operation = InteractiveOperation | ProcedureOperation;

export interface OperationResult {
  readonly outcome: OperationOutcome;
  /** What procedure or body returned, if committed. */
  readonly value: unknown;
  /** The id to ask for, if the outcome is unknown and the error named it. */
  readonly transaction: string | undefined;
  /** Why it was not committed, as far as the client knows. */
  readonly code: ErrorCode | undefined;
}

/** Runs `operation` until it is committed, given up or in doubt; reports to `context`. Throws what is no transaction's fault. */
export function attempt(
  db: WorkloadOperations,
  operation: Operation,
  context: RunContext,
): Promise<OperationResult> {
  return operation.as === "interactive"
    ? concluded(context, operation.expected, () =>
        db.transaction(operation.body, optionsOf(operation, context)),
      )
    : concluded(context, undefined, () => callUntilDone(db, operation, context));
}

/** Awaits any request as `attempt` awaits a transaction. */
export async function concluded(
  context: RunContext,
  expected: readonly ErrorCode[] | undefined,
  request: () => Promise<unknown>,
): Promise<OperationResult> {
  const startMs = context.now();
  try {
    const value = await request();
    context.record(context.now() - startMs, "committed");
    return { outcome: "committed", value, transaction: undefined, code: undefined };
  } catch (error) {
    if (!(error instanceof SixfoldError)) throw error;
    const { code } = error;
    const isExpected = expected?.includes(code) === true;
    if (error.outcome !== "unknown" && !isRetryable(error) && !isExpected) throw error;
    const outcome = error.outcome === "unknown" ? "unknown" : "aborted";
    if (outcome === "aborted") context.attemptAborted(code);
    context.record(context.now() - startMs, outcome);
    await context.pause();
    return { outcome, value: undefined, transaction: error.details.transaction, code };
  }
}

function optionsOf(operation: InteractiveOperation, context: RunContext): WorkloadTransactionOptions {
  const { isolation, consistency, readOnly, signal, onLostAttempt } = operation;
  return {
    retry: { attempts: ATTEMPTS, timeoutMs: operation.timeoutMs ?? GIVE_UP_MS },
    onRetry: (error) => {
      context.attemptAborted(codeOf(error));
      onLostAttempt?.();
    },
    ...(isolation === undefined ? {} : { isolation }),
    ...(consistency === undefined ? {} : { consistency }),
    ...(readOnly === undefined ? {} : { readOnly }),
    ...(signal === undefined ? {} : { signal }),
  };
}

async function callUntilDone(
  db: WorkloadOperations,
  operation: ProcedureOperation,
  context: RunContext,
): Promise<unknown> {
  const startMs = context.now();
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
