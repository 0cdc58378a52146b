/** The benchmark as a table for a terminal. */
import Table from "cli-table3";
import {
  formatCount,
  formatMs,
  formatOptional,
  formatRatio,
  PLAIN_TABLE,
} from "../comparison/result-table.ts";
import type { Colors } from "../console-output.ts";
import { type BenchOutcome, type BenchResult, isMeasured } from "./result.ts";

type Column = readonly [name: string, cell: (result: BenchResult) => string];

const POINT = ["transaction", "as", "mode", "clients"];

const COLUMNS: readonly Column[] = [
  ["commits/s", (r) => formatCount(r.committedPerSecond)],
  ["spread %", (r) => formatCount(spreadPct(r))],
  ["of raw", (r) => formatOptional(r.ratioToRaw, (ratio) => `${(ratio * 100).toFixed(0)} %`)],
  ["aborts/commit", (r) => formatRatio(r.abortedPerCommit)],
  ["p50 ms", (r) => formatMs(r.p50Ms)],
  ["p95 ms", (r) => formatMs(r.p95Ms)],
  ["p99 ms", (r) => formatMs(r.p99Ms)],
  ["p50 of raw", (r) => formatOptional(r.p50ToRaw, (ratio) => `× ${formatRatio(ratio)}`)],
  ["writer µs", (r) => formatOptional(r.cpuUsPerCommit.writer, formatRatio)],
  ["segments µs", (r) => formatOptional(r.cpuUsPerCommit.segments, formatRatio)],
  ["client µs", (r) => formatOptional(r.cpuUsPerCommit.client, formatRatio)],
  ["net B", (r) => formatOptional(r.bytesPerCommit, formatCount)],
  ["syncs", (r) => formatOptional(r.syncsPerCommit, (syncs) => syncs.toFixed(2))],
];

/** Costs are per commit; a footnote says what the columns mean. */
export function renderBenchTable(outcomes: readonly BenchOutcome[], colors: Colors): string {
  const head = [...POINT, ...COLUMNS.map(([name]) => name), "invariant"];
  const table = new Table({
    head: head.map((name) => colors.bold(name)),
    colAligns: head.map((_, i) => (i >= POINT.length - 1 && i < head.length - 1 ? "right" : "left")),
    style: { head: [], border: [], compact: true },
    chars: PLAIN_TABLE,
  });
  for (const outcome of outcomes) table.push(rowOf(outcome, colors));
  return `${table.toString()}\n\n${colors.dim(FOOTNOTE)}`;
}

const FOOTNOTE = [
  "Medians over the rounds; spread: fastest less slowest round, of the median. of raw: the log's own rate at as many clients,",
  "before and after each round. µs: processor time per commit; net B: sent by the writers per commit; syncs: of all six segments",
  "per commit. invariant: updates counted in the rows (or rows inserted) are the acknowledged ones, at every writer; readers got",
  "the rows they asked for.",
].join("\n");

function rowOf(outcome: BenchOutcome, colors: Colors): string[] {
  const isRaw = outcome.tx === "raw";
  const point = [outcome.tx, outcome.as ?? "–", isRaw ? "–" : outcome.mode, String(outcome.clients)];
  if (!isMeasured(outcome))
    return [...point, ...COLUMNS.map(() => ""), colors.red(`failed: ${outcome.error}`)];
  const invariant = isRaw ? "–" : outcome.invariant;
  const shown = invariant === "ok" ? colors.green("ok") : isRaw ? invariant : colors.red(invariant);
  return [...point, ...COLUMNS.map(([, cell]) => cell(outcome)), shown];
}

/** How far the rounds lie apart, in percent of their median. */
export function spreadPct(result: BenchResult): number {
  if (result.committedPerSecond === 0) return 0;
  return (100 * (result.highestPerSecond - result.lowestPerSecond)) / result.committedPerSecond;
}
