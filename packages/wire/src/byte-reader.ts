/**
 * Reads what `ByteWriter` wrote, from bytes that anyone may have made: every read is checked against
 * the end, and a fault throws `WireError`. Views handed out share the bytes given; nothing is copied.
 */
import { badFrame } from "./wire-error.ts";

const twoTo28 = 2 ** 28;
const maxHigh = 2 ** (53 - 28);
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const floats = new DataView(new ArrayBuffer(8));

/** Node's own way from bytes to a string, not among the types. It takes any view, so that none has to be made a Buffer first. */
const { latin1Slice } = Buffer.prototype as unknown as {
  latin1Slice: (this: Uint8Array, start: number, end: number) => string;
};

export class ByteReader {
  readonly bytes: Uint8Array;
  at: number;
  /** Reading stops here; may be moved inwards while a part of known length is read. */
  end: number;
  /** What `bytes` lies in, once a view was asked for: small arrays get memory outside the heap when it is looked at. */
  private store: ArrayBufferLike | undefined;
  private offset = 0;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    // A Buffer's `slice` shares where a Uint8Array's copies: never hand on one for the other.
    this.bytes =
      bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = at;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.at;
  }

  u8(): number {
    if (this.at >= this.end) badFrame("cut off");
    return this.bytes[this.at++]!;
  }

  /** The next byte, which stays the next. */
  peek(): number {
    if (this.at >= this.end) badFrame("cut off");
    return this.bytes[this.at]!;
  }

  u16(): number {
    const at = this.advance(2);
    return this.bytes[at]! | (this.bytes[at + 1]! << 8);
  }

  u32(): number {
    const at = this.advance(4);
    const b = this.bytes;
    return (b[at]! | (b[at + 1]! << 8) | (b[at + 2]! << 16) | (b[at + 3]! << 24)) >>> 0;
  }

  f64(): number {
    const at = this.advance(8);
    for (let i = 0; i < 8; i++) floats.setUint8(i, this.bytes[at + i]!);
    return floats.getFloat64(0, true);
  }

  /** A safe integer, 0 or more. */
  varint(): number {
    if (this.at >= this.end) badFrame("cut off");
    const first = this.bytes[this.at]!;
    if (first < 0x80) {
      this.at += 1;
      return first;
    }
    return this.longVarint();
  }

  /** A varint that is at most `max`. */
  bounded(max: number, what: string): number {
    const value = this.varint();
    if (value > max) badFrame(`${what} is ${value}, more than ${max}`);
    return value;
  }

  /** A varint that says how many things follow, each of at least `bytesEach` bytes; so no list is made that cannot be there. */
  count(bytesEach = 1): number {
    const n = this.varint();
    if (n * bytesEach > this.end - this.at) badFrame(`${n} elements do not fit`);
    return n;
  }

  bool(): boolean {
    const value = this.u8();
    if (value > 1) badFrame("a boolean is 0 or 1");
    return value === 1;
  }

  /** A view on the next `n` bytes. */
  raw(n: number): Uint8Array {
    const at = this.advance(n);
    return this.view(at, n);
  }

  /** A view on `n` bytes that were read already. Half the price of `subarray`. */
  view(at: number, n: number): Uint8Array {
    if (this.store === undefined) {
      this.store = this.bytes.buffer;
      this.offset = this.bytes.byteOffset;
    }
    return new Uint8Array(this.store, this.offset + at, n);
  }

  blob(): Uint8Array {
    return this.raw(this.varint());
  }

  /** Passes over a blob; returns how long it is. */
  skipBlob(): number {
    const length = this.varint();
    this.advance(length);
    return length;
  }

  text(maxBytes: number, what: string): string {
    return this.utf8(this.bounded(maxBytes, what));
  }

  /** Passes over a text, which is checked as if it were read. */
  passText(maxBytes: number, what: string): void {
    const n = this.bounded(maxBytes, what);
    const at = this.advance(n);
    if (!this.isAscii(at, at + n)) this.decoded(at, at + n);
  }

  /** `n` bytes of UTF-8. */
  utf8(n: number): string {
    const at = this.advance(n);
    const end = at + n;
    if (!this.isAscii(at, end)) return this.decoded(at, end);
    // A call into the runtime costs as much as some eight characters by hand.
    if (n > 8) return latin1Slice.call(this.bytes, at, end);
    return shortAscii(this.bytes, at, end);
  }

  /** Refuses bytes beyond what was read. */
  finish(): void {
    if (this.at !== this.end) badFrame(`${this.end - this.at} bytes too many`);
  }

  private advance(n: number): number {
    const at = this.at;
    if (n > this.end - at) badFrame("cut off");
    this.at = at + n;
    return at;
  }

  private isAscii(at: number, end: number): boolean {
    const bytes = this.bytes;
    let all = 0;
    for (let i = at; i < end; i++) all |= bytes[i]!;
    return all < 0x80;
  }

  private decoded(at: number, end: number): string {
    try {
      return decoder.decode(this.bytes.subarray(at, end));
    } catch {
      return badFrame("not UTF-8");
    }
  }

  private longVarint(): number {
    const bytes = this.bytes;
    const end = this.end;
    let at = this.at;
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      if (at >= end) badFrame("cut off");
      const byte = bytes[at++]!;
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.at = at;
        return low;
      }
    }
    let high = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      if (at >= end) badFrame("cut off");
      const byte = bytes[at++]!;
      high |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (high >= maxHigh) badFrame("a number beyond 2^53");
        this.at = at;
        return high * twoTo28 + low;
      }
    }
    return badFrame("a number beyond 2^53");
  }
}

/** At most eight characters, four at a time: one call for each would make a rope of strings. */
function shortAscii(b: Uint8Array, at: number, end: number): string {
  let out = "";
  for (; at + 4 <= end; at += 4) out += String.fromCharCode(b[at]!, b[at + 1]!, b[at + 2]!, b[at + 3]!);
  switch (end - at) {
    case 3:
      return out + String.fromCharCode(b[at]!, b[at + 1]!, b[at + 2]!);
    case 2:
      return out + String.fromCharCode(b[at]!, b[at + 1]!);
    case 1:
      return out + String.fromCharCode(b[at]!);
    default:
      return out;
  }
}
