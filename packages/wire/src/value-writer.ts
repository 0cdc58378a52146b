/** Values to MessagePack; the format stands in `value-codec`. */
import { SixfoldError } from "@sixfold/model";
import type { ByteWriter } from "./byte-writer.ts";

/** Ext types of ours; never renumbered. 0 is undefined, as other libraries have it. */
export const EXT = {
  undefined: 0,
  date: 1,
  bigint: 2,
  map: 3,
  set: 4,
  view: 5,
  regExp: 6,
  error: 7,
} as const;

/** Kinds of view, by place: append only. A kind's constructor makes it from a buffer of its own. */
export const VIEWS = [
  ArrayBuffer,
  DataView,
  Int8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
] as const;

/** Deeper nesting is refused; it also bounds the reader's recursion. */
export const DEPTH_MAX = 200;

const twoTo32 = 2 ** 32;
const floats = new DataView(new ArrayBuffer(8));

/** Where in the value the writer is; only looked at when something is refused. */
type Path = (string | number)[];

export function writeValue(w: ByteWriter, value: unknown, name: string): void {
  // Nothing is kept on the way down: the path is rebuilt by unwinding, and only for a refusal.
  try {
    write(w, value, 0);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw new SixfoldError("bad-request", `${name}${showPath(error.path)} ${error.fault}`);
  }
}

class Refusal extends Error {
  readonly path: Path = [];
  readonly fault: string;
  constructor(fault: string) {
    super(fault);
    this.fault = fault;
  }
}

