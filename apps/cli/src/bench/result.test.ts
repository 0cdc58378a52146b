import { createColors } from "picocolors";
import { describe, expect, test } from "vitest";
import { type BenchResult, type Figures, median, summarise } from "./result.ts";
import { renderBenchTable, spreadPct } from "./table.ts";

const figures = (committedPerSecond: number, changes: Partial<Figures> = {}): Figures => ({
  committed: 100,
  committedPerSecond,
  abortedPerCommit: 0,
  p50Ms: 1,
  p95Ms: 2,
  p99Ms: 3,
  cpuUsPerCommit: { writer: 10, segments: null, client: 5 },
  bytesPerCommit: 1_200,
  syncsPerCommit: 0.5,
  invariant: "ok",
  ...changes,
});

const result = (changes: Partial<BenchResult> = {}): BenchResult => ({
  ...{ event: "bench", tx: "rmw", as: "procedure", mode: "multi", clients: 32, rows: 1_000, sharedPct: 0 },
  ...{ ratioToRaw: 0.512, p50ToRaw: 2.04 },
  ...summarise([figures(12_000), figures(10_000), figures(11_000)]),
  ...changes,
});

describe("medians over rounds", () => {
  test("the middle, or the mean of two in the middle", () => {
    expect([median([]), median([3]), median([9, 1, 5]), median([4, 1, 2, 9])]).toEqual([undefined, 3, 5, 3]);
  });

  test("each figure by itself; what no round reports stays unknown", () => {
    const summary = summarise([
      figures(10, { p50Ms: 5 }),
      figures(30, { p50Ms: 1, bytesPerCommit: null }),
      figures(20, { p50Ms: 3 }),
    ]);
    expect(summary).toMatchObject({
      committed: 300,
      committedPerSecond: 20,
      p50Ms: 3,
      bytesPerCommit: 1_200,
    });
    expect(summary.cpuUsPerCommit).toEqual({ writer: 10, segments: null, client: 5 });
    expect([summary.lowestPerSecond, summary.highestPerSecond, summary.rounds]).toEqual([10, 30, 3]);
  });

  test("one broken round breaks the point", () => {
    expect(summarise([figures(1), figures(1, { invariant: "broken: 1, not 2" })]).invariant).toBe(
      "broken: 1, not 2",
    );
  });

  test("spread is of the median", () => {
    expect(spreadPct(result())).toBeCloseTo((100 * 2_000) / 11_000);
  });
});

describe("the table", () => {
  const plain = createColors(false);

  test("rates, ratios and costs of a point; dashes for what was not told", () => {
    const line = renderBenchTable([result()], plain)
      .split("\n")
      .find((text) => text.includes("rmw"))!;
    expect(line.trim().split(/\s{2,}/)).toEqual(
      [
        "rmw procedure",
        "multi",
        "32",
        "11\u202f000",
        "18 %",
        "51 %",
        "0",
        "1.00",
        "× 2.04",
        "2.00",
        "3.00",
      ].concat(["10 + – + 5", "1\u202f200", "0.50", "ok"]),
    );
  });

  test("what writes no log has no ratio to it", () => {
    expect(renderBenchTable([result({ tx: "read" })], plain)).not.toMatch(/51 %|× 2/);
  });

  test("failures and broken invariants are said", () => {
    const failure = {
      tx: "scan",
      as: "procedure",
      mode: "single",
      clients: 1,
      error: "writer-1 died",
    } as const;
    const text = renderBenchTable(
      [result({ invariant: "broken: 7, not 8" }), { event: "bench-failed", ...failure }],
      plain,
    );
    expect(text).toContain("broken: 7, not 8");
    expect(text).toContain("failed: writer-1 died");
  });
});
