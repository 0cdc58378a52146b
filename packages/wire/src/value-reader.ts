/** MessagePack to values; the format stands in `value-codec`. Reads all of MessagePack except ext types that are not ours. */
import type { ByteReader } from "./byte-reader.ts";
import { DEPTH_MAX, EXT, VIEWS } from "./value-writer.ts";
import { badFrame } from "./wire-error.ts";

const BIGINT_BYTES_MAX = 1 << 20;
const twoTo32 = 2 ** 32;
const floats = new DataView(new ArrayBuffer(8));

export function readValue(r: ByteReader, depth: number): unknown {
  if (depth > DEPTH_MAX) badFrame("nested too deep");
  const code = r.u8();
  if (code < 0x80) return code;
  if (code >= 0xe0) return code - 0x100;
  if (code < 0x90) return readObject(r, code & 0x0f, depth + 1);
  if (code < 0xa0) return readArray(r, code & 0x0f, depth + 1);
  if (code < 0xc0) return r.utf8(code & 0x1f);
  return readCoded(r, code, depth);
}

function readCoded(r: ByteReader, code: number, depth: number): unknown {
  switch (code) {
    case 0xc0:
      return null;
    case 0xc2:
      return false;
    case 0xc3:
      return true;
    case 0xc4:
      return r.raw(r.u8()).slice();
    case 0xc5:
      return r.raw(u16(r)).slice();
    case 0xc6:
      return r.raw(u32(r)).slice();
    case 0xca:
      return float(r, 4);
    case 0xcb:
      return float(r, 8);
    case 0xcc:
      return r.u8();
    case 0xcd:
      return u16(r);
    case 0xce:
      return u32(r);
    case 0xcf:
      return integer64(u32(r), u32(r));
    case 0xd0:
      return (r.u8() << 24) >> 24;
    case 0xd1:
      return (u16(r) << 16) >> 16;
    case 0xd2:
      return u32(r) | 0;
    case 0xd3:
      return integer64(u32(r) | 0, u32(r));
    case 0xd9:
      return r.utf8(r.u8());
    case 0xda:
      return r.utf8(u16(r));
    case 0xdb:
      return r.utf8(u32(r));
    case 0xdc:
      return readArray(r, u16(r), depth + 1);
    case 0xdd:
      return readArray(r, u32(r), depth + 1);
    case 0xde:
      return readObject(r, u16(r), depth + 1);
    case 0xdf:
      return readObject(r, u32(r), depth + 1);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
      return readExt(r, 1 << (code - 0xd4), depth + 1);
    case 0xc7:
      return readExt(r, r.u8(), depth + 1);
    case 0xc8:
      return readExt(r, u16(r), depth + 1);
    case 0xc9:
      return readExt(r, u32(r), depth + 1);
    default:
      return badFrame(`unknown code ${code} in a value`);
  }
}

function readArray(r: ByteReader, n: number, depth: number): unknown[] {
  if (n > r.remaining) badFrame("an array is cut off");
  const out: unknown[] = [];
  for (let i = 0; i < n; i++) out.push(readValue(r, depth));
  return out;
}

function readObject(r: ByteReader, n: number, depth: number): Record<string, unknown> {
  if (n * 2 > r.remaining) badFrame("an object is cut off");
  const out: Record<string, unknown> = {};
  for (let i = 0; i < n; i++) {
    const key = readKey(r, depth);
    const value = readValue(r, depth);
    // Plain assignment would set the prototype.
    if (key === "__proto__")
      Object.defineProperty(out, key, { value, enumerable: true, writable: true, configurable: true });
    else out[key] = value;
  }
  return out;
}

/**
 * Keys seen lately, by a hash of their bytes. The same few names come in every row; making them anew, and hashing
 * them again to find the property, is half of the cost of a small object. Only ASCII up to 31 characters.
 */
const KEYS_KEPT = 1024;
const keys: (string | undefined)[] = Array.from({ length: KEYS_KEPT }, () => undefined);

