/**
 * The PageStore port on two files (see README, "Pages"):
 *
 *     data     | 7 | 8 | 3 | 9 |  ...            pages in regions, none overwritten in place
 *     index    | snapshot: 3 here, 7 there | batch: 9 here | ...      a log; replaced by a new snapshot as it grows
 *
 * A batch is written in two steps, as in a copy-on-write tree, but the tree is a table in memory:
 *
 *     1. its pages go to where nothing is in use, and are synced: a crash until here leaves all as it was, for nothing leads to them
 *     2. one record that says where they lie is appended to the index, and synced: the batch is there
 *
 * What it replaced is free from then on. Batches that wait are written in one round, and while a round is in its second step the next is in its
 * first. What a reader is still reading is overwritten by nobody.
 */
import { randomInt } from "node:crypto";
import type { Done, PagesRead, PageStore, StoredPage } from "@sixfold/ports";
import { DiskFaultError, DiskFullError, pageIdMax } from "@sixfold/ports";
import { encodeRecord, readIndex, type IndexEntry } from "./index-record.ts";
import { FileMedium, type PageMedium, type Run } from "./page-medium.ts";
import { PageTable, type Extent } from "./page-table.ts";
import { ReadersOf } from "./readers.ts";
import { REGION_BYTES, Regions, UNIT_BYTES } from "./regions.ts";

/** A round takes no more batches once it has so many bytes. */
const ROUND_BYTES = 16 << 20;
/** When to tidy up. */
export interface PageStoreLimits {
  /** The index is written anew when its log is longer than its snapshot was, and than this. */
  readonly indexLogBytes: number;
  readonly regionBytes: number;
}

const LIMITS: PageStoreLimits = { indexLogBytes: 1 << 20, regionBytes: REGION_BYTES };
/** Extents that lie together are read at once if no more than this is between them. */
const READ_OVER_BYTES = 64 << 10;
const READ_BYTES_MAX = 4 << 20;
/** One write. The system cares for larger ones in larger pieces, which cost more when a part of them is written again. */
const WRITE_BYTES_MAX = 256 << 10;
/** Regions that are worth cutting off. */
const CUT_FROM = 4;
const PADDING = new Uint8Array(UNIT_BYTES);

interface Batch {
  readonly put: readonly StoredPage[];
  readonly remove: readonly number[];
  readonly done: Done;
}

interface Round {
  readonly batches: readonly Batch[];
  readonly bytes: number;
  /** What the batches come to, one after the other. */
  readonly entries: IndexEntry[];
}

export class FilePageStore implements PageStore {
  readonly #medium: PageMedium;
  readonly #limits: PageStoreLimits;
  readonly #table = new PageTable();
  readonly #regions: Regions;
  readonly #readers = new ReadersOf();
  #queue: Batch[] = [];
  #writing: Promise<void> | undefined;
  #index = { salt: 0, sequence: 0, end: 0, snapshotBytes: 0 };
  /** The medium failed where it cannot be known what stands there: nothing is written any more. */
  #failed: Error | undefined;

  private constructor(medium: PageMedium, limits: PageStoreLimits) {
    this.#medium = medium;
    this.#limits = limits;
    this.#regions = new Regions(limits.regionBytes);
  }

  /** Opens or makes the store in `directory`, which holds nothing else. Throws `DiskFaultError` if the medium has lost what it was told to keep. */
  static async open(directory: string): Promise<FilePageStore> {
    return FilePageStore.on(await FileMedium.open(directory));
  }

  /** Only for reading; nothing in `directory` changes. */
  static async openReadOnly(directory: string): Promise<FilePageStore> {
    return FilePageStore.on(await FileMedium.openReadOnly(directory), { isReadOnly: true });
  }

  static async on(medium: PageMedium, { isReadOnly = false, limits = LIMITS } = {}): Promise<FilePageStore> {
    const store = new FilePageStore(medium, limits);
    try {
      const index = await medium.readIndex();
      if (index !== undefined) store.#load(index);
      else if (medium.dataBytes > 0) throw new DiskFaultError("there are pages, and no index of them");
      else if (!isReadOnly) await store.#snapshot();
      return store;
    } catch (error) {
      await medium.close();
      throw error;
    }
  }

  get(page: number): Uint8Array | undefined {
    const extent = this.#table.get(page);
    if (extent === undefined) return undefined;
    const bytes = Buffer.allocUnsafeSlow(extent.bytes);
    this.#medium.read(bytes, extent.unit * UNIT_BYTES);
    return bytes;
  }

