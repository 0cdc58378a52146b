/**
 * The Disk port on files: a directory, one file each.
 *
 * Where the system has it, files are opened with `O_DSYNC`: a write is then durable when it returns, which
 * saves the second trip through the thread pool that a separate `fdatasync` takes.
 *
 * Creation goes through a hidden name and a rename, so that a crash leaves all of the file or none.
 */
import * as fs from "node:fs";
import * as fsp from "node:fs/promises";
import * as path from "node:path";
import type { Disk, DiskFile, Done } from "@sixfold/ports";
import { DiskFaultError, DiskFullError, fileNamePattern } from "@sixfold/ports";
import { writeChunks } from "./write-chunks.ts";

export interface FileDiskOptions {
  /**
   * Sync by `O_DSYNC` instead of `fdatasync`. Default: on Linux only. macOS has the flag, but only `fcntl(F_FULLFSYNC)`,
   * which libuv's fdatasync uses, reaches the medium there; Windows has neither.
   */
  readonly syncOnWrite?: boolean;
}

/** Zeros are written and synced in steps of this size, so that the syncs of others do not wait for a whole file. */
const zeroBytes = 1 << 20;

interface OpenFile {
  readonly handle: fsp.FileHandle;
  readonly bytes: number;
}

const nothing = (): void => {};

export class FileDisk implements Disk {
  readonly #directory: string;
  readonly #syncOnWrite: boolean;
  readonly #files = new Map<string, OpenFile>();
  #underWay = 0;
  #idle: (() => void) | undefined;

  private constructor(directory: string, syncOnWrite: boolean) {
    this.#directory = directory;
    this.#syncOnWrite = syncOnWrite;
  }

  /** Makes the directory if needed, clears what an interrupted `create` left, opens all files. */
  static async open(directory: string, options: FileDiskOptions = {}): Promise<FileDisk> {
    await fsp.mkdir(directory, { recursive: true });
    const disk = new FileDisk(directory, options.syncOnWrite ?? process.platform === "linux");
    for (const entry of await fsp.readdir(directory)) {
      if (entry.startsWith(".making-")) await fsp.unlink(path.join(directory, entry));
      else if (fileNamePattern.test(entry)) await disk.#open(entry);
    }
    return disk;
  }

  async #open(name: string): Promise<void> {
    const flags = fs.constants.O_RDWR | (this.#syncOnWrite ? fs.constants.O_DSYNC : 0);
    const handle = await fsp.open(path.join(this.#directory, name), flags);
    const { size } = await handle.stat();
    this.#files.set(name, { handle, bytes: size });
  }

  async list(): Promise<DiskFile[]> {
    const files = [...this.#files].map(([name, { bytes }]) => ({ name, bytes }));
    return files.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async create(name: string, bytes: number): Promise<void> {
    if (!fileNamePattern.test(name)) throw new Error(`not a file name: ${JSON.stringify(name)}`);
    if (this.#files.has(name)) throw new Error(`file exists: ${name}`);
    const hidden = path.join(this.#directory, `.making-${name}`);
    try {
      await writeZeros(hidden, bytes);
      await fsp.rename(hidden, path.join(this.#directory, name));
      await syncDirectory(this.#directory);
    } catch (error) {
      await fsp.unlink(hidden).catch(nothing);
      throw asDiskError(error);
    }
    await this.#open(name);
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    const file = this.#files.get(name);
    if (file === undefined) throw new Error(`no such file: ${name}`);
    const wanted = Math.max(0, Math.min(length, file.bytes - offset));
    const bytes = new Uint8Array(wanted);
    let got = 0;
    while (got < wanted) {
      const { bytesRead } = await file.handle
        .read(bytes, got, wanted - got, offset + got)
        .catch((error: unknown) => {
          throw asDiskError(error);
        });
      if (bytesRead === 0) throw new DiskFaultError(`${name} is shorter than it was made`);
      got += bytesRead;
    }
    return bytes;
  }

  write(name: string, offset: number, chunks: readonly Uint8Array[], done: Done): void {
    const file = this.#files.get(name);
    let bytes = 0;
    for (const chunk of chunks) bytes += chunk.byteLength;
    if (file === undefined || offset < 0 || offset + bytes > file.bytes) {
      const why = file === undefined ? "no such file" : `${offset} + ${bytes} is beyond its end`;
      queueMicrotask(() => done(new Error(`write to ${name}: ${why}`)));
      return;
    }
    this.#underWay += 1;
    const finish = (error: NodeJS.ErrnoException | null): void => {
      this.#underWay -= 1;
      if (error === null) done();
      else done(asDiskError(error));
      if (this.#underWay === 0) this.#idle?.();
    };
    const { fd } = file.handle;
    if (bytes === 0) {
      fs.fdatasync(fd, finish);
      return;
    }
    writeChunks(fd, chunks, offset, (error) => {
      if (error !== null || this.#syncOnWrite) finish(error);
      else fs.fdatasync(fd, finish);
    });
  }

  async remove(name: string): Promise<void> {
    const file = this.#files.get(name);
    if (file === undefined) return;
    this.#files.delete(name);
    await file.handle.close();
    await fsp.unlink(path.join(this.#directory, name));
    await syncDirectory(this.#directory);
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await fsp.statfs(this.#directory);
    return bavail * bsize;
  }

  async close(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    for (const { handle } of this.#files.values()) await handle.close();
    this.#files.clear();
  }
}

/** Makes names durable. Windows cannot open a directory, and needs not. */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await fsp.open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeZeros(file: string, bytes: number): Promise<void> {
  const handle = await fsp.open(file, "w");
  try {
    const zeros = new Uint8Array(Math.min(bytes, zeroBytes));
    for (let at = 0; at < bytes; at += zeros.length) {
      await handle.write(zeros, 0, Math.min(zeros.length, bytes - at), at);
      await handle.datasync();
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Errors of the system as those of the port. Others pass through. */
export function asDiskError(error: unknown): Error {
  const code = (error as NodeJS.ErrnoException).code;
  const message = error instanceof Error ? error.message : String(error);
  if (code === "ENOSPC" || code === "EDQUOT") return new DiskFullError(message, { cause: error });
  if (code === "EIO" || code === "EUCLEAN") return new DiskFaultError(message, { cause: error });
  return error instanceof Error ? error : new Error(message);
}
