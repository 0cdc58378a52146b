/**
 * Where new pages come from: extents of 64 pages, each owned by one stream, so that two
 * writers never fight over the allocator.
 *
 *     page 0, volume header   u8 kind, 7 bytes 0 | u32 magic | u32 next extent
 *     extent header           u8 kind, 7 bytes 0 | u32 owner | u32 0 | used u8[8] | touched u8[8]
 *
 * `used`: the page is allocated. `touched`: it was allocated before at some time, so that it
 * has a version and must be loaded; an untouched page needs no load (base `NONE`, zeros).
 *
 * Claims are small entries of their own, made ahead of need: they meet rivals on page 0,
 * and nothing else should have to wait for that. Extents of closed streams are adopted
 * when a claim is due: a cursor goes over the volume's headers, a few each time.
 */
import {
  EXTENT_PAGES,
  RESERVED_PAGES,
  VOLUME_HEADER_PAGE,
  assert,
  extentHeaderPage,
  extentOf,
  pageId,
  type PageId,
  type StreamId,
} from "@sixfold/model";
import type { EntryBuilder } from "./entry-builder.ts";
import type { Frame } from "./frame.ts";
import { KIND_EXTENT, KIND_VOLUME, PAGE_HEADER, putU32, u32 } from "./slotted-page.ts";
import { UNWIND, type Wants } from "./unwind.ts";

const MAGIC = 0x53495846; // "SIXF"
const NEXT_EXTENT = PAGE_HEADER + 4;
const OWNER = PAGE_HEADER;
const USED = PAGE_HEADER + 8;
const TOUCHED = USED + EXTENT_PAGES / 8;
const HEADER_END = TOUCHED + EXTENT_PAGES / 8;
/** Pages of a claimed extent that can be allocated: all but its header. */
const USABLE = EXTENT_PAGES - 1;
/** Fewer free pages than this: time for a claim. */
const LOW_PAGES = 32;
const MAX_CLAIM = 16;
/** Headers looked at for adoption with each claim, and free pages that make it worth while. */
const PROBES = 4;
const WORTH_ADOPTING = 16;

export class Extents {
  readonly pageBytes: number;
  private stream = 0;
  /** Own extents that may have a free page, oldest claim first. */
  private active: number[] = [];
  private claimed = 0;
  private cursor = 0;
  private readonly closed = new Set<number>();
  private settledThrough = 0;
  private allocated = false;
  /** Free pages that are not allocated all the same, by extent: values are written on them ahead (`staged-values`). */
  private readonly reserved = new Map<number, Set<PageId>>();
  private readonly wants: Wants;

  constructor(pageBytes: number, wants: Wants) {
    this.pageBytes = pageBytes;
    this.wants = wants;
  }

  open(stream: StreamId): void {
    this.stream = stream;
    this.active = [];
    this.claimed = 0;
    this.cursor = 0;
    this.reserved.clear();
  }

  streamClosed(stream: StreamId): void {
    this.closed.add(stream);
  }

  settle(through: StreamId): void {
    this.settledThrough = Math.max(this.settledThrough, through);
    for (const s of this.closed) if (s <= through) this.closed.delete(s);
  }

  /** Writes the headers of volume and first extent. */
  format(builder: EntryBuilder): void {
    const volume = builder.edit(builder.head(VOLUME_HEADER_PAGE));
    volume.changing(0, NEXT_EXTENT + 4);
    volume.image.fill(0, 0, NEXT_EXTENT + 4);
    volume.image[0] = KIND_VOLUME;
    putU32(volume.image, PAGE_HEADER, MAGIC);
    putU32(volume.image, NEXT_EXTENT, 1);
    volume.changed(0, NEXT_EXTENT + 4);
    this.writeHeader(builder, 0, RESERVED_PAGES);
  }

  /** Does this extent belong to the own stream now? After a claim was taken back it does not. */
  own(extent: number): void {
    if (!this.active.includes(extent)) this.active.push(extent);
  }

  /** The claim was taken back. */
  disown(extents: readonly number[]): void {
    this.claimed -= extents.length;
    this.active = this.active.filter((e) => !extents.includes(e));
  }

  /** Unwinds unless `n` pages are free. */
  reserve(builder: EntryBuilder, n: number): void {
    const free = this.freePages(builder);
    if (free >= n) return;
    this.wants.freePages = n - free;
    throw UNWIND;
  }

  /** A page of an own extent; its frame is in the pool, its content is for the caller to format. Unwinds if there is none. */
  allocate(builder: EntryBuilder): PageId {
    for (let i = 0; i < this.active.length; i++) {
      const extent = this.active[i]!;
      const header = builder.head(extentHeaderPage(extent));
      const bit = this.isOwn(header.image) ? firstFree(header.image, this.reserved.get(extent), extent) : -1;
      if (bit < 0) {
        this.active.splice(i--, 1);
        continue;
      }
      const page = pageId(extent * EXTENT_PAGES + bit);
      const touched = (header.image[TOUCHED + (bit >>> 3)]! >>> (bit & 7)) & 1;
      if (touched === 1) builder.head(page);
      else builder.fresh(page);
      const edit = builder.edit(header);
      this.allocated = true;
      setBit(edit, USED, bit, true);
      if (touched === 0) setBit(edit, TOUCHED, bit, true);
      return page;
    }
    this.wants.freePages = 1;
    throw UNWIND;
  }

