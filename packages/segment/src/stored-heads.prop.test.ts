/** What is kept of a stored page's head comes out as it went in, once, or not at all. */
import fc from "fast-check";
import { lsn, NONE, pageId, streamId, type PageId } from "@sixfold/model";
import { expect, test } from "vitest";
import { Merged } from "./merged.ts";
import type { StoredHead } from "./page-image.ts";
import { StoredHeads } from "./stored-heads.ts";

const head = fc
  .record({
    stream: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
    at: fc.integer({ min: 2, max: Number.MAX_SAFE_INTEGER }),
    hasBase: fc.boolean(),
    others: fc.integer({ min: 0, max: 1 }),
    sum: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    patched: fc.integer({ min: 0, max: 20_000 }),
  })
  .map(({ stream, at, hasBase, others, sum, patched }): StoredHead => {
    const version = { stream: streamId(stream), lsn: lsn(at) };
    let merged = Merged.NOTHING.with(version.stream, at);
    if (others > 0) merged = merged.with(streamId(stream + 1), at - 1);
    return { version, base: hasBase ? { ...version, lsn: lsn(at - 1) } : NONE, merged, sum, patched };
  });

/** Some share a place as long as there are few places. */
const page = fc
  .record({
    low: fc.integer({ min: 0, max: 9 }),
    high: fc.constantFrom(0, 1 << 10, 1 << 11, 2 ** 20, 2 ** 31),
  })
  .map(({ low, high }) => low + high);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("put" as const), page, head }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("take" as const), page }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const), page }) },
);

test("what is taken is what was put last, and is not there again", () => {
  let found = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 50, maxLength: 200 }), (steps) => {
      const heads = new StoredHeads();
      const put = new Map<PageId, StoredHead>();
      for (const s of steps) {
        const at = pageId(s.page);
        if (s.kind === "put") {
          heads.put(at, s.head);
          put.set(at, s.head);
        } else if (s.kind === "clear") {
          heads.clear();
          put.clear();
        } else {
          const taken = heads.take(at);
          if (taken !== undefined) {
            found += 1;
            expect(taken).toEqual(put.get(at));
          }
          expect(heads.take(at)).toBeUndefined();
          put.delete(at);
        }
      }
    }),
    { numRuns: 300 },
  );
  expect(found).toBeGreaterThan(30);
});

test("pages that lie together all have their places", () => {
  const heads = new StoredHeads();
  const of = (n: number): StoredHead => {
    const version = { stream: streamId(3), lsn: lsn(n) };
    return { version, base: NONE, merged: Merged.NOTHING.with(version.stream, n), sum: -n, patched: n % 7 };
  };
  for (let n = 1; n <= 50_000; n++) heads.put(pageId(n), of(n));
  for (let n = 1; n <= 50_000; n++) expect(heads.take(pageId(n))).toEqual(of(n));
});
