/**
 * The workloads that look for faults, on a database that is right by inspection: they pass when it is right, also when it loses
 * replies, and each notices the defects that it is there for.
 */
import { describe, expect, test } from "vitest";
import { ReferenceDatabase } from "./reference-database.ts";
import type { ReferenceFault } from "./reference-fault.ts";
import { runWorkload, type WorkloadRun } from "./testing/run-workload.ts";
import {
  FAULT_WORKLOADS,
  type TransactionStyle,
  type WorkloadName,
  type WorkloadOptions,
} from "./workload.ts";

const OPERATIONS = 800;

function runOn(
  db: ReferenceDatabase,
  name: WorkloadName,
  change: Partial<WorkloadOptions> = {},
): Promise<WorkloadRun> {
  return runWorkload(db, name, OPERATIONS, { sharedPct: 60, ...change });
}

const STYLES: readonly TransactionStyle[] = ["interactive", "procedure"];

describe.each(FAULT_WORKLOADS)("%s", (name) => {
  test.each(STYLES)("holds on a right database, as %s", async (as) => {
    const run = await runOn(new ReferenceDatabase(), name, { as });
    expect(run.verdict).toBe("ok");
    expect(run.audit).toBe("ok");
    expect(run.outcomes.committed).toBeGreaterThan(OPERATIONS / 2);
  });

  test.each([
    [0, "snapshot", "cluster"],
    [100, "serializable", "session"],
    [50, "serializable", "cluster"],
  ] as const)("holds with %i in 100 accesses shared, %s, %s", async (sharedPct, isolation, consistency) => {
    for (const seed of [2, 3]) {
      const run = await runOn(new ReferenceDatabase(), name, { sharedPct, isolation, consistency, seed });
      expect(run.verdict).toBe("ok");
    }
  });

  test.each([true, false])("holds when replies are lost (outcomes are known: %s)", async (isKnown) => {
    for (const seed of [4, 5]) {
      const db = new ReferenceDatabase(undefined, {}, { losesRepliesEvery: 7 });
      if (!isKnown) db.outcome = async () => "unknown";
      const run = await runOn(db, name, { seed, sharedPct: 90 });
      expect(run.verdict).toBe("ok");
      expect(run.outcomes.unknown).toBeGreaterThan(0);
    }
  });

  test("the same seed does the same", async () => {
    const trace = async (seed: number): Promise<string[]> => {
      const asked: string[] = [];
      const db = new ReferenceDatabase();
      const transaction = db.transaction.bind(db);
      db.transaction = (body, options) =>
        transaction((tx) => {
          const put = tx.put.bind(tx);
          return body({
            ...tx,
            put: (table, key, value) => {
              asked.push(JSON.stringify([table, key, value]));
              put(table, key, value);
            },
          });
        }, options);
      await runOn(db, name, { seed });
      return asked;
    };
    const first = await trace(5);
    expect(first.length).toBeGreaterThan(0);
    expect(await trace(5)).toEqual(first);
    expect(await trace(6)).not.toEqual(first);
  });
});

describe("planted defects are called broken", () => {
  const planted: readonly (readonly [WorkloadName, readonly ReferenceFault[]])[] = [
    ["append", ["lost-update", "lost-commit", "undead-abort", "torn-commit"]],
    ["register", ["lost-commit", "undead-abort"]],
    ["bank", ["lost-update", "lost-commit", "torn-commit", "torn-snapshot", "lost-row"]],
    [
      "cycle",
      [
        "lost-update",
        "lost-commit",
        "torn-commit",
        "torn-snapshot",
        "lost-row",
        "resurrected-row",
        "undead-abort",
      ],
    ],
    [
      "churn",
      [
        "lost-commit",
        "torn-commit",
        "resurrected-row",
        "stale-snapshot",
        "lost-row",
        "disordered-scan",
        "overlong-scan",
        "truncated-value",
      ],
    ],
    ["long-values", ["lost-commit", "truncated-value", "resurrected-row", "stale-snapshot"]],
    ["tables", ["resurrected-table", "torn-commit", "lost-row", "lost-commit"]],
    ["outcomes", ["wrong-outcome", "torn-commit", "lost-commit", "undead-abort"]],
  ];
  const cases = planted.flatMap(([name, faults]) => faults.map((fault) => [name, fault] as const));
  test.each(cases)("%s finds a %s", async (name, fault) => {
    const run = await runOn(new ReferenceDatabase(fault), name, { sharedPct: 90 });
    expect(run.verdict).toMatch(/^broken: /);
  });
});

describe("histories", () => {
  test.each(["append", "register"] as const)(
    "%s: attempts, sessions and moments are told apart",
    async (name) => {
      const db = new ReferenceDatabase(undefined, {}, { losesRepliesEvery: 11 });
      const { history } = await runOn(db, name, { sharedPct: 100, isolation: "serializable" });
      expect(history.map(({ id }) => id)).toEqual(history.map((_, i) => i));
      const outcomes = new Set(history.map(({ outcome }) => outcome));
      expect(outcomes).toEqual(new Set(["committed", "aborted"]));
      const written = history.flatMap(({ operations }) =>
        operations.flatMap((operation) =>
          operation.kind === "append" || operation.kind === "write" ? [operation.value] : [],
        ),
      );
      expect(new Set(written).size).toBe(written.length);
      const ends = new Map<number, number>();
      for (const { session, invokedAt, returnedAt } of history) {
        // One after the other; what never returned is the last of its session.
        expect(invokedAt).toBeGreaterThanOrEqual(ends.get(session) ?? 0);
        expect(returnedAt).toBeGreaterThanOrEqual(invokedAt);
        ends.set(session, returnedAt);
      }
      expect(history.some(({ returnedAt }) => returnedAt === Infinity)).toBe(true);
      expect(history.some(({ isolation }) => isolation === "serializable")).toBe(true);
      expect(history.at(-1)?.consistency).toBe("cluster");
    },
  );
});
