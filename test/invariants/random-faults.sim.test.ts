/**
 * Random lives of a whole cluster on the scripted world, by seed: nothing may be wrong with them; and with a bug planted something must be.
 *
 * The seed is in the test's name, and the same seed is the same run.
 */
import type { PlantedBug } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { randomLife } from "./random-life.ts";

/**
 * Seeds that have found something: a writer that rebuilt as fast as the network answers; a hole in decisions that no gossip
 * filled; entries built on a vector beyond a closed stream's end, for which others waited for ever.
 */
const FOUND = [64, 107, 210];

describe("random faults", () => {
  const first = Number(process.env["SEED"] ?? 1);
  const count = Number(process.env["SEEDS"] ?? 5);
  const seeds = Array.from({ length: count }, (_, i) => first + i);
  for (const seed of process.env["SEED"] === undefined ? [...FOUND, ...seeds] : seeds)
    test(`seed ${seed}: balance, chains and decisions hold, and all goes on afterwards`, () => {
      expect(randomLife(seed)).toEqual([]);
    });
});

describe("planted bugs are noticed", () => {
  /** Within so many seeds from the first. */
  const planted: readonly (readonly [PlantedBug, number])[] = [
    ["base-unchecked", 8],
    ["votes-not-sticky", 12],
    ["own-base-learned", 4],
    ["decisions-not-persisted", 12],
    ["transferred-on-four", 4],
    ["quorum-of-three", 6],
    ["wait-as-accept", 12],
    ["reject-ignored", 8],
    ["durable-ahead-of-gap", 6],
    ["exclusive-ahead-of-gap", 16],
    ["abort-told-early", 20],
    ["opened-on-stale-pages", 4],
  ];
  test.each(planted)("%s, within %i seeds", (bug, seeds) => {
    const isNoticed = (seed: number): boolean => {
      try {
        return randomLife(seed, [bug]).length > 0;
      } catch {
        return true; // a broken rule may stop a machine, or the script
      }
    };
    const seed = Array.from({ length: seeds }, (_, i) => i + 1).find(isNoticed);
    expect(seed).toBeDefined();
    expect(randomLife(seed!), `seed ${seed} without the bug`).toEqual([]);
  });
});
