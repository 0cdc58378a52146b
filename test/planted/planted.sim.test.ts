/**
 * Every planted bug is caught: the table in docs/testing.md says where, by what, and within how many seeds.
 *
 * `npx vitest run test/planted` tries the bugs that few seeds show; with `UPDATE=1` all of them, and writes the table anew.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { PLANTED_BUGS, plantedBugs, type PlantedBug } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { type Catch, placeOf, seedCatches } from "./catch.ts";
import { HUNTS } from "./hunts.ts";
import { rowOf, rowsIn, withRows } from "./table.ts";

const ROOT = new URL("../../", import.meta.url);
const DOCUMENT = new URL("docs/testing.md", ROOT);
const isUpdating = process.env["UPDATE"] === "1";
/** Looked at without being asked to. */
const FEW_SEEDS = 6;
const MOST_SEEDS = Number(process.env["SEEDS"] ?? 400);
const LIMIT_MS = 120_000;
const UPDATE_LIMIT_MS = 7_200_000;

interface Caught extends Catch {
  readonly seeds: number;
}

async function hunt(bug: PlantedBug, most: number): Promise<Caught | undefined> {
  for (let seed = 1; seed <= most; seed++) {
    const found = await seedCatches(HUNTS[bug], bug, seed);
    if (found !== undefined) return { ...found, seeds: seed };
  }
  return undefined;
}

async function huntAll(): Promise<string[]> {
  const rows: string[] = [];
  for (const bug of plantedBugs()) {
    const caught = await hunt(bug, MOST_SEEDS);
    if (caught === undefined) process.stderr.write(`${bug}: not within ${MOST_SEEDS} seeds\n`);
    else {
      process.stderr.write(`${bug}: ${caught.seeds}, ${caught.by.join(", ")}\n`);
      rows.push(rowOf(bug, PLANTED_BUGS[bug], placeOf(HUNTS[bug], bug), caught));
    }
  }
  return rows;
}

describe("planted bugs", () => {
  const rows = rowsIn(readFileSync(DOCUMENT, "utf8"));

  test.runIf(isUpdating)(
    "are hunted, and the table is written",
    async () => {
      const fresh = await huntAll();
      writeFileSync(DOCUMENT, withRows(readFileSync(DOCUMENT, "utf8"), fresh));
      expect(fresh.length).toBe(plantedBugs().length);
    },
    UPDATE_LIMIT_MS,
  );

  test.skipIf(isUpdating)("stand in the table, each with where it is hunted now", () => {
    expect([...rows.keys()]).toEqual(plantedBugs());
    for (const [bug, { place }] of rows) expect(place).toBe(placeOf(HUNTS[bug], bug));
  });

  const scripted = plantedBugs().filter((bug) => HUNTS[bug].world === "script");
  test.each(scripted)("%s is planted by its script", (bug) => {
    const script = readFileSync(new URL(placeOf(HUNTS[bug], bug), ROOT), "utf8");
    expect(script).toContain(`"${bug}"`);
  });

  const few = [...rows].filter(([bug, { seeds }]) => seeds <= FEW_SEEDS && !scripted.includes(bug));
  test.skipIf(isUpdating).each(few.map(([bug, { seeds }]) => [bug, seeds] as const))(
    "%s, within %i seeds",
    async (bug, seeds) => {
      expect(await hunt(bug, seeds)).toBeDefined();
    },
    LIMIT_MS,
  );
});
