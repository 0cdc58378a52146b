/**
 * The report as one HTML file that needs nothing else: no script, no font, no address.
 *
 * For each workload and number of writers: four charts over the shared fraction, one line a mode, the single master in each as
 * the measure. Then all numbers, how they were got, and on what.
 */
import {
  abortsPerCommit,
  formatCount,
  formatMs,
  formatOptional,
  formatRatio,
} from "../comparison/result-table.ts";
import {
  COMPARED_MODES,
  type ComparedMode,
  isRun,
  type PointResult,
  type RunResult,
} from "../comparison/result.ts";
import { findingsOf } from "./findings.ts";
import { escapeText, renderChart, renderMarker, type Series } from "./line-chart.ts";
import { REPORT_STYLE } from "./report-style.ts";
import type { Report } from "./report-format.ts";

const MODE_MEANINGS: Readonly<Record<ComparedMode, string>> = {
  single: "one master",
  multi: "several masters, conflicts end at the row",
  "multi-page": "several masters, conflicts end at the page",
};

export function renderReportPage(report: Report): string {
  const runs = report.results.filter(isRun);
  const workloads = [...new Set(runs.map((run) => run.workload))];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sixfold: one master or several</title>
<style>${REPORT_STYLE}</style>
</head>
<body>
<main>
<h1>One master or several</h1>
<p class="lead">How often a cluster of real processes commits while its masters share more and more of their rows. Made ${escapeText(report.madeAt)}.</p>
${renderVerdict(report.results)}
${workloads.map((workload) => renderWorkload(runs.filter((run) => run.workload === workload))).join("\n")}
<h2>All numbers</h2>
${renderTable(report.results)}
<h2>How to read this</h2>
${READING}
<h2>How it was made</h2>
<pre><code>${escapeText(report.command)}</code></pre>
${renderConditions(report)}
</main>
</body>
</html>
`;
}

function renderVerdict(results: readonly PointResult[]): string {
  const broken = results.filter((result) => isRun(result) && result.invariant !== "ok").length;
  const failed = results.filter((result) => !isRun(result)).length;
  if (broken === 0 && failed === 0)
    return `<p><span class="verdict ok">${results.length === 1 ? "The run" : `All ${results.length} runs`} kept ${results.length === 1 ? "its" : "their"} invariant</span></p>`;
  const parts = [
    ...(broken > 0 ? [`${broken} of ${results.length} runs broke their invariant`] : []),
    ...(failed > 0 ? [`${failed} of ${results.length} runs could not be measured`] : []),
  ];
  return `<p><span class="verdict bad">${parts.join("; ")}</span></p>`;
}

function renderWorkload(runs: readonly RunResult[]): string {
  const multi = [...new Set(runs.filter((run) => run.mode !== "single").map((run) => run.writers))];
  const groups = multi.length > 0 ? multi.sort((a, b) => a - b) : [1];
  const modes = COMPARED_MODES.filter((mode) => runs.some((run) => run.mode === mode));
  const legend = modes.map(
    (mode) =>
      `<li>${renderMarker(styleOf(mode))}<span><strong>${mode}</strong>: ${MODE_MEANINGS[mode]}</span></li>`,
  );
  const sections = groups.map((writers) => renderGroup(runs, writers));
  return `<h2>Workload <code>${escapeText(runs[0]!.workload)}</code></h2>
<ul class="legend">${legend.join("")}</ul>
${sections.join("\n")}`;
}

/** The single master is in every group: it is what the others are compared with. */
function renderGroup(runs: readonly RunResult[], writers: number): string {
  const group = runs.filter((run) => run.mode === "single" || run.writers === writers);
  const findings = findingsOf(group, writers).map((finding) => `<p>${escapeText(finding)}</p>`);
  const chart = (
    title: string,
    unit: string,
    value: (run: RunResult) => number,
    format: (value: number) => string,
    logarithmicBeyond?: number,
  ): string => {
    const series = seriesOf(group, value);
    return renderChart({
      title,
      unit,
      series,
      format,
      ...(logarithmicBeyond === undefined ? {} : { logarithmicBeyond }),
    });
  };
  return `<h3>${writers} ${writers === 1 ? "writer" : "writers"}</h3>
${findings.join("\n")}
<div class="charts">
${chart("Throughput", "commits a second", (run) => run.committedPerSecond, formatCount)}
${chart("Aborts that clients saw", "per commit", abortsPerCommit, formatSmall)}
${chart("Median latency", "ms, retries included", (run) => run.p50Ms, formatLatency, 30)}
${chart("99th percentile latency", "ms, retries included", (run) => run.p99Ms, formatLatency, 30)}
</div>`;
}

/** Two digits that count, however small: neighbouring ticks must differ. */
function formatSmall(value: number): string {
  return Number(value.toPrecision(2)).toString();
}

/** Ticks are round numbers; no digits that say nothing. */
function formatLatency(ms: number): string {
  return Number(formatMs(ms)).toString();
}

function seriesOf(runs: readonly RunResult[], value: (run: RunResult) => number): Series[] {
  return COMPARED_MODES.flatMap((mode) => {
    const points = runs
      .filter((run) => run.mode === mode)
      .map((run) => ({ x: run.sharedPct, y: value(run) }))
      .sort((a, b) => a.x - b.x);
    return points.length === 0 ? [] : [{ name: mode, style: styleOf(mode), points }];
  });
}

function styleOf(mode: ComparedMode): number {
  return COMPARED_MODES.indexOf(mode);
}

const COLUMNS: readonly (readonly [head: string, cell: (run: RunResult) => string])[] = [
  ["commits/s", (run) => formatCount(run.committedPerSecond)],
  ["commits", (run) => formatCount(run.committed)],
  ["aborts/commit", (run) => formatRatio(abortsPerCommit(run))],
  ["attempts/commit", (run) => formatRatio(run.attemptsPerCommit)],
  ["p50 ms", (run) => formatMs(run.p50Ms)],
  ["p95 ms", (run) => formatMs(run.p95Ms)],
  ["p99 ms", (run) => formatMs(run.p99Ms)],
  ["storage writes/commit", (run) => formatOptional(run.storageWritesPerCommit, formatRatio)],
  ["network bytes/commit", (run) => formatOptional(run.networkBytesPerCommit, formatCount)],
];

function renderTable(results: readonly PointResult[]): string {
  const texts = (names: readonly string[], attributes = "") =>
    names.map((name) => `<th scope="col"${attributes}>${name}</th>`);
  const head = [
    ...texts(["workload", "mode"]),
    ...texts(["writers", "shared"], ' class="n"'),
    ...texts(["invariant"]),
    ...texts(
      COLUMNS.map(([name]) => name),
      ' class="n"',
    ),
    ...texts(["aborted by"]),
  ];
  return `<div class="scroll" tabindex="0"><table>
<thead><tr>${head.join("")}</tr></thead>
<tbody>
${results.map(renderRow).join("\n")}
</tbody>
</table></div>`;
}

function renderRow(result: PointResult): string {
  const point = `<td>${escapeText(result.workload)}</td><td>${result.mode}</td><td class="n">${result.writers}</td><td class="n">${result.sharedPct} %</td>`;
  if (!isRun(result))
    return `<tr>${point}<td class="wrap bad" colspan="${COLUMNS.length + 2}">failed: ${escapeText(result.error)}</td></tr>`;
  const cells = COLUMNS.map(([, cell]) => `<td class="n">${cell(result)}</td>`);
  const aborts = Object.entries(result.abortedBy).map(([code, n]) => `${code} ${formatCount(n)}`);
  const verdict = `<td class="wrap ${result.invariant === "ok" ? "ok" : "bad"}">${escapeText(result.invariant)}</td>`;
  return `<tr>${point}${verdict}${cells.join("")}<td>${escapeText(aborts.join(", ") || "–")}</td></tr>`;
}

function renderConditions(report: Report): string {
  const { machine } = report;
  const entries: readonly (readonly [string, string | number])[] = [
    ["processor", `${machine.processor}, ${machine.processors} logical`],
    ["memory", `${machine.memoryGib} GiB`],
    ["system", machine.system],
    ["Node.js", machine.node],
    ...Object.entries(report.conditions),
  ];
  return `<dl>${entries.map(([name, value]) => `<dt>${escapeText(name)}</dt><dd>${escapeText(String(value))}</dd>`).join("")}</dl>`;
}

const READING = `<ul>
<li><strong>Shared</strong> is the share of accesses that go to rows all writers use. The others go to rows of which each writer has its own. At 0 % masters hardly meet; at 100 % they meet all the time.</li>
<li><strong>The load is the same in all runs</strong>: so many clients, each waiting for its answer before it asks again. All processes and the clients share one machine, so more masters do not mean more processors: figures show what coordination costs, not how a fleet scales.</li>
<li><strong>An abort</strong> is an attempt that the client was told of and that ran again. With conflicts ending at the row, a lost race for a page is rebuilt by the writer and no client hears of it: it shows in attempts per commit only.</li>
<li><strong>Latency</strong> runs from a transaction's first attempt to its acknowledgement, all retries included.</li>
<li><strong>Storage writes</strong> are synced log writes over all segment servers; <strong>network bytes</strong> are what writers sent to segment servers and to one another. A dash: not reported.</li>
<li><strong>The invariant</strong> is checked under load and afterwards, through every writer, against what each client was told. A run that breaks it proves a defect, whatever its speed.</li>
</ul>`;
