/**
 * Every planted bug is caught: the table in docs/testing.md says where, by what, and within how many seeds. Here the bugs that
 * few seeds show are tried; `npm run planted` tries all of them, and writes the table anew.
 */
import { readFileSync } from "node:fs";
import { plantedBugs } from "@sixfold/model";
import { expect, test } from "vitest";
import { placeOf } from "./catch.ts";
import { hunt } from "./hunt.ts";
import { HUNTS } from "./hunts.ts";
import { DOCUMENT, ROOT, rowsIn } from "./table.ts";

const FEW_SEEDS = 6;
/** The table's numbers are of one state of the code: each change of an order of events makes other lives of the same seeds. */
const MARGIN = 5;
const LIMIT_MS = 120_000;

const rows = rowsIn(readFileSync(DOCUMENT, "utf8"));

test("planted bugs stand in the table, each with where it is hunted now", () => {
  expect([...rows.keys()]).toEqual(plantedBugs());
  for (const [bug, { place }] of rows) expect(place).toBe(placeOf(HUNTS[bug], bug));
});

const scripted = plantedBugs().filter((bug) => HUNTS[bug].world === "script");
test.each(scripted)("%s is planted by its script", (bug) => {
  const script = readFileSync(new URL(placeOf(HUNTS[bug], bug), ROOT), "utf8");
  expect(script).toContain(`"${bug}"`);
});

const few = [...rows].filter(([bug, { seeds }]) => seeds <= FEW_SEEDS && !scripted.includes(bug));
test.each(few.map(([bug, { seeds }]) => [bug, seeds] as const))(
  "%s, within some %i seeds",
  async (bug, seeds) => {
    expect(await hunt(bug, seeds * MARGIN)).toBeDefined();
  },
  LIMIT_MS,
);
