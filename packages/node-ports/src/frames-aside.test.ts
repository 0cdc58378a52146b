/** Frames aside of a stream that comes in pieces of any size, against what was put into it. */
import { Random } from "@sixfold/model";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FramesAside } from "./frames-aside.ts";

const MAX_FRAME_BYTES = 1 << 20;
const LARGE_FROM = 1 << 16;
const HANDSHAKE = Buffer.from("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
const EMPTY = frameOf(0x82, new Uint8Array());

/** As a server sends it. */
function frameOf(first: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  if (length < 126) return Buffer.concat([Buffer.of(first, length), payload]);
  const header = Buffer.alloc(length < LARGE_FROM ? 4 : 10);
  header.set([first, length < LARGE_FROM ? 126 : 127]);
  if (length < LARGE_FROM) header.writeUInt16BE(length, 2);
  else header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}

class Stream {
  readonly random: Random;
  /** Lent and not handed on. */
  readonly lent: Uint8Array[] = [];
  readonly aside: FramesAside;
  private readonly passed: Buffer[] = [];
  /** No room was handed on while the system would have written to it. */
  isSafe = true;

  constructor(seed: number, roomFor?: (bytes: number) => Uint8Array | undefined) {
    this.random = new Random(seed);
    const room = (bytes: number): Uint8Array => {
      this.lent.push(new Uint8Array(new SharedArrayBuffer(bytes + 7), 3, bytes));
      return this.lent.at(-1)!;
    };
    this.aside = new FramesAside({ maxFrameBytes: MAX_FRAME_BYTES, roomFor: roomFor ?? room });
  }

  /** The system writes to where it was told last, and is told the next place when it is known what that brought. Returns all that ws was given. */
  bring(bytes: Uint8Array): Buffer {
    const largest = this.random.int(2) === 0 ? 5000 : 300_000;
    let { place } = this.aside;
    for (let at = 0; at < bytes.length;) {
      const piece = bytes.subarray(at, at + Math.min(place.length, 1 + this.random.int(largest)));
      place.set(piece);
      const given = this.aside.came(place.subarray(0, piece.length));
      if (given.length > 0 && this.lent.some(({ buffer }) => buffer === place.buffer)) this.isSafe = false;
      this.passed.push(given);
      at += piece.length;
      ({ place } = this.aside);
    }
    return Buffer.concat(this.passed);
  }
}

const payload = (random: Random): Uint8Array => {
  const sizes = [0, 1, 125, 126, 4000, LARGE_FROM - 1, LARGE_FROM, LARGE_FROM + random.int(400_000)];
  return new Uint8Array(sizes[random.int(sizes.length)]!).map((_, i) => i * 7 + (i >> 8));
};

describe("frames aside", () => {
  test("are the large ones, whole and in their turn, however the stream is cut; the rest is as it was", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), (seed) => {
        const stream = new Stream(seed);
        const [came, given, frames]: [Buffer[], Buffer[], Uint8Array[]] = [[HANDSHAKE], [HANDSHAKE], []];
        for (let n = 0; n < 12; n++) {
          const isPing = stream.random.int(5) === 0;
          const bytes = isPing ? Uint8Array.of(n) : payload(stream.random);
          const frame = frameOf(isPing ? 0x89 : 0x82, bytes);
          came.push(frame);
          const isLarge = bytes.length >= LARGE_FROM;
          given.push(isLarge ? EMPTY : frame);
          if (isLarge || bytes.length === 0) frames.push(bytes);
        }
        expect(Buffer.compare(stream.bring(Buffer.concat(came)), Buffer.concat(given))).toBe(0);
        for (const bytes of frames) expect(Buffer.compare(stream.aside.next(), bytes)).toBe(0);
        expect(stream.aside.next().length).toBe(0);
        expect(stream.isSafe).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  const large = frameOf(0x82, new Uint8Array(100_000).fill(3));
  const asItWas: Record<string, Buffer> = {
    "that is too large": frameOf(0x82, new Uint8Array(MAX_FRAME_BYTES + 1)),
    "that is masked": Buffer.concat([Buffer.of(0x82, 0xff), large.subarray(2, 10), large.subarray(6)]),
    "of text": frameOf(0x81, new Uint8Array(100_000).fill(65)),
    "of a reserved form": frameOf(0xc2, new Uint8Array(100_000)),
    "that says to be longer than any": Buffer.from(large).fill(255, 2, 10),
    "for which there is no room": large,
  };
  test.each(Object.entries(asItWas))("are none %s: ws has it as it came", (_what, frame) => {
    const roomFor = frame === large ? () => undefined : undefined;
    const stream = new Stream(1, roomFor);
    const came = Buffer.concat([HANDSHAKE, frame]);
    expect(Buffer.compare(stream.bring(came), came)).toBe(0);
    expect(stream.lent).toEqual([]);
  });

  test("are none once a frame has come in parts, for of those an empty one stands for nothing", () => {
    const stream = new Stream(1);
    const parts = [frameOf(0x02, new Uint8Array()), frameOf(0x80, new Uint8Array()), large, EMPTY];
    const given = stream.bring(Buffer.concat([HANDSHAKE, large, ...parts]));
    expect(Buffer.compare(given, Buffer.concat([HANDSHAKE, EMPTY, ...parts]))).toBe(0);
    expect([stream.aside.next().length, stream.aside.next().length]).toEqual([100_000, 0]);
  });

  test("are not begun by a frame that comes with the end of the handshake, or in the middle of it", () => {
    const stream = new Stream(1);
    const handshake = Buffer.from("HTTP/1.1 101 x\r\nA: \r\r\n\r\n");
    expect(
      Buffer.compare(stream.bring(Buffer.concat([handshake, large])), Buffer.concat([handshake, EMPTY])),
    ).toBe(0);
  });
});