function showPath(path: Path): string {
  return path
    .reverse()
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`))
    .join("");
}

function write(w: ByteWriter, value: unknown, depth: number): void {
  switch (typeof value) {
    case "string":
      return writeString(w, value);
    case "number":
      return writeNumber(w, value);
    case "boolean":
      return w.u8(value ? 0xc3 : 0xc2);
    case "undefined":
      w.u8(0xd4);
      w.u8(EXT.undefined);
      return w.u8(0);
    case "bigint":
      return writeBigint(w, value);
    case "object":
      if (value === null) return w.u8(0xc0);
      if (depth >= DEPTH_MAX) throw new Refusal(`is nested more than ${DEPTH_MAX} deep, or in itself`);
      return writeObject(w, value, depth + 1);
    default:
      throw new Refusal(`is a ${typeof value}, which cannot be stored`);
  }
}

function writeNumber(w: ByteWriter, value: number): void {
  if (value > 0 && value < 128 && Number.isInteger(value)) return w.u8(value);
  if (!Number.isInteger(value) || value >= twoTo32 || value < -(twoTo32 / 2) || Object.is(value, -0)) {
    floats.setFloat64(0, value);
    w.u8(0xcb);
    for (let i = 0; i < 8; i++) w.u8(floats.getUint8(i));
  } else if (value < 0) {
    if (value >= -32) return w.u8(value & 0xff);
    w.u8(0xd2);
    bigEndian(w, value, 4);
  } else if (value < 0x100) {
    w.u8(0xcc);
    w.u8(value);
  } else {
    w.u8(value < 0x1_0000 ? 0xcd : 0xce);
    bigEndian(w, value, value < 0x1_0000 ? 2 : 4);
  }
}

function bigEndian(w: ByteWriter, value: number, bytes: number): void {
  for (let shift = (bytes - 1) * 8; shift >= 0; shift -= 8) w.u8((value >>> shift) & 0xff);
}

function writeString(w: ByteWriter, value: string): void {
  const n = value.length;
  if (n < 32 && w.ascii(0xa0, value)) return;
  if (!isWellFormed(value)) throw new Refusal("holds half a surrogate pair, which has no UTF-8");
  const bytes = Buffer.byteLength(value);
  header(w, bytes, 0xa0, 32, 0xd9, 0xda);
  w.utf8(value, bytes);
}

/** Node.js 20 has it; the ES2023 types do not. */
function isWellFormed(value: string): boolean {
  return (value as unknown as { isWellFormed(): boolean }).isWellFormed();
}

/** A length: in the first byte if below `small`, else after a code of 8 (if `code8`), 16 or 32 bits. */
function header(w: ByteWriter, n: number, fix: number, small: number, code8: number, code16: number): void {
  if (n < small) w.u8(fix | n);
  else if (n < 0x100 && code8 > 0) {
    w.u8(code8);
    w.u8(n);
  } else {
    w.u8(n < 0x1_0000 ? code16 : code16 + 1);
    bigEndian(w, n, n < 0x1_0000 ? 2 : 4);
  }
}

function writeObject(w: ByteWriter, value: object, depth: number): void {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null)
    return writePlain(w, value as Record<string, unknown>, depth);
  if (Array.isArray(value)) {
    header(w, value.length, 0x90, 16, 0, 0xdc);
    for (let i = 0; i < value.length; i++) writeStep(w, value[i], depth, i);
    return;
  }
  if (value instanceof Uint8Array) return writeBin(w, value);
  if (value instanceof Date) return writeExt(w, EXT.date, (x) => x.f64(value.getTime()));
  if (value instanceof Map) return writeMap(w, value, depth);
  if (value instanceof Set) return writeSet(w, value, depth);
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return writeView(w, value);
  if (value instanceof RegExp) return writeWords(w, EXT.regExp, value.source, value.flags);
  if (value instanceof Error) return writeWords(w, EXT.error, value.name, value.message);
  if (
    value instanceof Promise ||
    value instanceof WeakMap ||
    value instanceof WeakSet ||
    value instanceof SharedArrayBuffer
  )
    throw new Refusal(`is a ${value.constructor.name}, which cannot be stored`);
  writePlain(w, value as Record<string, unknown>, depth);
}

function writePlain(w: ByteWriter, value: Record<string, unknown>, depth: number): void {
  const keys = Object.keys(value);
  header(w, keys.length, 0x80, 16, 0, 0xde);
  for (const key of keys) {
    writeString(w, key);
    writeStep(w, value[key], depth, key);
  }
}

function writeStep(w: ByteWriter, value: unknown, depth: number, step: string | number): void {
  if (typeof value === "number") return writeNumber(w, value);
  try {
    write(w, value, depth);
  } catch (error) {
    if (error instanceof Refusal && error.path.length < 16) error.path.push(step);
    throw error;
  }
}

function writeMap(w: ByteWriter, value: ReadonlyMap<unknown, unknown>, depth: number): void {
  writeExt(w, EXT.map, (x) => {
    for (const [k, v] of value) {
      writeStep(x, k, depth, "<key>");
      writeStep(x, v, depth, k !== null && typeof k === "object" ? "<object>" : String(k));
    }
  });
}

function writeSet(w: ByteWriter, value: ReadonlySet<unknown>, depth: number): void {
  writeExt(w, EXT.set, (x) => {
    for (const v of value) writeStep(x, v, depth, "<element>");
  });
}

function writeBin(w: ByteWriter, value: Uint8Array): void {
  if (value.length < 0x100) {
    w.u8(0xc4);
    w.u8(value.length);
  } else header(w, value.length, 0, 0, 0, 0xc5);
  w.raw(value);
}

function writeView(w: ByteWriter, value: ArrayBufferView | ArrayBuffer): void {
  const kind = VIEWS.findIndex((view) => value instanceof view);
  if (kind < 0) throw new Refusal("is a view of an unknown kind, which cannot be stored");
  const bytes =
    value instanceof ArrayBuffer
      ? new Uint8Array(value)
      : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  writeExt(w, EXT.view, (x) => {
    x.u8(kind);
    x.raw(bytes);
  });
}

function writeWords(w: ByteWriter, ext: number, first: string, second: string): void {
  writeExt(w, ext, (x) => {
    writeString(x, first);
    writeString(x, second);
  });
}

function writeBigint(w: ByteWriter, value: bigint): void {
  const magnitude = (value < 0n ? -value : value).toString(16);
  const digits = magnitude.length % 2 === 0 ? magnitude : `0${magnitude}`;
  writeExt(w, EXT.bigint, (x) => {
    x.u8(value < 0n ? 1 : 0);
    x.raw(Buffer.from(digits, "hex"));
  });
}

/** Ext with a length of 32 bits, so that it can be filled in afterwards. */
function writeExt(w: ByteWriter, ext: number, body: (w: ByteWriter) => void): void {
  w.u8(0xc9);
  const at = w.length;
  w.u32(0);
  w.u8(ext);
  body(w);
  w.patchU32BigEndian(at, w.length - at - 5);
}
