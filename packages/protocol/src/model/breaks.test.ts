/**
 * Each rule of the protocol broken on purpose: the search finds a violation, and the monitor, fed with the events of that very run, finds the
 * same. And runs of the intact model at random are nothing to it: model and monitor mean the same.
 */
import { readFileSync } from "node:fs";
import { Random } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { Monitor } from "../monitor.ts";
import { MODEL_BREAKS } from "./scenario.ts";
import { BREAKS, LARGER_SCENARIOS, rulesIn, SCENARIOS, scenarioOf } from "./scenarios.ts";
import { search } from "./search.ts";
import { breakRow, rowsIn } from "./table.ts";
import { Walk } from "./walk.ts";

const rows = rowsIn(readFileSync(new URL("../../README.md", import.meta.url), "utf8"));

describe("broken rules", () => {
  test("every one has its scenario", () => {
    expect(BREAKS.map(([rule]) => rule.split(", ")[0]!).sort()).toEqual([...MODEL_BREAKS].sort());
  });

  test.each(BREAKS)(
    "%s, in %s",
    (rule, name) => {
      const result = search(scenarioOf(name), rulesIn(rule));
      expect(rows).toContainEqual(breakRow(rule, name, result));
      const { violation } = result;
      if (violation === undefined) throw new Error("not caught");
      expect(violation.steps.every((step) => step !== "")).toBe(true);
      const monitor = new Monitor();
      for (const traced of violation.events) monitor.observe(traced);
      expect(monitor.finish().map((v) => v.condition)).toContain(violation.condition);
    },
    60_000,
  );
});

describe("the monitor agrees with the model", () => {
  test.each([...SCENARIOS, ...LARGER_SCENARIOS].map((s) => [s.name, s] as const))(
    "%s, at random",
    (_, scenario) => {
      for (let seed = 1; seed <= 20; seed++) {
        const walk = new Walk(scenario, new Set());
        const random = new Random(seed);
        while (walk.labels.length < 100 && walk.wander(random));
        expect(walk.violation).toBeUndefined();
        const monitor = new Monitor();
        for (const traced of walk.events) monitor.observe(traced);
        const violations = monitor.finish();
        expect({ seed, violations }).toEqual({ seed, violations: [] });
        expect(monitor.events).toBe(walk.events.length);
      }
    },
    60_000,
  );
});
