import { crc32 } from "node:zlib";
import { LIMITS } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { decodeFrame, encodeMessage, frameVolumeTag, MESSAGES, volumeTagOf, type Message } from "./frame.ts";
import { decodeRecords, encodeRecords } from "./log-record-codec.ts";
import { messages, records } from "./testing/samples.ts";
import { compareSlicesByFields } from "./testing/slice-fields.fixture.ts";
import type { WireErrorCode } from "./wire-error.ts";

compareSlicesByFields();

const TAG = 0x0a0b0c0d;
const refused = (code: WireErrorCode): Error => expect.objectContaining({ name: "WireError", code }) as Error;

/** The frame of `body` as an attacker would make it: with a checksum that fits. */
function forged(type: number, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(12 + body.length);
  frame.set([0x36, 0x46, 1, type]);
  new DataView(frame.buffer).setUint32(4, crc32(body, type), true);
  new DataView(frame.buffer).setUint32(8, TAG, true);
  frame.set(body, 12);
  return frame;
}

/** Named by kind and place within the kind, so that a new sample renames no other. */
function numbered<T>(samples: readonly T[], kindOf: (sample: T) => string): (readonly [string, T])[] {
  const seen = new Map<string, number>();
  return samples.map((sample) => {
    const kind = kindOf(sample);
    const n = (seen.get(kind) ?? 0) + 1;
    seen.set(kind, n);
    return [`${kind} ${n}`, sample] as const;
  });
}

describe("frames", () => {
  test("samples cover every message", () => {
    expect([...new Set(messages.map((m) => m.type))].sort()).toEqual(Object.keys(MESSAGES).sort());
  });

  test("numbers are each used once", () => {
    const numbers = Object.values(MESSAGES).map(([number]) => number);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  test.each(messages.map((m) => [m.type, m] as const))(
    "%s: decoding gives the message back",
    (_, message) => {
      expect(decodeFrame(encodeMessage(message, TAG), TAG)).toEqual(message);
    },
  );

  // A change here is a change of the format: give it a new type number or protocol version.
  test.each(numbered(messages, (m) => m.type))("golden vector: %s", (_, message) => {
    expect(Buffer.from(encodeMessage(message, TAG)).toString("hex")).toMatchSnapshot("hex");
  });

  test.each(numbered(records, (r) => r.kind))("golden vector: log record %s", (_, record) => {
    expect(Buffer.concat(encodeRecords([record])).toString("hex")).toMatchSnapshot("hex");
  });

  test("a Buffer decodes to plain bytes, which share it", () => {
    const sent = messages.find((m) => m.type === "append")!;
    const frame = Buffer.from(encodeMessage(sent, TAG));
    const append = decodeFrame(frame, TAG) as Extract<Message, { type: "append" }>;
    const { bytes } = append.slices[0]!;
    expect(bytes.constructor).toBe(Uint8Array);
    expect(bytes.buffer).toBe(frame.buffer);
  });

  test("what is wrong with a frame is told apart", () => {
    const frame = encodeMessage(messages[3]!, TAG);
    const changed = (at: number): Uint8Array => frame.map((b, i) => (i === at ? b ^ 1 : b));
    expect(() => decodeFrame(frame.subarray(0, 11), TAG)).toThrow(refused("bad-frame"));
    expect(() => decodeFrame(changed(0), TAG)).toThrow(refused("bad-frame"));
    expect(() => decodeFrame(changed(2), TAG)).toThrow(refused("wrong-protocol"));
    for (const at of [3, 4, 12, frame.length - 1])
      expect(() => decodeFrame(changed(at), TAG)).toThrow(refused("bad-checksum"));
    expect(() => decodeFrame(changed(8), TAG)).toThrow(refused("wrong-volume"));
    expect(() => decodeFrame(forged(200, new Uint8Array(3)), TAG)).toThrow(refused("unknown-message"));
    expect(() => decodeFrame(new Uint8Array(LIMITS.frameBytes + 1), TAG)).toThrow(refused("too-large"));
    const huge = { type: "status", request: 1, status: { text: "x".repeat(LIMITS.frameBytes) } } as const;
    expect(() => encodeMessage(huge, TAG)).toThrow(refused("too-large"));
  });

  test("a volume is known by its tag, but hello comes before that", () => {
    expect(volumeTagOf("main")).not.toBe(volumeTagOf("other"));
    expect(decodeFrame(encodeMessage(messages[0]!, 0), TAG).type).toBe("hello");
    expect(() => decodeFrame(encodeMessage(messages[3]!, 0), TAG)).toThrow(refused("wrong-volume"));
    const frame = encodeMessage(messages[3]!, TAG);
    expect(decodeFrame(frame, 0).type).toBe("append");
    expect(frameVolumeTag(frame)).toBe(TAG);
  });

  test("encoding the next frame leaves the ones before alone", () => {
    const frames = Array.from({ length: 2000 }, (_, i) => encodeMessage(messages[i % messages.length]!, TAG));
    frames.forEach((frame, i) => expect(decodeFrame(frame, TAG)).toEqual(messages[i % messages.length]));
  });
});

describe("log records", () => {
  test("decoding gives the records back, slices as views", () => {
    const block = new Uint8Array(Buffer.concat(encodeRecords(records)));
    const decoded = decodeRecords(block);
    expect(decoded).toEqual(records);
    const [first] = decoded;
    expect(first?.kind === "slices" && first.slices[0]?.bytes.buffer === block.buffer).toBe(true);
  });

  test("slices and states are not copied, and those that lie together are one chunk", () => {
    const block = new Uint8Array(Buffer.concat(encodeRecords(records)));
    const chunks = encodeRecords(decodeRecords(block)).filter(({ buffer }) => buffer === block.buffer);
    const own = records.flatMap((record) => {
      if (record.kind === "slices") return [Buffer.concat(record.slices.map((slice) => slice.bytes))];
      return record.kind === "checkpoint" ? [record.state] : [];
    });
    expect(chunks.map((chunk) => Buffer.from(chunk))).toEqual(own.map((bytes) => Buffer.from(bytes)));
  });

  test("a block cut off anywhere is refused, or ends between records", () => {
    const chunks = encodeRecords(records);
    const block = Buffer.concat(chunks);
    for (let n = 0; n < block.length; n++) {
      try {
        expect(decodeRecords(block.subarray(0, n))).toEqual(
          records.slice(0, decodeRecords(block.subarray(0, n)).length),
        );
      } catch (error) {
        expect(error).toMatchObject({ code: "bad-frame" });
      }
    }
  });
});
