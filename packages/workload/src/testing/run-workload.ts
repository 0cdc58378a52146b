/** A whole run of a workload on any database, without time: `now` counts its calls, and a pause gives the others some turns. */
import type { WorkloadDatabase } from "../database-face.ts";
import type { HistoryTransaction } from "../history.ts";
import { makeWorkload } from "../make-workload.ts";
import type { OperationOutcome, RunContext, Verdict, WorkloadName, WorkloadOptions } from "../workload.ts";

export interface WorkloadRun {
  readonly verdict: Verdict;
  /** While the clients ran. */
  readonly audit: Verdict;
  readonly outcomes: Readonly<Record<OperationOutcome, number>>;
  /** Lost attempts by error code. */
  readonly aborted: ReadonlyMap<string, number>;
  readonly history: readonly HistoryTransaction[];
}

const CLIENTS = 6;

export async function runWorkload(
  db: WorkloadDatabase,
  name: WorkloadName,
  operations: number,
  options: Partial<WorkloadOptions>,
): Promise<WorkloadRun> {
  const workload = makeWorkload(name, {
    seed: 1,
    table: "rows",
    writers: 2,
    sharedPct: 50,
    as: "interactive",
    ...options,
  });
  const outcomes = { committed: 0, aborted: 0, unknown: 0 };
  const aborted = new Map<string, number>();
  let ended = 0;
  let clock = 0;
  const context: RunContext = {
    stopped: () => ended >= operations,
    now: () => clock++,
    pause: async (ms = 1) => {
      for (let i = 0; i < ms; i++) await Promise.resolve();
    },
    record: (_latencyMs, outcome) => {
      ended++;
      outcomes[outcome]++;
    },
    attemptAborted: (code) => aborted.set(code, (aborted.get(code) ?? 0) + 1),
  };
  await workload.setup(db);
  const clients = Array.from({ length: CLIENTS }, (_, client) => workload.run(db, client, context));
  const audit = await workload.audit(db);
  await Promise.all(clients);
  const verdict = await workload.check(db);
  return { verdict, audit, outcomes, aborted, history: workload.history?.() ?? [] };
}
