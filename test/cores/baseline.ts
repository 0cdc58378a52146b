/** What the cores cost when they were last judged good: kept in the repository, renewed by hand (`npm run cores -- --write`). */
import { readFileSync, writeFileSync } from "node:fs";
import type { Cost } from "./measure.ts";

const FILE = new URL("baseline.json", import.meta.url);

/** Yards by name. */
export type Baseline = Readonly<Record<string, number>>;

export const readBaseline = (): Baseline => JSON.parse(readFileSync(FILE, "utf8")) as Baseline;

export function writeBaseline(costs: readonly Cost[]): void {
  const yards = Object.fromEntries(costs.map(({ name, yards: y }) => [name, Number(y.toPrecision(3))]));
  writeFileSync(FILE, `${JSON.stringify(yards, undefined, 2)}\n`);
}