function readKey(r: ByteReader, depth: number): string {
  const code = r.peek();
  if (code < 0xa0 || code > 0xbf) {
    const key = readValue(r, depth);
    return typeof key === "string" ? key : badFrame("an object's key is a string");
  }
  const n = code & 0x1f;
  if (n >= r.remaining) badFrame("cut off");
  const { bytes } = r;
  const from = r.at + 1;
  let hash = n;
  for (let i = 0; i < n; i++) hash = (Math.imul(hash, 31) + bytes[from + i]!) | 0;
  const slot = hash & (KEYS_KEPT - 1);
  const kept = keys[slot];
  if (kept !== undefined && isText(kept, bytes, from, n)) {
    r.at = from + n;
    return kept;
  }
  r.at = from;
  const key = r.utf8(n);
  if (key.length === n) keys[slot] = key;
  return key;
}

function isText(text: string, bytes: Uint8Array, from: number, n: number): boolean {
  if (text.length !== n) return false;
  for (let i = 0; i < n; i++) if (text.charCodeAt(i) !== bytes[from + i]) return false;
  return true;
}

function readExt(r: ByteReader, bytes: number, depth: number): unknown {
  const ext = r.u8();
  if (bytes > r.remaining) badFrame("an ext is cut off");
  const outerEnd = r.end;
  r.end = r.at + bytes;
  const value = readExtBody(r, ext, depth);
  r.finish();
  r.end = outerEnd;
  return value;
}

function readExtBody(r: ByteReader, ext: number, depth: number): unknown {
  switch (ext) {
    case EXT.undefined:
      r.raw(r.remaining);
      return undefined;
    case EXT.date:
      return new Date(r.f64());
    case EXT.bigint:
      return readBigint(r);
    case EXT.map: {
      const out = new Map<unknown, unknown>();
      while (r.remaining > 0) out.set(readValue(r, depth), readValue(r, depth));
      return out;
    }
    case EXT.set: {
      const out = new Set<unknown>();
      while (r.remaining > 0) out.add(readValue(r, depth));
      return out;
    }
    case EXT.view:
      return readView(r);
    case EXT.regExp:
      return readRegExp(r, depth);
    case EXT.error:
      return readError(r, depth);
    default:
      return badFrame(`unknown ext ${ext} in a value`);
  }
}

function readBigint(r: ByteReader): bigint {
  const negative = r.bool();
  if (r.remaining === 0 || r.remaining > BIGINT_BYTES_MAX) badFrame("a bigint of no or too many bytes");
  const magnitude = BigInt(`0x${Buffer.from(r.raw(r.remaining)).toString("hex")}`);
  return negative ? -magnitude : magnitude;
}

function readView(r: ByteReader): unknown {
  const view = VIEWS[r.u8()] ?? badFrame("unknown kind of view");
  const bytes = r.raw(r.remaining).slice();
  if (view === ArrayBuffer) return bytes.buffer;
  const size = "BYTES_PER_ELEMENT" in view ? view.BYTES_PER_ELEMENT : 1;
  if (bytes.length % size !== 0) badFrame("a view of half an element");
  return new (view as new (buffer: ArrayBuffer) => unknown)(bytes.buffer);
}

function readRegExp(r: ByteReader, depth: number): RegExp {
  const source = readText(r, depth);
  const flags = readText(r, depth);
  try {
    return new RegExp(source, flags);
  } catch {
    return badFrame("not a regular expression");
  }
}

function readError(r: ByteReader, depth: number): Error {
  const name = readText(r, depth);
  const error = new Error(readText(r, depth));
  if (name !== "Error") error.name = name;
  return error;
}

function readText(r: ByteReader, depth: number): string {
  const value = readValue(r, depth);
  return typeof value === "string" ? value : badFrame("a string was expected");
}

function u16(r: ByteReader): number {
  return (r.u8() << 8) | r.u8();
}

function u32(r: ByteReader): number {
  return ((r.u8() << 24) | (r.u8() << 16) | (r.u8() << 8) | r.u8()) >>> 0;
}

/** We never write these; others do. Beyond 2^53 they are no numbers of JavaScript. */
function integer64(high: number, low: number): number {
  const value = high * twoTo32 + low;
  return Number.isSafeInteger(value) ? value : badFrame("an integer beyond 2^53");
}

function float(r: ByteReader, bytes: 4 | 8): number {
  for (let i = 0; i < bytes; i++) floats.setUint8(i, r.u8());
  return bytes === 4 ? floats.getFloat32(0) : floats.getFloat64(0);
}
