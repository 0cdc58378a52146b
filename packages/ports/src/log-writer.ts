/**
 * LogWriter: group commit. One write and sync is under way at a time; what is appended meanwhile
 * gathers into one next block, so that the busier the log, the more appends share a sync.
 *
 *   append a  ──> [block 7: a] ──sync──> done a
 *   append b, c, d  (meanwhile) ───────> [block 8: b c d] ──sync──> done b, done c, done d
 *
 * Files have a fixed size; a block that does not fit goes to the next file, which has been prepared
 * in the background since this one was begun. Nobody waits for preallocation unless a file fills
 * faster than the next is zeroed.
 *
 * Invariants:
 *  L1  A block lands directly after the last whole block of its file, or at offset 0 of the next file.
 *  L2  `done` without an error comes only after the block and all before it are durable, in append order.
 *  L3  After the first failed write nothing is written any more: the disk's state is unknown, and retrying a
 *      failed sync may report success for data that is lost (STYLE 20; "fsyncgate", PostgreSQL 2018).
 *  L4  The oldest file kept begins with a durable block, so that the chain can always be founded.
 *
 * Group commit after Gawlick and Kinkade, "Varieties of Concurrency Control in IMS/VS Fast Path" (1985).
 */
import { assert, type PlantedBugs } from "@sixfold/model";
import type { Disk, Done } from "./disk.ts";
import type { LogBlockCodec } from "./log-codec.ts";
import { logFileName } from "./log-codec.ts";
import type { LogReport } from "./log-reader.ts";

export interface LogWriterOptions {
  readonly disk: Disk;
  readonly codec: LogBlockCodec;
  /** What `readLog` said. "corrupt" is refused; a torn tail is written over. */
  readonly report: LogReport;
  /** Unsigned 32-bit and unpredictable; used only if the log is empty. */
  readonly salt: number;
  /** Size of each file. The largest append is this less one block header. */
  readonly fileBytes: number;
  /** A block takes no further append beyond this many payload bytes: it bounds the wait for one sync. */
  readonly blockBytesMax?: number;
  /**
   * A new file has been begun; no block of it is durable yet. The owner may now write a checkpoint, by
   * ordinary appends or elsewhere, and then `removeBefore(fileNumber)`.
   */
  readonly onRotate?: (fileNumber: number) => void;
  /** Once. The writer has stopped for ever; every append waiting or to come fails with this error. */
  readonly onFailure: (error: Error) => void;
  /** Rules to break on purpose: only for tests that must show that a broken rule is noticed (STYLE 29). */
  readonly planted?: PlantedBugs | undefined;
}

/** 4 MiB: some 10 ms of a 400 MB/s disk, the most that a small append should wait behind one block. */
export const logBlockBytesMax = 4 << 20;

/** Counters since opening, for metrics. */
export interface LogWriterStats {
  appends: number;
  /** One sync each. */
  blocks: number;
  /** Headers included. */
  bytes: number;
}

interface Append {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly done: Done;
}

/** The next file: being made, or made. */
interface Prepared {
  readonly fileNumber: number;
  state: "making" | "ready" | "failed";
}

export class LogWriter {
  readonly stats: LogWriterStats = { appends: 0, blocks: 0, bytes: 0 };
  readonly #options: LogWriterOptions;
  readonly #salt: number;
  readonly #blockBytesMax: number;
  /** Planted: `done` comes once the block is handed to the disk. */
  readonly #skipsSync: boolean;
  /** Files on disk up to and including the current one, ascending. */
  readonly #files: number[];
  #fileNumber: number;
  #offset: number;
  #fileBytes: number;
  #sequence: number;
  #previousCrc: number;
  #prepared: Prepared | undefined;
  #waiting: Append[] = [];
  #writing = false;
  #failure: Error | undefined;
  /** Files below this are no longer wanted. */
  #keepFrom = 0;
  /** A block of the current file is durable (L4). */
  #founded: boolean;
  #removing: Promise<void> = Promise.resolve();
  #closing: (() => void) | undefined;

  private constructor(options: LogWriterOptions, files: number[], fileBytes: number) {
    const { end } = options.report;
    this.#options = options;
    this.#skipsSync = options.planted?.has("sync-skipped") === true;
    this.#salt = end.salt ?? options.salt;
    this.#blockBytesMax = options.blockBytesMax ?? logBlockBytesMax;
    this.#files = files;
    this.#fileBytes = fileBytes;
    this.#fileNumber = end.fileNumber;
    this.#offset = end.offset;
    this.#sequence = end.sequence;
    this.#previousCrc = end.previousCrc;
    this.#founded = end.offset > 0;
  }

