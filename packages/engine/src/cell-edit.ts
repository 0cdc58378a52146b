/**
 * Changes of slotted pages, in few and small operations: an insert is one `move` of the slot
 * array, one slot, the header and the cell; an overwrite of the same size is the row's bytes.
 *
 * Space is taken from the free middle; what cells leave behind is counted as dead and won
 * back by `compact`, which rewrites the cell area, when the middle is used up.
 */
import { assert } from "@sixfold/model";
import type { PageEdit } from "./page-edit.ts";
import {
  OVERFLOW_POINTER_BYTES,
  PAGE_HEADER,
  ROW_FIXED,
  SLOT_BYTES,
  branchCellBytes,
  cellAt,
  cellBytes,
  cellCount,
  contiguousFree,
  leafCellBytes,
  putRowFixed,
  putU16,
  putU32,
  rowFixedAt,
  rowIsOverflow,
  rowValueAt,
  rowValueLength,
  totalFree,
  u16,
} from "./slotted-page.ts";

/** What a leaf cell holds besides its key: the value itself, or the page where it begins. */
export interface RowContent {
  stream: number;
  lsn: number;
  /** Inline value; ignored if `overflowPage` is set. */
  value: Uint8Array;
  /** Length of the value, wherever it lies. */
  length: number;
  /** First overflow page, or 0. */
  overflowPage: number;
}

const inlineBytes = (row: RowContent): number =>
  row.overflowPage === 0 ? row.length : OVERFLOW_POINTER_BYTES;

/** Makes a page an empty leaf or branch, whatever it was. */
export function formatPage(edit: PageEdit, kind: number, level: number): void {
  edit.changing(0, PAGE_HEADER);
  edit.image.fill(0, 0, PAGE_HEADER);
  edit.image[0] = kind;
  edit.image[1] = level;
  edit.changed(0, PAGE_HEADER);
}

/** Room for one more cell of `size` bytes, possibly after compaction? */
export const hasRoom = (page: Uint8Array, size: number): boolean => totalFree(page) >= size + SLOT_BYTES;

/** Is there room to replace the cell at `index` by one of `size` bytes? */
export const hasRoomInstead = (page: Uint8Array, index: number, size: number): boolean =>
  totalFree(page) + cellBytes(page, cellAt(page, index)) >= size;

/** Inserts a leaf cell before `index`. There must be room. */
export function insertRow(edit: PageEdit, index: number, key: Uint8Array, row: RowContent): void {
  const size = leafCellBytes(key.length, inlineBytes(row));
  const at = openCell(edit, index, size);
  edit.changing(at, size);
  const p = edit.image;
  putU16(p, at, key.length);
  for (let i = 0; i < key.length; i++) p[at + 2 + i] = key[i]!;
  writeRow(p, at + 2 + key.length, row);
  edit.changed(at, size);
}

/** Inserts a branch cell before `index`. There must be room. */
export function insertChild(edit: PageEdit, index: number, key: Uint8Array, child: number): void {
  const size = branchCellBytes(key.length);
  const at = openCell(edit, index, size);
  edit.changing(at, size);
  putU16(edit.image, at, key.length);
  putU32(edit.image, at + 2, child);
  edit.image.set(key, at + 6);
  edit.changed(at, size);
}

/** Replaces the row at `index`, whose key stays. There must be room. */
export function replaceRow(edit: PageEdit, index: number, row: RowContent): void {
  const p = edit.image;
  const old = cellAt(p, index);
  const oldSize = cellBytes(p, old);
  const size = leafCellBytes(u16(p, old), inlineBytes(row));
  if (size <= oldSize) {
    overwriteRow(edit, old, row);
    if (size < oldSize) edit.setU16(6, u16(p, 6) + oldSize - size);
    return;
  }
  const key = p.slice(old + 2, old + 2 + u16(p, old));
  if (contiguousFree(p) < size) compact(edit, index);
  else edit.setU16(6, u16(p, 6) + oldSize);
  const at = p.length - u16(p, 4) - size;
  assert(at >= PAGE_HEADER + SLOT_BYTES * cellCount(p), "a replaced row fits its page");
  edit.setU16(4, u16(p, 4) + size);
  edit.setU16(PAGE_HEADER + SLOT_BYTES * index, at);
  edit.changing(at, size);
  putU16(p, at, key.length);
  p.set(key, at + 2);
  writeRow(p, at + 2 + key.length, row);
  edit.changed(at, size);
}

/** Removes the cell at `index`. */
export function removeCell(edit: PageEdit, index: number): void {
  const p = edit.image;
  const count = cellCount(p);
  const size = cellBytes(p, cellAt(p, index));
  const slot = PAGE_HEADER + SLOT_BYTES * index;
  if (index + 1 < count) edit.move(slot, slot + SLOT_BYTES, SLOT_BYTES * (count - index - 1));
  edit.changing(2, 6);
  putU16(p, 2, count - 1);
  // An empty page needs no compaction later.
  putU16(p, 4, count === 1 ? 0 : u16(p, 4));
  putU16(p, 6, count === 1 ? 0 : u16(p, 6) + size);
  edit.changed(2, 6);
}

