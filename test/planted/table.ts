/** The table of planted bugs in docs/testing.md: written by the hunt, read by the test. */
import { isPlantedBug, type PlantedBug, type PlantedRule } from "@sixfold/model";
import type { Caught } from "./hunt.ts";

export const ROOT = new URL("../../", import.meta.url);
export const DOCUMENT = new URL("docs/testing.md", ROOT);

const HEAD =
  "| bug | rule | what it breaks | hunted in | workload | noticed by | seeds |\n| --- | --- | --- | --- | --- | --- | --- |";
const BEGIN = "<!-- planted bugs -->";
const END = "<!-- end of planted bugs -->";

export function rowOf(
  bug: PlantedBug,
  { rule, breaks }: PlantedRule,
  place: string,
  { workload, by, seeds }: Caught,
): string {
  return `| ${bug} | ${rule} | ${breaks} | \`${place}\` | ${workload} | ${by.join(", ")} | ${seeds} |`;
}

/** Bug -> where it is hunted, and how many seeds it took. */
export function rowsIn(document: string): Map<PlantedBug, { place: string; seeds: number }> {
  const rows = new Map<PlantedBug, { place: string; seeds: number }>();
  const at = document.indexOf(BEGIN);
  for (const line of document.slice(at, document.indexOf(END)).split("\n")) {
    const cells = line.split("|").map((cell) => cell.trim());
    const [, bug, , , place, , , seeds] = cells;
    if (bug !== undefined && isPlantedBug(bug))
      rows.set(bug, { place: place!.replaceAll("`", ""), seeds: Number(seeds) });
  }
  return rows;
}

export function withRows(document: string, rows: readonly string[]): string {
  const [from, to] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (from < 0 || to < from) throw new Error(`docs/testing.md has no ${BEGIN}`);
  return `${document.slice(0, from + BEGIN.length)}\n\n${[HEAD, ...rows].join("\n")}\n\n${document.slice(to)}`;
}
