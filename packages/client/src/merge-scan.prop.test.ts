import { compareKeys, encodeKey, encodeValue } from "@sixfold/wire";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mergeScan, planScan, type FetchPage } from "./merge-scan.ts";
import type { ScanOptions } from "./scan-options.ts";
import { all } from "./testing/test-world.fixture.ts";
import { WriteBuffer } from "./write-buffer.ts";

type Rows = ReadonlyMap<number, string>;

const inside = (key: number, b: ScanOptions): boolean =>
  (b.gt === undefined || key > (b.gt as number)) &&
  (b.gte === undefined || key >= (b.gte as number)) &&
  (b.lt === undefined || key < (b.lt as number)) &&
  (b.lte === undefined || key <= (b.lte as number));

/** A node that gives as few rows a page as it likes. */
function nodeWith(rows: Rows, pageSizes: readonly number[]): FetchPage {
  let pages = 0;
  const sorted = [...rows].map(([k, v]) => [encodeKey(k), encodeValue(v)] as const);
  sorted.sort((a, b) => compareKeys(a[0], b[0]));
  return (range, limit, reverse) => {
    const found = sorted.filter(
      ([key]) =>
        (range.gt === undefined || compareKeys(key, range.gt) > 0) &&
        (range.gte === undefined || compareKeys(key, range.gte) >= 0) &&
        (range.lt === undefined || compareKeys(key, range.lt) < 0) &&
        (range.lte === undefined || compareKeys(key, range.lte) <= 0),
    );
    if (reverse) found.reverse();
    const page = found.slice(0, Math.min(limit, pageSizes[pages++ % pageSizes.length]!));
    return Promise.resolve({ rows: page, more: page.length < found.length });
  };
}

const key = fc.integer({ min: -8, max: 8 });
const low = fc.oneof(fc.constant({}), fc.record({ gt: key }), fc.record({ gte: key }));
const high = fc.oneof(fc.constant({}), fc.record({ lt: key }), fc.record({ lte: key }));
const limit = fc.oneof(fc.constant({}), fc.record({ limit: fc.nat(12) }));
const options = fc
  .tuple(low, high, limit, fc.boolean())
  .map(([l, h, n, reverse]) => ({ ...l, ...h, ...n, reverse }));
const stored = fc.array(fc.tuple(key, fc.constantFrom("a", "b")), { maxLength: 14 });
const written = fc.array(fc.tuple(key, fc.option(fc.constantFrom("x", "y"), { nil: undefined })), {
  maxLength: 10,
});

describe("a scan with own writes", () => {
  test("is the scan of the table as it would be with them", async () => {
    await fc.assert(
      fc.asyncProperty(
        stored,
        written,
        options,
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
        async (rowsBefore, writes, wanted, pageSizes) => {
          const buffer = new WriteBuffer();
          const expected = new Map<number, string>(rowsBefore);
          for (const [k, v] of writes) {
            buffer.add("t", encodeKey(k), v === undefined ? undefined : encodeValue(v));
            if (v === undefined) expected.delete(k);
            else expected.set(k, v);
          }
          const merged = mergeScan(planScan(wanted), nodeWith(new Map(rowsBefore), pageSizes), () =>
            buffer.table("t"),
          );
          const rows = [...expected].filter(([k]) => inside(k, wanted)).sort(([a], [b]) => a - b);
          if (wanted.reverse) rows.reverse();
          expect(await all(merged)).toEqual("limit" in wanted ? rows.slice(0, wanted.limit) : rows);
        },
      ),
      { numRuns: 1500 },
    );
  });

  test("shows what is written ahead of it, and not what is written behind", async () => {
    const buffer = new WriteBuffer();
    buffer.add("t", encodeKey(0), encodeValue("own"));
    const seen: unknown[] = [];
    const node = nodeWith(
      new Map([
        [1, "a"],
        [3, "a"],
        [5, "a"],
      ]),
      [1],
    );
    for await (const [k] of mergeScan(planScan({}), node, () => buffer.table("t"))) {
      seen.push(k);
      if (k === 3) {
        buffer.add("t", encodeKey(2), encodeValue("behind"));
        buffer.add("t", encodeKey(4), encodeValue("ahead"));
        buffer.add("t", encodeKey(5), undefined);
      }
    }
    expect(seen).toEqual([0, 1, 3, 4]);
  });
});
