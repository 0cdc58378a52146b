/**
 * The histories that `append` and `register` record, judged by the checker, on a database that is right by inspection: neither
 * package knows the other, so here it shows that they speak of the same things.
 */
import { check, type Report } from "@sixfold/checker";
import {
  makeWorkload,
  ReferenceDatabase,
  type ReferenceFault,
  type WorkloadOptions,
} from "@sixfold/workload";
import { describe, expect, test } from "vitest";

const CLIENTS = 6;
const OPERATIONS = 700;

async function reportOf(
  name: "append" | "register",
  fault: ReferenceFault | undefined,
  promises: Pick<WorkloadOptions, "isolation" | "consistency">,
): Promise<Report> {
  const db = new ReferenceDatabase(fault, {}, { losesRepliesEvery: 23 });
  const workload = makeWorkload(name, {
    seed: 9,
    table: "rows",
    writers: 2,
    sharedPct: 80,
    as: "interactive",
    ...promises,
  });
  let ended = 0;
  let clock = 0;
  const context = {
    stopped: () => ended >= OPERATIONS,
    now: () => clock++,
    pause: () => Promise.resolve(),
    record: () => void ended++,
    attemptAborted: () => undefined,
  };
  await workload.setup(db);
  await Promise.all(Array.from({ length: CLIENTS }, (_, client) => workload.run(db, client, context)));
  await workload.check(db);
  return check(workload.history!());
}

describe.each(["append", "register"] as const)("the history of %s", (name) => {
  test.each([
    ["snapshot", "session"],
    ["snapshot", "cluster"],
    ["serializable", "session"],
    ["serializable", "cluster"],
  ] as const)("keeps %s + %s on a right database", async (isolation, consistency) => {
    const report = await reportOf(name, undefined, { isolation, consistency });
    expect(report.violations).toEqual([]);
    expect(report.transactions.committed).toBeGreaterThan(OPERATIONS / 2);
    expect(report.transactions.aborted).toBeGreaterThan(0);
    // Clients meet: under snapshot isolation some skew each other's writes, under the other none.
    expect((report.counts["write skew"] ?? 0) > 0).toBe(isolation === "snapshot");
  });

  test.each([
    "lost-update",
    "lost-commit",
    "torn-commit",
    "undead-abort",
    "torn-snapshot",
    "stale-snapshot",
    "lost-row",
  ] as const)("shows a %s", async (fault) => {
    const report = await reportOf(name, fault, { isolation: "snapshot", consistency: "cluster" });
    expect(report.violations).not.toEqual([]);
  });
});
