import { streamId } from "@sixfold/model";
import { expect, test } from "vitest";
import { COMPONENTS_MAX, decodePage, encodePage } from "./page-image.ts";
import { v } from "./testing/bench-segment.ts";

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
  const bytes = encodePage(page);
  expect(decodePage(bytes)).toEqual(page);
  for (let at = 0; at < bytes.length; at += 7) {
    const damaged = bytes.slice();
    damaged[at]! ^= 0x10;
    expect(decodePage(damaged), `byte ${at}`).toBeUndefined();
  }
  for (const n of [0, 5, 40, bytes.length - 1]) expect(decodePage(bytes.subarray(0, n))).toBeUndefined();
});

test("the oldest streams go when there are more than a byte can count", () => {
  const merged = new Map(Array.from({ length: 300 }, (_, i) => [streamId(i + 1), i + 1] as const));
  const back = decodePage(encodePage({ ...page, merged }));
  expect(back?.merged.size).toBe(COMPONENTS_MAX);
  expect(back?.merged.get(streamId(300))).toBe(300);
  expect(back?.merged.has(streamId(45))).toBe(false);
});
