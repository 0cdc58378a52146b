import { ACCEPT, epoch, lsn, NONE, pageId, pgId, streamId, transactionId } from "@sixfold/model";
import { expect, test } from "vitest";
import { decodeRecords, encodeRecords } from "./log-record-codec.ts";
import type { LogRecord } from "./log-records.ts";
import { skimCheckpoint, skimRecords, skimSlices } from "./log-skim.ts";
import { encodeSlice } from "./slice-codec.ts";
import { compareSlicesByFields } from "./testing/slice-fields.fixture.ts";

compareSlicesByFields();

const [pg, stream] = [pgId(300), streamId(5)];

function sliceAt(at: number, back: number): ReturnType<typeof encodeSlice> {
  return encodeSlice({
    stream,
    lsn: lsn(at),
    pg,
    back: lsn(back),
    supersedes: lsn(0),
    owned: false,
    epoch: epoch(1),
    pgs: [pg],
    ownBases: [],
    transaction: transactionId("5-x"),
    deltas: [{ page: pageId(9), base: NONE, ops: new Uint8Array(0) }],
    checks: [],
  });
}

test("records are told apart and skimmed as they are decoded", () => {
  const slices = [sliceAt(7, 3), sliceAt(2 ** 40, 7)];
  const records: LogRecord[] = [
    { kind: "slices", pg, stream, exclusive: false, slices, votes: [{ lsn: lsn(7), vote: ACCEPT }] },
    { kind: "fence", pg, stream },
    { kind: "checkpoint", state: Uint8Array.of(1, 2, 3) },
    { kind: "slices", pg, stream, exclusive: true, slices: [], votes: [] },
  ];
  const block = new Uint8Array(Buffer.concat(encodeRecords(records)));
  const skimmed = [...skimRecords(block)];
  expect(skimmed.map(({ kind }) => kind)).toEqual(["slices", "other", "checkpoint", "slices"]);
  expect(skimmed.flatMap(({ bytes }) => decodeRecords(bytes))).toEqual(decodeRecords(block));
  expect(skimSlices(skimmed[0]!.bytes)).toEqual({ pg, stream, last: 2 ** 40 });
  expect(skimSlices(skimmed[3]!.bytes)).toBeUndefined();
  expect(skimCheckpoint(skimmed[2]!.bytes)).toEqual(Uint8Array.of(1, 2, 3));
  for (let n = 1; n < block.length; n++) {
    const whole = decodeRecordsOrNothing(block.subarray(0, n));
    if (whole === undefined) expect(() => [...skimRecords(block.subarray(0, n))]).toThrow("cut off");
  }
});

function decodeRecordsOrNothing(block: Uint8Array): LogRecord[] | undefined {
  try {
    return decodeRecords(block);
  } catch {
    return undefined;
  }
}
