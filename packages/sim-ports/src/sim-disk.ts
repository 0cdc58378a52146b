/**
 * The Disk port in a simulated world, in two parts: `DiskImage` is the medium and outlives crashes; `SimDisk` is the
 * port of one incarnation on it.
 *
 * The image keeps what a reader sees (live) and, for every write that is not yet synced, what was there before.
 * Together they are the durable image: live with all unsynced writes undone. A power loss decides, for each sector of each
 * unsynced write, which of the two it was (LevelDB's and redb's test disks do the same by whole files).
 *
 *      write ──> live, undo kept ──done──> undo dropped: durable
 *                      │
 *                      └─ power loss: sector by sector new or old        kill: live stays, undo stays
 */
import type { Disk, DiskFile, Done } from "@sixfold/ports";
import { DiskFullError, fileNamePattern, sectorBytes } from "@sixfold/ports";
import { Device } from "./device.ts";
import type { Incarnation, Timeline } from "./timeline.ts";
import { hashText } from "./trace-hash.ts";

interface Unsynced {
  readonly offset: number;
  readonly old: Uint8Array;
  /** Its sync has failed: the system holds it for clean, and no later sync will write it. */
  lost: boolean;
}

interface FileImage {
  readonly live: Uint8Array;
  /** In the order of writing. */
  unsynced: Unsynced[];
}

export class DiskImage extends Device {
  readonly files = new Map<string, FileImage>();
  readonly making = new Map<string, number>();
  readonly removing = new Set<string>();

  get usedBytes(): number {
    let sum = 0;
    for (const { live } of this.files.values()) sum += live.byteLength;
    for (const bytes of this.making.values()) sum += bytes;
    return sum;
  }

  /** Unsynced bytes over all files: what a power loss now would put at risk. */
  get unsyncedBytes(): number {
    let sum = 0;
    for (const { unsynced } of this.files.values()) for (const { old } of unsynced) sum += old.byteLength;
    return sum;
  }

  /** Damages the medium: every byte of the range is changed, synced or not. */
  corrupt(name: string, offset: number, length: number): void {
    const file = this.files.get(name);
    if (file === undefined) throw new Error(`no such file: ${name}`);
    const end = Math.min(file.live.byteLength, offset + length);
    for (let i = offset; i < end; i++) file.live[i]! ^= 1 + this.random.int(255);
  }

  /** Directory operations under way are done or not; what was written is in the system's cache and stays. */
  processEnd(): void {
    this.forget();
    for (const [name, bytes] of this.making)
      if (this.random.chance(0.5)) this.files.set(name, newFile(bytes));
    for (const name of this.removing) if (this.random.chance(0.5)) this.files.delete(name);
    this.making.clear();
    this.removing.clear();
  }

  powerLoss(): void {
    this.processEnd();
    for (const file of this.files.values()) {
      // Backwards, so that where writes overlap the oldest bytes come back last.
      for (const write of file.unsynced.reverse()) this.#tear(file, write);
      file.unsynced = [];
    }
  }

  /** Four kinds of tear, since uniformly random sectors would nearly never leave a whole block or none of it. */
  #tear(file: FileImage, write: Unsynced): void {
    const { offset, old, lost } = write;
    const end = offset + old.byteLength;
    const kind = lost ? "none" : this.random.pick(["all", "none", "prefix", "sectors"] as const);
    const cut = offset + this.random.int(old.byteLength + 1);
    for (let from = offset; from < end;) {
      const to = Math.min(end, (Math.floor(from / sectorBytes) + 1) * sectorBytes);
      const isNew =
        kind === "all" || (kind === "prefix" && to <= cut) || (kind === "sectors" && this.random.chance(0.5));
      if (!isNew) file.live.set(old.subarray(from - offset, to - offset), from);
      from = to;
    }
  }
}

function newFile(bytes: number): FileImage {
  return { live: new Uint8Array(bytes), unsynced: [] };
}

export class SimDisk implements Disk {
  readonly #world: Timeline;
  readonly #owner: Incarnation;
  readonly #image: DiskImage;
  #underWay = 0;
  #idle: (() => void) | undefined;