  /**
   * Goes on where `report` ends, in an empty log with file 1. What was read back is made durable first: after the mere
   * death of a process blocks may have been read from the system's cache that no disk holds yet, and the
   * owner is about to tell others of them. To sync the file is not enough for the last block: if its sync failed, the system
   * holds it for clean and would never write it (L3). So its bytes are written again; all before it are durable by L2.
   */
  static async open(options: LogWriterOptions): Promise<LogWriter> {
    const { disk, report } = options;
    assert(report.state !== "corrupt", "a corrupt log is not written on");
    assert(options.fileBytes > options.codec.headerBytes, "a log file holds more than a block header");
    const { fileNumber } = report.end;
    if (!report.files.includes(fileNumber)) await disk.create(logFileName(fileNumber), options.fileBytes);
    // One file is prepared ahead. A block torn in that one leaves a second, for which it is too early again.
    for (const number of report.files) if (number > fileNumber + 1) await disk.remove(logFileName(number));
    const sizes = new Map((await disk.list()).map((file) => [file.name, file.bytes]));
    const files = report.files.filter((number) => number < fileNumber);
    files.push(fileNumber);
    await rewriteLastBlock(disk, report);
    const writer = new LogWriter(options, files, sizes.get(logFileName(fileNumber)) ?? options.fileBytes);
    writer.#prepare(sizes.get(logFileName(fileNumber + 1)));
    return writer;
  }

  /** The file that the last block went to, or the next one will unless it is full. */
  get fileNumber(): number {
    return this.#fileNumber;
  }

  /** The oldest file kept. */
  get firstFileNumber(): number {
    return this.#files[0]!;
  }

  get failure(): Error | undefined {
    return this.#failure;
  }

  /**
   * Appends the chunks as one unit: after a crash all of them are there or none. `done` comes in append order, never
   * within this call. The chunks must not change until then. O(1); bytes are not copied.
   */
  append(chunks: readonly Uint8Array[], done: Done): void {
    let bytes = 0;
    for (const chunk of chunks) bytes += chunk.byteLength;
    assert(this.#closing === undefined, "no append after close");
    assert(
      bytes <= this.#options.fileBytes - this.#options.codec.headerBytes,
      "an append fits into one log file",
    );
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      queueMicrotask(() => done(failure));
      return;
    }
    this.stats.appends += 1;
    this.#waiting.push({ chunks, bytes, done });
    this.#flush();
  }