/** Cuts off the cells from `index` on. */
export function truncateCells(edit: PageEdit, index: number): void {
  const p = edit.image;
  let cut = 0;
  for (let i = index; i < cellCount(p); i++) cut += cellBytes(p, cellAt(p, i));
  edit.changing(2, 6);
  putU16(p, 2, index);
  putU16(p, 4, index === 0 ? 0 : u16(p, 4));
  putU16(p, 6, index === 0 ? 0 : u16(p, 6) + cut);
  edit.changed(2, 6);
}

/** Formats `to` as a page of the same kind and level as `from`, with a copy of the cells `[first, end)`. */
export function copyCells(to: PageEdit, from: Uint8Array, first: number, end: number): void {
  const p = to.image;
  let top = p.length;
  for (let i = first; i < end; i++) top -= cellBytes(from, cellAt(from, i));
  const head = PAGE_HEADER + SLOT_BYTES * (end - first);
  assert(head <= top, "copied cells fit the page");
  to.changing(0, head);
  if (top < p.length) to.changing(top, p.length - top);
  p[0] = from[0]!;
  p[1] = from[1]!;
  putU16(p, 2, end - first);
  putU16(p, 4, p.length - top);
  putU16(p, 6, 0);
  let at = p.length;
  for (let i = first; i < end; i++) {
    const cell = cellAt(from, i);
    const size = cellBytes(from, cell);
    at -= size;
    p.set(from.subarray(cell, cell + size), at);
    putU16(p, PAGE_HEADER + SLOT_BYTES * (i - first), at);
  }
  to.changed(0, head);
  if (top < p.length) to.changed(top, p.length - top);
}

function openCell(edit: PageEdit, index: number, size: number): number {
  const p = edit.image;
  if (contiguousFree(p) < size + SLOT_BYTES) compact(edit, -1);
  const count = cellCount(p);
  const at = p.length - u16(p, 4) - size;
  assert(at >= PAGE_HEADER + SLOT_BYTES * (count + 1), "an inserted cell fits its page");
  const slot = PAGE_HEADER + SLOT_BYTES * index;
  if (index < count) edit.move(slot + SLOT_BYTES, slot, SLOT_BYTES * (count - index));
  edit.setU16(slot, at);
  edit.changing(2, 4);
  putU16(p, 2, count + 1);
  putU16(p, 4, u16(p, 4) + size);
  edit.changed(2, 4);
  return at;
}

function writeRow(p: Uint8Array, at: number, row: RowContent): void {
  putRowFixed(p, at, row.stream, row.lsn, row.length, row.overflowPage !== 0);
  if (row.overflowPage !== 0) putU32(p, at + ROW_FIXED, row.overflowPage);
  else p.set(row.value, at + ROW_FIXED);
}

/** A run of equal bytes must be longer than this to be worth an operation of its own. */
const WORTH_SPLITTING = 16;

/** Writes a row over the one at `cell`, whose key stays; leaves out what is equal at both ends of the value. */
function overwriteRow(edit: PageEdit, cell: number, row: RowContent): void {
  const p = edit.image;
  const fixed = rowFixedAt(p, cell);
  const inline = inlineBytes(row);
  let same = 0;
  let tail = inline;
  if (row.overflowPage === 0 && !rowIsOverflow(p, cell)) {
    const at = rowValueAt(p, cell);
    const shared = Math.min(inline, rowValueLength(p, cell));
    while (same < shared && p[at + same] === row.value[same]) same++;
    if (shared === inline) while (tail > same && p[at + tail - 1] === row.value[tail - 1]) tail--;
  }
  const changed = tail - same;
  if (same > WORTH_SPLITTING && changed > 0) {
    edit.changing(fixed, ROW_FIXED);
    edit.changing(fixed + ROW_FIXED + same, changed);
    writeRow(p, fixed, row);
    edit.changed(fixed, ROW_FIXED);
    edit.changed(fixed + ROW_FIXED + same, changed);
  } else {
    const length = changed === 0 ? ROW_FIXED : ROW_FIXED + tail;
    edit.changing(fixed, length);
    writeRow(p, fixed, row);
    edit.changed(fixed, length);
  }
}

/** Rewrites the cell area without gaps, leaving out the cell of slot `except` (its slot is set to nowhere by the caller's next write). */
function compact(edit: PageEdit, except: number): void {
  const p = edit.image;
  const count = cellCount(p);
  const cells = new Uint8Array(u16(p, 4));
  const slots = new Uint8Array(SLOT_BYTES * count);
  let at = cells.length;
  const end = p.length;
  for (let i = 0; i < count; i++) {
    const cell = cellAt(p, i);
    if (i === except) {
      putU16(slots, SLOT_BYTES * i, cell);
      continue;
    }
    const size = cellBytes(p, cell);
    at -= size;
    cells.set(p.subarray(cell, cell + size), at);
    putU16(slots, SLOT_BYTES * i, end - cells.length + at);
  }
  const live = cells.length - at;
  edit.changing(2, 6);
  putU16(p, 4, live);
  putU16(p, 6, 0);
  edit.changed(2, 6);
  if (count > 0) edit.setBytes(PAGE_HEADER, slots);
  if (live > 0) edit.setBytes(end - live, cells.subarray(at));
}
