/** The benchmark as a table for a terminal. */
import Table from "cli-table3";
import { formatCount, formatMs, formatOptional, formatRatio } from "../comparison/result-table.ts";
import { PLAIN_TABLE } from "../plain-table.ts";
import type { Colors } from "../console-output.ts";
import { type BenchOutcome, type BenchResult, type CpuPerCommit, isMeasured } from "./result.ts";

type Column = readonly [name: string, cell: (result: BenchResult) => string];

const POINT = ["transaction", "mode", "clients"];

const COLUMNS: readonly Column[] = [
  ["commits/s", (r) => formatCount(r.committedPerSecond)],
  ["spread", (r) => `${formatCount(spreadPct(r))} %`],
  ["of raw", (r) => formatOptional(comparable(r, r.ratioToRaw), (ratio) => `${formatCount(ratio * 100)} %`)],
  ["aborts", (r) => formatRatio(r.abortedPerCommit)],
  ["p50 ms", (r) => formatMs(r.p50Ms)],
  ["of raw", (r) => formatOptional(comparable(r, r.p50ToRaw), (ratio) => `× ${formatRatio(ratio)}`)],
  ["p95 ms", (r) => formatMs(r.p95Ms)],
  ["p99 ms", (r) => formatMs(r.p99Ms)],
  ["cpu µs", (r) => cpuOf(r.cpuUsPerCommit)],
  ["net B", (r) => formatOptional(r.bytesPerCommit, formatCount)],
  ["syncs", (r) => formatOptional(r.syncsPerCommit, (syncs) => syncs.toFixed(2))],
];

/** Writers, segment servers, clients. */
function cpuOf({ writer, segments, client }: CpuPerCommit): string {
  return [writer, segments, client].map((us) => formatOptional(us, formatCount)).join(" + ");
}

/** Readers write no log: no ratio to its limit says anything. */
function comparable(result: BenchResult, ratio: number | null): number | null {
  return result.tx === "read" || result.tx === "scan" ? null : ratio;
}

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
  "Medians over the rounds; spread: fastest less slowest round, of the median. of raw: against the log alone with as many",
  "clients, before and after each round. Per commit: aborts told to clients; cpu of writers + segment servers + clients (of raw,",
  "appender and clients are one process); bytes the writers sent; syncs of all six segment servers. invariant: updates counted",
  "in the rows (or rows inserted) are the acknowledged ones, at every writer; readers got the rows they asked for.",
].join("\n");

function rowOf(outcome: BenchOutcome, colors: Colors): string[] {
  const isRaw = outcome.tx === "raw";
  const what = outcome.as === null ? outcome.tx : `${outcome.tx} ${outcome.as}`;
  const point = [what, isRaw ? "–" : outcome.mode, String(outcome.clients)];
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