  constructor(world: Timeline, owner: Incarnation, image: DiskImage) {
    this.#world = world;
    this.#owner = owner;
    this.#image = image;
  }

  list(): Promise<DiskFile[]> {
    return this.#operate("list", 0, 0, () => {
      const files = [...this.#image.files].map(([name, { live }]) => ({ name, bytes: live.byteLength }));
      return files.sort((a, b) => (a.name < b.name ? -1 : 1));
    });
  }

  create(name: string, bytes: number): Promise<void> {
    const image = this.#image;
    if (!fileNamePattern.test(name))
      return Promise.reject(new Error(`not a file name: ${JSON.stringify(name)}`));
    if (image.files.has(name) || image.making.has(name))
      return Promise.reject(new Error(`file exists: ${name}`));
    if (image.usedBytes + bytes > image.capacity) {
      return this.#operate("create", hashText(name), 0, () => {
        throw new DiskFullError(`no room for ${name}, ${bytes} bytes`);
      });
    }
    image.making.set(name, bytes);
    return this.#operate("create", hashText(name), bytes, () => {
      image.making.delete(name);
      image.files.set(name, newFile(bytes));
    });
  }

  read(name: string, offset: number, length: number): Promise<Uint8Array> {
    return this.#operate("read", hashText(name), length, () => {
      const file = this.#image.files.get(name);
      if (file === undefined) throw new Error(`no such file: ${name}`);
      return file.live.slice(offset, offset + length);
    });
  }

  write(name: string, offset: number, chunks: readonly Uint8Array[], done: Done): void {
    const file = this.#image.files.get(name);
    let bytes = 0;
    for (const chunk of chunks) bytes += chunk.byteLength;
    if (file === undefined || offset < 0 || offset + bytes > file.live.byteLength) {
      const why = file === undefined ? "no such file" : `${offset} + ${bytes} is beyond its end`;
      const run = (): void => done(new Error(`write to ${name}: ${why}`));
      this.#world.schedule(this.#world.nowMs, { owner: this.#owner, kind: "write", detail: bytes, run });
      return;
    }
    // A sync of the whole file makes durable what was written before it, be it by a process now dead.
    const covered = bytes === 0 ? [...file.unsynced] : [putLive(file, offset, chunks, bytes)];
    this.#underWay += 1;
    const run = (): void => {
      const failure = this.#image.takeFailure();
      if (failure === undefined)
        file.unsynced = file.unsynced.filter((write) => write.lost || !covered.includes(write));
      else for (const write of covered) write.lost = true;
      this.#finished();
      done(failure);
    };
    this.#image.serve(this.#world, { owner: this.#owner, kind: "write", detail: bytes, run }, bytes);
  }

  remove(name: string): Promise<void> {
    const image = this.#image;
    if (!image.files.has(name)) return this.#operate("remove", hashText(name), 0, () => {});
    image.removing.add(name);
    return this.#operate("remove", hashText(name), 0, () => {
      image.removing.delete(name);
      image.files.delete(name);
    });
  }

  freeBytes(): Promise<number> {
    return this.#operate("free", 0, 0, () => Math.max(0, this.#image.capacity - this.#image.usedBytes));
  }

  async close(): Promise<void> {
    if (this.#underWay > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  #finished(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#idle?.();
  }

  /** Takes its turn at the device; never settles if the incarnation dies first (W2). */
  #operate<T>(kind: string, detail: number, bytes: number, apply: () => T): Promise<T> {
    this.#underWay += 1;
    return new Promise<T>((resolve, reject) => {
      const run = (): void => {
        try {
          resolve(apply());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
        this.#finished();
      };
      this.#image.serve(this.#world, { owner: this.#owner, kind, detail, run }, bytes);
    });
  }
}

function putLive(file: FileImage, offset: number, chunks: readonly Uint8Array[], bytes: number): Unsynced {
  const write: Unsynced = { offset, old: file.live.slice(offset, offset + bytes), lost: false };
  file.unsynced.push(write);
  let at = offset;
  for (const chunk of chunks) {
    file.live.set(chunk, at);
    at += chunk.byteLength;
  }
  return write;
}
