/**
 * A delta is a physical change of one page: its base version and a list of operations.
 *
 *     set(offset, bytes)            page[offset .. offset+n) = bytes
 *     move(to, from, length)        page[to .. to+n) = page[from .. from+n), as memmove does
 *
 * Operations are kept packed, in the form in which they travel, so that a writer
 * encodes them once while it changes its page, and a segment applies them without
 * building objects:
 *
 *     set   u8 1 | u16 offset | u16 length | bytes
 *     move  u8 2 | u16 to     | u16 from   | u16 length
 *
 * (little endian). Pages are at most 64 KiB; a length of 0 is never written. Applying
 * returns the reverse: packed `set`s that restore what was overwritten, to be applied
 * from last to first. Physical deltas with reverses rather than logical undo: nothing
 * uncommitted is ever in the log, so undo exists only in memory (DESIGN section 5).
 */
import { assert } from "./assert.ts";
import { ByteArena } from "./byte-arena.ts";
import type { PageId } from "./ids.ts";
import type { PageVersion } from "./version.ts";

export interface Delta {
  readonly page: PageId;
  /** The version this builds on; `NONE` for a page never written, which reads as zeros. */
  readonly base: PageVersion;
  /** Packed operations. */
  readonly ops: Uint8Array;
}

export const SET = 1;
export const MOVE = 2;
const SET_HEADER = 5;
const MOVE_BYTES = 7;
/** Longest run of one operation. */
export const MAX_RUN = 0xffff;

/**
 * What is wrong with packed operations from a peer or a disk, from `from` to `to` of `bytes`, or undefined if they are well formed for
 * pages of `pageBytes`.
 */
export function checkOps(
  bytes: Uint8Array,
  pageBytes: number,
  from = 0,
  to = bytes.length,
): string | undefined {
  let at = from;
  while (at < to) {
    const kind = bytes[at];
    if (kind === SET) {
      if (at + SET_HEADER > to) return "set: header cut off";
      const offset = u16(bytes, at + 1);
      const length = u16(bytes, at + 3);
      if (length === 0 || offset + length > pageBytes)
        return `set(${offset}, ${length} bytes) leaves the page`;
      at += SET_HEADER + length;
      if (at > to) return "set: bytes cut off";
    } else if (kind === MOVE) {
      if (at + MOVE_BYTES > to) return "move: cut off";
      const target = u16(bytes, at + 1);
      const source = u16(bytes, at + 3);
      const length = u16(bytes, at + 5);
      if (length === 0 || target + length > pageBytes || source + length > pageBytes)
        return `move(${target}, ${source}, ${length}) leaves the page`;
      at += MOVE_BYTES;
    } else return `unknown operation ${String(kind)}`;
  }
  return undefined;
}

/** Applies packed operations, from `from` to `to` of `bytes`, to `page` in place. They must have passed `checkOps`. */
export function applyOps(page: Uint8Array, bytes: Uint8Array, from = 0, to = bytes.length): void {
  let at = from;
  while (at < to) {
    if (bytes[at] === SET) {
      const offset = u16(bytes, at + 1);
      const length = u16(bytes, at + 3);
      const start = at + SET_HEADER;
      copyBytes(bytes, start, length, page, offset);
      at = start + length;
    } else {
      const target = u16(bytes, at + 1);
      const source = u16(bytes, at + 3);
      page.copyWithin(target, source, source + u16(bytes, at + 5));
      at += MOVE_BYTES;
    }
  }
}

/** Applies packed operations to `page` in place and returns the operations that take them back (see `revertOps`). */
export function applyOpsReversibly(page: Uint8Array, ops: Uint8Array): Uint8Array {
  const reverse = reverses.take(reverseBytes(ops));
  let end = 0;
  for (let at = 0; at < ops.length;) {
    const isSet = ops[at] === SET;
    const to = u16(ops, at + 1);
    const length = u16(ops, at + (isSet ? 3 : 5));
    reverse[end] = SET;
    putU16(reverse, end + 1, to);
    putU16(reverse, end + 3, length);
    copyBytes(page, to, length, reverse, end + SET_HEADER);
    end += SET_HEADER + length;
    if (isSet) {
      copyBytes(ops, at + SET_HEADER, length, page, to);
      at += SET_HEADER + length;
    } else {
      const from = u16(ops, at + 3);
      page.copyWithin(to, from, from + length);
      at += MOVE_BYTES;
    }
  }
  return reverse;
}

/** They live until no reader of the past is left: mostly for milliseconds. */
const reverses = new ByteArena();

function reverseBytes(ops: Uint8Array): number {
  let bytes = 0;
  for (let at = 0; at < ops.length;) {
    const isSet = ops[at] === SET;
    const length = u16(ops, at + (isSet ? 3 : 5));
    bytes += SET_HEADER + length;
    at += isSet ? SET_HEADER + length : MOVE_BYTES;
  }
  return bytes;
}

/** Takes back what `applyOpsReversibly` did; `reverse` is what it returned and `page` its result. */
export function revertOps(page: Uint8Array, reverse: Uint8Array): void {
  const starts: number[] = [];
  for (let at = 0; at < reverse.length; at += SET_HEADER + u16(reverse, at + 3)) starts.push(at);
  for (let i = starts.length - 1; i >= 0; i--) {
    const at = starts[i]!;
    page.set(reverse.subarray(at + SET_HEADER, at + SET_HEADER + u16(reverse, at + 3)), u16(reverse, at + 1));
  }
}

/** Builds packed operations. Grows as needed; `finish` hands the bytes out and must be the last call. */
export class OpsWriter {
  private bytes: Uint8Array;
  private length = 0;

  constructor(capacity = 128) {
    this.bytes = new Uint8Array(capacity);
  }

  get isEmpty(): boolean {
    return this.length === 0;
  }

  /** Adds `set(offset, from)`, copying the bytes. */
  set(offset: number, from: Uint8Array): void {
    assert(from.length > 0 && from.length <= MAX_RUN, "a set has 1 to 65535 bytes");
    const at = this.reserve(SET_HEADER + from.length);
    this.bytes[at] = SET;
    putU16(this.bytes, at + 1, offset);
    putU16(this.bytes, at + 3, from.length);
    if (from.length < 32) for (let i = 0; i < from.length; i++) this.bytes[at + SET_HEADER + i] = from[i]!;
    else this.bytes.set(from, at + SET_HEADER);
  }

  /** Adds `move(to, from, length)`. */
  move(to: number, from: number, length: number): void {
    assert(length > 0 && length <= MAX_RUN, "a move has 1 to 65535 bytes");
    const at = this.reserve(MOVE_BYTES);
    this.bytes[at] = MOVE;
    putU16(this.bytes, at + 1, to);
    putU16(this.bytes, at + 3, from);
    putU16(this.bytes, at + 5, length);
  }

  finish(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  private reserve(n: number): number {
    const at = this.length;
    this.length += n;
    if (this.length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.length, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, at));
      this.bytes = grown;
    }
    return at;
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 0xff;
  bytes[at + 1] = value >>> 8;
}

/** `length` bytes from `start` of one array to `at` of another. A short loop beats the fixed cost of `set`. */
function copyBytes(from: Uint8Array, start: number, length: number, to: Uint8Array, at: number): void {
  if (length < 32) for (let i = 0; i < length; i++) to[at + i] = from[start + i]!;
  else to.set(from.subarray(start, start + length), at);
}
