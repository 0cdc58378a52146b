/**
 * Hunts every planted bug and writes the table in docs/testing.md anew; an hour or two.
 *
 *   npm run planted
 *   npm run planted -- 50     # seeds to try for each bug, 400 by default
 */
import { readFileSync, writeFileSync } from "node:fs";
import { PLANTED_BUGS, plantedBugs } from "@sixfold/model";
import { placeOf } from "./catch.ts";
import { hunt } from "./hunt.ts";
import { HUNTS } from "./hunts.ts";
import { DOCUMENT, rowOf, withRows } from "./table.ts";

const most = Number(process.argv[2] ?? 400);
const rows: string[] = [];
const bugs = plantedBugs();
for (const bug of bugs) {
  const caught = await hunt(bug, most);
  const what = caught === undefined ? `not within ${most} seeds` : `${caught.seeds}, ${caught.by.join(", ")}`;
  process.stderr.write(`${bug}: ${what}\n`);
  if (caught !== undefined) rows.push(rowOf(bug, PLANTED_BUGS[bug], placeOf(HUNTS[bug], bug), caught));
}
if (rows.length === bugs.length) writeFileSync(DOCUMENT, withRows(readFileSync(DOCUMENT, "utf8"), rows));
else process.exitCode = 1;
