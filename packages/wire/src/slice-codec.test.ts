import {
  epoch,
  lsn,
  NONE,
  OpsWriter,
  pageId,
  pgId,
  streamId,
  transactionId,
  version,
  type SliceFields,
} from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { decodeSlice, encodeSlice } from "./slice-codec.ts";
import { fieldsOf } from "./testing/slice-fields.fixture.ts";
import { WireError } from "./wire-error.ts";

function ops(offset: number, ...bytes: number[]): Uint8Array {
  const w = new OpsWriter();
  w.set(offset, Uint8Array.from(bytes));
  return w.finish().slice();
}

const fields: SliceFields = {
  stream: streamId(3),
  lsn: lsn(1000),
  pg: pgId(1),
  back: lsn(996),
  supersedes: lsn(990),
  owned: true,
  epoch: epoch(2),
  pgs: [pgId(1), pgId(4)],
  ownBases: [lsn(991), lsn(998)],
  transaction: transactionId("3-abc"),
  deltas: [
    { page: pageId(70), base: NONE, ops: ops(0, 1, 2, 3) },
    { page: pageId(4_000_000_000), base: version(streamId(2), lsn(2 ** 40)), ops: ops(8000, 9) },
  ],
  checks: [{ page: pageId(90), base: version(streamId(3), lsn(998)) }],
};

describe("slice", () => {
  test("its bytes are its fields", () => {
    const slice = encodeSlice(fields);
    expect(fieldsOf(slice)).toEqual(fields);
    expect(fieldsOf(decodeSlice(slice.bytes))).toEqual(fields);
  });

  test("a small one takes few bytes besides its operations", () => {
    const small = encodeSlice({
      ...fields,
      supersedes: lsn(0),
      ownBases: [],
      pgs: [pgId(1)],
      checks: [],
      transaction: transactionId(""),
      deltas: [fields.deltas[0]!],
    });
    expect(small.byteLength).toBe(4 + 1 + 1 + 2 + 1 + 1 + 1 + 1 + (1 + 1 + 1 + 1) + 8);
  });

  test("cut off anywhere it is refused", () => {
    const { bytes } = encodeSlice(fields);
    for (let n = 0; n < bytes.length; n++) expect(() => decodeSlice(bytes.subarray(0, n))).toThrow(WireError);
  });

  test("operations that leave the page are refused", () => {
    const bad = encodeSlice({
      ...fields,
      deltas: [{ page: pageId(1), base: NONE, ops: Uint8Array.of(1, 0xff, 0xff, 2, 0, 7, 7) }],
    });
    expect(() => decodeSlice(bad.bytes)).toThrow("leaves the page");
  });
});
