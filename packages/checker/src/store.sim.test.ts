/**
 * The checker on histories of a simulated store: a right one is never accused, and each fault of a broken one is found and
 * told by a fitting name.
 */
import { describe, expect, test } from "vitest";
import { check } from "./check.ts";
import { formatReport } from "./format-report.ts";
import { PROMISES, type AnomalyName, type PromiseName } from "./report.ts";
import { Random } from "./testing/random.ts";
import type { StoreFault } from "./testing/simulated-store.ts";
import { runStore, type LoadOptions } from "./testing/store-history.ts";

const load = { transactions: 600, clients: 8, keys: 6 } as const;
/** Sites far behind one another: faults have time to show. */
const often = { ...load, transactions: 1_200, replication: 0.3 } as const;
const kinds = ["list", "register"] as const;

function seeds(count: number): number[] {
  return Array.from({ length: count }, (_, seed) => seed);
}

interface FaultCase {
  readonly fault: StoreFault;
  readonly promise: PromiseName;
  /** One of these is what it looks like. */
  readonly names: readonly AnomalyName[];
  /** Another load, for what seldom shows. */
  readonly load?: Partial<LoadOptions>;
  /** Of five runs. */
  readonly minimum?: number;
}

const FAULTS: readonly FaultCase[] = [
  { fault: "lost update", promise: "snapshot+session", names: ["lost update"] },
  { fault: "torn read", promise: "snapshot+session", names: ["G-single", "monotonic reads"] },
  { fault: "stale read", promise: "snapshot+cluster", names: ["stale read"] },
  { fault: "reads not validated", promise: "serializable+session", names: ["write skew", "G2-item"] },
  { fault: "reads not validated", promise: "serializable+cluster", names: ["write skew", "G2-item"] },
  { fault: "session forgotten", promise: "snapshot+session", names: ["read your writes", "monotonic reads"] },
  {
    fault: "not closed",
    promise: "snapshot+session",
    names: ["G-single", "writes follow reads"],
    load: { transactions: 3_000 },
  },
  { fault: "abort leaves a write", promise: "snapshot+session", names: ["G1a"] },
  { fault: "dirty read", promise: "snapshot+session", names: ["G1a", "G1b"] },
  { fault: "commit lost", promise: "snapshot+session", names: ["read your writes"] },
  {
    fault: "cluster reads not at one moment",
    promise: "snapshot+cluster",
    names: ["long fork"],
    load: { clients: 12, keys: 4 },
    minimum: 2,
  },
];

describe("a simulated store", () => {
  for (const kind of kinds) {
    for (const promise of PROMISES)
      test(`${kind}s, ${promise}: a right store is not accused`, () => {
        for (const seed of seeds(6)) {
          const report = check(runStore({ ...load, kind, promises: [promise] }, new Random(seed)));
          if (!report.valid) expect.fail(`seed ${seed}\n${formatReport(report)}`);
          expect(report.complete).toBe(true);
          expect(report.transactions.committed).toBeGreaterThan(200);
        }
      });

    test(`${kind}s, all options mixed: a right store is not accused`, () => {
      for (const seed of seeds(10)) {
        const report = check(runStore({ ...load, kind, promises: PROMISES }, new Random(100 + seed)));
        if (!report.valid) expect.fail(`seed ${seed}\n${formatReport(report)}`);
      }
    });

    for (const { fault, promise, names, load: special, minimum = 3 } of FAULTS)
      test(`${kind}s, ${promise}: ${fault} is found`, () => {
        const found = new Set<AnomalyName>();
        let runs = 0;
        for (const seed of seeds(5)) {
          const broken: LoadOptions = { ...often, ...special, kind, promises: [promise], fault };
          const { violations } = check(runStore(broken, new Random(seed)));
          if (violations.length > 0) runs++;
          for (const { name } of violations) found.add(name);
        }
        expect(runs).toBeGreaterThanOrEqual(minimum);
        expect(names.filter((name) => found.has(name))).not.toEqual([]);
      });
  }

  test("what the options allow is seen: long forks, write skew, stale reads", () => {
    const names = new Set<AnomalyName>();
    for (const seed of seeds(4)) {
      const history = runStore({ ...load, kind: "list", promises: ["snapshot+session"] }, new Random(seed));
      for (const { name } of check(history).allowed) names.add(name);
    }
    expect([...names]).toEqual(expect.arrayContaining(["stale read", "long fork", "write skew"]));
  });
});
