import { lsn, NONE, pageId, streamId, type PageVersion } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { PageFacts } from "./page-facts.ts";

const PAGE = pageId(3);
const v = (n: number): PageVersion => (n === 0 ? NONE : { stream: streamId(1), lsn: lsn(n) });

/** A chain of `n` versions. */
function chain(n: number): PageFacts {
  const facts = new PageFacts(16);
  for (let i = 1; i <= n; i++) facts.committed(PAGE, v(i - 1), v(i));
  return facts;
}

describe("page facts", () => {
  test("the version after each one; none after the head", () => {
    const facts = chain(9);
    expect(facts.successor(PAGE, v(4))).toEqual(v(5));
    expect(facts.successor(PAGE, v(9))).toBeUndefined();
    expect(facts.isOlder(PAGE, v(1))).toBe(false);
  });

  test("of a long chain the first versions are forgotten, and that is known", () => {
    const facts = chain(1000);
    expect(facts.successor(PAGE, v(2))).toBeUndefined();
    expect([v(2), v(999), v(1000)].map((version) => facts.isOlder(PAGE, version))).toEqual([
      true,
      false,
      false,
    ]);
  });
});
