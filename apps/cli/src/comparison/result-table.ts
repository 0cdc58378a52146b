/** The comparison as a table for a terminal. */
import type { Colors } from "../console-output.ts";
import { makePlainTable } from "../plain-table.ts";
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
const TEXTS = ["workload", "mode", "invariant"];

export function renderResultTable(results: readonly PointResult[], colors: Colors): string {
  const numbers = HEAD.filter((name) => !TEXTS.includes(name));
  const table = makePlainTable(HEAD, colors, numbers);
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
