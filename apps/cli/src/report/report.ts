/** What `compare` writes: report.json for programs, report.html for people. Both hold every number. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Report } from "./report-format.ts";
import { renderReportPage } from "./report-page.ts";

/** Returns the paths written. */
export async function writeReport(dir: string, report: Report): Promise<{ json: string; html: string }> {
  await mkdir(dir, { recursive: true });
  const paths = { json: join(dir, "report.json"), html: join(dir, "report.html") };
  await writeFile(paths.json, `${JSON.stringify(report, undefined, 2)}\n`);
  await writeFile(paths.html, renderReportPage(report));
  return paths;
}
