import fc from "fast-check";
import { SixfoldError } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { compareKeys, decodeKey, encodeKey, type Key } from "./key-codec.ts";
import { WireError } from "./wire-error.ts";

const number = fc.oneof(
  fc.double({ noNaN: true }),
  fc.integer(),
  fc.constantFrom(0, -0, 1, -1, Infinity, -Infinity),
);
const string = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.stringMatching(/^[\0ab\uffff]{0,4}$/),
);
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 12 }),
  fc.array(fc.constantFrom(0, 1, 255), { maxLength: 4 }).map((a) => Uint8Array.from(a)),
);
const bigint = fc.oneof(
  fc.bigInt(),
  fc.bigInt({ min: -70000n, max: 70000n }),
  fc.bigInt({ min: -(2n ** 300n), max: 2n ** 300n }),
);
const date = fc.date({ noInvalidDate: true });
const key: fc.Arbitrary<Key> = fc.letrec<{ key: Key }>((tie) => ({
  key: fc.oneof(
    { depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    number,
    bigint,
    date,
    string,
    bytes,
    fc.array(tie("key"), { maxLength: 4 }),
  ),
})).key;

/** The order as users are told it, without a look at bytes. */
function order(a: Key, b: Key): number {
  const rank = typeRank(a) - typeRank(b);
  if (rank !== 0) return rank;
  if (Array.isArray(a) && Array.isArray(b)) return orderElements(a as Key[], b as Key[]);
  if (a instanceof Date && b instanceof Date) return a.getTime() - b.getTime();
  if (a instanceof Uint8Array && b instanceof Uint8Array) return orderElements([...a], [...b]);
  if (typeof a === "string" && typeof b === "string") return orderElements(codePoints(a), codePoints(b));
  return a === b ? 0 : (a as number) < (b as number) ? -1 : 1;
}

function orderElements(a: readonly Key[], b: readonly Key[]): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const one = order(a[i]!, b[i]!);
    if (one !== 0) return one;
  }
  return a.length - b.length;
}

const codePoints = (s: string): number[] => Array.from(s).map((c) => c.codePointAt(0)!);

function typeRank(k: Key): number {
  if (k === null) return 0;
  if (k instanceof Date) return 4;
  if (k instanceof Uint8Array) return 6;
  if (Array.isArray(k)) return 7;
  return { boolean: 1, number: 2, bigint: 3, string: 5 }[
    typeof k as "boolean" | "number" | "bigint" | "string"
  ];
}

function positive(k: Key): Key {
  if (Object.is(k, -0)) return 0;
  return Array.isArray(k) ? (k as Key[]).map(positive) : k;
}

describe("keys", () => {
  test("bytes order as keys do", () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        expect(Math.sign(compareKeys(encodeKey(a), encodeKey(b)))).toBe(Math.sign(order(a, b)));
      }),
      { numRuns: 3000 },
    );
  });

  test("bytes order as keys of one kind do", () => {
    for (const kind of [
      number,
      string,
      bytes,
      bigint,
      date,
      fc.array(string, { maxLength: 3 }),
      fc.array(bytes, { maxLength: 3 }),
    ] as fc.Arbitrary<Key>[])
      fc.assert(
        fc.property(kind, kind, (a, b) => {
          expect(Math.sign(compareKeys(encodeKey(a), encodeKey(b)))).toBe(Math.sign(order(a, b)));
        }),
        { numRuns: 500 },
      );
  });

  test("decoding gives the key back", () => {
    fc.assert(
      fc.property(key, (k) => {
        expect(decodeKey(encodeKey(k))).toEqual(positive(k));
      }),
      { numRuns: 2000 },
    );
  });

  test("any bytes are a key or refused, and a key has one encoding", () => {
    const mutated = fc.tuple(key, fc.nat(), fc.nat(255)).map(([k, at, to]) => {
      const b = encodeKey(k).slice();
      b[at % b.length] = to;
      return b;
    });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 20 })), (b) => {
        let k: Key;
        try {
          k = decodeKey(b);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
          return;
        }
        expect(decodeKey(encodeKey(k))).toEqual(k);
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    [Number.NaN],
    [undefined],
    [new Date(Number.NaN)],
    ["\ud800"],
    [{}],
    [() => 1],
    [[1, undefined]],
    [Symbol("s")],
    [new Float32Array(1)],
  ])("refuses %s", (k) => {
    expect(() => encodeKey(k as Key)).toThrow(expect.objectContaining({ code: "bad-request" }) as Error);
  });

  test("refuses what is too long, with its size", () => {
    const long = "x".repeat(1024);
    expect(encodeKey(long.slice(1)).length).toBe(1024);
    for (const k of [
      long,
      new Uint8Array(1024),
      [long],
      1n << 9000n,
      Array.from({ length: 2000 }, () => null),
    ] as Key[])
      expect(() => encodeKey(k)).toThrow(expect.objectContaining({ code: "limit-exceeded" }) as Error);
    const cycle: unknown[] = [];
    cycle.push(cycle);
    expect(() => encodeKey(cycle as Key)).toThrow(SixfoldError);
  });
});
