import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeFrame, encodeMessage, FRAME_HEADER_BYTES, MESSAGES, type Message } from "./frame.ts";
import { decodeRecords, encodeRecords } from "./log-record-codec.ts";
import { decodeSessionToken, encodeSessionToken } from "./session-token.ts";
import { messages, records } from "./testing/samples.ts";
import { compareSlicesByFields } from "./testing/slice-fields.fixture.ts";
import { WireError } from "./wire-error.ts";

compareSlicesByFields();

const TAG = 77;

/** One change to bytes: a byte set, a bit turned, a run cut out, doubled or filled. */
type Change = readonly [kind: number, at: number, value: number];
const changes = fc.array(fc.tuple(fc.nat(5), fc.nat(1 << 20), fc.nat(255)), { minLength: 1, maxLength: 4 });

function mutate(from: Uint8Array, todo: readonly Change[]): Uint8Array {
  let bytes = [...from];
  for (const [kind, where, value] of todo) {
    const at = bytes.length === 0 ? 0 : where % bytes.length;
    const n = 1 + (value % 9);
    if (kind === 0) bytes[at] = value;
    else if (kind === 1) bytes[at] = (bytes[at] ?? 0) ^ (1 << (value % 8));
    else if (kind === 2) bytes.splice(at, n);
    else if (kind === 3) bytes.splice(at, 0, ...bytes.slice(at, at + n));
    else if (kind === 4) bytes.fill(0xff, at, at + n);
    else bytes = bytes.slice(0, at);
  }
  return Uint8Array.from(bytes);
}

/** With a checksum that fits, so that the body is looked at. */
function sealed(type: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + body.length);
  frame.set([0x36, 0x46, 1, type]);
  const view = new DataView(frame.buffer);
  view.setUint32(4, crc32(body, type), true);
  view.setUint32(8, TAG, true);
  frame.set(body, FRAME_HEADER_BYTES);
  return frame;
}

/** Whatever was taken must be whole: it can be written again and comes back the same. */
function takenWhole<T>(decode: () => T, again: (value: T) => T): boolean {
  let value: T;
  try {
    value = decode();
  } catch (error) {
    expect(error).toBeInstanceOf(WireError);
    return false;
  }
  expect(again(value)).toEqual(value);
  return true;
}

describe("bytes from anyone", () => {
  test("a mutated message is whole or refused", () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.constantFrom(...messages), changes, (message, todo) => {
        const frame = encodeMessage(message, TAG);
        const bad = sealed(MESSAGES[message.type][0], mutate(frame.subarray(FRAME_HEADER_BYTES), todo));
        const again = (m: Message): Message => decodeFrame(encodeMessage(m, TAG), TAG);
        if (takenWhole(() => decodeFrame(bad, TAG), again)) taken += 1;
      }),
      { numRuns: 8000 },
    );
    expect(taken).toBeGreaterThan(100);
  });

  test("so is a body of any bytes", () => {
    const numbers = Object.values(MESSAGES).map(([number]) => number);
    fc.assert(
      fc.property(fc.constantFrom(...numbers), fc.uint8Array({ maxLength: 60 }), (type, body) => {
        takenWhole(
          () => decodeFrame(sealed(type, body), TAG),
          (m) => decodeFrame(encodeMessage(m, TAG), TAG),
        );
      }),
      { numRuns: 5000 },
    );
  });

  test("a mutated frame never gets past its header's checks unless nothing changed", () => {
    fc.assert(
      fc.property(fc.constantFrom(...messages), changes, (message, todo) => {
        const frame = encodeMessage(message, TAG);
        const bad = mutate(frame, todo);
        if (Buffer.compare(bad, frame) === 0) return;
        try {
          // The tag of a handshake's frame is not looked at.
          expect(decodeFrame(bad, TAG)).toEqual(message);
        } catch (error) {
          expect(error).toBeInstanceOf(WireError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test("a mutated log block is whole or refused", () => {
    const block = Buffer.concat(encodeRecords(records));
    fc.assert(
      fc.property(changes, (todo) => {
        takenWhole(
          () => decodeRecords(mutate(block, todo)),
          (r) => decodeRecords(Buffer.concat(encodeRecords(r))),
        );
      }),
      { numRuns: 3000 },
    );
  });

  test("a mutated session token is a read point or refused", () => {
    const token = encodeSessionToken(decodeSessionToken(Uint8Array.of(1, 2, 2, 3, 200, 1, 9, 5)));
    fc.assert(
      fc.property(changes, (todo) => {
        takenWhole(
          () => decodeSessionToken(mutate(token, todo)),
          (p) => decodeSessionToken(encodeSessionToken(p)),
        );
      }),
      { numRuns: 2000 },
    );
  });
});
