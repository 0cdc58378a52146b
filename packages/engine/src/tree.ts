/**
 * Reading B+trees: point lookups and scans over any source of pages.
 *
 * A table's root never moves. Leaves are not linked: a scan remembers the separator at
 * which the leaf it has read ends and descends again, which needs no latch, no repair on
 * splits, and works the same on the newest pages and on the past.
 */
import { LIMITS, pageId, type PageId, type ByteArena } from "@sixfold/model";
import { readOverflow } from "./overflow.ts";
import {
  KIND_BRANCH,
  KIND_LEAF,
  cellAt,
  cellCount,
  childAt,
  compareCellKey,
  copyKey,
  rowIsOverflow,
  rowOverflowPage,
  rowValueAt,
  rowValueLength,
  keyStart,
  searchBranch,
  searchBranchBelow,
  searchLeaf,
  u16,
} from "./slotted-page.ts";
import type { MakeRow, Row, ScanRange } from "./engine-api.ts";
import type { PageReader } from "./page-reader.ts";
import { UNWIND, type Wants } from "./unwind.ts";

/** The leaf that covers `key`, as page id. */
export function findLeaf(reader: Pick<PageReader, "read">, root: PageId, key: Uint8Array): PageId {
  let page = root;
  for (;;) {
    const p = reader.read(page);
    if (p[0] !== KIND_BRANCH) return page;
    page = pageId(childAt(p, searchBranch(p, key)));
  }
}

/** The value of the row in `leaf` at slot `index`; a copy. Unwinds if overflow pages are missing. */
export function rowValue(reader: PageReader, leaf: Uint8Array, index: number): Uint8Array {
  const cell = cellAt(leaf, index);
  const length = rowValueLength(leaf, cell);
  if (rowIsOverflow(leaf, cell)) return readOverflow(reader, pageId(rowOverflowPage(leaf, cell)), length);
  const at = rowValueAt(leaf, cell);
  return reader.values.copy(leaf, at, at + length);
}

/** The value under `key`, or undefined. */
export function lookup(reader: PageReader, root: PageId, key: Uint8Array): Uint8Array | undefined {
  const leaf = reader.read(findLeaf(reader, root, key));
  const index = searchLeaf(leaf, key);
  return index < 0 || leaf[0] !== KIND_LEAF ? undefined : rowValue(reader, leaf, index);
}

/** Leaves asked for at once when a scan meets a missing one. */
const READ_AHEAD = 8;

/**
 * A scan under way. Kept over restarts by readers of a view, whose pages do not change.
 * Rows are collected leaf by leaf; a leaf that unwinds is read again whole.
 */
export class ScanCursor<T = Row> {
  readonly rows: T[] = [];
  /** Where to go on: keys at or after (forward), or before (reverse). Undefined: from the end of the tree. */
  private bound: Uint8Array | undefined;
  /** The bound itself belongs to the range (forward: skip it if not; reverse: take it if so). */
  private boundIncluded: boolean;
  private done = false;
  /** The leaf being read is the last. */
  private ended = false;
  bytes = 0;
  /** Rows and bytes of leaves that are done with. */
  private kept = 0;
  private keptBytes = 0;
  /** Rows of this leaf whose values are not here. */
  private missing = 0;
  more = false;
  private readonly range: ScanRange;
  private readonly limit: number;
  private readonly make: MakeRow<T>;
  private readonly values: boolean;
  /** Called for each page on the way, leaves included. */
  onPage: ((page: PageId) => void) | undefined = undefined;
  /** Called for each leaf read, before its rows are taken. */
  onLeaf: ((page: PageId) => void) | undefined = undefined;
  /** Called for each row taken, with its page and cell. */
  onRow: ((leaf: Uint8Array, cell: number) => void) | undefined = undefined;

  /** `values: false` leaves the values out: what is made of a row hears of none. */
  constructor(range: ScanRange, limit: number, make: MakeRow<T>, values = true) {
    this.range = range;
    this.make = make;
    this.limit = limit;
    this.values = values;
    if (range.reverse === true) {
      this.bound = range.lte ?? range.lt;
      this.boundIncluded = range.lte !== undefined;
    } else {
      this.bound = range.gte ?? range.gt ?? EMPTY;
      this.boundIncluded = range.gt === undefined;
    }
  }

  /** Runs to the end of the range or to a limit; or, false, over about `rows` more. Unwinds for missing pages; call it again then. */
  run(reader: PageReader, wants: Wants, root: PageId, rows = Number.POSITIVE_INFINITY): boolean {
    const until = this.kept + rows;
    while (!this.done) {
      if (this.kept >= until) return false;
      if (this.range.reverse === true) this.leafBackward(reader, wants, root);
      else this.leafForward(reader, wants, root);
    }
    return true;
  }

