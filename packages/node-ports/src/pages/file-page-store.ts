/**
 * The PageStore port on two files (see README, "Pages"):
 *
 *     data     | 7 | 8 | 3 | 9 | +8 | +3 | ...   pages, and what was added to them, in regions; nothing is overwritten in place
 *     index    | snapshot: 3 here, 7 there | batch: 9 here, more of 8 there | ...      a log; replaced by a new snapshot as it grows
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
import { setImmediate } from "node:timers/promises";
import type { Done, PagePut, PagesRead, PageStore } from "@sixfold/ports";
import { checkPut, DiskFaultError, DiskFullError, pageIdMax } from "@sixfold/ports";
import { endOf, isPackedAdded, unpackExtent, type Extent } from "./extent.ts";
import { encodeRecord, readIndex, RecordWriter, REMOVED, type IndexEntry } from "./index-record.ts";
import { FileMedium, type PageMedium } from "./page-medium.ts";
import { PageTable } from "./page-table.ts";
import { readExtents, readPages, sum } from "./read-pages.ts";
import { ReadersOf } from "./readers.ts";
import { REGION_BYTES, Regions } from "./regions.ts";
import {
  contentsOf,
  entriesOf,
  netOf,
  Placing,
  runsOf,
  type Batch,
  type Change,
  type Content,
  type Net,
} from "./round.ts";

/** A round takes no more batches once it has so many bytes. */
const ROUND_BYTES = 16 << 20;
/** When to tidy up. */
export interface PageStoreLimits {
  /** The index is written anew when its log is longer than its snapshot was, and than this. */
  readonly indexLogBytes: number;
  readonly regionBytes: number;
}

const LIMITS: PageStoreLimits = { indexLogBytes: 1 << 20, regionBytes: REGION_BYTES };
/** Pages of a snapshot that are written down in one turn: less than a millisecond's work. */
const SNAPSHOT_STEP = 512;
/** Regions that are worth cutting off. */
const CUT_FROM = 4;

interface Round {
  readonly batches: readonly Batch[];
  readonly bytes: number;
  /** What the batches come to, and what is moved. */
  changes: readonly Change[];
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
    const parts = this.#table.parts(page);
    if (parts.length === 0) return undefined;
    const bytes = Buffer.allocUnsafeSlow(sum(parts));
    let at = 0;
    for (const part of parts) {
      this.#medium.read(bytes.subarray(at, at + part.bytes), part.at);
      at += part.bytes;
    }
    return bytes;
  }

  tail(page: number, bytesMax: number): Uint8Array | undefined {
    const part = this.#table.lastPart(page);
    if (part === undefined) return undefined;
    const bytes = Buffer.allocUnsafe(Math.min(part.bytes, bytesMax));
    this.#medium.read(bytes, endOf(part) - bytes.length);
    return bytes;
  }

  read(from: number, limit: number, done: PagesRead, room?: Uint8Array): void {
    const pages = this.pages(from, limit).map((page) => [page, this.#table.parts(page)] as const);
    const ended = this.#readers.begin();
    void readPages(this.#medium, pages, room)
      .catch((error: unknown) => error as Error)
      .then((read) => {
        this.#release(ended());
        done(read);
      });
  }

  put(pages: readonly PagePut[], done: Done): void {
    checkPut(pages);
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
    const read = readIndex(index, (page, unit, packed) => {
      if (isPackedAdded(packed)) this.#table.add(page, unpackExtent(unit, packed));
      else this.#table.set(page, unit === REMOVED ? [] : [unpackExtent(unit, packed)]);
    });
    if (read.kind === "damaged") throw new DiskFaultError(`its index is damaged at byte ${read.at}`);
    for (const [page, parts] of this.#table)
      for (const part of parts) {
        if (endOf(part) > this.#medium.dataBytes)
          throw new DiskFaultError(`its index leads to page ${page} beyond the end of its data`);
        this.#regions.claim(page, part);
      }
    this.#index = { ...read.place, end: read.end, snapshotBytes: read.snapshotBytes };
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
    return { batches: this.#queue.splice(0, taken), bytes, changes: [] };
  }

  async #writePages(round: Round, victims: readonly number[]): Promise<void> {
    if (this.#failed !== undefined) throw this.#failed;
    const net = netOf(round.batches);
    const contents = [...(await this.#move(victims, net)), ...contentsOf(net)];
    const placing = new Placing((page, bytes, how) => this.#regions.take(page, bytes, how), contents);
    round.changes = placing.changes;
    this.#regions.beginRound();
    const placed = placing.place();
    if (placed.length > 0) await this.#medium.writeData(runsOf(placed));
  }

  /** What is still in use of regions, of pages that are not put or removed anyway, is written elsewhere. */
  async #move(regions: readonly number[], net: ReadonlyMap<number, Net>): Promise<Content[]> {
    const isThere = (part: Extent): boolean => regions.some((region) => this.#regions.has(region, part));
    const pages = [...new Set(regions.flatMap((region) => [...this.#regions.pagesOf(region)]))]
      .filter((page) => !net.has(page) || net.get(page)!.whole === "kept")
      .map((page) => ({ page, parts: this.#table.parts(page) }))
      .filter(({ parts }) => parts.some(isThere));
    const moved = pages.flatMap(({ parts }) => parts.filter(isThere));
    const read = await readExtents(this.#medium, moved);
    let next = 0;
    return pages.map(({ page, parts }) => ({
      page,
      how: "move",
      parts: parts.map((part) => (isThere(part) ? read[next++]! : part)),
    }));
  }

  async #commit(round: Round): Promise<void> {
    const { batches, changes } = round;
    try {
      if (changes.length > 0) await this.#append(changes.flatMap(entriesOf));
    } catch (error) {
      return this.#fail({ ...round, changes: this.#isUnchanged(error) ? changes : [] }, error as Error);
    }
    for (const change of changes) this.#apply(change);
    this.#release(this.#readers.unread());
    for (const { done } of batches) done();
    if (this.#isLong()) await this.#snapshot().catch((error: unknown) => void this.#isUnchanged(error));
  }

  #apply({ page, parts, how }: Change): void {
    if (how === "add") {
      for (const part of parts) if (!this.#table.add(page, part)) this.#readers.free(part);
      return;
    }
    const old = this.#table.parts(page);
    this.#table.set(page, parts);
    for (const part of old) if (!parts.some(({ at }) => at === part.at)) this.#readers.free(part);
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

  /** Nothing leads to what a round has taken. */
  async #fail({ batches, changes }: Round, error: Error): Promise<void> {
    for (const { taken } of changes) this.#release(taken);
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

  /** In steps, for there may be millions of parts, and others want their turns. Nothing changes meanwhile: a round ends with it. */
  async #snapshot(): Promise<void> {
    const place = { salt: randomInt(2 ** 32), sequence: 1 };
    const record = new RecordWriter(place, this.#table.partCount);
    let pages = 0;
    for (const [page, parts] of this.#table) {
      for (const entry of entriesOf({ page, parts, how: "put" })) record.add(entry);
      if (++pages % SNAPSHOT_STEP === 0) await setImmediate();
    }
    const index = record.finish();
    await this.#medium.replaceIndex(index);
    this.#index = { ...place, end: index.length, snapshotBytes: index.length };
  }
}
