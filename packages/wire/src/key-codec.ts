/**
 * Keys: an encoding whose byte order is the order of the keys, so that storage need only compare bytes.
 *
 *     null       10
 *     false      20
 *     true       21
 *     number     30 | float 64, big-endian: sign bit flipped if positive, all bits if negative. -0 is 0
 *     bigint     40 | u16 big-endian: 8000 + n, or 8000 - n if negative | n bytes of magnitude, inverted if negative
 *     Date       50 | as a number: milliseconds
 *     string     60 | UTF-8                                       order of code points
 *     bytes      68 | the bytes
 *     tuple      70 | elements | 00                               element by element; a prefix comes first
 *
 * (codes in hex). So keys of different types never meet: **null < booleans < numbers < bigints < dates < strings < bytes <
 * tuples**; 1 and 1n are two keys. Within a tuple the end of a string or of bytes must be told: 00 in it is
 * written 00 FF, and 00 ends it. That keeps the order since every code, and the tuple's end, is below FF. (FoundationDB's
 * tuple layer does likewise.) Refused: NaN, invalid dates, half surrogate pairs, anything else.
 */
import { LIMITS, limitExceeded, SixfoldError } from "@sixfold/model";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { badFrame } from "./wire-error.ts";

export type Key = string | number | bigint | boolean | null | Date | Uint8Array | readonly Key[];

const NULL = 0x10;
const FALSE = 0x20;
const TRUE = 0x21;
const NUMBER = 0x30;
const BIGINT = 0x40;
const DATE = 0x50;
const STRING = 0x60;
const BYTES = 0x68;
const TUPLE = 0x70;
const END = 0x00;
const ESCAPED = 0xff;

const BIGINT_ZERO = 0x8000;
const DEPTH_MAX = 32;

const writer = new ByteWriter();
const encoder = new TextEncoder();
const floats = new DataView(new ArrayBuffer(8));

/** A key's bytes. Throws `SixfoldError` "bad-request" for what is no key and "limit-exceeded" for one that is too long. */
export function encodeKey(key: Key): Uint8Array {
  const w = writer;
  w.begin();
  if (typeof key !== "string" || key.length > LIMITS.keyBytes || !w.coded(STRING, key)) {
    w.begin();
    writeKey(w, key, 0);
  }
  if (w.length > LIMITS.keyBytes) throw limitExceeded("keyBytes", w.length, "the encoded key");
  return w.take();
}

/** The key that `bytes` are from `from` to `to`; shares nothing with them. Throws `WireError` "bad-frame" if they are none. */
export function decodeKey(bytes: Uint8Array, from = 0, to = bytes.length): Key {
  const r = new ByteReader(bytes, from, to);
  const key = readKey(r, r.u8(), 0);
  r.finish();
  return key;
}

/** `depth` is 0 for the key itself, whose end need not be told. */
function writeKey(w: ByteWriter, key: Key, depth: number): void {
  switch (typeof key) {
    case "string":
      if (key.length > LIMITS.keyBytes)
        throw limitExceeded("keyBytes", key.length, "the key, in characters,");
      if (!(key as unknown as { isWellFormed(): boolean }).isWellFormed())
        refuse("half a surrogate pair, which has no UTF-8");
      w.u8(STRING);
      return writeRun(w, encoder.encode(key), depth);
    case "number":
      if (Number.isNaN(key)) refuse("NaN, which has no place in an order");
      w.u8(NUMBER);
      return writeFloat(w, key);
    case "bigint":
      w.u8(BIGINT);
      return writeBigint(w, key);
    case "boolean":
      return w.u8(key ? TRUE : FALSE);
    case "object":
      return writeObject(w, key, depth);
    default:
      return refuse(typeof key);
  }
}

function writeObject(w: ByteWriter, key: null | Date | Uint8Array | readonly Key[], depth: number): void {
  if (key === null) w.u8(NULL);
  else if (key instanceof Date) {
    if (Number.isNaN(key.getTime())) refuse("an invalid Date");
    w.u8(DATE);
    writeFloat(w, key.getTime());
  } else if (key instanceof Uint8Array) {
    if (key.length > LIMITS.keyBytes) throw limitExceeded("keyBytes", key.length, "the key");
    w.u8(BYTES);
    writeRun(w, key, depth);
  } else if (Array.isArray(key)) {
    if (depth >= DEPTH_MAX) refuse(`a tuple nested more than ${DEPTH_MAX} deep`);
    if (key.length > LIMITS.keyBytes) throw limitExceeded("keyBytes", key.length, "the tuple, in elements,");
    w.u8(TUPLE);
    for (let i = 0; i < key.length; i++) writeKey(w, (key as readonly Key[])[i]!, depth + 1);
    w.u8(END);
  } else refuse("an object that is no Date, Uint8Array or array");
}