  read(from: number, limit: number, done: PagesRead, room?: Uint8Array): void {
    const extents = this.pages(from, limit).map((page) => [page, this.#table.get(page)!] as const);
    const ended = this.#readers.begin();
    void this.#readLater(extents, room)
      .catch((error: unknown) => error as Error)
      .then((pages) => {
        this.#release(ended());
        done(pages);
      });
  }

  put(pages: readonly StoredPage[], done: Done): void {
    this.#enqueue({ put: pages, remove: [], done });
  }

  remove(pages: readonly number[], done: Done): void {
    this.#enqueue({ put: [], remove: pages, done });
  }

  pages(from: number, limit: number): number[] {
    return limit <= 0 || from > pageIdMax ? [] : this.#table.pages(from, limit);
  }

  count(): number {
    return this.#table.count;
  }

  diskBytes(): number {
    return this.#regions.end + this.#index.end;
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#medium.close();
  }

  #load(index: Uint8Array): void {
    const read = readIndex(index, ([page, extent]) => {
      if (extent === undefined) this.#table.delete(page);
      else this.#table.set(page, extent);
    });
    if (read.kind === "damaged") throw new DiskFaultError(`its index is damaged at byte ${read.at}`);
    this.#table.forEach((page, extent) => {
      if (endOf(extent) > this.#medium.dataBytes)
        throw new DiskFaultError(`its index leads to page ${page} beyond the end of its data`);
      this.#regions.claim(page, extent);
    });
    this.#index = { ...read.place, end: read.end, snapshotBytes: read.snapshotBytes };
  }

  // --- reading -------------------------------------------------------------------------------

  async #readLater(
    extents: readonly (readonly [number, Extent])[],
    room?: Uint8Array,
  ): Promise<readonly StoredPage[]> {
    const pages = new Map<number, Uint8Array>();
    const groups = together([...extents].sort(([, a], [, b]) => a.unit - b.unit));
    let used = 0;
    const fits = room !== undefined && sum(groups.map(spanOf)) <= room.length;
    for (const group of groups) {
      const from = group[0]![1].unit * UNIT_BYTES;
      const span = spanOf(group);
      const bytes = fits ? room.subarray(used, used + span) : Buffer.allocUnsafeSlow(span);
      used += span;
      await this.#medium.readLater(bytes, from);
      for (const [page, extent] of group) {
        const at = extent.unit * UNIT_BYTES - from;
        pages.set(page, bytes.subarray(at, at + extent.bytes));
      }
    }
    return extents.map(([page]) => [page, pages.get(page)!] as const);
  }

  // --- writing -------------------------------------------------------------------------------

  #enqueue(batch: Batch): void {
    this.#queue.push(batch);
    this.#writing ??= Promise.resolve().then(() => this.#writeAll());
  }

  /** Until nothing waits. One round is in its first step, one in its second. */
  async #writeAll(): Promise<void> {
    let second = Promise.resolve();
    while (this.#queue.length > 0) {
      const round = this.#nextRound();
      const victims = this.#regions.victims(round.bytes);
      // A page is moved from where it lies, and that is known only once the round before is over.
      if (victims.length > 0) await second;
      const error = await this.#writePages(round, victims).then(
        () => undefined,
        (reason: unknown) => reason as Error,
      );
      await second;
      second = error === undefined ? this.#commit(round) : this.#fail(round, error);
      if (this.#queue.length === 0 || this.#isSparse()) await second;
      if (this.#isSparse()) await this.#cut();
    }
    this.#writing = undefined;
  }

  #nextRound(): Round {
    let [taken, bytes] = [0, 0];
    while (taken < this.#queue.length && (taken === 0 || bytes < ROUND_BYTES)) {
      for (const [, page] of this.#queue[taken]!.put) bytes += page.length;
      taken += 1;
    }
    return { batches: this.#queue.splice(0, taken), bytes, entries: [] };
  }

  async #writePages({ batches, entries }: Round, victims: readonly number[]): Promise<void> {
    if (this.#failed !== undefined) throw this.#failed;
    const pages = new Map<number, Uint8Array | undefined>();
    for (const { put, remove } of batches) {
      for (const [page, bytes] of put) pages.set(page, bytes);
      for (const page of remove) pages.set(page, undefined);
    }
    for (const victim of victims) await this.#move(victim, pages);
    const placed: Placed[] = [];
    this.#regions.beginRound();
    for (const [page, bytes] of pages) {
      const extent = bytes === undefined ? undefined : this.#regions.take(page, bytes.length);
      entries.push([page, extent]);
      if (extent !== undefined && extent.bytes > 0)
        placed.push({ bytes: bytes!, at: extent.unit * UNIT_BYTES });
    }
    if (placed.length > 0) await this.#medium.writeData(runsOf(placed));
  }

  /** Adds what is still in use of a region to what is written. */
  async #move(region: number, pages: Map<number, Uint8Array | undefined>): Promise<void> {
    const moved: (readonly [number, Extent])[] = [];
    for (const page of new Set(this.#regions.pagesOf(region))) {
      const extent = this.#table.get(page);
      if (extent !== undefined && !pages.has(page) && this.#regions.has(region, extent))
        moved.push([page, extent]);
    }
    for (const [page, bytes] of await this.#readLater(moved)) pages.set(page, bytes);
  }

  async #commit(round: Round): Promise<void> {
    const { batches, entries } = round;
    try {
      if (entries.length > 0) await this.#append(entries);
    } catch (error) {
      return this.#fail({ ...round, entries: this.#isUnchanged(error) ? entries : [] }, error as Error);
    }
    for (const [page, extent] of entries) {
      const old = this.#table.get(page);
      if (extent === undefined) this.#table.delete(page);
      else this.#table.set(page, extent);
      if (old !== undefined) this.#readers.free(old);
    }
    this.#release(this.#readers.unread());
    for (const { done } of batches) done();
    if (this.#isLong()) await this.#snapshot().catch((error: unknown) => void this.#isUnchanged(error));
  }

  async #append(entries: readonly IndexEntry[]): Promise<void> {
    if (this.#failed !== undefined) throw this.#failed;
    const { salt, sequence, end } = this.#index;
    const record = encodeRecord({ salt, sequence: sequence + 1 }, entries);
    await this.#medium.appendIndex(record, end);
    this.#index = { ...this.#index, sequence: sequence + 1, end: end + record.length };
  }

  /** Is the index what it was, after this error? Else it may be either: neither what it leads to nor what it led to is free. */
  #isUnchanged(error: unknown): boolean {
    if (error instanceof DiskFullError) return true;
    this.#failed ??= error as Error;
    return false;
  }

  /** Nothing leads to the entries of a round. */
  async #fail({ batches, entries }: Round, error: Error): Promise<void> {
    for (const [, extent] of entries) if (extent !== undefined) this.#release([extent]);
    for (const { done } of batches) done(error);
  }

  #release(extents: readonly Extent[]): void {
    for (const extent of extents) this.#regions.release(extent);
  }

  #isLong(): boolean {
    const { end, snapshotBytes } = this.#index;
    return end - snapshotBytes > Math.max(this.#limits.indexLogBytes, snapshotBytes);
  }

  /** Is most of the data file free, and at its end? */
  #isSparse(): boolean {
    const { used, end, tail } = this.#regions;
    return tail >= CUT_FROM * this.#limits.regionBytes && tail > used && 2 * tail > end;
  }

  /** Not while a round is in its first step, which may have begun to write there. */
  async #cut(): Promise<void> {
    const { end, tail } = this.#regions;
    await this.#medium.cutData(end - tail).catch(() => undefined);
    this.#regions.cutTail();
  }

  async #snapshot(): Promise<void> {
    const entries: IndexEntry[] = [];
    this.#table.forEach((page, extent) => entries.push([page, extent]));
    const place = { salt: randomInt(2 ** 32), sequence: 1 };
    const index = encodeRecord(place, entries);
    await this.#medium.replaceIndex(index);
    this.#index = { ...place, end: index.length, snapshotBytes: index.length };
  }
}

