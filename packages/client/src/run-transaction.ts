/** An interactive transaction from its first attempt to its end. */
import type { Consistency, Isolation } from "@sixfold/model";
import type { ClientCore } from "./client-core.ts";
import type { Tx } from "./options.ts";
import { retrying, type RetryPolicy } from "./retry.ts";
import type { SessionFlow } from "./session-flow.ts";
import { Transaction } from "./transaction.ts";

export interface Promises {
  readonly isolation: Isolation;
  readonly consistency: Consistency;
}

/** Runs `body` with a handle of its own in each attempt until one commits. */
export function runTransaction<R>(
  core: ClientCore,
  session: SessionFlow,
  policy: RetryPolicy,
  promises: Promises,
  body: (tx: Tx) => Promise<R> | R,
): Promise<R> {
  return retrying(core, policy, async (deadlineMs, attempt) => {
    if (!core.pool.serves("writer")) await core.pool.waitFor("writer", deadlineMs);
    const tx = new Transaction(core, session, { ...promises, deadlineMs, attempt, isInternal: false });
    const guard = core.guards.watch(tx, deadlineMs, policy.signal);
    try {
      const result = await Promise.race([core.running.run(tx, body, tx), guard.broken]);
      await Promise.race([tx.commit(), guard.broken]);
      return result;
    } finally {
      tx.rollback();
      core.guards.release(guard);
    }
  });
}
