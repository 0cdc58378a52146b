import { createColors } from "picocolors";
import { describe, expect, test } from "vitest";
import { COMPARED_MODES, type PointResult, type RunResult } from "../comparison/result.ts";
import { formatCount, renderResultTable } from "../comparison/result-table.ts";
import { planSweep } from "../comparison/sweep-plan.ts";
import { niceStep, renderChart } from "./line-chart.ts";
import { renderReportPage } from "./report-page.ts";
import type { Report } from "./report-format.ts";

function runOf(change: Partial<RunResult>): RunResult {
  return {
    event: "run",
    mode: "multi",
    writers: 2,
    sharedPct: 50,
    workload: "transfer",
    clients: 16,
    seconds: 2,
    as: "interactive",
    committed: 24_690,
    committedPerSecond: 12_345,
    aborted: 2_469,
    abortedBy: { "row-conflict": 2_469 },
    unknown: 0,
    attemptsPerCommit: 1.25,
    p50Ms: 1.234,
    p95Ms: 12.34,
    p99Ms: 123.4,
    storageWritesPerCommit: 0.5,
    networkBytesPerCommit: 2_345.6,
    invariant: "ok",
    ...change,
  };
}

function reportOf(results: readonly PointResult[]): Report {
  return {
    format: "sixfold-compare/1",
    command: "sixfold compare --quick",
    madeAt: "2026-01-02T03:04:05.000Z",
    machine: { processor: "<Fast & Co>", processors: 2, memoryGib: 8, system: "linux", node: "v20" },
    conditions: { clients: 16 },
    results,
  };
}

const FIXED: readonly RunResult[] = COMPARED_MODES.flatMap((mode, m) =>
  [0, 50, 100].map((sharedPct) =>
    runOf({
      mode,
      sharedPct,
      writers: mode === "single" ? 1 : 2,
      committedPerSecond: 10_000 / (1 + (m * sharedPct) / 50),
      p99Ms: 2 + m * sharedPct,
    }),
  ),
);

describe("table", () => {
  test("a row has every figure; what nodes do not report is a dash", () => {
    const table = renderResultTable([runOf({ networkBytesPerCommit: null })], createColors(false));
    const cells = table.split("\n").at(-1)!.trim().split(/ {2,}/);
    expect(cells).toEqual([
      "transfer",
      "multi",
      "2",
      "50",
      "12\u202f345",
      "0.10",
      "1.25",
      "1.23",
      "12.3",
      "123",
      "0.50",
      "–",
      "ok",
    ]);
  });

  test("a broken run and a failed one say why", () => {
    const { event: _, ...point } = runOf({ mode: "single" });
    const failure: PointResult = { ...point, event: "run-failed", error: "writer-1 died" };
    const table = renderResultTable(
      [runOf({ invariant: "broken: 41, not 42" }), failure],
      createColors(false),
    );
    expect(table).toContain("broken: 41, not 42");
    expect(table).toContain("failed: writer-1 died");
  });

  test.each([
    [0, "0"],
    [999.4, "999"],
    [1_000, "1\u202f000"],
    [1_234_567, "1\u202f234\u202f567"],
  ])("%d is written %s", (value, text) => expect(formatCount(value)).toBe(text));
});

describe("sweep", () => {
  test("single is visited once, the others with every number of writers", () => {
    const plans = planSweep({
      modes: COMPARED_MODES,
      writers: [1, 2],
      shared: [0, 100],
      workloads: ["hot", "transfer"],
      clients: 8,
      seconds: 1,
    });
    expect(plans.map((plan) => `${plan.mode} ${plan.writers}`)).toEqual([
      "single 1",
      "multi 1",
      "multi 2",
      "multi-page 1",
      "multi-page 2",
    ]);
    expect(
      plans.every((plan) => plan.points.length === 4 && plan.points.every((p) => p.writers === plan.writers)),
    ).toBe(true);
  });
});

describe("charts", () => {
  test("a point lies where its value is", () => {
    const svg = renderChart({
      title: "T",
      unit: "u",
      format: String,
      series: [
        {
          name: "s",
          style: 0,
          points: [
            { x: 0, y: 0 },
            { x: 100, y: 10 },
          ],
        },
      ],
    });
    // 520 x 280 with margins 14, 18, 44, 64.
    expect(svg).toContain('points="64,236 502,14"');
    expect(svg).toContain('aria-label="T (u) over the shared fraction. s: 0 at 0 %, 10 at 100 %."');
  });

  test("values that spread far are on a logarithmic axis, if that was asked for", () => {
    const series = [
      {
        name: "s",
        style: 0,
        points: [
          { x: 0, y: 1 },
          { x: 100, y: 1_000 },
        ],
      },
    ];
    const chart = { title: "T", unit: "ms", format: String, series };
    expect(renderChart({ ...chart, logarithmicBeyond: 30 })).toContain("ms, logarithmic");
    expect(renderChart(chart)).not.toContain("logarithmic");
  });

  test.each([
    [10, 2],
    [11, 2.5],
    [1, 0.2],
    [12_345, 2_500],
    [50, 10],
  ])("up to %d the axis steps by %d", (most, step) => expect(niceStep(most)).toBeCloseTo(step, 9));
});

describe("page", () => {
  const page = renderReportPage(reportOf(FIXED));

  test("needs nothing from elsewhere and runs nothing", () => {
    expect(page).not.toMatch(/<script|<link|@import|\bsrc=|https?:\/\//);
  });

  test("four charts with a line a mode, and every run in the table", () => {
    expect(page.match(/<figure>/g)).toHaveLength(4);
    expect(page.match(/<polyline/g)).toHaveLength(4 * COMPARED_MODES.length);
    expect(page.match(/<tr><td>transfer/g)).toHaveLength(FIXED.length);
    expect(page).toContain("All 9 runs kept their invariant");
    expect(page).toContain("&lt;Fast &amp; Co&gt;");
    expect(page).toContain("sixfold compare --quick");
  });

  test("says what the figures say", () => {
    expect(page).toContain(
      "At 100 % shared one master commits 10\u202f000 transactions a second; 2 masters commit 0.33 times that with conflicts ending at the row",
    );
  });

  test("ticks of an axis differ, however small the values", () => {
    const rare = renderReportPage(reportOf([runOf({ aborted: 1, committed: 60 })]));
    for (const figure of rare.split("<figure>").slice(1)) {
      const ticks = [...figure.matchAll(/text-anchor="end">([^<]*)</g)].map(([, tick]) => tick);
      expect(ticks.length).toBeGreaterThan(2);
      expect(new Set(ticks).size).toBe(ticks.length);
    }
    expect(rare).toContain("The run kept its invariant");
  });

  test("a broken invariant stands at the top", () => {
    const broken = renderReportPage(reportOf([...FIXED, runOf({ invariant: "broken: <b>" })]));
    expect(broken).toContain("1 of 10 runs broke their invariant");
    expect(broken).toContain("broken: &lt;b&gt;");
  });

  test("without a single measured run there is still a page", () => {
    const { event: _, ...point } = runOf({});
    const failure: PointResult = { ...point, event: "run-failed", error: "nothing started" };
    expect(renderReportPage(reportOf([failure]))).toContain("nothing started");
  });
});
