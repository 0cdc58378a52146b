/**
 * Log block: how a segment server's log stands on disk.
 *
 * A log is a run of files; a file is a run of blocks from offset 0, each directly after the one
 * before; a block is what one group sync made durable. After a crash the reader must tell the end of
 * the log from what lies beyond it: zeros of preallocation, a torn block, or stale remains of one.
 *
 *      0        4        8                 16        20        24         28         32
 *      | magic  |  salt  | sequence lo, hi | payload | payload | previous | header   | payload ...
 *      |        |        |                 | bytes   | CRC     | CRC      | CRC      |
 *
 * All integers little-endian and unsigned. Why each field is there:
 *  - sequence: counts blocks over all files, from 1; a stale block beyond the end has an older one.
 *  - previous CRC: the header CRC of the block before (0 for the first of the log), so that blocks
 *    form a chain and no block can be put in the place of another.
 *  - salt: chosen at random when the log is made, the same in all its blocks. Payloads hold users'
 *    bytes; without it a user could store a "valid later block" in a row and make a torn tail look
 *    like corruption. (The same trick as SQLite's WAL salts.)
 *  - header CRC: covers bytes 0 to 28, so that a length is believed before the payload is read.
 *
 * CRC is CRC-32 as in zlib, here as everywhere in Sixfold.
 */
import { crc32 } from "./checksum.ts";

/** Offsets of the fields, in bytes from the start of the block. */
export const logBlockLayout = {
  magic: 0,
  salt: 4,
  sequenceLow: 8,
  sequenceHigh: 12,
  payloadBytes: 16,
  payloadCrc: 20,
  previousCrc: 24,
  headerCrc: 28,
  payload: 32,
} as const;

export const logBlockHeaderBytes = logBlockLayout.payload;

/** "6LB1": changes with the layout, never otherwise. */
export const logBlockMagic = 0x31_42_4c_36;

const magicBytes = Uint8Array.of(0x36, 0x4c, 0x42, 0x31);
const twoTo32 = 2 ** 32;

export interface LogBlockHeader {
  readonly salt: number;
  readonly sequence: number;
  readonly payloadBytes: number;
  readonly payloadCrc: number;
  readonly previousCrc: number;
  readonly headerCrc: number;
}

/** What the author of a block chooses; the rest follows from the payload. */
export type LogBlockPlace = Pick<LogBlockHeader, "salt" | "sequence" | "previousCrc">;

/**
 * Writes the header for a payload given in chunks into `into` (at least `logBlockHeaderBytes` long).
 * O(payload), for its CRC. Returns the header CRC, which the next block carries as its `previousCrc`.
 */
export function encodeLogBlockHeader(
  place: LogBlockPlace,
  chunks: readonly Uint8Array[],
  into: Uint8Array,
): number {
  let payloadBytes = 0;
  let payloadCrc = 0;
  for (const chunk of chunks) {
    payloadBytes += chunk.byteLength;
    payloadCrc = crc32(chunk, payloadCrc);
  }
  const view = new DataView(into.buffer, into.byteOffset, logBlockHeaderBytes);
  view.setUint32(logBlockLayout.magic, logBlockMagic, true);
  view.setUint32(logBlockLayout.salt, place.salt, true);
  view.setUint32(logBlockLayout.sequenceLow, place.sequence % twoTo32, true);
  view.setUint32(logBlockLayout.sequenceHigh, Math.floor(place.sequence / twoTo32), true);
  view.setUint32(logBlockLayout.payloadBytes, payloadBytes, true);
  view.setUint32(logBlockLayout.payloadCrc, payloadCrc, true);
  view.setUint32(logBlockLayout.previousCrc, place.previousCrc, true);
  const headerCrc = crc32(into.subarray(0, logBlockLayout.headerCrc));
  view.setUint32(logBlockLayout.headerCrc, headerCrc, true);
  return headerCrc;
}

/** The header at `offset`, or `undefined` if none stands there whole. Says nothing of the payload. */
export function decodeLogBlockHeader(bytes: Uint8Array, offset: number): LogBlockHeader | undefined {
  if (offset + logBlockHeaderBytes > bytes.byteLength) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, logBlockHeaderBytes);
  if (view.getUint32(logBlockLayout.magic, true) !== logBlockMagic) return undefined;
  const headerCrc = view.getUint32(logBlockLayout.headerCrc, true);
  if (crc32(bytes.subarray(offset, offset + logBlockLayout.headerCrc)) !== headerCrc) return undefined;
  const high = view.getUint32(logBlockLayout.sequenceHigh, true);
  return {
    salt: view.getUint32(logBlockLayout.salt, true),
    sequence: high * twoTo32 + view.getUint32(logBlockLayout.sequenceLow, true),
    payloadBytes: view.getUint32(logBlockLayout.payloadBytes, true),
    payloadCrc: view.getUint32(logBlockLayout.payloadCrc, true),
    previousCrc: view.getUint32(logBlockLayout.previousCrc, true),
    headerCrc,
  };
}

/** True if `payload` is the one the header was made for. O(payload). */
export function logPayloadMatches(header: LogBlockHeader, payload: Uint8Array): boolean {
  return payload.byteLength === header.payloadBytes && crc32(payload) === header.payloadCrc;
}

/** The first offset at or after `from` where a header may begin (its magic stands there), or -1. */
export function findLogBlock(bytes: Uint8Array, from: number): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(magicBytes, from);
}

/** The codec as one value, in the shape that the log writer and reader of `@sixfold/ports` take it. */
export const logBlockCodec = {
  headerBytes: logBlockHeaderBytes,
  encodeHeader: encodeLogBlockHeader,
  decodeHeader: decodeLogBlockHeader,
  payloadMatches: logPayloadMatches,
  find: findLogBlock,
} as const;
