/**
 * Disk: a flat directory of preallocated files, written by position and synced as one step.
 *
 * Files have their final size from the start, so that a later sync carries data only and never the
 * file's own metadata: overwriting a preallocated file syncs in half the time of appending.
 *
 * What a crash leaves: every write whose `done` came without an error is there whole. Of a write still
 * under way each sector may be old or new, in any combination (torn).
 */

/** Writes are torn at this grain and no finer: the sector that disks have written atomically for decades. */
export const sectorBytes = 512;

/** No directories, nothing hidden, nothing that two file systems could take for the same name. */
export const fileNamePattern = /^[a-z0-9][a-z0-9._-]{0,99}$/;

export interface DiskFile {
  readonly name: string;
  readonly bytes: number;
}

export type Done = (error?: Error) => void;

export interface Disk {
  /** All files, by name in code unit order. */
  list(): Promise<DiskFile[]>;

  /**
   * Preallocated, zero-filled, and durable with its directory entry when this resolves. Rejects
   * without leaving anything behind if the name exists or the space does not (`DiskFullError`).
   * A crash in between leaves all of the file or none of it. For names see `fileNamePattern`.
   */
  create(name: string, bytes: number): Promise<void>;

  /** Shorter at the end of the file, empty beyond. The caller owns the bytes. */
  read(name: string, offset: number, length: number): Promise<Uint8Array>;

  /**
   * Writes the chunks one after the other from `offset` on and syncs them; `done` means durable. The
   * chunks must not change until then. Never grows a file. Writes of one file may be given while
   * others are under way; they are then unordered among themselves. `done` is never called within this call.
   */
  write(name: string, offset: number, chunks: readonly Uint8Array[], done: Done): void;

  /** Durable when this resolves. No error if there is no such file. */
  remove(name: string): Promise<void>;

  /** What is left for new files. */
  freeBytes(): Promise<number>;

  /** Waits for writes under way. Nothing may be called afterwards. */
  close(): Promise<void>;
}

/** There is no room for a file or a page. Nothing was changed. */
export class DiskFullError extends Error {
  override readonly name = "DiskFullError";
}

/** The file or the stored bytes are not what was written: a fault of the medium, not of the caller. */
export class DiskFaultError extends Error {
  override readonly name = "DiskFaultError";
}
