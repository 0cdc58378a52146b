import type { PlantedBug } from "@sixfold/model";
import { type Catch, seedCatches } from "./catch.ts";
import { HUNTS } from "./hunts.ts";

export interface Caught extends Catch {
  readonly seeds: number;
}

/** The first seed from 1 on that shows the bug; undefined if `most` do not. */
export async function hunt(bug: PlantedBug, most: number): Promise<Caught | undefined> {
  for (let seed = 1; seed <= most; seed++) {
    const found = await seedCatches(HUNTS[bug], bug, seed);
    if (found !== undefined) return { ...found, seeds: seed };
  }
  return undefined;
}
