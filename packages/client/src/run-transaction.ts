/** An interactive transaction from its first attempt to its end. */
import type { Consistency, Isolation } from "@sixfold/model";
import { readNeed, type ClientCore } from "./client-core.ts";
import { Elsewhere } from "./elsewhere.ts";
import type { Tx } from "./options.ts";
import type { ReadFrom } from "./serving.ts";
import { retrying, type RetryPolicy } from "./retry.ts";
import type { SessionFlow } from "./session-flow.ts";
import { Transaction } from "./transaction.ts";

export interface Promises {
  readonly isolation: Isolation;
  readonly consistency: Consistency;
  readonly readOnly: boolean;
  readonly readFrom: ReadFrom | undefined;
  readonly maxLagMs: number | undefined;
}

/** Runs `body` with a handle of its own in each attempt until one commits. */
export function runTransaction<R>(
  core: ClientCore,
  session: SessionFlow,
  policy: RetryPolicy,
  promises: Promises,
  body: (tx: Tx) => Promise<R> | R,
): Promise<R> {
  const elsewhere = new Elsewhere(core.pool);
  return retrying(core, policy, async (deadlineMs, attempt) => {
    // A serializable one is validated when it ends, which takes a writer.
    const isRead = promises.readOnly && promises.isolation === "snapshot";
    const { need } = isRead ? readNeed(core, promises.readFrom, undefined) : { need: "writer" as const };
    if (!core.pool.serves(need)) await core.pool.waitFor(need, deadlineMs);
    const tx = new Transaction(core, session, {
      ...promises,
      elsewhere,
      deadlineMs,
      attempt,
      isInternal: false,
    });
    const guard = core.guards.watch(tx, deadlineMs, policy.signal);
    try {
      const result = await Promise.race([core.running.run(tx, body, tx), guard.broken]);
      await Promise.race([tx.commit(), guard.broken]);
      return result;
    } catch (error) {
      elsewhere.failed(tx.node, error);
      throw error;
    } finally {
      tx.rollback();
      core.guards.release(guard);
    }
  });
}
