/**
 * The PageStore port on LMDB: a memory-mapped B+tree whose commits are copy-on-write, so that a crash leaves the last
 * commit whole without a log or a repair.
 *
 * Of lmdb-js two defaults are changed. `overlappingSync` is off: with it a commit resolves when it is visible, and
 * the sync comes later; without it the data is synced before the meta page is written and that is synced before
 * the promise resolves. And each batch goes through `batch()`, which is one transaction; single puts would be
 * grouped as time has it.
 */
import type { Done, PageStore, StoredPage } from "@sixfold/ports";
import { pageIdMax } from "@sixfold/ports";
import type { RootDatabase, RootDatabaseOptionsWithPath } from "lmdb";
import { open } from "lmdb";
import { asDiskError } from "./file-disk.ts";

export class LmdbPageStore implements PageStore {
  readonly #database: RootDatabase<Uint8Array, number>;

  private constructor(database: RootDatabase<Uint8Array, number>) {
    this.#database = database;
  }

  /** Opens or makes the store in `directory`, which holds nothing else. */
  static open(directory: string): LmdbPageStore {
    return new LmdbPageStore(open<Uint8Array, number>(optionsFor(directory)));
  }

  /** Only for reading; nothing in `directory` changes but LMDB's lock file, which may be made. */
  static openReadOnly(directory: string): LmdbPageStore {
    return new LmdbPageStore(open<Uint8Array, number>({ ...optionsFor(directory), readOnly: true }));
  }

  get(page: number): Uint8Array | undefined {
    // Always a copy (the `Fast` variant would lend a buffer that the next read overwrites).
    return this.#database.getBinary(page);
  }

  put(pages: readonly StoredPage[], done: Done): void {
    this.#batch(() => {
      for (const [page, bytes] of pages) void this.#database.put(page, bytes);
    }, done);
  }

  remove(pages: readonly number[], done: Done): void {
    this.#batch(() => {
      for (const page of pages) void this.#database.remove(page);
    }, done);
  }

  pages(from: number, limit: number): number[] {
    if (limit <= 0 || from > pageIdMax) return [];
    return [...this.#database.getKeys({ start: from, limit })];
  }

  count(): number {
    return (this.#database.getStats() as { entryCount: number }).entryCount;
  }

  diskBytes(): number {
    const { lastPageNumber, pageSize } = this.#database.getStats() as Record<
      "lastPageNumber" | "pageSize",
      number
    >;
    return (lastPageNumber + 1) * pageSize;
  }

  async close(): Promise<void> {
    await this.#database.close();
  }

  #batch(write: () => void, done: Done): void {
    this.#database.batch(write).then(
      () => done(),
      (error: unknown) => done(asDiskError(error)),
    );
  }
}

function optionsFor(directory: string): RootDatabaseOptionsWithPath & { readonly noReadAhead: boolean } {
  return {
    path: directory,
    // A dot in the last part of a path would make lmdb-js take it for a file.
    noSubdir: false,
    keyEncoding: "uint32",
    encoding: "binary",
    overlappingSync: false,
    // Pages are read once and kept in caches above; read-ahead would only push others out.
    noReadAhead: true,
  };
}
