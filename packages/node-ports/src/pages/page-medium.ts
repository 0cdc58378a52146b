/**
 * What a page store needs of its medium: a data file that is read and written by position, and an index file that is
 * appended to, or replaced as a whole. Apart from the store, so that its tests can crash it at any point.
 */
import * as fs from "node:fs";
import * as fsp from "node:fs/promises";
import * as path from "node:path";
import { DiskFaultError } from "@sixfold/ports";
import { asDiskError, syncDirectory } from "../file-disk.ts";
import { writeChunks, writeVectors, type Written } from "../write-chunks.ts";

export interface Run {
  readonly at: number;
  readonly chunks: readonly Uint8Array[];
}

export interface PageMedium {
  /** Of the data file, as it was opened. */
  readonly dataBytes: number;
  /** All of it; undefined if there is none. */
  readIndex(): Promise<Uint8Array | undefined>;
  /** Fills `into`, at once. Throws `DiskFaultError`. */
  read(into: Uint8Array, at: number): void;
  /** Fills `into` beside the caller's turn. */
  readLater(into: Uint8Array, at: number): Promise<void>;
  /** Written, and durable. The runs are disjoint. */
  writeData(runs: readonly Run[]): Promise<void>;
  /** Written, and durable; nothing stands behind it. After a `DiskFullError` it does not stand there, after another error it may. */
  appendIndex(record: Uint8Array, at: number): Promise<void>;
  /** A new index in place of the old one: after a crash one of the two. After a `DiskFullError` it is the old one. */
  replaceIndex(index: Uint8Array): Promise<void>;
  cutData(bytes: number): Promise<void>;
  close(): Promise<void>;
}

const DATA = "data";
const INDEX = "index";
const MAKING = "index.making";
const FILES: readonly string[] = [DATA, INDEX, MAKING];

export class FileMedium implements PageMedium {
  readonly dataBytes: number;
  readonly #directory: string;
  readonly #data: fsp.FileHandle;
  #index: fsp.FileHandle | undefined;

  private constructor(directory: string, data: fsp.FileHandle, dataBytes: number) {
    this.#directory = directory;
    this.#data = data;
    this.dataBytes = dataBytes;
  }

  /** Makes what is missing. */
  static async open(directory: string): Promise<FileMedium> {
    await fsp.mkdir(directory, { recursive: true });
    const strange = (await fsp.readdir(directory)).find((name) => !FILES.includes(name));
    if (strange !== undefined) throw new DiskFaultError(`${strange} is not of a page store of this version`);
    await fsp.rm(path.join(directory, MAKING), { force: true });
    return FileMedium.#open(directory, fs.constants.O_RDWR | fs.constants.O_CREAT);
  }

  /** Nothing in the directory changes. */
  static async openReadOnly(directory: string): Promise<FileMedium> {
    return FileMedium.#open(directory, fs.constants.O_RDONLY);
  }

  static async #open(directory: string, flags: number): Promise<FileMedium> {
    try {
      const data = await fsp.open(path.join(directory, DATA), flags);
      return new FileMedium(directory, data, (await data.stat()).size);
    } catch (error) {
      throw asDiskError(error);
    }
  }

  async readIndex(): Promise<Uint8Array | undefined> {
    try {
      return await fsp.readFile(path.join(this.#directory, INDEX));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw asDiskError(error);
    }
  }

  read(into: Uint8Array, at: number): void {
    for (let got = 0; got < into.length;) {
      const read = readNow(this.#data.fd, into, got, at + got);
      if (read === 0) throw shortened();
      got += read;
    }
  }

  async readLater(into: Uint8Array, at: number): Promise<void> {
    for (let got = 0; got < into.length;) {
      const { bytesRead } = await this.#data.read(into, got, into.length - got, at + got).catch(fail);
      if (bytesRead === 0) throw shortened();
      got += bytesRead;
    }
  }

  async writeData(runs: readonly Run[]): Promise<void> {
    await settled((done) => writeRuns(this.#data.fd, runs, done));
    await this.#data.datasync().catch(fail);
  }

  async appendIndex(record: Uint8Array, at: number): Promise<void> {
    this.#index ??= await fsp.open(path.join(this.#directory, INDEX), "r+").catch(fail);
    const { fd } = this.#index;
    await settled((done) => writeChunks(fd, [record], at, done));
    await this.#index.datasync().catch(inDoubt);
  }

  async replaceIndex(index: Uint8Array): Promise<void> {
    const making = path.join(this.#directory, MAKING);
    const handle = await fsp.open(making, "w").catch(fail);
    try {
      await settled((done) => writeChunks(handle.fd, [index], 0, done));
      await handle.sync();
    } catch (error) {
      await handle.close();
      throw asDiskError(error);
    }
    try {
      await fsp.rename(making, path.join(this.#directory, INDEX));
      await syncDirectory(this.#directory);
    } catch (error) {
      await handle.close();
      return inDoubt(error);
    }
    await this.#index?.close();
    this.#index = handle;
  }

  async cutData(bytes: number): Promise<void> {
    await this.#data.truncate(bytes).catch(fail);
  }

  async close(): Promise<void> {
    await this.#index?.close();
    await this.#data.close();
  }
}

const shortened = (): Error => new DiskFaultError("the data file is shorter than its index says");

function fail(error: unknown): never {
  throw asDiskError(error);
}

/** Even a full disk may have taken it. */
function inDoubt(error: unknown): never {
  throw new DiskFaultError(asDiskError(error).message, { cause: error });
}

function readNow(fd: number, into: Uint8Array, from: number, at: number): number {
  try {
    return fs.readSync(fd, into, from, into.length - from, at);
  } catch (error) {
    throw asDiskError(error);
  }
}

function settled(begin: (done: Written) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    begin((error) => (error === null ? resolve() : reject(asDiskError(error))));
  });
}

/** Several at a time: the thread pool has few threads, and others want them too. */
const RUNS_AT_ONCE = 2;

function writeRuns(fd: number, runs: readonly Run[], done: Written): void {
  let [next, left] = [0, Math.min(RUNS_AT_ONCE, runs.length)];
  let failed: NodeJS.ErrnoException | null = null;
  const goOn: Written = (error) => {
    failed ??= error;
    const run = failed === null ? runs[next++] : undefined;
    if (run !== undefined) writeVectors(fd, run.chunks, run.at, goOn);
    else if (--left === 0) done(failed);
  };
  if (left === 0) done(null);
  for (let i = left; i > 0; i--) goOn(null);
}
