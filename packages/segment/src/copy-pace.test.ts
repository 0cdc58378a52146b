import { nodeName } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { CopyPace } from "./copy-pace.ts";

const [A, B, C] = ["a2", "b1", "c1"].map(nodeName) as [
  ReturnType<typeof nodeName>,
  ReturnType<typeof nodeName>,
  ReturnType<typeof nodeName>,
];
const SETTINGS = { copyStepBytes: 100, copyAheadBytes: 350, copyBytesPerSecond: 1000 };

describe("the pace of copies", () => {
  test("spreads segments over the peers that have the least to do, two at a time of each", () => {
    const pace = new CopyPace(SETTINGS);
    const load = new Map<typeof A, number>();
    for (let i = 0; i < 6; i++) {
      const peer = pace.sourceOf([A, B, C], load, 0)!;
      load.set(peer, (load.get(peer) ?? 0) + 1);
    }
    expect([...load.values()]).toEqual([2, 2, 2]);
    expect(pace.sourceOf([A, B, C], load, 0)).toBeUndefined();
  });

  test("a peer that has not answered is asked last for a while; but asked, if there is no other", () => {
    const pace = new CopyPace(SETTINGS);
    pace.failed(A, 1000);
    for (let i = 0; i < 4; i++) expect(pace.sourceOf([A, B], new Map(), 2000)).toBe(B);
    expect(pace.sourceOf([A, B], new Map([[B, 2]]), 2000)).toBeUndefined();
    expect(pace.sourceOf([A], new Map(), 2000)).toBe(A);
    const later = [0, 1].map(() => pace.sourceOf([A, B], new Map(), 12_000));
    expect(new Set(later)).toEqual(new Set([A, B]));
  });

  test("two steps of a peer, and so much ahead of the store", () => {
    const pace = new CopyPace({ ...SETTINGS, copyBytesPerSecond: 1e9 });
    pace.begin(new Map());
    const ask = (peer: typeof A): boolean => {
      const may = pace.mayAsk(peer, 1);
      if (may) pace.asked(peer);
      return may;
    };
    expect([ask(A), ask(A), ask(A)]).toEqual([true, true, false]);
    expect([ask(B), ask(B)]).toEqual([true, false]);
    // Two have come, and are not stored.
    pace.came(100, 0);
    pace.came(100, 0);
    pace.begin(new Map([[A, 1]]));
    expect([ask(B), ask(B)]).toEqual([false, false]);
    pace.stored(100);
    expect([ask(B), ask(B)]).toEqual([true, false]);
  });

  test("a step larger than all that may be ahead is asked for by itself", () => {
    const pace = new CopyPace({ ...SETTINGS, copyAheadBytes: 10 });
    pace.begin(new Map());
    expect(pace.mayAsk(A, 0)).toBe(true);
    pace.asked(A);
    expect(pace.mayAsk(B, 0)).toBe(false);
  });

  test("what has come is paid for before more is asked for", () => {
    const pace = new CopyPace(SETTINGS);
    pace.begin(new Map());
    pace.came(100, 5000);
    pace.stored(100);
    expect([5000, 5099, 5100].map((now) => pace.mayAsk(A, now))).toEqual([false, false, true]);
  });
});
