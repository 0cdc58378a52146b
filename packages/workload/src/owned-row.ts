/**
 * A row of `churn` and `long-values`: it knows its key, its author and its serial number, and its body follows from the
 * serial number and the size. So any reader can tell whether it is whole, and what it should have been.
 *
 * A body is put together from pieces of a pool at places that depend on serial and piece: a piece that is missing, exchanged or of
 * another version shows. Bodies of odd serials are bytes, the others text.
 */
import type { Random } from "@sixfold/model";
import type { RowKey } from "./database-face.ts";
import { nameOf } from "./row-keys.ts";

export interface OwnedRow {
  readonly key: RowKey;
  /** Unique over the run: the attempt that wrote it. */
  readonly serial: number;
  /** Of the body; one byte a character. */
  readonly size: number;
  readonly body: string | Uint8Array;
}

const POOL_BYTES = 64 * 1024;
/** Smaller than any page, so that pieces of two versions never make up a whole. */
const PIECE_BYTES = 1024;
const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

export class Bodies {
  private readonly text: string;
  private readonly bytes: Uint8Array;

  constructor(random: Random) {
    let text = "";
    for (let i = 0; i < POOL_BYTES; i++) text += LETTERS[random.int(LETTERS.length)]!;
    this.text = text;
    this.bytes = new TextEncoder().encode(text);
  }

  row(key: RowKey, serial: number, size: number): OwnedRow {
    return { key, serial, size, body: this.body(serial, size) };
  }

  /** What is wrong with `row`, found at `key`; undefined if it is whole. */
  fault(key: RowKey, row: OwnedRow): string | undefined {
    const name = nameOf(key);
    if (nameOf(row.key) !== name) return `row ${name} holds what was written to ${nameOf(row.key)}`;
    const { body, serial, size } = row;
    if (body.length !== size) return `row ${name} has ${body.length} of ${size} bytes of write ${serial}`;
    const expected = this.body(serial, size);
    if (typeof body === "string" ? body === expected : sameBytes(body, expected)) return undefined;
    return `row ${name} has a body that is not that of write ${serial}`;
  }

  private body(serial: number, size: number): string | Uint8Array {
    if (serial % 2 === 0) {
      let text = "";
      for (let at = 0; at < size; at += PIECE_BYTES) {
        const from = placeOf(serial, at);
        text += this.text.slice(from, from + Math.min(PIECE_BYTES, size - at));
      }
      return text;
    }
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += PIECE_BYTES) {
      const from = placeOf(serial, at);
      bytes.set(this.bytes.subarray(from, from + Math.min(PIECE_BYTES, size - at)), at);
    }
    return bytes;
  }
}

/** Where in the pool the piece at `at` begins. */
function placeOf(serial: number, at: number): number {
  let hash = Math.imul(serial ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(at + 1, 0xc2b2ae35);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return ((hash ^ (hash >>> 13)) >>> 0) % (POOL_BYTES - PIECE_BYTES);
}

function sameBytes(a: Uint8Array, b: string | Uint8Array): boolean {
  if (typeof b === "string" || a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
