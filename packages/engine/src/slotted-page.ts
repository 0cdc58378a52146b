/**
 * Slotted pages: how rows and child pointers lie in a page. This file only reads; `cell-edit.ts` changes.
 *
 *     0     u8  kind      u8  level (0 = leaf)
 *     2     u16 count     cells
 *     4     u16 cellBytes size of the cell area, which grows down from the page's end
 *     6     u16 dead      bytes within the cell area that no slot points to
 *     8     u16 slot[count], offsets of cells in key order
 *     ...   free
 *     end-cellBytes  cells in any order
 *
 *     leaf cell    u16 keyLength | key | u32 stream | u48 lsn | u32 length | value
 *                  a length with the top bit set: the value lies in overflow pages, `value` is u32 first page
 *     branch cell  u16 keyLength | u32 child | key
 *
 * (little endian). A page of zeros is blank: kind 0, no cells. The key of a branch's first
 * cell counts as minus infinity. Child `i` covers keys from key `i` up to key `i+1`.
 * A branch's children's ranges shrink only by changes of those children (splits, the mark
 * left on a freed page), so that a writer with a stale branch is caught at the leaf (I3).
 */
import { LIMITS, assert, MIN_PAGE_BYTES } from "@sixfold/model";

export const KIND_BLANK = 0;
export const KIND_LEAF = 1;
export const KIND_BRANCH = 2;
export const KIND_OVERFLOW = 3;
export const KIND_VOLUME = 4;
export const KIND_EXTENT = 5;

export const PAGE_HEADER = 8;
export const SLOT_BYTES = 2;
/** Version and length of a row, between key and value. */
export const ROW_FIXED = 14;
const LEAF_FIXED = 2 + ROW_FIXED;
const BRANCH_FIXED = 6;
export const OVERFLOW_POINTER_BYTES = 4;
const OVERFLOW_FLAG = 0x80000000;

/** A leaf cell longer than this sends its value to overflow pages: at least three cells fit a page, so that any page can be split. */
export function maxCellBytes(pageBytes: number): number {
  const quarter = Math.floor((pageBytes - PAGE_HEADER) / 4) - SLOT_BYTES;
  return Math.max(quarter, LEAF_FIXED + LIMITS.keyBytes + OVERFLOW_POINTER_BYTES);
}

assert(
  3 * (maxCellBytes(MIN_PAGE_BYTES) + SLOT_BYTES) <= MIN_PAGE_BYTES - PAGE_HEADER,
  "three of the largest cells fit the smallest page",
);

export const u16 = (p: Uint8Array, at: number): number => p[at]! | (p[at + 1]! << 8);
export const u32 = (p: Uint8Array, at: number): number =>
  (p[at]! | (p[at + 1]! << 8) | (p[at + 2]! << 16) | (p[at + 3]! << 24)) >>> 0;

export function putU16(p: Uint8Array, at: number, value: number): void {
  p[at] = value & 0xff;
  p[at + 1] = value >>> 8;
}

export function putU32(p: Uint8Array, at: number, value: number): void {
  p[at] = value & 0xff;
  p[at + 1] = (value >>> 8) & 0xff;
  p[at + 2] = (value >>> 16) & 0xff;
  p[at + 3] = value >>> 24;
}

export const pageLevel = (p: Uint8Array): number => p[1]!;
export const cellCount = (p: Uint8Array): number => u16(p, 2);
export const cellAt = (p: Uint8Array, index: number): number => u16(p, PAGE_HEADER + SLOT_BYTES * index);
export const contiguousFree = (p: Uint8Array): number =>
  p.length - u16(p, 4) - PAGE_HEADER - SLOT_BYTES * u16(p, 2);
export const totalFree = (p: Uint8Array): number => contiguousFree(p) + u16(p, 6);

/** Where the key of the cell at `cell` begins. */
export const keyStart = (p: Uint8Array, cell: number): number =>
  p[0] === KIND_BRANCH ? cell + BRANCH_FIXED : cell + 2;