  /** What the log takes on its disk, the file that is prepared ahead included. O(1). */
  get diskBytes(): number {
    const prepared = this.#prepared === undefined || this.#prepared.state === "failed" ? 0 : 1;
    return (this.#files.length + prepared) * this.#options.fileBytes;
  }

  /** Files below `fileNumber` are not needed any more; they go as soon as the current one holds a durable block (L4). */
  removeBefore(fileNumber: number): void {
    assert(fileNumber <= this.#fileNumber, "the current log file stays");
    this.#keepFrom = Math.max(this.#keepFrom, fileNumber);
    this.#removeFiles();
  }

  /** Waits until everything appended is durable (or has failed) and the disk is left alone. */
  async close(): Promise<void> {
    assert(this.#closing === undefined, "a log writer is closed once");
    await new Promise<void>((resolve) => {
      this.#closing = resolve;
      this.#closeIfIdle();
    });
    await this.#removing;
  }

  #closeIfIdle(): void {
    const idle = this.#failure !== undefined || (!this.#writing && this.#waiting.length === 0);
    if (idle && this.#prepared?.state !== "making") this.#closing?.();
  }

  /** Begins the next block if none is under way and something waits. */
  #flush(): void {
    if (this.#writing || this.#waiting.length === 0 || this.#failure !== undefined) return;
    const { codec, disk } = this.#options;
    const fileBefore = this.#fileNumber;
    const batch = this.#takeBatch();
    if (batch === undefined) return;
    const header = new Uint8Array(codec.headerBytes);
    const chunks: Uint8Array[] = [];
    let bytes = codec.headerBytes;
    for (const append of batch) {
      for (const chunk of append.chunks) chunks.push(chunk);
      bytes += append.bytes;
    }
    const place = { salt: this.#salt, sequence: this.#sequence, previousCrc: this.#previousCrc };
    this.#previousCrc = codec.encodeHeader(place, chunks, header);
    chunks.unshift(header);
    this.#writing = true;
    const done = this.#skipsSync ? [] : batch;
    disk.write(logFileName(this.#fileNumber), this.#offset, chunks, (error) => this.#written(done, error));
    if (this.#skipsSync)
      queueMicrotask(() => {
        for (const append of batch) append.done();
      });
    this.#sequence += 1;
    this.#offset += bytes;
    this.stats.blocks += 1;
    this.stats.bytes += bytes;
    // Last, for the owner may append from within it.
    if (this.#fileNumber !== fileBefore) this.#options.onRotate?.(this.#fileNumber);
  }

  /**
   * Takes as many waiting appends as one block may hold; at least one, in the next file if this one is too full.
   * `undefined` while that file is still being made.
   */
  #takeBatch(): Append[] | undefined {
    const { headerBytes } = this.#options.codec;
    const waiting = this.#waiting;
    const first = waiting[0]!;
    if (this.#offset + headerBytes + first.bytes > this.#fileBytes && !this.#rotate()) return undefined;
    const room = Math.min(this.#blockBytesMax, this.#fileBytes - this.#offset - headerBytes);
    let bytes = first.bytes;
    let count = 1;
    for (; count < waiting.length; count++) {
      bytes += waiting[count]!.bytes;
      if (bytes > room) break;
    }
    if (count === waiting.length) {
      this.#waiting = [];
      return waiting;
    }
    return waiting.splice(0, count);
  }

  #written(batch: readonly Append[], error: Error | undefined): void {
    this.#writing = false;
    if (error !== undefined) {
      this.#fail(error, batch);
      return;
    }
    if (!this.#founded) {
      this.#founded = true;
      this.#removeFiles();
    }
    // The disk first: it works while the callbacks run.
    this.#flush();
    for (const append of batch) append.done();
    this.#closeIfIdle();
  }

  /** L3. `batch` is what was being written. */
  #fail(error: Error, batch: readonly Append[]): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const append of batch) append.done(error);
    for (const append of waiting) append.done(error);
    this.#options.onFailure(error);
    this.#closeIfIdle();
  }

  /** Goes to the prepared file. False if it is not ready; `#flush` is then called again when it is. */
  #rotate(): boolean {
    const prepared = this.#prepared;
    // A file that could not be made earlier (a full disk) is tried once more now that it is needed.
    if (prepared === undefined || prepared.state === "failed") this.#prepare(undefined);
    if (this.#prepared?.state !== "ready") return false;
    this.#fileNumber += 1;
    this.#files.push(this.#fileNumber);
    this.#offset = 0;
    this.#fileBytes = this.#options.fileBytes;
    this.#founded = false;
    this.#prepare(undefined);
    return true;
  }

  /** Makes the file after the current one, unless a crash has left one of the right size. */
  #prepare(presentBytes: number | undefined): void {
    const { disk, fileBytes } = this.#options;
    const retry = this.#prepared?.state === "failed";
    const fileNumber = this.#fileNumber + 1;
    const prepared: Prepared = { fileNumber, state: "making" };
    this.#prepared = prepared;
    if (presentBytes === fileBytes) {
      prepared.state = "ready";
      return;
    }
    const name = logFileName(fileNumber);
    const made = presentBytes === undefined ? disk.create(name, fileBytes) : this.#remake(name);
    made.then(
      () => {
        prepared.state = "ready";
        this.#flush();
        this.#closeIfIdle();
      },
      (error: Error) => {
        prepared.state = "failed";
        // Nothing is lost yet: the current file has room. If an append waits for this file, there is no way on.
        if (retry || this.#isFull()) this.#fail(error, []);
        this.#closeIfIdle();
      },
    );
  }

  async #remake(name: string): Promise<void> {
    await this.#options.disk.remove(name);
    await this.#options.disk.create(name, this.#options.fileBytes);
  }

  #isFull(): boolean {
    const first = this.#waiting[0];
    if (first === undefined || this.#writing) return false;
    return this.#offset + this.#options.codec.headerBytes + first.bytes > this.#fileBytes;
  }

  #removeFiles(): void {
    if (!this.#founded) return;
    while (this.#files.length > 1 && this.#files[0]! < this.#keepFrom) {
      const name = logFileName(this.#files.shift()!);
      this.#removing = this.#removing
        .then(() => this.#options.disk.remove(name))
        .catch((error: Error) => this.#fail(error, []));
    }
  }
}

async function rewriteLastBlock(disk: Disk, { end }: LogReport): Promise<void> {
  const name = logFileName(end.fileNumber);
  const from = end.offset - end.lastBlockBytes;
  const block = end.lastBlockBytes > 0 ? [await disk.read(name, from, end.lastBlockBytes)] : [];
  await new Promise<void>((resolve, reject) => {
    disk.write(name, from, block, (error) => (error === undefined ? resolve() : reject(error)));
  });
}
