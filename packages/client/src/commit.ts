/**
 * Sending what changes something, once: a commit or a call. Ends in its answer, in an error that says whether it
 * is known to have had no effect, or in `outcome-unknown`. Never sends the same thing twice.
 */
import { SixfoldError, type TransactionId } from "@sixfold/model";
import type { ClientRequestBody } from "@sixfold/wire";
import { ask, type Answer, type Seeing } from "./ask.ts";
import type { ClientCore } from "./client-core.ts";
import { findOutcome, outcomeUnknown } from "./find-outcome.ts";
import { Interruption } from "./interruption.ts";

type Deciding = Extract<ClientRequestBody, { op: "commit" | "call" | "createTable" | "dropTable" }>;

export interface Submission extends Seeing {
  readonly core: ClientCore;
  readonly deadlineMs: number;
}

/** The answer, or undefined if it was lost but the transaction is known to be committed. */
export async function submit<B extends Deciding>(
  to: Submission,
  body: B,
  bytes: number,
): Promise<Answer<B["op"]> | undefined> {
  const { id } = body.tx;
  try {
    return await ask(to.began.node, body, to.deadlineMs, to, bytes);
  } catch (error) {
    if (!inDoubt(error)) throw error instanceof Interruption ? notSent(error, id) : withId(to, error, id);
    if (to.core.runsUnknownAgain) throw lostAndAborted(error, id);
    if ((error as Interruption).kind === "late") throw outcomeUnknown(id, error);
    const outcome = await findOutcome(to.core, id, to.deadlineMs, error);
    if (outcome === "aborted") throw lostAndAborted(error, id);
    to.session.tokenLost();
    return undefined;
  }
}

/** May it have been committed? */
function inDoubt(error: unknown): boolean {
  if (error instanceof Interruption) return error.sent;
  return error instanceof SixfoldError && error.outcome === "unknown";
}

function notSent(error: Interruption, id: TransactionId): SixfoldError {
  const code = error.kind === "late" ? "timeout" : "connection-lost";
  return new SixfoldError(code, `${error.message}, before the commit was sent`, {
    details: { transaction: id },
    cause: error,
  });
}

function lostAndAborted(cause: unknown, id: TransactionId): SixfoldError {
  return new SixfoldError(
    "connection-lost",
    "the connection was lost during the commit, which had no effect",
    { details: { transaction: id }, cause },
  );
}

/** Errors of a transaction name it. A node that takes no writes is not asked again. */
function withId(to: Submission, error: unknown, id: TransactionId): unknown {
  if (!(error instanceof SixfoldError)) return error;
  if (error.code === "not-a-writer") to.core.pool.refusedWrite(to.began.node);
  if (error.details.transaction !== undefined) return error;
  const { code, message, retryable, outcome, details } = error;
  return new SixfoldError(code, message, {
    retryable,
    outcome,
    details: { ...details, transaction: id },
    cause: error,
  });
}