const endOf = ({ unit, bytes }: Extent): number => unit * UNIT_BYTES + bytes;

/** Extents in the order of their places, in groups that are read at once. */
function together(byPlace: readonly (readonly [number, Extent])[]): (readonly [number, Extent])[][] {
  const groups: (readonly [number, Extent])[][] = [];
  let [begin, end] = [0, Number.NEGATIVE_INFINITY];
  for (const one of byPlace) {
    const at = one[1].unit * UNIT_BYTES;
    if (at - end <= READ_OVER_BYTES && endOf(one[1]) - begin <= READ_BYTES_MAX) groups.at(-1)!.push(one);
    else {
      groups.push([one]);
      begin = at;
    }
    end = endOf(one[1]);
  }
  return groups;
}

/** Bytes from the first to the end of the last. */
const spanOf = (group: readonly (readonly [number, Extent])[]): number =>
  endOf(group.at(-1)![1]) - group[0]![1].unit * UNIT_BYTES;

const sum = (numbers: readonly number[]): number => numbers.reduce((all, n) => all + n, 0);

interface Placed {
  readonly bytes: Uint8Array;
  readonly at: number;
}

/**
 * Pages that lie one behind the other become one write; what is between them is filled up. Those that lie in memory as they will in the file, as they do that
 * were read together elsewhere, are one chunk of it: a write costs its caller some µs for each.
 */
function runsOf(placed: readonly Placed[]): Run[] {
  const runs: { readonly at: number; readonly chunks: Uint8Array[] }[] = [];
  let [begin, end] = [0, -1];
  for (const { bytes, at } of placed) {
    const gap = at - end;
    if (end >= 0 && gap >= 0 && gap < UNIT_BYTES && at + bytes.length - begin <= WRITE_BYTES_MAX) {
      const { chunks } = runs.at(-1)!;
      const before = chunks.at(-1)!;
      if (before.buffer === bytes.buffer && bytes.byteOffset - before.byteOffset === before.length + gap)
        chunks[chunks.length - 1] = new Uint8Array(
          before.buffer,
          before.byteOffset,
          before.length + gap + bytes.length,
        );
      else {
        if (gap > 0) chunks.push(PADDING.subarray(0, gap));
        chunks.push(bytes);
      }
    } else {
      runs.push({ at, chunks: [bytes] });
      begin = at;
    }
    end = at + bytes.length;
  }
  return runs;
}
