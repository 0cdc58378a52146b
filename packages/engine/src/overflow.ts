/**
 * Long values: overflow pages.
 *
 *     first page   u8 kind, 3 bytes 0 | u16 n, u16 0 | u32 page[n] | the value's first bytes
 *     page[i]      u8 kind, 7 bytes 0 | the next bytes
 *
 * The first page lists the others, so that all are fetched at once, and freeing a value
 * needs none but the first. It always has room for the list: 1 MiB in pages of 4 KiB is
 * 257 of them.
 */
import { LIMITS, MIN_PAGE_BYTES, assert, pageId, type PageId } from "@sixfold/model";
import type { EntryBuilder } from "./entry-builder.ts";
import type { Extents } from "./extents.ts";
import { KIND_OVERFLOW, PAGE_HEADER, putU16, putU32, u16, u32 } from "./slotted-page.ts";
import type { PageReader } from "./page-reader.ts";
import { UNWIND } from "./unwind.ts";

const ID_BYTES = 4;

assert(
  PAGE_HEADER + ID_BYTES * Math.ceil(LIMITS.valueBytes / (MIN_PAGE_BYTES - PAGE_HEADER)) <= MIN_PAGE_BYTES,
  "the first overflow page lists all others",
);

/** Pages beside the first that a value of `length` bytes needs. */
function furtherPages(pageBytes: number, length: number): number {
  const room = pageBytes - PAGE_HEADER;
  // Each further page costs an id in the first.
  return length <= room ? 0 : Math.ceil((length - room) / (room - ID_BYTES));
}

/** Pages that a value of `length` bytes needs. */
export const overflowPages = (pageBytes: number, length: number): number =>
  1 + furtherPages(pageBytes, length);

/** The whole value. Unwinds, with all missing pages noted. */
export function readOverflow(reader: PageReader, first: PageId, length: number): Uint8Array {
  const p = reader.read(first);
  assert(p[0] === KIND_OVERFLOW, "a row's overflow page holds a value");
  const n = u16(p, 4);
  let missing = false;
  for (let i = 0; i < n; i++) if (!reader.ready(pageId(u32(p, PAGE_HEADER + ID_BYTES * i)))) missing = true;
  if (missing) throw UNWIND;
  const value = new Uint8Array(length);
  let at = copyPart(value, 0, p, PAGE_HEADER + ID_BYTES * n);
  for (let i = 0; i < n; i++)
    at = copyPart(value, at, reader.read(pageId(u32(p, PAGE_HEADER + ID_BYTES * i))), PAGE_HEADER);
  assert(at === length, "overflow pages hold the whole value");
  return value;
}

function copyPart(value: Uint8Array, at: number, page: Uint8Array, from: number): number {
  const n = Math.min(value.length - at, page.length - from);
  value.set(page.subarray(from, from + n), at);
  return at + n;
}

/** Writes a value to new pages and returns the first. */
export function writeOverflow(builder: EntryBuilder, extents: Extents, value: Uint8Array): PageId {
  const n = furtherPages(extents.pageBytes, value.length);
  extents.reserve(builder, n + 1);
  const first = extents.allocate(builder);
  const edit = builder.edit(builder.head(first));
  const inFirst = Math.min(value.length, edit.image.length - PAGE_HEADER - ID_BYTES * n);
  const ids: PageId[] = [];
  let at = inFirst;
  for (let i = 0; i < n; i++) {
    const page = extents.allocate(builder);
    ids.push(page);
    const part = builder.edit(builder.head(page));
    const length = Math.min(value.length - at, part.image.length - PAGE_HEADER);
    part.changing(0, PAGE_HEADER + length);
    part.image.fill(0, 0, PAGE_HEADER);
    part.image[0] = KIND_OVERFLOW;
    part.image.set(value.subarray(at, at + length), PAGE_HEADER);
    part.changed(0, PAGE_HEADER + length);
    at += length;
  }
  assert(at === value.length, "overflow pages hold the whole value");
  const end = PAGE_HEADER + ID_BYTES * n + inFirst;
  edit.changing(0, end);
  edit.image.fill(0, 0, PAGE_HEADER);
  edit.image[0] = KIND_OVERFLOW;
  putU16(edit.image, 4, n);
  ids.forEach((id, i) => putU32(edit.image, PAGE_HEADER + ID_BYTES * i, id));
  edit.image.set(value.subarray(0, inFirst), PAGE_HEADER + ID_BYTES * n);
  edit.changed(0, end);
  return first;
}

/** Writes one of the pages that were picked for a value, ahead of the entry that takes them (`staged-values`). */
export function writeOverflowPage(
  builder: EntryBuilder,
  extents: Extents,
  value: Uint8Array,
  pages: readonly PageId[],
  index: number,
): void {
  const n = pages.length - 1;
  const list = index === 0 ? ID_BYTES * n : 0;
  const inFirst = extents.pageBytes - PAGE_HEADER - ID_BYTES * n;
  const room = extents.pageBytes - PAGE_HEADER;
  const from = index === 0 ? 0 : inFirst + (index - 1) * room;
  const length = Math.min(value.length - from, index === 0 ? inFirst : room);
  const edit = builder.edit(extents.touch(builder, pages[index]!));
  const end = PAGE_HEADER + list + length;
  edit.changing(0, end);
  edit.image.fill(0, 0, PAGE_HEADER);
  edit.image[0] = KIND_OVERFLOW;
  if (index === 0) {
    putU16(edit.image, 4, n);
    for (let i = 0; i < n; i++) putU32(edit.image, PAGE_HEADER + ID_BYTES * i, pages[i + 1]!);
  }
  edit.image.set(value.subarray(from, from + length), PAGE_HEADER + list);
  edit.changed(0, end);
}

/** Gives a value's pages back. */
export function freeOverflow(builder: EntryBuilder, extents: Extents, first: PageId): void {
  const p = builder.head(first).image;
  assert(p[0] === KIND_OVERFLOW, "a row's overflow page holds a value");
  const n = u16(p, 4);
  for (let i = 0; i < n; i++) extents.free(builder, pageId(u32(p, PAGE_HEADER + ID_BYTES * i)));
  extents.free(builder, first);
}
