import { Random } from "@sixfold/model";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { COMMON_PART, KeyParts, privatePart } from "./key-parts.ts";

const options = fc.record({
  writers: fc.integer({ min: 1, max: 16 }),
  records: fc.integer({ min: 1, max: 2_000 }),
  sharedPct: fc.integer({ min: 0, max: 100 }),
});

describe("key parts", () => {
  test("one common part and one a writer, all of one size and disjoint", () => {
    fc.assert(
      fc.property(options, (o) => {
        const parts = new KeyParts(o);
        const keys = [...parts.keys()].map((key) => JSON.stringify(key));
        expect(parts.parts.length).toBe(o.writers + 1);
        expect(keys.length).toBe(parts.rows);
        expect(new Set(keys).size).toBe(keys.length);
        expect(parts.rowsPerPart).toBe(Math.max(1, Math.floor(o.records / (o.writers + 1))));
      }),
    );
  });

  test("an access is common or the own writer's, never another writer's", () => {
    fc.assert(
      fc.property(options, fc.nat({ max: 100 }), fc.nat(), (o, client, seed) => {
        const parts = new KeyParts(o);
        const writer = parts.writerOf(client);
        expect(writer).toBe(client % o.writers);
        const random = new Random(seed);
        const allowed = new Set<string>();
        if (o.sharedPct > 0) allowed.add(COMMON_PART);
        if (o.sharedPct < 100) allowed.add(privatePart(writer));
        for (let i = 0; i < 50; i++) expect(allowed).toContain(parts.choosePart(writer, random));
      }),
    );
  });

  test("the common part gets its share of the accesses", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100 }), fc.nat(), (sharedPct, seed) => {
        const parts = new KeyParts({ writers: 4, records: 100, sharedPct });
        const random = new Random(seed);
        const draws = 10_000;
        let common = 0;
        for (let i = 0; i < draws; i++) if (parts.choosePart(2, random) === COMMON_PART) common++;
        // Five standard deviations of the worst case, p = 1/2.
        expect(Math.abs(common - (draws * sharedPct) / 100)).toBeLessThanOrEqual(5 * Math.sqrt(draws / 4));
      }),
      { numRuns: 30 },
    );
  });
});
