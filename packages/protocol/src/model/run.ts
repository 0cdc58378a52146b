/**
 * `npm run model`: the formal model from the command line.
 *
 *     npm run model                          every scenario, the larger ones too, and every broken rule
 *     npm run model -- --write               those of `npm test`, and their tables into the README
 *     npm run model -- NAME [BREAK ...]      one scenario, with rules broken: its trace
 *
 * Exits 1 if the intact protocol violates a condition, or a broken one does not.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Scenario } from "./scenario.ts";
import { BREAKS, LARGER_SCENARIOS, rulesIn, SCENARIOS, scenarioOf } from "./scenarios.ts";
import { search, type SearchResult } from "./search.ts";
import { BREAK_HEAD, breakRow, SCENARIO_HEAD, scenarioRow, table } from "./table.ts";

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

function tell(r: SearchResult): void {
  const { violation } = r;
  if (violation === undefined) return;
  say(`  ${violation.condition} (${violation.rule}): ${violation.says}`);
  violation.steps.forEach((step, i) => say(`  ${String(i + 1).padStart(3)}. ${step}`));
  say(`  ${violation.detail}`);
}

function intact(scenarios: readonly Scenario[]): string[][] {
  return scenarios.map((s) => {
    const started = process.hrtime.bigint();
    const r = search(s);
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    const row = scenarioRow(s, r);
    say(`${row.join(" | ")} | ${seconds.toFixed(1)} s`);
    tell(r);
    if (r.violation !== undefined) process.exitCode = 1;
    return [...row];
  });
}

function broken(): string[][] {
  return BREAKS.map(([rule, name]) => {
    const r = search(scenarioOf(name), rulesIn(rule));
    const row = breakRow(rule, name, r);
    say(row.join(" | "));
    if (r.violation === undefined) process.exitCode = 1;
    return [...row];
  });
}

/** Replaces the table that begins with this head. */
function replaceTable(text: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = text.split("\n");
  const from = lines.findIndex((l) => l.startsWith(`| ${head[0]!} `));
  let to = from;
  while (lines[to]?.startsWith("|") === true) to += 1;
  lines.splice(from, to - from, table(head, rows));
  return lines.join("\n");
}

function one(name: string, breaks: readonly string[]): void {
  const r = search(scenarioOf(name), breaks.length === 0 ? new Set() : rulesIn(breaks.join(", ")));
  say(scenarioRow(scenarioOf(name), r).join(" | "));
  tell(r);
}

const [first, ...rest] = process.argv.slice(2);
if (first !== undefined && first !== "--write") one(first, rest);
else {
  const rows = intact(SCENARIOS);
  const breakRows = broken();
  if (first === "--write") {
    const readme = fileURLToPath(new URL("../../README.md", import.meta.url));
    let text = readFileSync(readme, "utf8");
    text = replaceTable(text, SCENARIO_HEAD, rows);
    text = replaceTable(text, BREAK_HEAD, breakRows);
    writeFileSync(readme, text);
  } else intact(LARGER_SCENARIOS);
}
