/**
 * What a stopped host has left on its disk, opened for reading only: nothing in its directories is created, changed
 * or locked, so that a look at damaged data cannot make it worse, and data on a read-only medium can be looked at.
 */
import * as fs from "node:fs";
import * as fsp from "node:fs/promises";
import * as path from "node:path";
import type { Disk, DiskFile, PageStore } from "@sixfold/ports";
import { DiskFaultError, fileNamePattern } from "@sixfold/ports";
import { asDiskError } from "./file-disk.ts";
import { diskDirectory, pageStoreDirectory } from "./node-host.ts";
import { FilePageStore } from "./pages/file-page-store.ts";

/** A disk that is only read. */
export type ReadDisk = Pick<Disk, "list" | "read">;

/** The pages of a stopped host. */
export type StoredPages = Pick<PageStore, "get" | "tail" | "pages" | "count" | "close">;

/** Bytes that a directory takes on its medium. */
export interface DiskUse {
  readonly log: number;
  readonly pages: number;
}

/** Names of the hosts below `directory` that have a disk `disk`, in code unit order; none if there is no such directory. */
export async function storedHosts(directory: string, disk: string): Promise<string[]> {
  const entries = await fsp.readdir(directory).catch(() => []);
  return entries.filter((name) => fs.existsSync(diskDirectory(path.join(directory, name), disk))).sort();
}

export class StoredHost {
  readonly #directory: string;

  /** `directory`: as the host itself had it. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Undefined if there is none. */
  async openDisk(name: string): Promise<ReadDisk | undefined> {
    const directory = diskDirectory(this.#directory, name);
    return (await isDirectory(directory)) ? StoredDisk.open(directory) : undefined;
  }

  /** Undefined if there is none. Throws `DiskFaultError` if it cannot be believed. */
  async openPageStore(name: string): Promise<StoredPages | undefined> {
    const directory = pageStoreDirectory(this.#directory, name);
    return (await isDirectory(directory)) ? FilePageStore.openReadOnly(directory) : undefined;
  }

  async diskUse(disk: string, pageStore: string): Promise<DiskUse> {
    return {
      log: await bytesIn(diskDirectory(this.#directory, disk)),
      pages: await bytesIn(pageStoreDirectory(this.#directory, pageStore)),
    };
  }
}

class StoredDisk implements ReadDisk {
  readonly #directory: string;
  readonly #sizes: ReadonlyMap<string, number>;

  private constructor(directory: string, sizes: ReadonlyMap<string, number>) {
    this.#directory = directory;
    this.#sizes = sizes;
  }

  static async open(directory: string): Promise<StoredDisk> {
    const sizes = new Map<string, number>();
    for (const entry of (await fsp.readdir(directory)).sort())
      if (fileNamePattern.test(entry)) sizes.set(entry, (await fsp.stat(path.join(directory, entry))).size);
    return new StoredDisk(directory, sizes);
  }

  async list(): Promise<DiskFile[]> {
    return [...this.#sizes].map(([name, bytes]) => ({ name, bytes }));
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    const handle = await fsp.open(path.join(this.#directory, name), "r");
    try {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, (this.#sizes.get(name) ?? 0) - offset)));
      for (let got = 0; got < bytes.length;) {
        const { bytesRead } = await handle.read(bytes, got, bytes.length - got, offset + got);
        if (bytesRead === 0) throw new DiskFaultError(`${name} became shorter while it was read`);
        got += bytesRead;
      }
      return bytes;
    } catch (error) {
      throw asDiskError(error);
    } finally {
      await handle.close();
    }
  }
}

async function isDirectory(directory: string): Promise<boolean> {
  const stat = await fsp.stat(directory).catch(() => undefined);
  return stat?.isDirectory() === true;
}

/** What files take, sparse ones as much as they have blocks; where the system knows no blocks, their size. */
async function bytesIn(directory: string): Promise<number> {
  let bytes = 0;
  for (const entry of await fsp.readdir(directory).catch(() => [])) {
    const stat = await fsp.stat(path.join(directory, entry));
    if (stat.isFile()) bytes += process.platform === "win32" ? stat.size : stat.blocks * 512;
  }
  return bytes;
}
