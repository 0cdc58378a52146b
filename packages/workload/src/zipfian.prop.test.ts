import { Random } from "@sixfold/model";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fnvModulo, ScrambledZipfian, YCSB_THETA, zeta, Zipfian } from "./zipfian.ts";

/** The hash as its definition says it, on BigInt. */
function fnvModuloByDefinition(value: number, modulus: number): number {
  let hash = 0xcbf29ce484222325n;
  let rest = BigInt(value);
  for (let i = 0; i < 8; i++) {
    hash = BigInt.asUintN(64, (hash ^ (rest & 0xffn)) * 0x100000001b3n);
    rest >>= 8n;
  }
  const signed = BigInt.asIntN(64, hash);
  return Number((signed < 0n ? -signed : signed) % BigInt(modulus));
}

function drawMany(draws: number, next: () => number): Map<number, number> {
  const counts = new Map<number, number>();
  for (let i = 0; i < draws; i++) {
    const x = next();
    counts.set(x, (counts.get(x) ?? 0) + 1);
  }
  return counts;
}

describe("zipfian", () => {
  test("the hash in limbs is the hash by definition", () => {
    fc.assert(
      fc.property(fc.nat({ max: 10_000_000_000 }), fc.integer({ min: 1, max: 2 ** 26 }), (value, modulus) => {
        expect(fnvModulo(value, modulus)).toBe(fnvModuloByDefinition(value, modulus));
      }),
      { numRuns: 2_000 },
    );
  });

  test("every rank is in range, whatever their number", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.nat(), (ranks, seed) => {
        const zipfian = new Zipfian(ranks);
        const random = new Random(seed);
        for (let i = 0; i < 50; i++) {
          const rank = zipfian.next(random);
          expect(Number.isInteger(rank) && rank >= 0 && rank < ranks).toBe(true);
        }
      }),
    );
  });

  test("ranks are as frequent as the law says", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const ranks = 1_000;
        const draws = 60_000;
        const zipfian = new Zipfian(ranks);
        const random = new Random(seed);
        const counts = drawMany(draws, () => zipfian.next(random));
        const total = zeta(ranks, YCSB_THETA);
        // The first two are exact: within five standard deviations.
        for (const rank of [0, 1]) {
          const p = 1 / ((rank + 1) ** YCSB_THETA * total);
          const deviation = Math.sqrt(draws * p * (1 - p));
          expect(Math.abs((counts.get(rank) ?? 0) - draws * p)).toBeLessThan(5 * deviation);
        }
        // Beyond them the generator inverts the integral instead of the sum. Its error, solved for 1,000 ranks, is
        // part of the published distribution: 8 % too many in the first decade, some too few in the others.
        for (const [from, to, error] of [
          [2, 10, 0.0845],
          [10, 100, -0.0172],
          [100, 1_000, -0.0339],
        ] as const) {
          let share = 0;
          let actual = 0;
          for (let rank = from; rank < to; rank++) {
            share += (1 + error) / ((rank + 1) ** YCSB_THETA * total);
            actual += counts.get(rank) ?? 0;
          }
          expect(Math.abs(actual - draws * share)).toBeLessThan(5 * Math.sqrt(draws * share * (1 - share)));
        }
      }),
      { numRuns: 10 },
    );
  });

  test("scrambling keeps the skew and scatters the popular rows", () => {
    const rows = 1_000;
    const draws = 100_000;
    const scrambled = new ScrambledZipfian(rows);
    const random = new Random(7);
    const counts = drawMany(draws, () => scrambled.next(random));
    expect([...counts.keys()].every((row) => row >= 0 && row < rows)).toBe(true);
    const byPopularity = [...counts].sort(([, a], [, b]) => b - a);
    // Rank 0 of 10^10 has 1 / 26.47 of all requests; others that hash to its row come on top.
    expect(byPopularity[0]![1] / draws).toBeGreaterThan(0.035);
    expect(byPopularity[0]![1] / draws).toBeLessThan(0.05);
    expect(byPopularity[0]![0]).toBe(fnvModulo(0, rows));
    expect(byPopularity[1]![0]).toBe(fnvModulo(1, rows));
    const popular = byPopularity.slice(0, 10).map(([row]) => row);
    expect(Math.max(...popular) - Math.min(...popular)).toBeGreaterThan(rows / 4);
  });

  test("the same seed draws the same rows", () => {
    const scrambled = new ScrambledZipfian(500);
    const draw = (seed: number): number[] => {
      const random = new Random(seed);
      return Array.from({ length: 20 }, () => scrambled.next(random));
    };
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
  });
});
