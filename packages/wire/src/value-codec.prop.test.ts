import fc from "fast-check";
import { LIMITS, SixfoldError } from "@sixfold/model";
import { Packr, Unpackr } from "msgpackr";
import { describe, expect, test } from "vitest";
import { decodeValue, encodeArguments, encodeValue } from "./value-codec.ts";
import { WireError } from "./wire-error.ts";

const plain = fc.object({
  withBigInt: true,
  withDate: true,
  withMap: true,
  withSet: true,
  withTypedArray: true,
  withSparseArray: false,
  withNullPrototype: false,
  maxDepth: 4,
});
const json = fc.jsonValue({ maxDepth: 4 });
const expectSame = (a: unknown, b: unknown): void => {
  expect(a).toEqual(b);
};

describe("values", () => {
  test("come back as structured clone would have them", () => {
    fc.assert(
      fc.property(plain, (value) => expectSame(decodeValue(encodeValue(value)), structuredClone(value))),
      { numRuns: 1000 },
    );
  });

  test.each<[string, unknown]>([
    [
      "numbers",
      [
        0,
        -0,
        1,
        127,
        128,
        255,
        256,
        65535,
        65536,
        2 ** 32 - 1,
        2 ** 32,
        2 ** 53,
        -1,
        -32,
        -33,
        -(2 ** 31),
        -(2 ** 31) - 1,
        0.1,
        Infinity,
        -Infinity,
        Number.NaN,
      ],
    ],
    ["bigints", [0n, 1n, -1n, 255n, 256n, 2n ** 64n, -(2n ** 64n), 3n ** 500n]],
    [
      "strings",
      [
        "",
        "a",
        "é",
        "𝄞",
        "x".repeat(31),
        "x".repeat(32),
        "ü".repeat(200),
        "y".repeat(70_000),
        "\0",
        "\ufeffbom",
      ],
    ],
    [
      "containers",
      {
        list: Array.from({ length: 70_000 }, (_, i) => i),
        map: new Map<unknown, unknown>([[{ a: 1 }, new Set([1, "1"])]]),
        nested: [[[[{}]]]],
      },
    ],
    ["undefined inside", { a: undefined, b: [undefined] }],
    [
      "bytes",
      [new Uint8Array(0), new Uint8Array(300), new Uint8Array(70_000).fill(7), Uint8Array.of(1, 2).buffer],
    ],
    [
      "views",
      [
        Int8Array.of(-1),
        Uint8ClampedArray.of(255),
        Int16Array.of(-300),
        Uint16Array.of(300),
        Int32Array.of(-9),
        Uint32Array.of(9),
        Float32Array.of(0.5),
        Float64Array.of(0.1),
        BigInt64Array.of(-1n),
        BigUint64Array.of(1n),
        new DataView(Uint8Array.of(3).buffer),
      ],
    ],
    ["odds", [new Date(0), new Date(Number.NaN), /a+/giu, null, true, false]],
    ["keys", { "": 1, ["__proto__"]: { evil: true }, constructor: 2, é: 3 }],
  ])("%s", (_, value) => {
    expectSame(decodeValue(encodeValue(value)), value);
  });

  test("errors keep name and message; class instances become plain", () => {
    class Point {
      x = 1;
      get far(): boolean {
        return false;
      }
    }
    expectSame(decodeValue(encodeValue(new Point())), { x: 1 });
    const error = decodeValue(encodeValue(new TypeError("no"))) as Error;
    expect([error instanceof Error, error.name, error.message]).toEqual([true, "TypeError", "no"]);
    expect(({} as Record<string, unknown>).evil).toBeUndefined();
  });

  test("are MessagePack, to a library that had no part in it", () => {
    const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
    const packr = new Packr({ useRecords: false, variableMapSize: true });
    fc.assert(
      fc.property(json, (value) => {
        const own = JSON.parse(JSON.stringify(value)) as unknown;
        if (JSON.stringify(own).includes("__proto__")) return;
        expectSame(unpackr.unpack(encodeValue(own)), own);
        expectSame(decodeValue(packr.pack(own)), own);
      }),
      { numRuns: 500 },
    );
  });

  test("a value's bytes depend on nothing but the value", () => {
    const before = Buffer.from(encodeValue({ a: 1, b: [{ c: 2 }] })).toString("hex");
    for (let i = 0; i < 100; i++) encodeValue({ [`k${i}`]: i });
    expect(Buffer.from(encodeValue({ a: 1, b: [{ c: 2 }] })).toString("hex")).toBe(before);
    expect(before).toBe("82a16101a16291".concat("81a16302"));
  });

  test.each<[unknown, string]>([
    [undefined, "undefined"],
    [() => 1, "value is a function"],
    [{ items: [1, { run: () => 1 }] }, "value.items[1].run is a function"],
    [[Symbol("s")], "value[0] is a symbol"],
    [new Map([["k", Promise.resolve()]]), "value.k is a Promise"],
    ["\ud800", "half a surrogate pair"],
  ])("refuses what is no plain data, and says where", (value, text) => {
    expect(() => encodeValue(value)).toThrow(text);
    expect(() => encodeValue(value)).toThrow(expect.objectContaining({ code: "bad-request" }) as Error);
  });

  test("refuses cycles and what is too long", () => {
    const cycle: Record<string, unknown> = {};
    cycle.self = cycle;
    expect(() => encodeValue(cycle)).toThrow("in itself");
    expect(() => encodeValue(new Uint8Array(LIMITS.valueBytes))).toThrow(
      expect.objectContaining({ code: "limit-exceeded" }) as Error,
    );
    expect(() => encodeArguments([cycle])).toThrow(SixfoldError);
    expectSame(decodeValue(encodeArguments(undefined)), undefined);
  });

  test("a getter that stores something itself does no harm", () => {
    const value = {
      a: "before",
      get b(): number {
        return encodeValue({ other: "x".repeat(100) }).length;
      },
      c: "after",
    };
    expectSame(decodeValue(encodeValue(value)), { a: "before", b: 109, c: "after" });
  });

  test("a map's key that cannot be made a text does no harm", () => {
    const key = Object.create(null) as object;
    const copy = decodeValue(encodeValue(new Map([[key, 1]]))) as Map<unknown, unknown>;
    expect([...copy.values()]).toEqual([1]);
    expect(() => encodeValue(new Map([[key, () => 1]]))).toThrow("<object>");
  });

  test("any bytes are a value or refused, at no cost beyond their length", () => {
    const mutated = fc.tuple(plain, fc.nat(), fc.nat(255)).map(([value, at, to]) => {
      const bytes = encodeValue(value).slice();
      bytes[at % bytes.length] = to;
      return bytes;
    });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 40 })), (bytes) => {
        try {
          decodeValue(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 4000 },
    );
    for (const claim of [
      [0xdd, 0xff, 0xff, 0xff, 0xff],
      [0xdf, 0xff, 0xff, 0xff, 0xff],
      [0xc6, 0xff, 0xff, 0xff, 0xff],
      [0xc9, 0xff, 0xff, 0xff, 0xff, 2],
    ])
      expect(() => decodeValue(Uint8Array.from(claim))).toThrow(WireError);
    expect(() => decodeValue(new Uint8Array(100_000).fill(0x91))).toThrow("nested too deep");
  });
});
