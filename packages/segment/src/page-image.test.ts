import { applyOps, OpsWriter, pageId, streamId } from "@sixfold/model";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  COMPONENTS_MAX,
  decodeHead,
  decodePage,
  encodePage,
  encodePatch,
  isSound,
  lastSum,
  patchBytes,
  Slab,
  TAIL_BYTES,
} from "./page-image.ts";
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
  const decoded = decodePage(P, bytes)!;
  expect({ ...decoded, merged: new Map(decoded.merged) }).toEqual(page);
  expect(bytes.length).toBe(patchBytes(page.image.length, 2));
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
  expect(back?.merged.get(streamId(45))).toBeUndefined();
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

function set(offset: number, byte: number, length: number): Uint8Array {
  const ops = new OpsWriter();
  ops.set(offset, new Uint8Array(length).fill(byte));
  return ops.finish();
}

/** `page` and patches of one delta each, and the images that they make. */
function patched(deltas: readonly (readonly [offset: number, byte: number, length: number])[]) {
  const slab = new Slab();
  const parts = [encodePage(P, page)];
  const images = [page.image];
  let head = { sum: lastSum(parts[0]!), patched: 0 };
  for (const [n, [offset, byte, length]] of deltas.entries()) {
    const ops = set(offset, byte, length);
    const image = images.at(-1)!.slice();
    applyOps(image, ops);
    images.push(image);
    const merged = new Map([...page.merged, [streamId(3), 2 ** 40 + n + 1] as const]);
    const after = { version: v(3, 2 ** 40 + n + 1), base: v(3, 2 ** 40 + n), merged };
    const patch = encodePatch(P, after, [ops], head, slab);
    parts.push(patch);
    head = { sum: lastSum(patch), patched: head.patched + patch.length };
  }
  return { parts, images, head, stored: Uint8Array.from(Buffer.concat(parts)) };
}

describe("a page with patches", () => {
  test("is the image with all of them applied, and what its end says, on its own as well", () => {
    const delta = fc.tuple(fc.integer({ min: 0, max: 3900 }), fc.nat(255), fc.integer({ min: 1, max: 150 }));
    fc.assert(
      fc.property(fc.array(delta, { maxLength: 6 }), (deltas) => {
        const { stored, images, head, parts } = patched(deltas);
        const before = Uint8Array.from(stored);
        expect(decodePage(P, stored)?.image).toEqual(images.at(-1));
        expect(Buffer.compare(stored, before), "decoding leaves the value as it is").toBe(0);
        for (const end of [stored, stored.subarray(-TAIL_BYTES), parts.at(-1)!]) {
          const said = decodeHead(P, end)!;
          expect({ ...said, merged: new Map(said.merged) }).toEqual({
            version: v(3, 2 ** 40 + deltas.length),
            base: deltas.length === 0 ? page.base : v(3, 2 ** 40 + deltas.length - 1),
            merged: new Map([...page.merged, [streamId(3), 2 ** 40 + deltas.length]]),
            ...head,
          });
        }
      }),
    );
  });

  test("is damaged wherever a byte of it is, under another id, and with a part too few or in another order", () => {
    const { stored, parts } = patched([
      [7, 1, 30],
      [100, 2, 60],
      [9, 3, 5],
    ]);
    expect(isSound(P, stored)).toBe(true);
    for (let at = 0; at < stored.length; at += 5) {
      const damaged = Uint8Array.from(stored);
      damaged[at]! ^= 0x10;
      expect(isSound(P, damaged), `byte ${at}`).toBe(false);
      expect(decodePage(P, damaged), `byte ${at}`).toBeUndefined();
    }
    const [image, a, b, c] = parts as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    for (const wrong of [
      [image, b, c],
      [image, b, a, c],
      [image, a, a, b],
      [image, c],
      [a, b],
      [image, image],
      [image, a, image],
      [],
    ])
      expect(isSound(P, Buffer.concat(wrong))).toBe(false);
    expect(isSound(pageId(69), stored)).toBe(false);
    for (const fewer of [[image], [image, a], [image, a, b]])
      expect(isSound(P, Buffer.concat(fewer))).toBe(true);
  });

  test("tells by its end what it is although what stands before is damaged; by a damaged end nothing", () => {
    const { stored } = patched([[7, 1, 30]]);
    const [before, end] = [Uint8Array.from(stored), Uint8Array.from(stored)];
    before[100]! ^= 1;
    end[end.length - 9]! ^= 1;
    expect(decodeHead(P, before)).toEqual(decodeHead(P, stored));
    expect(decodeHead(P, end)).toBeUndefined();
    expect(decodeHead(P, stored.subarray(-20))).toBeUndefined();
  });
});

test("patches made one after the other lie one behind the other in memory", () => {
  const { parts } = patched([
    [7, 1, 30],
    [100, 2, 60],
  ]);
  const [, a, b] = parts as [Uint8Array, Uint8Array, Uint8Array];
  expect([b.buffer, b.byteOffset]).toEqual([a.buffer, a.byteOffset + a.length]);
});
