/**
 * Stored pages as they lie, beside the frames: what a link that only copies carries (DESIGN section 4, "Gossip").
 *
 *      a frame   cargo: which pages, where in the next frame
 *      a frame   | magic | volume | request | pages as they were read, and what was read between them ...
 *                | u32   | tag u32| f64     |
 *
 * Little endian. The second is no frame of messages: nothing in it is copied or summed when it is sent, and one copy is all that it takes to
 * receive it. Each page has a checksum of its own, begun with its id, which whoever takes the pages must look at: that covers the way
 * from the disk of the one to the memory of the other. The request keeps a frame from being taken for the answer to another question about
 * the same pages, of which it would tell too little.
 */
import { assert } from "@sixfold/model";
import type { Cargo, PulledPages } from "./storage-messages.ts";
import { badFrame } from "./wire-error.ts";

/** "6FCG", as bytes. */
const MAGIC = 0x47_43_46_36;
/** Comes before the first page. */
export const CARGO_HEADER_BYTES = 16;

export interface PackedCargo {
  readonly head: Cargo;
  readonly frame: Uint8Array;
}

/**
 * An answer as a head and a frame that follows it. If all of its pages are views of `room`, behind room for the header, the frame is a view of it too,
 * and only its header is written; else they are copied.
 */
export function packCargo(answer: PulledPages, volumeTag: number, room?: Uint8Array): PackedCargo {
  assert(answer.pages.length > 0, "a cargo has pages");
  const aboard = room !== undefined && isAboard(answer, room) ? room : undefined;
  const pages = [];
  let end = CARGO_HEADER_BYTES;
  for (const { page, stored } of answer.pages) {
    const at = aboard === undefined ? end : stored.byteOffset - aboard.byteOffset;
    pages.push({ page, at, bytes: stored.length });
    end = Math.max(end, at + stored.length);
  }
  const frame = aboard?.subarray(0, end) ?? new Uint8Array(end);
  if (aboard === undefined)
    for (const [n, { stored }] of answer.pages.entries()) frame.set(stored, pages[n]!.at);
  writeHeader(frame, volumeTag, answer.request);
  const { request, pg, next, merged, settledThrough } = answer;
  return { head: { type: "cargo", request, pg, pages, bytes: end, next, merged, settledThrough }, frame };
}

/** The answer that both make, its pages views of the frame. Throws `WireError` if the one is not of the other. */
export function unpackCargo(head: Cargo, frame: Uint8Array, volumeTag: number): PulledPages {
  if (frame.length !== head.bytes || frame.length < CARGO_HEADER_BYTES)
    badFrame(`a cargo of ${frame.length} bytes, and not of ${head.bytes}`);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0, true) !== MAGIC || view.getUint32(4, true) !== volumeTag)
    badFrame("not a cargo of this volume");
  if (view.getFloat64(8, true) !== head.request) badFrame("the cargo of another answer");
  const pages = head.pages.map(({ page, at, bytes }) => {
    if (at < CARGO_HEADER_BYTES || at + bytes > frame.length) badFrame(`page ${page} is not in its cargo`);
    return { page, stored: frame.subarray(at, at + bytes) };
  });
  const { request, pg, next, merged, settledThrough } = head;
  return { type: "pulledPages", request, pg, pages, next, merged, settledThrough };
}

function isAboard({ pages }: PulledPages, room: Uint8Array): boolean {
  return pages.every(
    ({ stored }) =>
      stored.buffer === room.buffer &&
      stored.byteOffset >= room.byteOffset + CARGO_HEADER_BYTES &&
      stored.byteOffset + stored.length <= room.byteOffset + room.length,
  );
}

function writeHeader(frame: Uint8Array, volumeTag: number, request: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  view.setUint32(0, MAGIC, true);
  view.setUint32(4, volumeTag, true);
  view.setFloat64(8, request, true);
}
