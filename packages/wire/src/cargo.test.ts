import { lsn, pageId, pgId, streamId } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { CARGO_HEADER_BYTES, packCargo, unpackCargo } from "./cargo.ts";
import { decodeFrame, encodeMessage } from "./frame.ts";
import type { Cargo, PulledPages } from "./storage-messages.ts";

const TAG = 77;
const stored = (id: number, bytes: number): Uint8Array => new Uint8Array(bytes).fill(id);

const answerOf = (pages: PulledPages["pages"]): PulledPages => ({
  type: "pulledPages",
  request: 9,
  pg: pgId(2),
  pages,
  next: pageId(70),
  merged: [{ stream: streamId(2), through: lsn(300), tail: lsn(298) }],
  settledThrough: streamId(1),
});
const ANSWER = answerOf([
  { page: pageId(64), stored: stored(64, 700) },
  { page: pageId(66), stored: stored(66, 3) },
]);

/** As the other side has it. */
const sent = (head: Cargo): Cargo => decodeFrame(encodeMessage(head, TAG), TAG) as Cargo;

describe("a cargo", () => {
  test("is an answer, its pages beside it", () => {
    const { head, frame } = packCargo(ANSWER, TAG);
    expect(unpackCargo(sent(head), frame, TAG)).toEqual(ANSWER);
  });

  test("of pages that were read into its room is not copied, whatever lies between them", () => {
    const room = new Uint8Array(4096).fill(0xee).subarray(96);
    const pages = [
      { page: pageId(64), stored: room.subarray(1000, 1700).fill(1) },
      { page: pageId(66), stored: room.subarray(CARGO_HEADER_BYTES, 40).fill(2) },
    ];
    const { head, frame } = packCargo(answerOf(pages), TAG, room);
    expect(frame.buffer).toBe(room.buffer);
    expect([frame.byteOffset, frame.length]).toEqual([room.byteOffset, 1700]);
    expect(unpackCargo(sent(head), frame.slice(), TAG)).toEqual(answerOf(pages));
  });

  test("of pages that leave no room for its header is copied", () => {
    const room = new Uint8Array(4096);
    const pages = [{ page: pageId(64), stored: room.subarray(8, 80).fill(1) }];
    const { head, frame } = packCargo(answerOf(pages), TAG, room);
    expect(frame.buffer).not.toBe(room.buffer);
    expect(unpackCargo(sent(head), frame, TAG)).toEqual(answerOf(pages));
  });

  const { head, frame } = packCargo(ANSWER, TAG);
  const changed = (at: number): Uint8Array => {
    const other = frame.slice();
    other[at]! ^= 1;
    return other;
  };
  const beyond = { ...head, pages: [{ page: pageId(64), at: frame.length - 1, bytes: 2 }] };
  const before = { ...head, pages: [{ page: pageId(64), at: 3, bytes: 2 }] };

  test.each([
    ["another length", head, frame.subarray(1)],
    ["no header", { ...head, bytes: 3 }, frame.subarray(0, 3)],
    ["no mark of a cargo", head, changed(0)],
    ["another volume", head, changed(4)],
    ["the number of another question", head, changed(14)],
    ["a page beyond its end", beyond, frame],
    ["a page in its header", before, frame],
  ])("with %s is refused", (_what, said, came) => {
    expect(() => unpackCargo(said, came, TAG)).toThrowError(expect.objectContaining({ code: "bad-frame" }));
  });
});
