/**
 * One page being changed: the change is done in place, and written down twice on the way,
 * forward (the delta that travels) and in reverse (what undo and older readers need).
 *
 * Objects and their buffers are used again for entry after entry; `forward` and `reverse`
 * copy what must last. Both directions use model's packed operations.
 */
import { MAX_RUN, MOVE, SET, assert, revertOps, type PageVersion, type ByteArena } from "@sixfold/model";
import { putU16, putU32 } from "./slotted-page.ts";

const SET_HEADER = 5;
const MOVE_BYTES = 7;
const INITIAL = 1024;

/** Counts the bytes of all edits of one entry. */
export interface OpsMeter {
  opsBytes: number;
}

export class PageEdit {
  image!: Uint8Array;
  /** The page's version when the edit began. */
  base!: PageVersion;
  private ops: Uint8Array = new Uint8Array(INITIAL);
  private opsLength = 0;
  private undoOps: Uint8Array = new Uint8Array(INITIAL);
  private undoLength = 0;
  private readonly meter: OpsMeter;

  constructor(meter: OpsMeter) {
    this.meter = meter;
  }

  begin(image: Uint8Array, base: PageVersion): void {
    this.image = image;
    this.base = base;
    this.opsLength = 0;
    this.undoLength = 0;
  }

  get isEmpty(): boolean {
    return this.opsLength === 0;
  }

  /** Saves `length` bytes at `offset`, which the caller is about to overwrite in `image`; `changed` must follow. */
  changing(offset: number, length: number): void {
    assert(length > 0 && length <= MAX_RUN, "a change has 1 to 65535 bytes");
    const at = this.undoLength;
    const end = at + SET_HEADER + length;
    if (end > this.undoOps.length) this.undoOps = grown(this.undoOps, at, end);
    const out = this.undoOps;
    out[at] = SET;
    putU16(out, at + 1, offset);
    putU16(out, at + 3, length);
    copyRun(out, at + SET_HEADER, this.image, offset, length);
    this.undoLength = end;
  }

  /** Writes down the `length` bytes now at `offset`. */
  changed(offset: number, length: number): void {
    const at = this.opsLength;
    const end = at + SET_HEADER + length;
    if (end > this.ops.length) this.ops = grown(this.ops, at, end);
    const out = this.ops;
    out[at] = SET;
    putU16(out, at + 1, offset);
    putU16(out, at + 3, length);
    copyRun(out, at + SET_HEADER, this.image, offset, length);
    this.opsLength = end;
    this.meter.opsBytes += SET_HEADER + length;
  }

  setU16(offset: number, value: number): void {
    this.changing(offset, 2);
    putU16(this.image, offset, value);
    this.changed(offset, 2);
  }

  setU32(offset: number, value: number): void {
    this.changing(offset, 4);
    putU32(this.image, offset, value);
    this.changed(offset, 4);
  }

  setBytes(offset: number, from: Uint8Array): void {
    this.changing(offset, from.length);
    this.image.set(from, offset);
    this.changed(offset, from.length);
  }

  move(to: number, from: number, length: number): void {
    this.changing(to, length);
    this.image.copyWithin(to, from, from + length);
    const at = this.opsLength;
    if (at + MOVE_BYTES > this.ops.length) this.ops = grown(this.ops, at, at + MOVE_BYTES);
    const out = this.ops;
    out[at] = MOVE;
    putU16(out, at + 1, to);
    putU16(out, at + 3, from);
    putU16(out, at + 5, length);
    this.opsLength = at + MOVE_BYTES;
    this.meter.opsBytes += MOVE_BYTES;
  }

  /** The delta's operations; a copy. */
  forward(arena: ByteArena): Uint8Array {
    return arena.copy(this.ops, 0, this.opsLength);
  }

  /** What takes them back (`revertOps`); a copy. */
  reverse(arena: ByteArena): Uint8Array {
    return arena.copy(this.undoOps, 0, this.undoLength);
  }

  /** Takes back everything done since `begin`. */
  undo(): void {
    revertOps(this.image, this.undoOps.subarray(0, this.undoLength));
  }
}

function grown(bytes: Uint8Array, used: number, need: number): Uint8Array {
  const out = new Uint8Array(Math.max(need, bytes.length * 2));
  out.set(bytes.subarray(0, used));
  return out;
}

/** Short runs are faster byte by byte than through a view. */
function copyRun(to: Uint8Array, at: number, from: Uint8Array, offset: number, length: number): void {
  if (length <= 48) for (let i = 0; i < length; i++) to[at + i] = from[offset + i]!;
  else to.set(from.subarray(offset, offset + length), at);
}
