/** No times here: that every case runs, and that the baseline speaks of them and of no others. */
import { expect, test } from "vitest";
import { readBaseline } from "./baseline.ts";
import { allCases } from "./cases.ts";

test("every core's operation can be done again and again, and has a baseline", () => {
  const cases = allCases();
  for (const { run } of cases) expect([run(3), run(3)]).not.toContain(undefined);
  expect(Object.keys(readBaseline()).sort((a, b) => a.localeCompare(b))).toEqual(
    cases.map(({ name }) => name).sort((a, b) => a.localeCompare(b)),
  );
});
