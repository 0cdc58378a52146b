import { isRetryable, SixfoldError } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import type { WorkloadDatabase } from "./database-face.ts";
import { ReferenceDatabase } from "./reference-database.ts";
import type { ReferenceFault } from "./reference-fault.ts";
import { runWorkload, type WorkloadRun } from "./testing/run-workload.ts";
import {
  COMPARISON_WORKLOADS,
  type TransactionStyle,
  type WorkloadName,
  type WorkloadOptions,
} from "./workload.ts";

const OPERATIONS = 600;

function runOn(
  db: WorkloadDatabase,
  name: WorkloadName,
  change: Partial<WorkloadOptions> = {},
): Promise<WorkloadRun> {
  return runWorkload(db, name, OPERATIONS, { records: 60, fieldBytes: 12, ...change });
}

const STYLES: readonly TransactionStyle[] = ["interactive", "procedure"];

describe.each(COMPARISON_WORKLOADS)("%s", (name) => {
  test.each(STYLES)("holds on a right database, as %s", async (as) => {
    const run = await runOn(new ReferenceDatabase(), name, { as });
    expect(run.verdict).toBe("ok");
    expect(run.audit).toBe("ok");
    expect(run.outcomes.committed).toBeGreaterThanOrEqual(OPERATIONS);
  });

  test.each([0, 100])("holds with %i in 100 accesses shared", async (sharedPct) => {
    expect((await runOn(new ReferenceDatabase(), name, { sharedPct, writers: 3 })).verdict).toBe("ok");
  });

  test("the same seed asks for the same transactions", async () => {
    const calls = async (seed: number): Promise<string[]> => {
      const asked: string[] = [];
      const db = new ReferenceDatabase();
      const call = db.call.bind(db);
      db.call = (procedure, ...args) => {
        asked.push(JSON.stringify([procedure, args]));
        return call(procedure, ...args);
      };
      await runOn(db, name, { as: "procedure", seed });
      return asked;
    };
    const first = await calls(5);
    expect(first.length).toBeGreaterThan(0);
    expect(await calls(5)).toEqual(first);
    expect(await calls(6)).not.toEqual(first);
  });
});

describe("planted defects are called broken", () => {
  const planted: readonly [WorkloadName, ReferenceFault, TransactionStyle][] = [
    ["transfer", "lost-update", "interactive"],
    ["transfer", "lost-commit", "procedure"],
    ["transfer", "torn-commit", "procedure"],
    ["hot", "lost-update", "interactive"],
    ["hot", "lost-commit", "procedure"],
    ["ycsb-a", "lost-commit", "interactive"],
    ["ycsb-a", "torn-row", "procedure"],
    ["ycsb-b", "torn-row", "interactive"],
    ["ycsb-f", "lost-update", "interactive"],
    ["ycsb-f", "lost-commit", "procedure"],
    ["ycsb-f", "torn-row", "procedure"],
  ];
  test.each(planted)("%s finds a %s (%s)", async (name, fault, as) => {
    // All rows common, and few, so that clients meet; for blind writes enough that some row's last write is struck.
    const records = name === "ycsb-a" ? 60 : 8;
    const run = await runOn(new ReferenceDatabase(fault), name, { as, records, sharedPct: 100 });
    expect(run.verdict).toMatch(/^broken: /);
  });

  test("conflicts of the right database are reported as aborted attempts", async () => {
    const run = await runOn(new ReferenceDatabase(), "hot", { sharedPct: 100 });
    expect(run.aborted.get("row-conflict")).toBeGreaterThan(0);
    expect(run.verdict).toBe("ok");
  });
});

describe("unknown outcomes", () => {
  test.each([true, false])("are asked for, or counted as either (answers: %s)", async (answers) => {
    const db = new ReferenceDatabase(undefined, {}, { losesRepliesEvery: 5 });
    if (!answers) db.outcome = async () => "unknown";
    const run = await runOn(db, "hot", { as: "procedure" });
    expect(run.outcomes.unknown).toBeGreaterThan(0);
    expect(run.verdict).toBe("ok");
  });

  test("a wrong outcome is found", async () => {
    const db = new ReferenceDatabase(undefined, {}, { losesRepliesEvery: 5 });
    db.outcome = async () => "committed";
    expect((await runOn(db, "hot", { as: "procedure" })).verdict).toMatch(/^broken: /);
  });
});

test("an error that no workload can expect ends the run", async () => {
  const db = new ReferenceDatabase();
  const error = new SixfoldError("unknown-procedure", "no procedure");
  expect(isRetryable(error)).toBe(false);
  db.call = () => Promise.reject(error);
  await expect(runOn(db, "transfer", { as: "procedure" })).rejects.toBe(error);
});
