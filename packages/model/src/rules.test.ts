import { describe, expect, test } from "vitest";
import { isRetryable, limitExceeded, SixfoldError } from "./errors.ts";
import { checkGeometry, extentHeaderPage, extentOf, pgOf } from "./geometry.ts";
import {
  afterOfTransaction,
  lsn,
  makeTransactionId,
  pageId,
  streamId,
  streamOfTransaction,
  transactionId,
} from "./ids.ts";
import { mayHaveCommitted, quorumFor } from "./quorum.ts";
import { Random } from "./random.ts";
import { greatestLowerBound, ReadPoint } from "./read-point.ts";
import { NONE, version } from "./version.ts";
import { decisionOf } from "./vote.ts";

const at = (settled: number, ...pairs: [number, number][]): ReadPoint =>
  new ReadPoint(
    streamId(settled),
    pairs.map(([s, l]) => [streamId(s), lsn(l)]),
  );

describe("read points", () => {
  test("include what is at or before their component, whole settled streams, and pages never written", () => {
    const point = at(2, [3, 7]);
    expect(point.includes(version(streamId(3), lsn(7)))).toBe(true);
    expect(point.includes(version(streamId(3), lsn(8)))).toBe(false);
    expect(point.includes(version(streamId(2), lsn(1e9)))).toBe(true);
    expect(point.includes(version(streamId(4), lsn(1)))).toBe(false);
    expect(point.includes(NONE)).toBe(true);
  });

  test("only grow, and are ordered component by component", () => {
    const point = at(0, [1, 5]);
    point.advance(streamId(1), lsn(3));
    expect(point.get(streamId(1))).toBe(5);
    expect(at(0, [1, 4]).isAtMost(point)).toBe(true);
    expect(at(0, [1, 4], [2, 1]).isAtMost(point)).toBe(false);
    expect(at(1).isAtMost(point)).toBe(false);
    expect(point.isAtMost(at(1))).toBe(true);
  });

  test("the lower bound shows what all of them show", () => {
    const low = greatestLowerBound([at(1, [2, 9], [3, 4]), at(2, [3, 6])]);
    expect(low?.settledThrough).toBe(1);
    expect(low?.entries()).toEqual([
      [2, 9],
      [3, 4],
    ]);
    expect(greatestLowerBound([])).toBeUndefined();
  });
});

describe("quorums", () => {
  test("four for owned pages, five for transferred ones; recovery's bound is what is left of six", () => {
    expect([quorumFor(true), quorumFor(false)]).toEqual([4, 5]);
    expect([2, 3].map((n) => mayHaveCommitted(true, n))).toEqual([true, false]);
    expect([1, 2].map((n) => mayHaveCommitted(false, n))).toEqual([true, false]);
  });

  test("two rivals on one base, one owner and one not: no four fenced segments let both have been committed", () => {
    for (let owner = 0; owner < 64; owner++) {
      const rival = 63 & ~owner; // sticky accepts: nobody accepts both
      for (let fenced = 0; fenced < 64; fenced++) {
        if (bits(fenced) !== 4) continue;
        const ownerMay = mayHaveCommitted(true, bits(fenced & ~owner));
        const rivalMay = mayHaveCommitted(false, bits(fenced & ~rival));
        expect(ownerMay && rivalMay).toBe(false);
      }
    }
  });
});

function bits(mask: number): number {
  let n = 0;
  for (let m = mask; m > 0; m &= m - 1) n++;
  return n;
}

describe("decisions", () => {
  const stated = { from: lsn(3), through: lsn(6), aborts: [lsn(5)], earlyAborts: [lsn(9)] };

  test("speak only of their range, and of what is aborted early", () => {
    expect([3, 4, 5, 6, 7, 9].map((n) => decisionOf(stated, lsn(n)))).toEqual([
      undefined,
      "commit",
      "abort",
      "commit",
      undefined,
      "abort",
    ]);
  });
});

describe("names and places", () => {
  test("a transaction's id says whose it was", () => {
    expect(streamOfTransaction(transactionId("z-abc"))).toBe(35);
    const id = makeTransactionId(35, 36 ** 3, "abc.d-e");
    expect([id, streamOfTransaction(id), afterOfTransaction(id)]).toEqual(["z.1000-abc.d-e", 35, 36 ** 3]);
    expect(
      ["z-abc", "z.-abc", "z.A-abc", "z", "z-a.b"].map((s) => afterOfTransaction(transactionId(s))),
    ).toEqual([0, 0, 0, 0, 0]);
    for (const bad of ["", ".1-x", "-x", "0-x", "Z-x", "nope", "zzzzzzzzzzzzzzzz-x"])
      expect(streamOfTransaction(transactionId(bad))).toBeUndefined();
  });

  test("extents never straddle protection groups", () => {
    const geometry = { pageBytes: 8192, segmentBytes: 2 * 64 * 8192 };
    expect(checkGeometry(geometry)).toBeUndefined();
    expect(checkGeometry({ ...geometry, segmentBytes: 65 * 8192 })).toMatch(/multiple of 64 pages/);
    expect(checkGeometry({ ...geometry, pageBytes: 5000 })).toMatch(/power of two/);
    expect(extentHeaderPage(0)).toBe(2);
    for (let extent = 0; extent < 10; extent++) {
      const first = pageId(extent * 64);
      const last = pageId(extent * 64 + 63);
      expect(pgOf(geometry, first)).toBe(pgOf(geometry, last));
      expect(extentOf(last)).toBe(extent);
    }
  });

  test("errors say limit and size, and whether a retry can help, through causes", () => {
    const error = limitExceeded("keyBytes", 2000, "the key");
    expect(error.message).toBe("the key is 2000, over the limit keyBytes = 1024");
    expect(isRetryable(error)).toBe(false);
    const wrapped = new Error("while paying", { cause: new SixfoldError("row-conflict", "lost") });
    expect(isRetryable(wrapped)).toBe(true);
    expect(new SixfoldError("row-conflict", "lost").sqlState).toBe("40001");
  });

  test("randomness is the seed's", () => {
    const draw = (seed: number): number[] =>
      Array.from(
        { length: 5 },
        (
          (r) => () =>
            r.u32()
        )(new Random(seed)),
      );
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(7 + 2 ** 32));
  });
});
