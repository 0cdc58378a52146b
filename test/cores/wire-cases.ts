/** Deltas and frames: what a writer makes of an entry, and what six segments and the followers make of that. */
import {
  applyOps,
  applyOpsReversibly,
  epoch,
  lsn,
  OpsWriter,
  pageId,
  pgId,
  ReadPoint,
  revertOps,
  streamId,
  transactionId,
  type Slice,
  type SliceFields,
} from "@sixfold/model";
import { decodeFrame, encodeMessage, encodeSlice, type Append } from "@sixfold/wire";
import type { Case } from "./measure.ts";

const PAGE_BYTES = 8192;
const TAG = 0x1234;

/** As an update of a row of 100 bytes leaves it: its version, its value, the page's counters. */
export function rowOps(at: number): Uint8Array {
  const ops = new OpsWriter();
  ops.set(2, Uint8Array.of(at & 255, 7));
  ops.set(64 + (at % 70) * 114, new Uint8Array(12).fill(at & 255));
  ops.set(78 + (at % 70) * 114, new Uint8Array(100).fill(at & 255));
  return ops.finish().slice();
}

/** An entry that updates two rows on two pages. */
function fieldsOf(at: number): SliceFields {
  const pg = pgId(0);
  const base = { stream: streamId(1), lsn: lsn(Math.max(1, at - 10)) };
  return {
    ...{ stream: streamId(1), lsn: lsn(at + 11), pg, back: lsn(at + 10), supersedes: lsn(0), owned: true },
    ...{ epoch: epoch(1), pgs: [pg], ownBases: [], checks: [] },
    transaction: transactionId("1-V1StGXR8_Z5jdHi6B-myT"),
    deltas: [
      { page: pageId(100), base, ops: rowOps(at) },
      { page: pageId(200), base, ops: rowOps(at + 35) },
    ],
  };
}

const frameOf = (slices: readonly Slice[]): Append => {
  const point = new ReadPoint(streamId(0), [[streamId(1), lsn(500)]]);
  const decisions = { from: lsn(400), through: lsn(500), aborts: [], earlyAborts: [] };
  const to = { type: "append", pg: pgId(0), stream: streamId(1), exclusive: false } as const;
  return { ...to, decisions, lowWater: point, builtOn: point, slices };
};

export function wireCases(): Case[] {
  const page = new Uint8Array(PAGE_BYTES).fill(1);
  const ops = Array.from({ length: 64 }, (_, i) => rowOps(i));
  const fields = Array.from({ length: 256 }, (_, i) => fieldsOf(i));
  const slices = fields.slice(0, 32).map(encodeSlice);
  const message = frameOf(slices);
  const frame = encodeMessage(message, TAG);
  return [
    {
      name: "delta: apply",
      run: (times) => {
        for (let n = 0; n < times; n++) applyOps(page, ops[n & 63]!);
        return page;
      },
    },
    {
      name: "delta: apply, keeping what it takes to revert, and revert",
      run: (times) => {
        for (let n = 0; n < times; n++) revertOps(page, applyOpsReversibly(page, ops[n & 63]!));
        return page;
      },
    },
    {
      name: "slice: encode an entry of two rows",
      run: (times) => {
        let length = 0;
        for (let n = 0; n < times; n++) length += encodeSlice(fields[n & 255]!).byteLength;
        return length;
      },
    },
    {
      name: "frame: encode 32 slices",
      run: (times) => {
        let length = 0;
        for (let n = 0; n < times; n++) length += encodeMessage(message, TAG).length;
        return length;
      },
    },
    {
      name: "frame: decode 32 slices",
      run: (times) => {
        let last: unknown;
        for (let n = 0; n < times; n++) last = decodeFrame(frame, TAG);
        return last;
      },
    },
  ];
}
