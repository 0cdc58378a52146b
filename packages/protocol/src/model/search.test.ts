/** The protocol, searched exhaustively on small configurations: no condition fails, and the README's table tells the truth. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { SCENARIOS } from "./scenarios.ts";
import { search } from "./search.ts";
import { rowsIn, scenarioRow } from "./table.ts";

const rows = rowsIn(readFileSync(new URL("../../README.md", import.meta.url), "utf8"));

describe("the intact protocol", () => {
  test.each(SCENARIOS.map((s) => [s.name, s] as const))(
    "%s",
    (_, scenario) => {
      const result = search(scenario);
      expect(result.violation).toBeUndefined();
      expect(result.complete).toBe(true);
      expect(rows).toContainEqual(scenarioRow(scenario, result));
    },
    120_000,
  );
});
