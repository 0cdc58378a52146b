/**
 * Session tokens: a read point as opaque bytes for users to carry about (`u8 format 1 | read point`).
 */
import type { ReadPoint } from "@sixfold/model";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { readReadPoint, writeReadPoint } from "./noun-codecs.ts";
import { badFrame } from "./wire-error.ts";

const FORMAT = 1;
const writer = new ByteWriter();

export function encodeSessionToken(point: ReadPoint): Uint8Array {
  writer.begin();
  writer.u8(FORMAT);
  writeReadPoint(writer, point);
  return writer.take();
}

/** Throws `WireError` "bad-frame" for bytes that are no token. */
export function decodeSessionToken(token: Uint8Array): ReadPoint {
  const r = new ByteReader(token);
  if (r.u8() !== FORMAT) badFrame("not a session token");
  const point = readReadPoint(r);
  r.finish();
  return point;
}
