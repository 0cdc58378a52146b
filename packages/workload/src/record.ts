/**
 * A YCSB record that can tell whether it is whole.
 *
 * Ten fields of text as published, and four numbers more: who wrote it last (`author`, `serial`), how often it was
 * read, modified and written (`changes`), and a checksum over all of it. A torn record, or one put together from two
 * versions, has the wrong sum; a lost update has too few changes.
 */
import type { Random } from "@sixfold/model";

export const FIELDS = 10;
export const FIELD_BYTES = 100;

export interface Record {
  readonly fields: readonly string[];
  /** The client that wrote this version; -1 for the loader. */
  readonly author: number;
  /** The author's own count of its writes. */
  readonly serial: number;
  /** Read-modify-writes since the load. */
  readonly changes: number;
  readonly sum: number;
}

export function makeRecord(parts: Omit<Record, "sum">): Record {
  return { ...parts, sum: sumOf(parts) };
}

/** `record` with one field exchanged and one change more. */
export function withField(
  record: Record,
  change: { readonly author: number; readonly serial: number; readonly field: number; readonly text: string },
): Record {
  const fields = record.fields.slice();
  fields[change.field] = change.text;
  return makeRecord({
    fields,
    author: change.author,
    serial: change.serial,
    changes: record.changes + 1,
  });
}

/** True if `record` is there and has the sum that belongs to it. */
export function isIntact(record: Record | undefined): record is Record {
  return (
    record !== undefined &&
    Array.isArray(record.fields) &&
    record.fields.length === FIELDS &&
    record.sum === sumOf(record)
  );
}

/** FNV-1a over numbers and text, 32 bits. A few microseconds for a thousand bytes. */
function sumOf(record: Omit<Record, "sum">): number {
  let hash = 0x811c9dc5;
  hash = Math.imul(hash ^ record.author, 0x01000193);
  hash = Math.imul(hash ^ record.serial, 0x01000193);
  hash = Math.imul(hash ^ record.changes, 0x01000193);
  for (const field of record.fields) {
    for (let i = 0; i < field.length; i++) hash = Math.imul(hash ^ field.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ 0xff, 0x01000193);
  }
  return hash >>> 0;
}

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
const POOL_BYTES = 64 * 1024;

/** Random text by slicing a pool: drawing every byte anew would cost more than the transaction. */
export class TextPool {
  private readonly pool: string;

  constructor(random: Random) {
    let text = "";
    for (let i = 0; i < POOL_BYTES; i++) text += LETTERS[random.int(LETTERS.length)]!;
    this.pool = text;
  }

  text(bytes: number, random: Random): string {
    const from = random.int(POOL_BYTES - bytes);
    return this.pool.slice(from, from + bytes);
  }

  fields(bytes: number, random: Random): string[] {
    return Array.from({ length: FIELDS }, () => this.text(bytes, random));
  }
}