/** A copy of the cell's key. */
export function copyKey(p: Uint8Array, cell: number): Uint8Array {
  const start = keyStart(p, cell);
  return p.slice(start, start + u16(p, cell));
}

export const childAt = (p: Uint8Array, index: number): number => u32(p, cellAt(p, index) + 2);

/** Where the row's version begins: u32 stream, u48 lsn, u32 length, value. */
export const rowFixedAt = (p: Uint8Array, cell: number): number => cell + 2 + u16(p, cell);
export const rowStream = (p: Uint8Array, cell: number): number => u32(p, rowFixedAt(p, cell));
export function rowLsn(p: Uint8Array, cell: number): number {
  const at = rowFixedAt(p, cell) + 4;
  return u32(p, at) + u16(p, at + 4) * 0x100000000;
}
export const rowIsOverflow = (p: Uint8Array, cell: number): boolean =>
  (p[rowFixedAt(p, cell) + 13]! & 0x80) !== 0;
/** Length of the row's value, wherever it lies. */
export const rowValueLength = (p: Uint8Array, cell: number): number =>
  u32(p, rowFixedAt(p, cell) + 10) & ~OVERFLOW_FLAG;
export const rowValueAt = (p: Uint8Array, cell: number): number => rowFixedAt(p, cell) + ROW_FIXED;
export const rowOverflowPage = (p: Uint8Array, cell: number): number => u32(p, rowValueAt(p, cell));

export function putRowFixed(
  p: Uint8Array,
  at: number,
  stream: number,
  lsn: number,
  length: number,
  overflow: boolean,
): void {
  putU32(p, at, stream);
  putU32(p, at + 4, lsn >>> 0);
  putU16(p, at + 8, Math.floor(lsn / 0x100000000));
  putU32(p, at + 10, overflow ? (length | OVERFLOW_FLAG) >>> 0 : length);
}

/** Size of the cell at `cell`. */
export function cellBytes(p: Uint8Array, cell: number): number {
  const key = u16(p, cell);
  if (p[0] === KIND_BRANCH) return BRANCH_FIXED + key;
  return LEAF_FIXED + key + (rowIsOverflow(p, cell) ? OVERFLOW_POINTER_BYTES : rowValueLength(p, cell));
}

export const leafCellBytes = (key: number, inline: number): number => LEAF_FIXED + key + inline;
export const branchCellBytes = (key: number): number => BRANCH_FIXED + key;

/** memcmp order of the cell's key against `key`: negative, zero or positive. */
export function compareCellKey(p: Uint8Array, cell: number, key: Uint8Array): number {
  const length = u16(p, cell);
  const start = p[0] === KIND_BRANCH ? cell + BRANCH_FIXED : cell + 2;
  const shared = length < key.length ? length : key.length;
  for (let i = 0; i < shared; i++) {
    const d = p[start + i]! - key[i]!;
    if (d !== 0) return d;
  }
  return length - key.length;
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = a.length < b.length ? a.length : b.length;
  for (let i = 0; i < shared; i++) {
    const d = a[i]! - b[i]!;
    if (d !== 0) return d;
  }
  return a.length - b.length;
}

/** Index of the leaf cell with this key, or `-1 - index` of the place where it would go. */
export function searchLeaf(p: Uint8Array, key: Uint8Array): number {
  let low = 0;
  let high = u16(p, 2);
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareCellKey(p, u16(p, PAGE_HEADER + SLOT_BYTES * middle), key);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return -1 - low;
}

/** Index of the child that covers `key`. */
export function searchBranch(p: Uint8Array, key: Uint8Array): number {
  let low = 1;
  let high = u16(p, 2);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareCellKey(p, u16(p, PAGE_HEADER + SLOT_BYTES * middle), key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Index of the child that covers the keys just below `key`; the last child if there is no bound. */
export function searchBranchBelow(p: Uint8Array, key: Uint8Array | undefined): number {
  let low = 1;
  let high = u16(p, 2);
  if (key === undefined) return high - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareCellKey(p, u16(p, PAGE_HEADER + SLOT_BYTES * middle), key) < 0) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
