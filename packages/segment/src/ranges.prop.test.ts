import { lsn, type Decisions } from "@sixfold/model";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { DecidedRanges } from "./ranges.ts";

const N = 30;
const truth = fc.array(fc.boolean(), { minLength: N, maxLength: N });
const piece = fc.record({
  kind: fc.constantFrom("range", "early", "one", "save"),
  a: fc.nat(N),
  b: fc.nat(N),
});

/** What a writer that knows `aborts` would state of (from, through]. */
function stated(
  aborts: readonly boolean[],
  from: number,
  through: number,
  early: readonly number[],
): Decisions {
  const listed = [];
  for (let at = from + 1; at <= through; at++) if (aborts[at - 1]) listed.push(lsn(at));
  return { from: lsn(from), through: lsn(through), aborts: listed, earlyAborts: early.map(lsn) };
}

test("ranges in any order, with holes, early aborts and single facts, equal a plain map (I2)", () => {
  fc.assert(
    fc.property(truth, fc.array(piece, { maxLength: 25 }), (aborts, pieces) => {
      let d = new DecidedRanges();
      const known = new Map<number, string>();
      const learn = (at: number): unknown => known.set(at, aborts[at - 1] ? "abort" : "commit");
      for (const { kind, a, b } of pieces) {
        const [from, through] = [Math.min(a, b), Math.max(a, b)];
        if (kind === "range") {
          d.add(stated(aborts, from, through, []));
          for (let at = from + 1; at <= through; at++) learn(at);
        } else if (kind === "early" && a > 0 && aborts[a - 1]) {
          d.add(stated(aborts, 0, 0, [a]));
          learn(a);
        } else if (kind === "one" && a > 0) {
          d.set(lsn(a), aborts[a - 1] ? "abort" : "commit");
          learn(a);
        } else d = DecidedRanges.load(JSON.parse(JSON.stringify(d.save())) as ReturnType<typeof d.save>);
        let decided = 0;
        while (known.has(decided + 1)) decided += 1;
        expect(d.through).toBe(decided);
        for (let at = 1; at <= N; at++) expect(d.of(lsn(at)), `of ${at}`).toBe(known.get(at));
        const early = [...known].filter(([at, k]) => k === "abort" && at > decided).map(([at]) => at);
        expect(d.earlyAborts()).toEqual(early.sort((x, y) => x - y));
      }
    }),
    { numRuns: 300 },
  );
});

test("a fact stands against a later contradiction, except the manifest's word", () => {
  const d = new DecidedRanges();
  d.add(stated([true], 0, 1, []));
  expect(d.add(stated([false], 0, 1, []))).toBe(false);
  expect(d.of(lsn(1))).toBe("abort");
  expect(d.set(lsn(1), "commit")).toBe(false);
  expect(d.set(lsn(1), "commit", true)).toBe(true);
  expect(d.of(lsn(1))).toBe("commit");
});
