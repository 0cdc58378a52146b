/** What `compare` writes: report.json for programs, report.html for people. Both hold every number. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PointResult } from "../comparison/result.ts";
import type { Machine } from "./machine.ts";
import { renderReportPage } from "./report-page.ts";

export interface Report {
  readonly format: "sixfold-compare/1";
  /** What to type to get it again. */
  readonly command: string;
  /** ISO 8601. */
  readonly madeAt: string;
  readonly machine: Machine;
  /** What all points share: transaction style, clients, seed and so on, by their names on the command line. */
  readonly conditions: Readonly<Record<string, string | number>>;
  readonly results: readonly PointResult[];
}

/** Returns the paths written. */
export async function writeReport(dir: string, report: Report): Promise<{ json: string; html: string }> {
  await mkdir(dir, { recursive: true });
  const paths = { json: join(dir, "report.json"), html: join(dir, "report.html") };
  await writeFile(paths.json, `${JSON.stringify(report, undefined, 2)}\n`);
  await writeFile(paths.html, renderReportPage(report));
  return paths;
}
