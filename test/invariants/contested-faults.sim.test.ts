/** Lives around contested entries, by seed: nothing may be wrong with them; and with a bug planted something must be. */
import { describe, expect, test } from "vitest";
import { contestedLife } from "./contested-life.ts";

/** Seeds that have found something: an entry built while the stream was being lost was handed to a volume that had lost it. */
const FOUND = [90, 230];

describe("contested entries", () => {
  const first = Number(process.env["SEED"] ?? 1);
  const count = Number(process.env["SEEDS"] ?? 5);
  const seeds = Array.from({ length: count }, (_, i) => first + i);
  for (const seed of process.env["SEED"] === undefined ? [...FOUND, ...seeds] : seeds)
    test(`seed ${seed}: balance, chains and decisions hold, and all goes on afterwards`, () => {
      expect(contestedLife(seed)).toEqual([]);
    });
});