  private leafForward(reader: PageReader, wants: Wants, root: PageId): void {
    const from = this.bound!;
    let page = root;
    let next: Uint8Array | undefined;
    let p = reader.read(page);
    this.onPage?.(page);
    while (p[0] === KIND_BRANCH) {
      const i = searchBranch(p, from);
      const count = cellCount(p);
      if (i + 1 < count) next = copyKey(p, cellAt(p, i + 1));
      page = pageId(childAt(p, i));
      if (!reader.ready(page)) {
        if (p[1] === 1)
          for (let k = i + 1; k < count && k < i + READ_AHEAD; k++) reader.ready(pageId(childAt(p, k)));
        throw UNWIND;
      }
      p = reader.read(page);
      this.onPage?.(page);
    }
    this.beginLeaf(page);
    if (p[0] === KIND_LEAF) {
      const found = searchLeaf(p, from);
      const first = found < 0 ? -1 - found : this.boundIncluded ? found : found + 1;
      const count = cellCount(p);
      for (let i = first; i < count && this.take(reader, p, i); i++);
    }
    this.endLeaf(wants, next, true);
  }

  private leafBackward(reader: PageReader, wants: Wants, root: PageId): void {
    const from = this.bound;
    let page = root;
    let below: Uint8Array | undefined;
    let p = reader.read(page);
    this.onPage?.(page);
    while (p[0] === KIND_BRANCH) {
      const i = from !== undefined && this.boundIncluded ? searchBranch(p, from) : searchBranchBelow(p, from);
      if (i > 0) below = copyKey(p, cellAt(p, i));
      page = pageId(childAt(p, i));
      if (!reader.ready(page)) {
        if (p[1] === 1)
          for (let k = i - 1; k >= 0 && k > i - READ_AHEAD; k--) reader.ready(pageId(childAt(p, k)));
        throw UNWIND;
      }
      p = reader.read(page);
      this.onPage?.(page);
    }
    this.beginLeaf(page);
    if (p[0] === KIND_LEAF) {
      const found = from === undefined ? -1 - cellCount(p) : searchLeaf(p, from);
      const first = found < 0 ? -2 - found : this.boundIncluded ? found : found - 1;
      for (let i = first; i >= 0 && this.take(reader, p, i); i--);
    }
    this.endLeaf(wants, below, false);
  }

  private beginLeaf(page: PageId): void {
    this.onLeaf?.(page);
    this.rows.length = this.kept;
    this.bytes = this.keptBytes;
    this.missing = 0;
  }

  /** Takes one row; false at the end of the range or of what one answer may hold. A missing value is noted, and the rest of the leaf looked at. */
  private take(reader: PageReader, p: Uint8Array, index: number): boolean {
    const cell = cellAt(p, index);
    if (this.isBeyond(p, cell)) {
      this.ended = true;
      return false;
    }
    if (this.rows.length + this.missing >= this.limit || this.bytes >= LIMITS.scanBytes) {
      this.ended = true;
      this.more = true;
      return false;
    }
    this.onRow?.(p, cell);
    const keyFrom = keyStart(p, cell);
    const keyTo = keyFrom + u16(p, cell);
    const length = this.values ? rowValueLength(p, cell) : 0;
    this.bytes += keyTo - keyFrom + length + 16;
    if (length === 0 || !rowIsOverflow(p, cell)) {
      const from = rowValueAt(p, cell);
      this.rows.push(this.make(p, keyFrom, keyTo, p, from, from + length));
    } else {
      const value = readIfHere(reader, pageId(rowOverflowPage(p, cell)), length);
      if (value === undefined) this.missing++;
      else this.rows.push(this.make(p, keyFrom, keyTo, value, 0, length));
    }
    return true;
  }

  private endLeaf(wants: Wants, next: Uint8Array | undefined, included: boolean): void {
    if (wants.any) {
      this.ended = this.more = false;
      throw UNWIND;
    }
    this.kept = this.rows.length;
    this.keptBytes = this.bytes;
    this.done = this.ended || next === undefined;
    this.bound = next;
    this.boundIncluded = included;
  }

  private isBeyond(p: Uint8Array, cell: number): boolean {
    const r = this.range;
    if (r.reverse === true) {
      if (r.gte !== undefined) return compareCellKey(p, cell, r.gte) < 0;
      return r.gt !== undefined && compareCellKey(p, cell, r.gt) <= 0;
    }
    if (r.lte !== undefined) return compareCellKey(p, cell, r.lte) > 0;
    return r.lt !== undefined && compareCellKey(p, cell, r.lt) >= 0;
  }
}

const EMPTY = new Uint8Array(0);

/** A long value, or undefined if pages of it are missing; these are noted then. */
function readIfHere(reader: PageReader, first: PageId, length: number): Uint8Array | undefined {
  try {
    return readOverflow(reader, first, length);
  } catch (reason) {
    if (reason !== UNWIND) throw reason;
    return undefined;
  }
}

export const copyOfKey: MakeRow<Uint8Array> = (key, from, to) => key.slice(from, to);

/** Rows for whoever is far away: copies. */
export function copyRows(values: ByteArena): MakeRow<Row> {
  return (key, keyFrom, keyTo, value, from, to) => ({
    key: key.slice(keyFrom, keyTo),
    value: value === key ? values.copy(value, from, to) : value,
  });
}
