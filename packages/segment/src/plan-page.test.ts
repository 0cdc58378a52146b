/** What merging stores: patches while they are few, an image once they are many, and never a patch that would not fit what is there. */
import { pageId } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { decodeHead, decodePage, isSound } from "./page-image.ts";
import { PATCHED_SHARE } from "./plan-page.ts";
import { BenchSegment, decided, mark, point, slice, v } from "./testing/bench-segment.ts";

const PAGE = pageId(1);
/** Of a page of `BenchSegment`. */
const PATCHES_MAX = 4096 * PATCHED_SHARE;

/** A segment that merges whatever it can, at once. */
const merging = (): BenchSegment =>
  new BenchSegment({ settings: { mergeAboveBytes: 0, scrubPagesPerTick: 0 } });

/** Entries `from` to `through` of stream 1, each on the one before, are committed and merged together. */
function change(s: BenchSegment, from: number, through = from): void {
  const slices = [];
  for (let at = from; at <= through; at++)
    slices.push(slice({ stream: 1, lsn: at, writes: [[PAGE, at === 1 ? v(0, 0) : v(1, at - 1)]] }));
  s.append(slices, { decisions: decided(from - 1, through), lowWater: point([1, through]) });
  s.tick();
}

const headOf = (s: BenchSegment) => decodeHead(PAGE, s.pages.get(PAGE)!)!;

describe("a page that changes now and then", () => {
  test("grows by patches up to a share of a page, and is then written anew", () => {
    const s = merging();
    const images = new Set<number>();
    for (let at = 1; at <= 60; at++) {
      const before = s.pages.get(PAGE);
      change(s, at);
      const stored = s.pages.get(PAGE)!;
      const { version, patched } = headOf(s);
      expect([version, isSound(PAGE, stored)]).toEqual([v(1, at), true]);
      expect(patched).toBeLessThanOrEqual(PATCHES_MAX);
      if (patched === 0) images.add(at);
      else expect(Buffer.compare(stored.subarray(0, before!.length), before!), "it is added").toBe(0);
    }
    // A patch of the mark of one change has some hundred bytes.
    const rewritten = [...images];
    expect(rewritten[0]).toBe(1);
    expect(rewritten.length).toBeGreaterThan(2);
    for (const [i, at] of rewritten.slice(1).entries())
      expect(at - rewritten[i]!).toBe(Math.floor(PATCHES_MAX / PATCH) + 1);
    expect(s.read(PAGE, point([1, 60]), [[1, 60]])).toMatchObject({ kind: "page", version: v(1, 60) });
    expect(s.server.status()).toMatchObject({
      machine: { pagesMerged: 60, pagesPatched: 60 - images.size },
    });
  });

  test("is written anew at once by what is more than fits", () => {
    const s = merging();
    change(s, 1);
    change(s, 2, 50);
    expect(headOf(s)).toMatchObject({ version: v(1, 50), base: v(1, 49), patched: 0 });
    change(s, 51, 53);
    expect(headOf(s).patched).toBe(PATCH + 2 * mark(1, 62).length);
  });

  test("reads the same, and goes on, after a restart that knows it by its end", () => {
    const [s, whole] = [merging(), merging()];
    for (let at = 1; at <= 5; at++) change(s, at);
    s.rotate();
    s.crash();
    change(s, 6);
    change(whole, 1, 6);
    expect(headOf(s)).toMatchObject({ version: v(1, 6), patched: 5 * PATCH });
    expect(headOf(whole).patched).toBe(0);
    const read = point([1, 6]);
    expect(s.read(PAGE, read, [[1, 6]])).toEqual(whole.read(PAGE, read, [[1, 6]]));
    expect(decodePage(PAGE, s.pages.get(PAGE)!)).toEqual(decodePage(PAGE, whole.pages.get(PAGE)!));
  });
});

test("what a patch was put behind is found damaged when the page is read, and nothing more is put there", () => {
  const s = merging();
  change(s, 1);
  s.pages.get(PAGE)![100]! ^= 1;
  s.rotate();
  s.crash();
  change(s, 2);
  expect(headOf(s).version).toEqual(v(1, 2));
  expect(s.read(PAGE, point([1, 2]), [[1, 2]]).kind).toBe("corrupt");
  const stored = s.pages.get(PAGE)!;
  change(s, 3);
  expect(s.pages.get(PAGE)).toBe(stored);
});

/** Bytes of a patch of one change. */
const PATCH = mark(1, 1).length + 16 + 54;
