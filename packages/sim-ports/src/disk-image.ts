/**
 * DiskImage: the medium under a simulated disk; it outlives crashes.
 *
 * It keeps what a reader sees (live) and, for every write that is not yet synced, what was there before.
 * Together they are the durable image: live with all unsynced writes undone. A power loss decides, for each sector of each
 * unsynced write, which of the two it was (LevelDB's and redb's test disks do the same by whole files).
 *
 *      write ──> live, undo kept ──done──> undo dropped: durable
 *        │               │
 *        │               └─ power loss: sector by sector new or old        kill: live stays, undo stays
 *        └─ misdirected: all of this at another place, of the same file or another; the right one is as it was
 */
import { sectorBytes } from "@sixfold/ports";
import { Device } from "./device.ts";

interface Unsynced {
  readonly file: FileImage;
  readonly offset: number;
  readonly bytes: number;
  /** `undefined`: zeros, for nothing had been written there. */
  old: Uint8Array | undefined;
  /** Its sync has failed: the system holds it for clean, and no later sync will write it. */
  lost: boolean;
}

export interface FileImage {
  readonly live: Uint8Array;
  /** No byte from here on was ever written: all zeros. */
  writtenTo: number;
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
    for (const { unsynced } of this.files.values()) for (const { bytes } of unsynced) sum += bytes;
    return sum;
  }

  /** Damages the medium: every byte of the range is changed, synced or not. */
  corrupt(name: string, offset: number, length: number): void {
    const file = this.files.get(name);
    if (file === undefined) throw new Error(`no such file: ${name}`);
    const end = Math.min(file.live.byteLength, offset + length);
    for (let i = offset; i < end; i++) file.live[i]! ^= 1 + this.random.int(255);
    file.writtenTo = Math.max(file.writtenTo, end);
  }

  /**
   * A write is taken: readers see it at once. What is returned is to be called when its sync has ended, and makes it
   * durable or, after a failure, lost.
   */
  begin(
    file: FileImage,
    offset: number,
    chunks: readonly Uint8Array[],
    bytes: number,
  ): (isDurable: boolean) => void {
    // A sync of the whole file makes durable what was written before it, be it by a process now dead.
    const covered = bytes === 0 ? [...file.unsynced] : this.#put(file, offset, chunks, bytes);
    const written = covered.map((write) => writtenAgain(write));
    return (isDurable) => {
      if (isDurable) for (const again of written) again?.();
      for (const write of covered) {
        if (!isDurable) write.lost = true;
        else if (!write.lost) write.file.unsynced = write.file.unsynced.filter((other) => other !== write);
      }
    };
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
      for (const write of file.unsynced.reverse()) this.#tear(write);
      file.unsynced = [];
    }
  }

  #put(file: FileImage, offset: number, chunks: readonly Uint8Array[], bytes: number): Unsynced[] {
    const lie = this.takeLie();
    let place: Place | undefined = { file, offset };
    if (lie === "misdirect") place = this.#wrongPlace(file, offset, bytes);
    // Nowhere to go wrong to: the write is lost.
    if (place === undefined) return [];
    const write = putLive(place, chunks, bytes);
    if (lie === "corrupt") this.spoil(place.file.live, place.offset, place.offset + bytes);
    return [write];
  }

  /** Whole sectors away from the right one, where all of it fits without touching it. */
  #wrongPlace(right: FileImage, offset: number, bytes: number): Place | undefined {
    const within = offset % sectorBytes;
    const places: { file: FileImage; count: number }[] = [];
    let count = 0;
    for (const file of this.files.values()) {
      const fits = Math.floor((file.live.byteLength - bytes - within) / sectorBytes) + 1;
      if (fits > 0) places.push({ file, count: fits });
      count += Math.max(0, fits);
    }
    // Where there is room at all, most places are apart from the right one; a few tries find one.
    for (let tries = 0; tries < 20 && count > 0; tries++) {
      let nth = this.random.int(count);
      for (const { file, count: fits } of places) {
        if (nth < fits) {
          const at = within + nth * sectorBytes;
          if (file !== right || Math.abs(at - offset) >= bytes) return { file, offset: at };
          break;
        }
        nth -= fits;
      }
    }
    return undefined;
  }

  /** Four kinds of tear, since uniformly random sectors would nearly never leave a whole block or none of it. */
  #tear({ file, offset, bytes, old, lost }: Unsynced): void {
    const end = offset + bytes;
    const kind = lost ? "none" : this.random.pick(["all", "none", "prefix", "sectors"] as const);
    const cut = offset + this.random.int(bytes + 1);
    for (let from = offset; from < end;) {
      const to = Math.min(end, (Math.floor(from / sectorBytes) + 1) * sectorBytes);
      const isNew =
        kind === "all" || (kind === "prefix" && to <= cut) || (kind === "sectors" && this.random.chance(0.5));
      if (!isNew && old === undefined) file.live.fill(0, from, to);
      else if (!isNew) file.live.set(old!.subarray(from - offset, to - offset), from);
      from = to;
    }
  }
}

interface Place {
  readonly file: FileImage;
  readonly offset: number;
}

export function newFile(bytes: number): FileImage {
  return { live: new Uint8Array(bytes), writtenTo: 0, unsynced: [] };
}

/** What is to be done once `write` is durable, if it lies on others that are not: their place now holds its bytes for good. */
function writtenAgain(write: Unsynced): (() => void) | undefined {
  const { file, offset, bytes } = write;
  const under = file.unsynced.filter(
    (other) => other !== write && other.offset < offset + bytes && offset < other.offset + other.bytes,
  );
  if (under.length === 0) return undefined;
  const content = file.live.slice(offset, offset + bytes);
  return () => {
    for (const other of under) {
      other.old ??= new Uint8Array(other.bytes);
      const from = Math.max(offset, other.offset);
      const to = Math.min(offset + bytes, other.offset + other.bytes);
      other.old.set(content.subarray(from - offset, to - offset), from - other.offset);
    }
  };
}

function putLive({ file, offset }: Place, chunks: readonly Uint8Array[], bytes: number): Unsynced {
  const end = offset + bytes;
  // Logs write where nothing was before, and need no copy of it.
  const old = offset >= file.writtenTo ? undefined : file.live.slice(offset, end);
  const write: Unsynced = { file, offset, bytes, old, lost: false };
  file.unsynced.push(write);
  file.writtenTo = Math.max(file.writtenTo, end);
  let at = offset;
  for (const chunk of chunks) {
    file.live.set(chunk, at);
    at += chunk.byteLength;
  }
  return write;
}
