/**
 * Size: the graph grows with the history and no faster, and cycles are found in a large one. How long it takes is printed by
 * `CHECKER_TRANSACTIONS=100000 npx vitest run packages/checker/src/size`; no test depends on it.
 */
import { describe, expect, test } from "vitest";
import { check } from "./check.ts";
import { PROMISES } from "./report.ts";
import { Random } from "./testing/random.ts";
import { runStore } from "./testing/store-history.ts";

const asked = process.env["CHECKER_TRANSACTIONS"];
const transactions = Number(asked ?? 10_000);

describe("large histories", () => {
  for (const kind of ["list", "register"] as const) {
    for (const fault of [undefined, "torn read"] as const)
      test(`${transactions} transactions on ${kind}s, ${fault ?? "right"}`, { timeout: 600_000 }, () => {
        const broken = fault === undefined ? {} : { fault };
        const history = runStore(
          { kind, promises: PROMISES, transactions, clients: 24, keys: 200, ...broken },
          new Random(1),
        );
        const before = process.cpuUsage();
        const report = check(history);
        const { user, system } = process.cpuUsage(before);
        if (asked !== undefined) process.stdout.write(`${kind}s: ${((user + system) / 1e6).toFixed(1)} s\n`);
        expect(report.complete).toBe(true);
        expect(report.valid).toBe(fault === undefined);
        const edges = Object.values(report.graph.edges).reduce((sum, count) => sum + count, 0);
        const operations = history.reduce((sum, { operations: all }) => sum + all.length, 0);
        expect(edges).toBeLessThan(4 * (operations + history.length));
      });
  }
});
