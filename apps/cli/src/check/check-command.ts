/** `sixfold check`: what a stopped cluster's data is worth, in findings and one line of verdict. */
import { resolve } from "node:path";
import type { DataReport, Finding, ServerReport, VolumeSummary } from "@sixfold/cluster";
import { formatCount } from "../comparison/result-table.ts";
import type { ConsoleOutput } from "../console-output.ts";
import { makePlainTable } from "../plain-table.ts";
import type { Platform } from "../platform.ts";
import { livingNodes } from "../running-file.ts";
import { formatBytes } from "../size-format.ts";
import { CommandError } from "../usage.ts";

export interface CheckFlags {
  readonly data: string;
}

const NUMBERS = ["log blocks", "pages stored", "damaged", "log", "pages", "live", "disk / live"];

/** Fails if anything is lost, or if there is nothing to check. */
export async function check(platform: Platform, output: ConsoleOutput, flags: CheckFlags): Promise<void> {
  const dataDir = resolve(flags.data);
  const living = (await livingNodes(dataDir))[0];
  if (living !== undefined)
    throw new CommandError(
      `${living.name} (process ${living.pid}) of the cluster on ${flags.data} still runs; its data can be checked once all of it is stopped`,
    );
  const progress = (text: string): void => output.progress(text);
  const report = await platform.checkData({ dataDir, progress, signal: platform.signal });
  output.clearProgress();
  for (const server of report.servers) output.object({ event: "server", ...server, ratio: ratioOf(server) });
  if (report.volume !== undefined) output.object({ event: "volume", ...report.volume });
  for (const finding of report.findings) output.object({ event: "finding", ...finding });
  output.object({ event: "verdict", verdict: report.verdict, ...countsOf(report) });
  output.text(serverTable(report.servers, output));
  if (report.volume !== undefined) output.text(volumeLine(report.volume));
  for (const finding of report.findings) output.text(findingLine(finding, output));
  output.text(verdictLine(report, output));
  if (report.verdict === "damaged") throw new CommandError("the data is damaged");
}

function serverTable(servers: readonly ServerReport[], output: ConsoleOutput): string {
  const { green, yellow, red } = output.colors;
  const paint = { whole: green, behind: green, spare: green, damaged: yellow, lost: red };
  const head = ["segment server", "AZ", "state", ...NUMBERS];
  const table = makePlainTable(head, output.colors, NUMBERS);
  for (const server of servers)
    table.push([
      server.name,
      server.az ?? "–",
      paint[server.state](server.state),
      formatCount(server.logBlocks),
      formatCount(server.pagesStored),
      formatCount(server.pagesDamaged),
      formatBytes(server.logBytes),
      formatBytes(server.pageStoreBytes),
      formatBytes(server.liveBytes),
      ratioOf(server)?.toFixed(2) ?? "–",
    ]);
  return table.toString();
}

/** Bytes on disk for each byte of live pages. */
function ratioOf({ logBytes, pageStoreBytes, liveBytes }: ServerReport): number | undefined {
  return liveBytes === 0 ? undefined : Math.round(((logBytes + pageStoreBytes) / liveBytes) * 100) / 100;
}

function volumeLine(volume: VolumeSummary): string {
  const { pgs, tables, rows, allocated, reachable, free, pagesCompared, slices } = volume;
  const headers = allocated - reachable;
  return [
    `${formatCount(tables)} ${tables === 1 ? "table" : "tables"}, ${formatCount(rows)} rows in ${formatCount(pgs)} ${pgs === 1 ? "protection group" : "protection groups"}`,
    `${formatCount(allocated)} pages allocated: ${formatCount(reachable)} reached, ${formatCount(headers)} headers; ${formatCount(free)} free`,
    `compared on all segments: ${formatCount(pagesCompared)} pages, ${formatCount(slices)} slices in logs`,
  ].join("\n");
}

function findingLine({ severity, text }: Finding, output: ConsoleOutput): string {
  const { red, yellow, dim } = output.colors;
  const paint = { note: dim, warning: yellow, error: red };
  return `${paint[severity](severity)}: ${text}`;
}

function countsOf(report: DataReport): { readonly errors: number; readonly warnings: number } {
  const count = (severity: Finding["severity"]): number =>
    report.findings.filter((finding) => finding.severity === severity).length;
  return { errors: count("error"), warnings: count("warning") };
}

function verdictLine(report: DataReport, output: ConsoleOutput): string {
  const { green, yellow, red } = output.colors;
  const { errors, warnings } = countsOf(report);
  const several = (n: number, what: string): string => `${n} ${what}${n === 1 ? "" : "s"}`;
  switch (report.verdict) {
    case "ok":
      return green("OK: nothing is lost, and nothing is damaged");
    case "warnings":
      return yellow(`OK, with ${several(warnings, "warning")}: something is damaged, and nothing is lost`);
    case "damaged":
      return red(`DAMAGED: ${several(errors, "error")}, ${several(warnings, "warning")}`);
  }
}
