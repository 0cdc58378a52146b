/**
 * What became of a commit whose answer was lost (DESIGN section 8): another node tells from storage.
 *
 * A recovery may be needed before anyone can say, so the question is put again until the answer is final or the deadline passes.
 */
import { SixfoldError, streamOfTransaction, type TransactionId } from "@sixfold/model";
import { ask } from "./ask.ts";
import { pause, type ClientCore } from "./client-core.ts";
import { Interruption } from "./interruption.ts";

const PAUSE_FIRST_MS = 10;
const PAUSE_MAX_MS = 250;
/** A node that does not answer for so long is not asked further: another may know. */
const ASK_MS = 2000;

/** Rejects with `outcome-unknown` at the deadline. */
export async function findOutcome(
  core: ClientCore,
  id: TransactionId,
  deadlineMs: number,
  cause: unknown,
): Promise<"committed" | "aborted"> {
  let isFirst = true;
  for (let pauseMs = PAUSE_FIRST_MS; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS)) {
    try {
      await core.pool.waitFor("any", deadlineMs);
      const node =
        (isFirst ? core.pool.writerOf(streamOfTransaction(id)) : undefined) ?? core.pool.pick("any");
      isFirst = false;
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
