import type { Done } from "./disk.ts";

/**
 * PageStore: merged pages by page id, the segment's long-term memory.
 *
 * It is written in the background only (DESIGN section 4: merge), in batches that are all or nothing,
 * and read in the foreground; hence `get` is synchronous and `put` is not. Values are bytes, one
 * at least: what stands in a page, its version and its checksum are the segment's affair.
 *
 * Visibility: `get` and `pages` show a batch no later than its `done`. After a crash a batch is there
 * whole or not at all, and it is there if its `done` came without an error. Batches take effect in the order given.
 *
 * A page is put whole or grows by what is added: `get` and `read` give all of it as one value, `tail` its end alone.
 */
export type StoredPage = readonly [page: number, bytes: Uint8Array];

/** A page anew; or what is added at the end of it, for which the page is not read. */
export type PagePut = readonly [page: number, bytes: Uint8Array, how?: "add" | undefined];

/** An error of the medium, or the pages. */
export type PagesRead = (pages: readonly StoredPage[] | Error) => void;

export interface PageStore {
  /** The caller owns the bytes (a copy). `undefined` if never put, or removed. */
  get(page: number): Uint8Array | undefined;

  /**
   * The last bytes of the page, at most so many: fewer only if they are all of it, or all that was put or added last. The caller owns them. For those who
   * ask what a page is, and not what is in it. `undefined` as for `get`.
   */
  tail(page: number, bytesMax: number): Uint8Array | undefined;

  /**
   * One atomic batch, durable at `done`. The bytes must not change until then. `done` is never called within this call. What is to be added to a page that
   * is not there is passed over. Throws RangeError if a page comes without bytes.
   */
  put(pages: readonly PagePut[], done: Done): void;

  /** One atomic batch, durable at `done`. Pages that are not there are passed over. */
  remove(pages: readonly number[], done: Done): void;

  /** At most `limit` page ids from `from` on, ascending. */
  pages(from: number, limit: number): number[];

  /**
   * At most `limit` pages from `from` on, ascending, as they stand now: `pages` and `get` in one, but the reading is done beside the
   * caller's turn. The caller owns the bytes; pages may be views of one buffer. `done` is never called within this call.
   * `room`, which is the store's until then, is read into if the store can and all of it fits in: so that who reads much
   * need not have new memory each time.
   */
  read(from: number, limit: number, done: PagesRead, room?: Uint8Array): void;

  /** Number of pages stored. O(1). */
  count(): number;

  /** What the store takes on its medium, whether there is something in it or not. O(1). */
  diskBytes(): number;

  /** Waits for batches under way. Nothing may be called afterwards. */
  close(): Promise<void>;
}

/** Page ids are unsigned 32-bit (DESIGN section 1: volume). */
export const pageIdMax = 0xffff_ffff;

/** For stores: throws what `put` throws. What has no bytes would lie nowhere, and be freed and found with what is there. */
export function checkPut(pages: readonly PagePut[]): void {
  for (const [page, bytes] of pages)
    if (bytes.length === 0) throw new RangeError(`page ${page} is put without bytes`);
}
