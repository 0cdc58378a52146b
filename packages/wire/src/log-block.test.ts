import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeLogBlockHeader,
  encodeLogBlockHeader,
  findLogBlock,
  logBlockHeaderBytes,
  logBlockLayout,
  logPayloadMatches,
} from "./log-block.ts";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const place = fc.record({ salt: u32, sequence: fc.maxSafeNat(), previousCrc: u32 });

describe("log block", () => {
  test("golden vector: these bytes never change", () => {
    const into = new Uint8Array(logBlockHeaderBytes);
    const chunks = [Buffer.from("six"), Buffer.from("fold")];
    const crc = encodeLogBlockHeader(
      { salt: 0x01020304, sequence: 2 ** 33 + 5, previousCrc: 0xa0b0c0d0 },
      chunks,
      into,
    );
    expect(Buffer.from(into).toString("hex")).toBe(
      "364c4231" + "04030201" + "0500000002000000" + "07000000" + "7c45e478" + "d0c0b0a0" + "6037e66f",
    );
    expect(crc).toBe(crc32(into.subarray(0, logBlockLayout.headerCrc)));
  });

  test("what is encoded is decoded, at any offset, whatever the chunks", () => {
    fc.assert(
      fc.property(
        place,
        fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 5 }),
        fc.nat(40),
        (at, chunks, offset) => {
          const payload = Buffer.concat(chunks);
          const block = new Uint8Array(offset + logBlockHeaderBytes + payload.length);
          const headerCrc = encodeLogBlockHeader(at, chunks, block.subarray(offset));
          block.set(payload, offset + logBlockHeaderBytes);
          const header = decodeLogBlockHeader(block, offset);
          expect(header).toEqual({
            ...at,
            headerCrc,
            payloadBytes: payload.length,
            payloadCrc: crc32(payload),
          });
          expect(logPayloadMatches(header!, block.subarray(offset + logBlockHeaderBytes))).toBe(true);
          expect(findLogBlock(block, 0)).toBe(offset);
          expect(findLogBlock(block, offset + 1)).toBe(-1);
        },
      ),
    );
  });

  test("no single bit of a block may change unnoticed", () => {
    const payload = Buffer.from("votes");
    const block = new Uint8Array(logBlockHeaderBytes + payload.length);
    encodeLogBlockHeader({ salt: 7, sequence: 9, previousCrc: 11 }, [payload], block);
    block.set(payload, logBlockHeaderBytes);
    for (let bit = 0; bit < block.length * 8; bit++) {
      const damaged = block.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const header = decodeLogBlockHeader(damaged, 0);
      const whole = header !== undefined && logPayloadMatches(header, damaged.subarray(logBlockHeaderBytes));
      expect(whole, `bit ${bit}`).toBe(false);
    }
  });

  test("zeros, random bytes and cut headers are no header", () => {
    expect(decodeLogBlockHeader(new Uint8Array(100), 0)).toBeUndefined();
    const header = new Uint8Array(logBlockHeaderBytes);
    encodeLogBlockHeader({ salt: 1, sequence: 1, previousCrc: 0 }, [], header);
    for (let cut = 0; cut < header.length; cut++) {
      expect(decodeLogBlockHeader(header.subarray(0, cut), 0)).toBeUndefined();
    }
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 64 }), (bytes) => {
        expect(decodeLogBlockHeader(bytes, 0)).toBeUndefined();
      }),
    );
  });
});
