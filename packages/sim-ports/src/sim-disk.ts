/**
 * The Disk port of one incarnation, on the medium that outlives it (./disk-image.ts). What a process that has ended still
 * asks for (its code may be on the stack, or in a promise's continuation) is not done and not answered.
 */
import type { Disk, DiskFile, Done } from "@sixfold/ports";
import { DiskFullError, fileNamePattern } from "@sixfold/ports";
import { type DiskImage, newFile } from "./disk-image.ts";
import type { Incarnation, Timeline } from "./timeline.ts";
import { hashText } from "./trace-hash.ts";

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
    if (!this.#owner.alive) return never();
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
    // What is beyond the end takes no time.
    const there = Math.max(0, (this.#image.files.get(name)?.live.byteLength ?? 0) - offset);
    return this.#operate("read", hashText(name), Math.min(length, there), () => {
      const file = this.#image.files.get(name);
      if (file === undefined) throw new Error(`no such file: ${name}`);
      return file.live.slice(offset, offset + length);
    });
  }

  write(name: string, offset: number, chunks: readonly Uint8Array[], done: Done): void {
    const owner = this.#owner;
    if (!owner.alive || owner.node.endsAt("before-persist")) {
      this.#world.unwind(owner);
      return;
    }
    const image = this.#image;
    const file = image.files.get(name);
    let bytes = 0;
    for (const chunk of chunks) bytes += chunk.byteLength;
    if (file === undefined || offset < 0 || offset + bytes > file.live.byteLength) {
      const why = file === undefined ? "no such file" : `${offset} + ${bytes} is beyond its end`;
      const run = (): void => done(new Error(`write to ${name}: ${why}`));
      this.#world.schedule(this.#world.nowMs, { owner, kind: "write", detail: bytes, run });
      return;
    }
    const settle = image.begin(file, offset, chunks, bytes);
    this.#underWay += 1;
    const run = (): void => {
      const failure = image.takeFailure();
      settle(failure === undefined);
      this.#finished();
      if (failure === undefined && owner.node.endsAt("after-persist")) return;
      done(failure);
    };
    image.serve({ owner, kind: "write", detail: bytes, run }, bytes);
  }

  remove(name: string): Promise<void> {
    const image = this.#image;
    if (!this.#owner.alive) return never();
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
    const owner = this.#owner;
    if (!owner.alive) return never();
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
      this.#image.serve({ owner, kind, detail, run }, bytes);
    });
  }
}

/** The dead get no answer. */
function never<T>(): Promise<T> {
  return new Promise<T>(() => {});
}