  /**
   * Reserves `n` free pages without allocating them. Unwinds, with none reserved, unless there are as many. The entry being built relies on
   * their being free, by whatever undecided entry of this writer they may have become so.
   */
  pick(builder: EntryBuilder, n: number): PageId[] {
    this.reserve(builder, n);
    const picked: PageId[] = [];
    for (const extent of this.active) {
      const header = builder.head(extentHeaderPage(extent));
      if (!this.isOwn(header.image)) continue;
      const reserved = this.reserved.get(extent) ?? new Set();
      const before = picked.length;
      while (picked.length < n) {
        const bit = firstFree(header.image, reserved, extent);
        if (bit < 0) break;
        const page = pageId(extent * EXTENT_PAGES + bit);
        reserved.add(page);
        picked.push(page);
      }
      if (picked.length === before) continue;
      this.reserved.set(extent, reserved);
      builder.relyOn(header);
    }
    assert(picked.length === n, "as many pages as were counted are free");
    this.allocated = true;
    return picked;
  }

  /** Reserved pages are like others again; those that were taken have been allocated meanwhile. */
  release(pages: readonly PageId[]): void {
    for (const page of pages) {
      const extent = extentOf(page);
      const reserved = this.reserved.get(extent);
      if (reserved?.delete(page) !== true) continue;
      if (reserved.size === 0) this.reserved.delete(extent);
      this.own(extent);
    }
  }

  /** Is this page of an own extent free, reserved or not? The entry being built relies on it. */
  isFree(builder: EntryBuilder, page: PageId): boolean {
    const header = builder.head(extentHeaderPage(extentOf(page)));
    builder.relyOn(header);
    return this.isOwn(header.image) && !hasBit(header.image, USED, page % EXTENT_PAGES);
  }

  /** Unwinds if one of these reserved pages has been written before and is not here, for all of them together. */
  fetch(builder: EntryBuilder, pages: readonly PageId[]): void {
    let isHere = true;
    for (const page of pages) {
      const header = builder.head(extentHeaderPage(extentOf(page))).image;
      if (hasBit(header, TOUCHED, page % EXTENT_PAGES) && !builder.ready(page)) isHere = false;
    }
    if (!isHere) throw UNWIND;
  }

  /** The frame of a reserved page that is about to be written. */
  touch(builder: EntryBuilder, page: PageId): Frame {
    const header = builder.head(extentHeaderPage(extentOf(page)));
    const bit = page % EXTENT_PAGES;
    if (hasBit(header.image, TOUCHED, bit)) return builder.head(page);
    const frame = builder.fresh(page);
    setBit(builder.edit(header), TOUCHED, bit, true);
    return frame;
  }

  /** Allocates a reserved page, which has been written. */
  take(builder: EntryBuilder, page: PageId): void {
    const header = builder.head(extentHeaderPage(extentOf(page)));
    assert(!hasBit(header.image, USED, page % EXTENT_PAGES), "a reserved page is free");
    setBit(builder.edit(header), USED, page % EXTENT_PAGES, true);
  }

  /** Gives a page back to its extent, whoever owns that. */
  free(builder: EntryBuilder, page: PageId): void {
    const extent = extentOf(page);
    const header = builder.head(extentHeaderPage(extent));
    assert(header.image[0] === KIND_EXTENT, "a page is freed into an extent");
    const bit = page - extent * EXTENT_PAGES;
    assert(((header.image[USED + (bit >>> 3)]! >>> (bit & 7)) & 1) === 1, "a freed page was allocated");
    setBit(builder.edit(header), USED, bit, false);
    if (this.isOwn(header.image)) this.own(extent);
  }

  /** Free pages of own extents. Unwinds if a header is not cached. */
  freePages(builder: EntryBuilder): number {
    let free = 0;
    for (const extent of this.active) {
      const image = builder.head(extentHeaderPage(extent)).image;
      if (this.isOwn(image)) free += this.unreserved(image, extent);
    }
    return free;
  }

  /** Has anything been allocated since this was asked last? */
  takeAllocated(): boolean {
    const { allocated } = this;
    this.allocated = false;
    return allocated;
  }

  /** Few free pages are left. Says no if a header is not cached. */
  isLow(builder: EntryBuilder): boolean {
    try {
      return this.freePages(builder) < LOW_PAGES;
    } catch (reason) {
      if (reason === UNWIND) return false;
      throw reason;
    }
  }

