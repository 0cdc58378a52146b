import { nodeName } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { CopyPace } from "./copy-pace.ts";

const [A, B, C] = ["a2", "b1", "c1"].map(nodeName) as [
  ReturnType<typeof nodeName>,
  ReturnType<typeof nodeName>,
  ReturnType<typeof nodeName>,
];
const from = (peers: readonly (typeof A)[], leaves = (_: typeof A): boolean => false, place = 0) => ({
  ...{ peers, leaves, place },
});
const SETTINGS = { copyStepBytes: 100, copyAheadBytes: 350, copyBytesPerSecond: 1000 };

describe("the pace of copies", () => {
  test("one peer gives at a time, two segments; the survivors take turns", () => {
    const pace = new CopyPace(SETTINGS);
    const gave: (typeof A | undefined)[] = [];
    for (let i = 0; i < 3; i++) {
      const load = new Map<typeof A, number>();
      const first = pace.sourceOf(from([A, B, C]), load, 0)!;
      load.set(first, 1);
      expect(pace.sourceOf(from([A, B, C]), load, 0)).toBe(first);
      const others = [A, B, C].filter((peer) => peer !== first);
      expect(pace.sourceOf(from(others), load, 0), "its members are others").toBeUndefined();
      load.set(first, 2);
      expect(pace.sourceOf(from([A, B, C]), load, 0)).toBeUndefined();
      gave.push(first);
    }
    expect(new Set(gave)).toEqual(new Set([A, B, C]));
  });

  test("after eight segments it is the next one's turn, once they are here", () => {
    const pace = new CopyPace(SETTINGS);
    const first = pace.sourceOf(from([A, B]), new Map(), 0)!;
    for (let i = 0; i < 7; i++) expect(pace.sourceOf(from([A, B]), new Map([[first, 1]]), 0)).toBe(first);
    expect(pace.sourceOf(from([A, B]), new Map([[first, 1]]), 0)).toBeUndefined();
    expect(pace.sourceOf(from([A, B]), new Map(), 0)).toBe(first === A ? B : A);
  });

  test("newcomers that come together each begin with another peer", () => {
    const first = [0, 1, 2].map((place) =>
      new CopyPace(SETTINGS).sourceOf(from([A, B, C], undefined, place), new Map(), 0),
    );
    expect(new Set(first)).toEqual(new Set([A, B, C]));
  });

  test("who leaves is asked only if there is nobody else", () => {
    const pace = new CopyPace(SETTINGS);
    const leaves = (peer: typeof A) => peer === B;
    for (let i = 0; i < 6; i++) expect(pace.sourceOf(from([A, B, C], leaves), new Map(), 0)).not.toBe(B);
    pace.failed(A, 0);
    pace.failed(C, 0);
    expect(pace.sourceOf(from([A, B, C], leaves), new Map(), 1)).toBe(B);
    expect(pace.sourceOf(from([], leaves), new Map(), 1)).toBeUndefined();
  });

  test("a peer that has not answered is asked last for a while; but asked, if there is no other", () => {
    const pace = new CopyPace(SETTINGS);
    pace.failed(A, 1000);
    for (let i = 0; i < 4; i++) expect(pace.sourceOf(from([A, B]), new Map(), 2000)).toBe(B);
    expect(pace.sourceOf(from([A, B]), new Map([[B, 2]]), 2000)).toBeUndefined();
    expect(pace.sourceOf(from([A]), new Map(), 2000)).toBe(A);
    const later = [0, 1].map(() => pace.sourceOf(from([A, B]), new Map(), 12_000));
    expect(new Set(later)).toEqual(new Set([A, B]));
  });

  test("three steps of a peer, and so much ahead of the store", () => {
    const pace = new CopyPace({ ...SETTINGS, copyAheadBytes: 450, copyBytesPerSecond: 1e9 });
    pace.begin(new Map());
    const ask = (peer: typeof A): boolean => {
      const may = pace.mayAsk(peer, 1);
      if (may) pace.asked(peer);
      return may;
    };
    expect([ask(A), ask(A), ask(A), ask(A)]).toEqual([true, true, true, false]);
    expect([ask(B), ask(B)]).toEqual([true, false]);
    // Three have come, and are not stored.
    pace.came(100, 0);
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
