/** The comparison as a table for a terminal. */
import Table from "cli-table3";
import type { Colors } from "../console-output.ts";
import { isRun, type PointResult } from "./result.ts";

const HEAD = [
  "workload",
  "mode",
  "writers",
  "shared %",
  "commits/s",
  "aborts/commit",
  "attempts/commit",
  "p50 ms",
  "p95 ms",
  "p99 ms",
  "writes/commit",
  "net B/commit",
  "invariant",
];
/** The first of the columns that hold numbers, and how many of these there are. */
const FIRST_NUMBER = 2;
const NUMBERS = 10;

export function renderResultTable(results: readonly PointResult[], colors: Colors): string {
  const table = new Table({
    head: HEAD.map((name) => colors.bold(name)),
    colAligns: HEAD.map((_, i) => (i >= FIRST_NUMBER && i < FIRST_NUMBER + NUMBERS ? "right" : "left")),
    style: { head: [], border: [], compact: true },
    chars: PLAIN_TABLE,
  });
  for (const result of results) table.push(rowOf(result, colors));
  return table.toString();
}

function rowOf(result: PointResult, colors: Colors): string[] {
  const point = [result.workload, result.mode, String(result.writers), String(result.sharedPct)];
  if (!isRun(result)) {
    const blanks = Array.from({ length: HEAD.length - point.length - 1 }, () => "");
    return [...point, ...blanks, colors.red(`failed: ${result.error}`)];
  }
  return [
    ...point,
    formatCount(result.committedPerSecond),
    formatRatio(abortsPerCommit(result)),
    formatRatio(result.attemptsPerCommit),
    formatMs(result.p50Ms),
    formatMs(result.p95Ms),
    formatMs(result.p99Ms),
    formatOptional(result.storageWritesPerCommit, formatRatio),
    formatOptional(result.networkBytesPerCommit, formatCount),
    result.invariant === "ok" ? colors.green("ok") : colors.red(result.invariant),
  ];
}

export function abortsPerCommit(result: { readonly aborted: number; readonly committed: number }): number {
  return result.committed === 0 ? 0 : result.aborted / result.committed;
}

/** 12 345 with a thin gap every three digits, no fraction. */
export function formatCount(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

export function formatRatio(value: number): string {
  return value === 0 ? "0" : value.toFixed(value < 10 ? 2 : 1);
}

export function formatMs(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

/** A dash for what was not reported. */
export function formatOptional(value: number | null, format: (value: number) => string): string {
  return value === null ? "–" : format(value);
}

/** One rule under the head and blanks between columns: the figures are the picture. */
export const PLAIN_TABLE = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: " ",
};
