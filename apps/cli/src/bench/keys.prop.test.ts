import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Random } from "@sixfold/model";
import { KeyDraw, type KeyOptions } from "./keys.ts";

const DRAWS = 200;

const options = fc
  .record({
    rows: fc.integer({ min: 20, max: 5_000 }),
    hotShare: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
    layout: fc.constantFrom("spread" as const, "dense" as const),
    writers: fc.integer({ min: 1, max: 4 }),
    sharedPct: fc.constantFrom(0, 30, 100),
    zipf: fc.boolean(),
    order: fc.constantFrom("drawn" as const, "sorted" as const),
  })
  .map(({ hotShare, ...rest }): KeyOptions => ({
    ...rest,
    // Two rows a writer at least, as `rowsFault` demands.
    hot: hotShare === undefined ? undefined : Math.max(2 * rest.writers, Math.floor(hotShare * rest.rows)),
  }));

describe("the rows that clients draw", () => {
  test("lie in the table, are no more than the hot ones, and two are different (and sorted if asked)", () => {
    fc.assert(
      fc.property(options, fc.integer(), (given, seed) => {
        const keys = new KeyDraw(given);
        const random = new Random(seed >>> 0);
        const seen = new Set<number>();
        for (let i = 0; i < DRAWS; i++) {
          const [a, b] = keys.some(2, i % given.writers, random) as [number, number];
          expect(a).not.toBe(b);
          if (given.order === "sorted") expect(a).toBeLessThan(b);
          seen.add(a).add(b);
        }
        for (const key of seen) expect(Number.isInteger(key) && key >= 0 && key < given.rows).toBe(true);
        expect(seen.size).toBeLessThanOrEqual(given.hot ?? given.rows);
      }),
    );
  });

  test("of different writers never meet without sharing", () => {
    fc.assert(
      fc.property(options, fc.integer(), (given, seed) => {
        const keys = new KeyDraw({ ...given, sharedPct: 0 });
        const random = new Random(seed >>> 0);
        const owner = new Map<number, number>();
        for (let i = 0; i < DRAWS; i++) {
          const writer = i % given.writers;
          const key = keys.one(writer, random);
          expect(owner.get(key) ?? writer).toBe(writer);
          owner.set(key, writer);
        }
      }),
    );
  });

  test("spread hot rows reach the table's end, dense ones are its first", () => {
    const base = { rows: 10_000, hot: 10, writers: 1, sharedPct: 100, zipf: false, order: "drawn" } as const;
    const drawn = (layout: "spread" | "dense"): number[] => {
      const keys = new KeyDraw({ ...base, layout });
      const random = new Random(7);
      return [...new Set(Array.from({ length: 500 }, () => keys.one(0, random)))].sort((a, b) => a - b);
    };
    expect(drawn("dense")).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(drawn("spread")).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((i) => i * 1_000));
  });
});
