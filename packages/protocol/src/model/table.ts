/** The results of searches as rows of the tables in this package's README, which the tests hold to them. */
import type { Scenario } from "./scenario.ts";
import type { SearchResult } from "./search.ts";

const count = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, " ");

export const SCENARIO_HEAD = ["scenario", "about", "groups", "states", "depth"] as const;

/** Cells, in the order of the head. */
export function scenarioRow(s: Scenario, r: SearchResult): readonly string[] {
  const groups = s.groups === undefined ? "six" : s.groups.join("+");
  const lost = s.lost === undefined ? "" : ", last lost";
  const states = `${count(r.states)}${r.complete ? "" : " of more"}`;
  return [s.name, s.says, `${groups}${lost}`, states, String(r.depth)];
}

export const BREAK_HEAD = ["rule broken", "caught in", "by condition", "steps", "states"] as const;

export function breakRow(rule: string, scenario: string, r: SearchResult): readonly string[] {
  const { violation } = r;
  const steps = violation === undefined ? "not caught" : String(violation.steps.length);
  return [rule, scenario, violation?.condition ?? "", steps, count(r.states)];
}

/** A Markdown table, padded as the formatter pads it. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((h, i) => Math.max(3, h.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`;
  const rule = `| ${widths.map((w) => "-".repeat(w)).join(" | ")} |`;
  return [line(head), rule, ...rows.map(line)].join("\n");
}

/** The rows of the README's tables, as cells. */
export function rowsIn(text: string): string[][] {
  const lines = text.split("\n").filter((l) => l.startsWith("| ") && !l.startsWith("| ---"));
  return lines.map((l) =>
    l
      .slice(1, -1)
      .split(" | ")
      .map((cell) => cell.trim()),
  );
}
