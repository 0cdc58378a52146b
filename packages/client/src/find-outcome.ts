/**
 * What became of a commit whose answer was lost (DESIGN section 8): another node tells from storage.
 *
 * A recovery may be needed before anyone can say, so the question is put again until the answer is final or the deadline passes.
 */
import {
  SixfoldError,
  streamOfTransaction,
  type TransactionId,
  type TransactionOutcome,
} from "@sixfold/model";
import { ask } from "./ask.ts";
import { pause, type ClientCore } from "./client-core.ts";
import { Interruption } from "./interruption.ts";
import type { NodeConnection } from "./node-connection.ts";

const PAUSE_FIRST_MS = 10;
const PAUSE_MAX_MS = 250;
/** A node that does not answer for so long is not asked further: another may know. */
const ASK_MS = 2000;
/** For a connection to the node that writes a stream. */
const SEEK_MS = 1000;

/** Rejects with `outcome-unknown` at the deadline. */
export async function findOutcome(
  core: ClientCore,
  id: TransactionId,
  deadlineMs: number,
  cause: unknown,
): Promise<"committed" | "aborted"> {
  const stream = streamOfTransaction(id);
  let asksWriter = true;
  for (let pauseMs = PAUSE_FIRST_MS; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS)) {
    try {
      await core.pool.waitFor("any", deadlineMs);
      // Its writer in turn with the others: it may be there, and yet be in no state to answer.
      const writer = asksWriter ? core.pool.writerOf(stream) : undefined;
      asksWriter = !asksWriter && core.pool.seekWriterOf(stream);
      const node = writer ?? core.pool.pick("any");
      if (node !== undefined) {
        const { outcome } = await ask(
          node,
          { op: "outcome", id },
          Math.min(deadlineMs, core.clock.nowMs() + ASK_MS),
          undefined,
        );
        if (outcome !== "unknown") return outcome;
      }
    } catch (error) {
      if (error instanceof SixfoldError && error.code === "closed") throw outcomeUnknown(id, error);
      if (!(error instanceof Interruption) && !(error instanceof SixfoldError)) throw error;
    }
    if (core.isClosed || core.clock.nowMs() + pauseMs >= deadlineMs) throw outcomeUnknown(id, cause);
    await pause(core, pauseMs);
  }
}

/**
 * What is known now, for users. As long as the stream is open, only its writer can say of a transaction that it shall never come: it
 * is asked in the end, even if that takes a connection.
 */
export async function askOutcome(
  core: ClientCore,
  id: TransactionId,
  any: NodeConnection,
  deadlineMs: number,
): Promise<TransactionOutcome> {
  const { pool, clock } = core;
  const stream = streamOfTransaction(id);
  const first = pool.writerOf(stream) ?? any;
  const { outcome } = await ask(first, { op: "outcome", id }, deadlineMs, undefined);
  if (outcome !== "unknown" || first.welcome.stream === stream) return outcome;
  const untilMs = Math.min(deadlineMs, clock.nowMs() + SEEK_MS);
  while (pool.seekWriterOf(stream) && clock.nowMs() < untilMs) {
    const writer = pool.writerOf(stream);
    if (writer !== undefined)
      return (await ask(writer, { op: "outcome", id }, deadlineMs, undefined)).outcome;
    await pause(core, PAUSE_FIRST_MS);
  }
  return outcome;
}

export function outcomeUnknown(id: TransactionId, cause: unknown): SixfoldError {
  return new SixfoldError(
    "outcome-unknown",
    `the answer to the commit of ${id} was lost, and nobody could say in time what became of it`,
    {
      details: { transaction: id },
      cause,
    },
  );
}
