/** Whatever answers cover, and in whatever order they come, each page is taken once. */
import { pageId } from "@sixfold/model";
import fc from "fast-check";
import { expect, test } from "vitest";
import { PagesLeft, type PageSpan } from "./pages-left.ts";

/** Pages with holes, some wider than a step. */
const stored = fc
  .array(fc.record({ hole: fc.constantFrom(0, 0, 0, 1, 5, 60), run: fc.integer({ min: 1, max: 12 }) }), {
    maxLength: 12,
  })
  .map((runs) => {
    const pages: number[] = [];
    let at = 0;
    for (const { hole, run } of runs) {
      at += hole;
      for (let i = 0; i < run; i++) pages.push(at++);
    }
    return pages;
  });
const order = fc.infiniteStream(fc.record({ nth: fc.nat(3), most: fc.integer({ min: 1, max: 10 }) }));

test("each page is taken of one answer", () => {
  fc.assert(
    fc.property(stored, order, fc.boolean(), (pages, answers, saysEnd) => {
      const left = new PagesLeft(pageId(0));
      const underWay: PageSpan[] = [];
      const taken: number[] = [];
      let steps = 0;
      while (!left.isEmpty || underWay.length > 0) {
        while (underWay.length < 3) {
          const span = left.take(8);
          if (span === undefined) break;
          underWay.push(span);
        }
        const { nth, most } = answers.next().value!;
        const span = underWay.splice(nth % underWay.length, 1)[0]!;
        const given = pages
          .filter((page) => page >= span.from)
          .slice(0, Math.min(most, span.until - span.from));
        const last = given.at(-1);
        // A peer may tell of the end with its last page, or without one.
        const isEnd = last === undefined || (saysEnd && last === pages.at(-1));
        const counts = left.covered(span, isEnd ? undefined : pageId(last + 1));
        taken.push(...given.filter((page) => counts(pageId(page))));
        if (++steps > 2 * pages.length + 10) throw new Error("it does not come to an end");
      }
      expect(taken.sort((a, b) => a - b)).toEqual(pages);
    }),
  );
});

test("some pages: no others are asked for", () => {
  const left = new PagesLeft(pageId(5), pageId(8));
  expect(left.take(2)).toEqual({ from: 5, until: 7 });
  const rest = left.take(2)!;
  expect(rest).toEqual({ from: 7, until: 8 });
  expect(left.take(2)).toBeUndefined();
  const counts = left.covered(rest, pageId(10));
  expect([7, 8, 9].map((page) => counts(pageId(page)))).toEqual([true, false, false]);
  expect(left.isEmpty).toBe(true);
});