  /** Claims, or adopts, extents with at least `pages` free pages in all; returns them. */
  claim(builder: EntryBuilder, pages: number): number[] {
    const volume = builder.head(VOLUME_HEADER_PAGE);
    const next = u32(volume.image, NEXT_EXTENT);
    const got = this.adopt(builder, next);
    let free = 0;
    for (const extent of got) free += countFree(builder.head(extentHeaderPage(extent)).image);
    const most = Math.max(1, Math.min(MAX_CLAIM, this.claimed >>> 2));
    let fresh = free >= Math.max(pages, LOW_PAGES) ? 0 : Math.max(Math.ceil((pages - free) / USABLE), most);
    if (fresh > 0) {
      builder.edit(volume).setU32(NEXT_EXTENT, next + fresh);
      for (let extent = next; fresh > 0; extent++, fresh--) {
        builder.fresh(extentHeaderPage(extent));
        this.writeHeader(builder, extent, 1);
        got.push(extent);
      }
    }
    return got;
  }

  /** The claim is in an entry now. */
  claimBuilt(extents: readonly number[]): void {
    for (const e of extents) this.own(e);
    this.claimed += extents.length;
  }

  private adopt(builder: EntryBuilder, next: number): number[] {
    const got: number[] = [];
    const end = Math.min(this.cursor + PROBES, next);
    let ready = true;
    for (let e = this.cursor; e < end; e++) if (!builder.ready(extentHeaderPage(e))) ready = false;
    if (!ready) throw UNWIND;
    for (let e = this.cursor; e < end; e++) {
      const header = builder.head(extentHeaderPage(e));
      const owner = u32(header.image, OWNER);
      const abandoned = owner <= this.settledThrough || this.closed.has(owner);
      if (!abandoned || owner === this.stream || countFree(header.image) < WORTH_ADOPTING) continue;
      builder.edit(header).setU32(OWNER, this.stream);
      got.push(e);
    }
    this.cursor = end;
    return got;
  }

  private writeHeader(builder: EntryBuilder, extent: number, used: number): void {
    const edit = builder.edit(builder.head(extentHeaderPage(extent)));
    edit.changing(0, HEADER_END);
    edit.image.fill(0, 0, HEADER_END);
    edit.image[0] = KIND_EXTENT;
    putU32(edit.image, OWNER, this.stream);
    edit.image[USED] = (1 << used) - 1;
    edit.image[TOUCHED] = (1 << used) - 1;
    edit.changed(0, HEADER_END);
  }

  private unreserved(header: Uint8Array, extent: number): number {
    let free = countFree(header);
    for (const page of this.reserved.get(extent) ?? [])
      if (!hasBit(header, USED, page % EXTENT_PAGES)) free--;
    return free;
  }

  private isOwn(header: Uint8Array): boolean {
    return header[0] === KIND_EXTENT && u32(header, OWNER) === this.stream;
  }
}

interface BitEdit {
  readonly image: Uint8Array;
  changing(offset: number, length: number): void;
  changed(offset: number, length: number): void;
}

function setBit(edit: BitEdit, map: number, bit: number, to: boolean): void {
  const at = map + (bit >>> 3);
  edit.changing(at, 1);
  const mask = 1 << (bit & 7);
  edit.image[at] = to ? edit.image[at]! | mask : edit.image[at]! & ~mask;
  edit.changed(at, 1);
}

function firstFree(header: Uint8Array, reserved: ReadonlySet<PageId> | undefined, extent: number): number {
  for (let byte = 0; byte < EXTENT_PAGES / 8; byte++) {
    const used = header[USED + byte]!;
    if (used === 0xff) continue;
    for (let i = 0; i < 8; i++) {
      if (((used >>> i) & 1) === 1) continue;
      const bit = byte * 8 + i;
      if (reserved?.has(pageId(extent * EXTENT_PAGES + bit)) !== true) return bit;
    }
  }
  return -1;
}

const hasBit = (header: Uint8Array, map: number, bit: number): boolean =>
  ((header[map + (bit >>> 3)]! >>> (bit & 7)) & 1) === 1;

function countFree(header: Uint8Array): number {
  let free = EXTENT_PAGES;
  for (let byte = 0; byte < EXTENT_PAGES / 8; byte++)
    for (let used = header[USED + byte]!; used > 0; used &= used - 1) free--;
  return free;
}

/** What `sixfold check` and tests read of an extent header; undefined if it is none. */
export function readExtentHeader(
  image: Uint8Array,
): { owner: number; used: boolean[]; touched: boolean[] } | undefined {
  if (image[0] !== KIND_EXTENT) return undefined;
  const bits = (map: number): boolean[] =>
    Array.from({ length: EXTENT_PAGES }, (_, i) => ((image[map + (i >>> 3)]! >>> (i & 7)) & 1) === 1);
  return { owner: u32(image, OWNER), used: bits(USED), touched: bits(TOUCHED) };
}

/** Extents claimed so far, from the volume header; 0 for a volume not formatted. */
export const extentCount = (volumeHeader: Uint8Array): number =>
  volumeHeader[0] === KIND_VOLUME ? u32(volumeHeader, NEXT_EXTENT) : 0;

// The header of extent 0 marks three pages, any other one: both fit the first byte of the bitmap.
assert(RESERVED_PAGES <= 8, "reserved pages fit the first byte");
