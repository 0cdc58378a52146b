/**
 * Runs every script in scripts/, compares its trace to the byte, and asks the monitor. `UPDATE=1` writes what happened instead: then read
 * the diff, line by line, as you would a proof.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Scenario } from "./commands.ts";
import { formatScript, parseScript } from "./script.ts";

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), "scripts");
const isUpdating = process.env["UPDATE"] === "1";

function play(text: string): string {
  const blocks = parseScript(text);
  const scenario = new Scenario();
  const traces = blocks.map(({ commands }) => scenario.run(commands));
  expect(scenario.world.violations()).toEqual([]);
  return formatScript(blocks, traces);
}

describe("golden scenarios", () => {
  for (const file of readdirSync(folder).sort())
    test(file, () => {
      const at = path.join(folder, file);
      const text = readFileSync(at, "utf8");
      const played = play(text);
      if (isUpdating) writeFileSync(at, played);
      else expect(played).toBe(text);
      expect(play(text), "the same script twice gives the same trace").toBe(played);
    });
});
