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
  const yes = (): boolean => true;

  test("the version after each one; none after the head", () => {
    const facts = chain(9);
    expect(facts.successor(PAGE, v(4), yes)).toEqual(v(5));
    expect(facts.successor(PAGE, v(9), yes)).toBeUndefined();
  });

  test("a committed base older than all that is remembered was overtaken; one that never was committed was not", () => {
    const facts = chain(1000);
    expect(facts.successor(PAGE, v(2), yes)).toBeDefined();
    expect(facts.successor(PAGE, v(2), () => false)).toBeUndefined();
    expect(facts.successor(PAGE, v(1000), yes)).toBeUndefined();
  });
});
