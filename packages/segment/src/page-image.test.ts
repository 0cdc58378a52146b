import { pageId, streamId } from "@sixfold/model";
import fc from "fast-check";
import { expect, test } from "vitest";
import { COMPONENTS_MAX, decodePage, encodePage } from "./page-image.ts";
import { v } from "./testing/bench-segment.ts";

const P = pageId(70);

const page = {
  version: v(3, 2 ** 40),
  base: v(1, 7),
  merged: new Map([
    [streamId(1), 7],
    [streamId(3), 2 ** 40],
  ]),
  image: Uint8Array.from({ length: 4096 }, (_, i) => i & 255),
};

test("a stored page is its fields, and any damaged byte is noticed", () => {
  const bytes = encodePage(P, page);
  expect(decodePage(P, bytes)).toEqual(page);
  for (let at = 0; at < bytes.length; at += 7) {
    const damaged = bytes.slice();
    damaged[at]! ^= 0x10;
    expect(decodePage(P, damaged), `byte ${at}`).toBeUndefined();
  }
  for (const n of [0, 5, 40, bytes.length - 1]) expect(decodePage(P, bytes.subarray(0, n))).toBeUndefined();
});

test("the oldest streams go when there are more than a byte can count", () => {
  const merged = new Map(Array.from({ length: 300 }, (_, i) => [streamId(i + 1), i + 1] as const));
  const back = decodePage(P, encodePage(P, { ...page, merged }));
  expect(back?.merged.size).toBe(COMPONENTS_MAX);
  expect(back?.merged.get(streamId(300))).toBe(300);
  expect(back?.merged.has(streamId(45))).toBe(false);
});

test("under another page's id it is damaged", () => {
  const bytes = encodePage(P, page);
  for (const other of [0, 69, 71, 2 ** 32 - 1]) expect(decodePage(pageId(other), bytes)).toBeUndefined();
});

test("whatever the image, it comes back; a gap of some size is left out", () => {
  const run = fc.tuple(fc.constantFrom(0, 0, 1, 255), fc.integer({ min: 0, max: 3000 }));
  fc.assert(
    fc.property(fc.array(run, { maxLength: 8 }), (runs) => {
      const image = new Uint8Array(8192);
      let at = 0;
      let widest = 0;
      for (const [byte, length] of [...runs, [0, 8192] as const]) {
        const end = Math.min(image.length, at + length);
        image.fill(byte, at, end);
        at = end;
      }
      for (let zeros = 0, i = 0; i < image.length; i++) {
        zeros = image[i] === 0 ? zeros + 1 : 0;
        widest = Math.max(widest, zeros);
      }
      const bytes = encodePage(P, { ...page, image });
      expect(decodePage(P, bytes)?.image).toEqual(image);
      const saved =
        encodePage(P, { ...page, image: new Uint8Array(image.length).fill(1) }).length - bytes.length;
      if (widest >= 128) expect(saved).toBe(widest);
    }),
  );
});
