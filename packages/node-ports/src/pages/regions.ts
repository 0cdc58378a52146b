/**
 * The room of the data file, in regions of one MiB. Pages are written one behind the other into the open region, and what was there before is
 * never overwritten: a region is written again only when nothing of it is in use.
 *
 *     | 3 7 . 9 . | . . . . . | 1 . . . 8 | 2 4 ...      .  left by a newer version of the page
 *       in use      free        a victim    open
 *
 * Writing pages where they happen to be costs seven times as much processor time as writing them in a row (measured, see README). The price is
 * cleaning: where less than a share of the file is in use, the pages of the regions with the least in use are moved to the open one
 * (Rosenblum and Ousterhout 1992, "The Design and Implementation of a Log-Structured File System", section 3).
 */
import { DiskFullError } from "@sixfold/ports";
import { UNIT_BYTES, type Extent } from "./extent.ts";

export const REGION_BYTES = 1 << 20;
/** Addresses are u32, of which the last says that there is none: so far a data file reaches, 2 TiB. */
const FILE_BYTES_MAX = 0xffff_ffff * UNIT_BYTES;
/** What one sync has made durable, the next write shares no sector with. Disks write 4 KiB at once, or less. */
const SECTOR_BYTES = 4096;

/** The file may have so much more than what is in use, or so many regions, before it is cleaned. */
const SPARE_SHARE = 0.5;
const SPARE_MIN = 8;
/** Cleaning begins when fewer can be written without growing beyond that. */
const RESERVE = 4;
/** A region with more in use is left as it is. */
const MOVED_SHARE = 0.9;

const roundUp = (bytes: number, to: number): number => Math.ceil(bytes / to) * to;

interface Region {
  /** Bytes in use. */
  used: number;
  /** Whose extents are here, or have been. */
  readonly pages: Numbers;
}

export class Regions {
  readonly #regionBytes: number;
  #regions: Region[] = [];
  readonly #free = new Set<number>();
  #used = 0;
  /** Number of the one that is written to; -1 if none is. */
  #open = -1;
  /** Where in the file. */
  #at = 0;

  constructor(regionBytes = REGION_BYTES) {
    this.#regionBytes = regionBytes;
  }

  get used(): number {
    return this.#used;
  }

  /** Bytes of the file that are spoken for. */
  get end(): number {
    return this.#regions.length * this.#regionBytes;
  }

  /** An extent that stands in the file already. */
  claim(page: number, extent: Extent): void {
    const number = this.#regionOf(extent);
    while (this.#regions.length <= number) this.#free.add(this.#add());
    this.#free.delete(number);
    this.#use(number, page, extent.bytes);
  }

  /** What is taken from now on is synced by itself. */
  beginRound(): void {
    this.#at = roundUp(this.#at, SECTOR_BYTES);
  }

  /** The page's next extent: it begins with a unit, or as what is added right behind the one before. Throws `DiskFullError`. */
  take(page: number, bytes: number, how?: "add"): Extent {
    if (bytes > this.#regionBytes)
      throw new Error(`page ${page} has ${bytes} bytes, more than ${REGION_BYTES}`);
    if (how !== "add") this.#at = roundUp(this.#at, UNIT_BYTES);
    if (this.#open === -1 || this.#at + bytes > (this.#open + 1) * this.#regionBytes) this.#openNext();
    if (this.#at + bytes > FILE_BYTES_MAX) throw new DiskFullError("a page store has at most 2 TiB");
    const extent = { at: this.#at, bytes };
    this.#at += bytes;
    this.#use(this.#open, page, bytes);
    return extent;
  }

  release(extent: Extent): void {
    const number = this.#regionOf(extent);
    const region = this.#regions[number]!;
    region.used -= extent.bytes;
    this.#used -= extent.bytes;
    if (number === this.#open && region.used === 0) this.#open = -1;
    if (number !== this.#open) this.#freeIfEmpty(number);
  }

  /** Regions to clean while so many bytes are written, those with the least in use first; none if there is room. */
  victims(bytes: number): number[] {
    const spare = Math.max(SPARE_MIN * this.#regionBytes, this.#used * SPARE_SHARE);
    const room = this.#used + spare - this.end + this.#free.size * this.#regionBytes - bytes;
    const reserve = RESERVE * this.#regionBytes;
    if (room >= reserve) return [];
    const candidates = this.#regions
      .map(({ used }, number) => ({ used, number }))
      .filter(
        ({ used, number }) => number !== this.#open && used > 0 && used <= MOVED_SHARE * this.#regionBytes,
      )
      .sort((a, b) => a.used - b.used);
    const chosen = [];
    let [moved, gained] = [0, 0];
    for (const { used, number } of candidates) {
      // What is moved takes room before it gives any.
      if (gained >= reserve || (moved > 0 && moved + used > reserve)) break;
      chosen.push(number);
      moved += used;
      gained += this.#regionBytes - used;
    }
    return chosen;
  }

  /** Pages whose extents are in the region, or have been. */
  pagesOf(number: number): Iterable<number> {
    return this.#regions[number]!.pages.all;
  }

  has(number: number, extent: Extent): boolean {
    return this.#regionOf(extent) === number;
  }

  /** Bytes behind the last region that is in use, or open. */
  get tail(): number {
    let last = this.#regions.length;
    while (last > 0 && this.#free.has(last - 1)) last -= 1;
    return this.end - last * this.#regionBytes;
  }

  /** Those are no longer there. */
  cutTail(): void {
    for (let n = this.tail / this.#regionBytes; n > 0; n--) {
      this.#regions.pop();
      this.#free.delete(this.#regions.length);
    }
  }

  #regionOf({ at }: Extent): number {
    return Math.floor(at / this.#regionBytes);
  }

  #use(number: number, page: number, bytes: number): void {
    const region = this.#regions[number]!;
    region.used += bytes;
    region.pages.push(page);
    this.#used += bytes;
  }

  #openNext(): void {
    const before = this.#open;
    let lowest = Number.POSITIVE_INFINITY;
    for (const number of this.#free) lowest = Math.min(lowest, number);
    this.#open = this.#free.size > 0 ? lowest : this.#add();
    this.#free.delete(this.#open);
    this.#at = this.#open * this.#regionBytes;
    if (before !== -1) this.#freeIfEmpty(before);
  }

  #add(): number {
    return this.#regions.push({ used: 0, pages: new Numbers() }) - 1;
  }

  #freeIfEmpty(number: number): void {
    const region = this.#regions[number]!;
    if (region.used > 0) return;
    region.pages.clear();
    this.#free.add(number);
  }
}

/** A list of u32 that grows: a region may hold thousands of small parts. */
class Numbers {
  #numbers = new Uint32Array(0);
  #length = 0;

  get all(): Uint32Array {
    return this.#numbers.subarray(0, this.#length);
  }

  push(number: number): void {
    if (this.#length === this.#numbers.length) {
      const before = this.#numbers;
      this.#numbers = new Uint32Array(Math.max(32, Math.floor(1.5 * before.length)));
      this.#numbers.set(before);
    }
    this.#numbers[this.#length++] = number;
  }

  clear(): void {
    this.#numbers = new Uint32Array(0);
    this.#length = 0;
  }
}
