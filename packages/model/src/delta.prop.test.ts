import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { applyOps, applyOpsReversibly, checkOps, OpsWriter, revertOps } from "./delta.ts";

const PAGE_BYTES = 256;

type Op =
  | { readonly kind: "set"; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: "move"; readonly to: number; readonly from: number; readonly length: number };

const position = fc.integer({ min: 0, max: PAGE_BYTES - 1 });
const op: fc.Arbitrary<Op> = fc.oneof(
  fc.tuple(position, fc.uint8Array({ minLength: 1, maxLength: 64 })).map(([offset, bytes]): Op => ({
    kind: "set",
    offset,
    bytes: bytes.subarray(0, Math.max(1, Math.min(bytes.length, PAGE_BYTES - offset))),
  })),
  fc.tuple(position, position, fc.integer({ min: 1, max: 128 })).map(([to, from, n]): Op => ({
    kind: "move",
    to,
    from,
    length: Math.min(n, PAGE_BYTES - Math.max(to, from)),
  })),
);
const ops = fc.array(op, { maxLength: 12 });
const page = fc.uint8Array({ minLength: PAGE_BYTES, maxLength: PAGE_BYTES });

function pack(list: readonly Op[]): Uint8Array {
  const writer = new OpsWriter(4);
  for (const o of list) {
    if (o.kind === "set") writer.set(o.offset, o.bytes);
    else writer.move(o.to, o.from, o.length);
  }
  return writer.finish();
}

/** The meaning of the operations, as dumbly as can be. */
function dumb(before: Uint8Array, list: readonly Op[]): number[] {
  const bytes = [...before];
  for (const o of list) {
    const from = o.kind === "set" ? [...o.bytes] : bytes.slice(o.from, o.from + o.length);
    const to = o.kind === "set" ? o.offset : o.to;
    from.forEach((byte, i) => (bytes[to + i] = byte));
  }
  return bytes;
}

describe("deltas", () => {
  test("do what their operations mean, and are taken back byte for byte", () => {
    fc.assert(
      fc.property(page, ops, (before, list) => {
        const packed = pack(list);
        expect(checkOps(packed, PAGE_BYTES)).toBeUndefined();
        const applied = before.slice();
        applyOps(applied, packed);
        expect([...applied]).toEqual(dumb(before, list));
        const reversible = before.slice();
        const reverse = applyOpsReversibly(reversible, packed);
        expect(reversible).toEqual(applied);
        revertOps(reversible, reverse);
        expect(reversible).toEqual(before);
      }),
    );
  });

  test("of any bytes whatever either fit the page or are refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        if (checkOps(bytes, PAGE_BYTES) !== undefined) return;
        const image = new Uint8Array(PAGE_BYTES);
        applyOps(image, bytes);
        expect(image.length).toBe(PAGE_BYTES);
      }),
      { numRuns: 2000 },
    );
  });

  test("that leave the page are refused", () => {
    const set = pack([{ kind: "set", offset: 250, bytes: new Uint8Array(6) }]);
    expect(checkOps(set, PAGE_BYTES)).toBeUndefined();
    expect(checkOps(set, 255)).toMatch(/leaves the page/);
    expect(checkOps(set.subarray(0, 8), PAGE_BYTES)).toMatch(/cut off/);
    expect(checkOps(Uint8Array.of(9), PAGE_BYTES)).toMatch(/unknown operation/);
  });
});
