/**
 * The index of a page store on disk: a log of where pages lie. Its first record is a snapshot, each further one a batch.
 *
 *      0        4        8          12        16
 *      | magic  | salt   | sequence | CRC-32 | entries | page, unit, extent | page, unit, extent | ...
 *
 * All u32, little endian; 12 bytes an entry (extent.ts), whose unit is 0xffffffff for a page that is removed. The sequence counts from 1, the salt is drawn
 * anew with each snapshot, and the CRC covers all but itself. What is written after the last sync before a crash may stand there in part: the
 * first record that is not valid ends the log, unless a later one is valid. Then the medium has lost what it was told to keep.
 */
import { crc32 } from "node:zlib";
import { packExtent, unitOf, type Extent } from "./extent.ts";

/** "6PX2": changes with the layout, never otherwise. */
const MAGIC = 0x32_58_50_36;
export const RECORD_HEADER_BYTES = 20;
export const ENTRY_BYTES = 12;
/** No extent begins there. */
export const REMOVED = 0xffff_ffff;

/** Where a page lies from now on, undefined if it is removed; or where more of it does. */
export type IndexEntry = readonly [page: number, extent: Extent | undefined, how?: "add" | undefined];

export interface RecordPlace {
  readonly salt: number;
  readonly sequence: number;
}

export function encodeRecord(place: RecordPlace, entries: readonly IndexEntry[]): Uint8Array {
  const record = new RecordWriter(place, entries.length);
  for (const entry of entries) record.add(entry);
  return record.finish();
}

/** A record that is written entry by entry. */
export class RecordWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = RECORD_HEADER_BYTES;

  constructor({ salt, sequence }: RecordPlace, entries: number) {
    this.#bytes = new Uint8Array(bytesOf(entries));
    this.#view = new DataView(this.#bytes.buffer);
    this.#view.setUint32(0, MAGIC, true);
    this.#view.setUint32(4, salt, true);
    this.#view.setUint32(8, sequence, true);
    this.#view.setUint32(16, entries, true);
  }

  add([page, extent, how]: IndexEntry): void {
    this.#view.setUint32(this.#at, page, true);
    this.#view.setUint32(this.#at + 4, extent === undefined ? REMOVED : unitOf(extent), true);
    this.#view.setUint32(this.#at + 8, extent === undefined ? 0 : packExtent(extent, how === "add"), true);
    this.#at += ENTRY_BYTES;
  }

  /** All entries that it was made for have been added. */
  finish(): Uint8Array {
    this.#view.setUint32(12, checksum(this.#bytes), true);
    return this.#bytes;
  }
}

/** What an index says, or why it cannot be believed. */
export type IndexRead =
  | {
      readonly kind: "whole";
      /** Where the next record goes. */
      readonly end: number;
      /** Bytes of the first record. */
      readonly snapshotBytes: number;
      /** Of the last record. */
      readonly place: RecordPlace;
    }
  | { readonly kind: "damaged"; readonly at: number };

/** An entry as it stands there: there may be millions. */
export type VisitEntry = (page: number, unit: number, packed: number) => void;

/** Tells every entry of an index in the order written. */
export function readIndex(index: Uint8Array, visit: VisitEntry): IndexRead {
  const first = recordAt(index, 0);
  if (first === undefined || first.sequence !== 1) return { kind: "damaged", at: 0 };
  const { salt } = first;
  let [end, sequence] = [0, 0];
  for (let next: Found | undefined = first; next !== undefined; next = recordAt(index, end)) {
    if (next.salt !== salt || next.sequence !== sequence + 1) break;
    visitEntries(index, end, next.entries, visit);
    sequence = next.sequence;
    end += bytesOf(next.entries);
  }
  if (hasLater(index, end, { salt, sequence })) return { kind: "damaged", at: end };
  return { kind: "whole", end, snapshotBytes: bytesOf(first.entries), place: { salt, sequence } };
}

interface Found extends RecordPlace {
  readonly entries: number;
}

const bytesOf = (entries: number): number => RECORD_HEADER_BYTES + ENTRY_BYTES * entries;

/** Everything of a record but its checksum. */
const checksum = (record: Uint8Array): number => crc32(record.subarray(16), crc32(record.subarray(0, 12)));

/** The record that begins there; undefined if none does, or it is damaged. O(its bytes). */
function recordAt(index: Uint8Array, at: number): Found | undefined {
  if (at + RECORD_HEADER_BYTES > index.length) return undefined;
  const view = new DataView(index.buffer, index.byteOffset + at);
  if (view.getUint32(0, true) !== MAGIC) return undefined;
  const entries = view.getUint32(16, true);
  if (at + bytesOf(entries) > index.length) return undefined;
  const record = index.subarray(at, at + bytesOf(entries));
  if (view.getUint32(12, true) !== checksum(record)) return undefined;
  return { salt: view.getUint32(4, true), sequence: view.getUint32(8, true), entries };
}

function visitEntries(index: Uint8Array, record: number, entries: number, visit: VisitEntry): void {
  const view = new DataView(index.buffer, index.byteOffset + record + RECORD_HEADER_BYTES);
  for (let at = 0; at < entries * ENTRY_BYTES; at += ENTRY_BYTES)
    visit(view.getUint32(at, true), view.getUint32(at + 4, true), view.getUint32(at + 8, true));
}

/** Is there a valid record of this index beyond one that is not? */
function hasLater(index: Uint8Array, from: number, last: RecordPlace): boolean {
  const mark = Buffer.alloc(8);
  mark.writeUInt32LE(MAGIC, 0);
  mark.writeUInt32LE(last.salt, 4);
  const bytes = Buffer.from(index.buffer, index.byteOffset, index.length);
  for (let at = bytes.indexOf(mark, from); at !== -1; at = bytes.indexOf(mark, at + 1)) {
    const found = recordAt(index, at);
    // The next one may be whole: it was being written. Those after it cannot have been begun.
    if (found !== undefined && found.sequence > last.sequence + 1) return true;
  }
  return false;
}