function refuse(what: string): never {
  throw new SixfoldError(
    "bad-request",
    `a key cannot be or hold ${what}; keys are string, number, bigint, Date, Uint8Array, boolean, null, or tuples of these`,
  );
}

function writeFloat(w: ByteWriter, value: number): void {
  // Adding 0 turns -0 into 0.
  floats.setFloat64(0, value + 0);
  const flip = value < 0 ? 0xff : 0;
  w.u8(floats.getUint8(0) ^ (flip | 0x80));
  for (let i = 1; i < 8; i++) w.u8(floats.getUint8(i) ^ flip);
}

function readFloat(r: ByteReader): number {
  const first = r.u8();
  const flip = first < 0x80 ? 0xff : 0;
  floats.setUint8(0, first ^ (flip | 0x80));
  for (let i = 1; i < 8; i++) floats.setUint8(i, r.u8() ^ flip);
  const value = floats.getFloat64(0);
  return Number.isNaN(value) || Object.is(value, -0) ? badFrame("not a number that a key has") : value;
}

function writeBigint(w: ByteWriter, value: bigint): void {
  const hex = value === 0n ? "" : (value < 0n ? -value : value).toString(16);
  const magnitude = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  const n = magnitude.length;
  if (n > LIMITS.keyBytes) throw limitExceeded("keyBytes", n, "the bigint");
  const length = value < 0n ? BIGINT_ZERO - n : BIGINT_ZERO + n;
  w.u8(length >>> 8);
  w.u8(length & 0xff);
  const flip = value < 0n ? 0xff : 0;
  for (let i = 0; i < n; i++) w.u8(magnitude[i]! ^ flip);
}

function readBigint(r: ByteReader): bigint {
  const length = (r.u8() << 8) | r.u8();
  if (length === BIGINT_ZERO) return 0n;
  const negative = length < BIGINT_ZERO;
  const magnitude = Buffer.from(r.raw(Math.abs(length - BIGINT_ZERO)));
  if (negative) for (let i = 0; i < magnitude.length; i++) magnitude[i]! ^= 0xff;
  if (magnitude[0] === 0) badFrame("a bigint with leading zeros");
  const value = BigInt(`0x${magnitude.toString("hex")}`);
  return negative ? -value : value;
}

function writeRun(w: ByteWriter, bytes: Uint8Array, depth: number): void {
  if (depth === 0) return w.raw(bytes);
  for (const byte of bytes) {
    w.u8(byte);
    if (byte === END) w.u8(ESCAPED);
  }
  w.u8(END);
}

/** A copy of the run without its escapes. */
function readRun(r: ByteReader, depth: number): Uint8Array {
  if (depth === 0) return r.raw(r.remaining).slice();
  const out: number[] = [];
  for (;;) {
    const byte = r.u8();
    if (byte === END) {
      // FF after 00 is an escape: no code that may follow an end is FF.
      if (r.remaining === 0 || r.bytes[r.at] !== ESCAPED) return Uint8Array.from(out);
      r.u8();
    }
    out.push(byte);
  }
}

function readKey(r: ByteReader, code: number, depth: number): Key {
  switch (code) {
    case NULL:
      return null;
    case FALSE:
      return false;
    case TRUE:
      return true;
    case NUMBER:
      return readFloat(r);
    case BIGINT:
      return readBigint(r);
    case DATE:
      return readDate(r);
    case STRING:
      return depth === 0 ? r.utf8(r.remaining) : readString(r, depth);
    case BYTES:
      return readRun(r, depth);
    case TUPLE: {
      if (depth >= DEPTH_MAX) badFrame("a tuple nested too deep");
      const out: Key[] = [];
      for (let next = r.u8(); next !== END; next = r.u8()) out.push(readKey(r, next, depth + 1));
      return out;
    }
    default:
      return badFrame(`unknown code ${code} in a key`);
  }
}

function readString(r: ByteReader, depth: number): string {
  const run = readRun(r, depth);
  return new ByteReader(run).utf8(run.length);
}

function readDate(r: ByteReader): Date {
  const date = new Date(readFloat(r));
  return Number.isNaN(date.getTime()) ? badFrame("an invalid date") : date;
}

/** Order of encoded keys: that of their bytes. Negative, 0 or positive. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  return Buffer.compare(a, b);
}
