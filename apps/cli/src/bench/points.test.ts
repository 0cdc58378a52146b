import { describe, expect, test } from "vitest";
import { describeBenchPoint, measurements, planBench, rawTurns, rowsFault } from "./points.ts";

const CHOICE = {
  tx: ["raw", "update", "rmw"],
  as: ["procedure", "interactive"],
  modes: ["single", "multi"],
  clients: [1, 32],
  writers: 2,
} as const;
const ROWS = { rows: 1_000, updateRows: 1, hot: undefined, sharedPct: 0 };

describe("the plan of points", () => {
  test("raw has its clients, each mode a cluster with every transaction, style and number of clients", () => {
    const plan = planBench(CHOICE);
    expect(plan.raw).toEqual([1, 32]);
    expect(plan.clusters.map(({ mode, writers }) => [mode, writers])).toEqual([
      ["single", 1],
      ["multi", 2],
    ]);
    expect(plan.clusters[1]!.points.map(describeBenchPoint)).toEqual([
      "update as procedure: multi, 1 client",
      "update as procedure: multi, 32 clients",
      "update as interactive: multi, 1 client",
      "update as interactive: multi, 32 clients",
      "rmw as procedure: multi, 1 client",
      "rmw as procedure: multi, 32 clients",
      "rmw as interactive: multi, 1 client",
      "rmw as interactive: multi, 32 clients",
    ]);
    // Two clusters of eight points in three rounds; raw before each of these and after the last.
    expect(measurements(plan, 3)).toBe(2 * 8 * 3 + 2 * 4);
  });

  test("raw alone needs no cluster and no further turn", () => {
    const plan = planBench({ ...CHOICE, tx: ["raw"] });
    expect(plan.clusters).toEqual([]);
    expect([rawTurns(plan, 3), measurements(plan, 3)]).toEqual([3, 6]);
  });

  test("without raw there is nothing to compare with", () => {
    const plan = planBench({ ...CHOICE, tx: ["rmw"], modes: ["single"] });
    expect(plan.raw).toEqual([]);
    expect(measurements(plan, 2)).toBe(8);
  });
});

describe("rows must suffice", () => {
  test.each([
    [{ ...ROWS, hot: 1_001 }, /--hot 1001 is more than --rows 1000/],
    [{ ...ROWS, hot: 3 }, /--hot 3 leaves a writer too few rows; take --hot 4 or --shared 100/],
    [{ ...ROWS, hot: 1, sharedPct: 100 }, /take --hot 2$/],
    [{ ...ROWS, hot: 4 }, undefined],
    [{ ...ROWS, hot: 2, sharedPct: 100 }, undefined],
    [ROWS, undefined],
  ])("%j", (rows, complaint) => {
    const fault = rowsFault(planBench(CHOICE), rows);
    if (complaint === undefined) expect(fault).toBeUndefined();
    else expect(fault).toMatch(complaint);
  });

  test("one hot row is enough for updates that all share it", () => {
    const plan = planBench({ ...CHOICE, tx: ["update"] });
    expect(rowsFault(plan, { ...ROWS, hot: 1, sharedPct: 100 })).toBeUndefined();
    expect(rowsFault(plan, { ...ROWS, updateRows: 300, hot: 500 })).toMatch(/take --hot 600/);
  });

  test("a scan needs its rows", () => {
    const plan = planBench({ ...CHOICE, tx: ["scan"] });
    expect(rowsFault(plan, { ...ROWS, rows: 99 })).toMatch(/--rows 100/);
    expect(rowsFault(plan, { ...ROWS, rows: 100 })).toBeUndefined();
  });
});
