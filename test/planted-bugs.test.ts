/**
 * The table of planted bugs and the code agree: each name is asked for in a core, a host, or the SDK, and only there.
 *
 * The compiler refuses names that are not in the table. That a planted bug is *caught* is the simulator's to show; here it
 * is only made sure that planting it does something at all.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { isPlantedBug, NO_BUGS, PLANTED_BUGS, plantedBugs } from "@sixfold/model";

const PACKAGES = new URL("../packages/", import.meta.url).pathname;
/** Where production code asks for names. */
const ASKERS = ["segment", "volume", "engine", "database", "ports", "cluster", "client"];

/** Name -> files that ask for it. */
const asked = new Map<string, Set<string>>();
for (const name of ASKERS)
  for (const file of readdirSync(path.join(PACKAGES, name, "src"), { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts") || file.includes(".test.") || /^(testing|test-kit)\//.test(file)) continue;
    const source = readFileSync(path.join(PACKAGES, name, "src", file), "utf8");
    for (const [, bug] of source.matchAll(/lanted\??\.has\(\s*"([a-z-]+)"\s*,?\s*\)/g))
      asked.set(bug!, (asked.get(bug!) ?? new Set()).add(`${name}/${file}`));
  }

describe("planted bugs", () => {
  test.each(plantedBugs())("%s is asked for", (bug) => {
    expect([...(asked.get(bug) ?? [])]).not.toEqual([]);
  });

  test("nothing else is asked for", () => {
    expect([...asked.keys()].filter((name) => !isPlantedBug(name))).toEqual([]);
  });

  test("each says which rule it breaks, and how; production breaks none", () => {
    const sayings = Object.values(PLANTED_BUGS);
    for (const { rule, breaks } of sayings) {
      expect(rule).toMatch(/\b(I([1-9]|10)|[4-8])\b/);
      expect(breaks.length).toBeGreaterThan(10);
    }
    expect(new Set(sayings.map((s) => s.breaks)).size).toBe(sayings.length);
    expect(NO_BUGS.size).toBe(0);
  });
});
