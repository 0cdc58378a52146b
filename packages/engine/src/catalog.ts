/**
 * The catalog: a tree like any other, rooted at page 1.
 *
 *     00 | name          ->  u32 root page         a table
 *     01 | u32 root, BE  ->  (empty)               a dropped table whose pages are still to be freed
 *
 * Dropping a table of any size is one small entry; its pages are freed by later entries of
 * their own ("reaping"), by whichever writer is there.
 */
import {
  CATALOG_ROOT_PAGE,
  LIMITS,
  SixfoldError,
  limitExceeded,
  lsn,
  pageId,
  streamId,
  type PageId,
  type PageVersion,
} from "@sixfold/model";
import { formatPage } from "./cell-edit.ts";
import type { EntryBuilder } from "./entry-builder.ts";
import type { Extents } from "./extents.ts";
import type { TreeEditor } from "./tree-edit.ts";
import type { PageReader } from "./page-reader.ts";
import { ScanCursor, copyOfKey, findLeaf, rowValue } from "./tree.ts";
import type { Frame } from "./frame.ts";
import { KIND_BLANK, KIND_LEAF, cellAt, putU32, rowLsn, rowStream, searchLeaf, u32 } from "./slotted-page.ts";
import { UNWIND, type Wants } from "./unwind.ts";

const TABLE = 0;
const DROPPED = 1;

interface Cached {
  readonly key: Uint8Array;
  leaf: Frame | undefined;
  lsn: number;
  stream: number;
  root: PageId | undefined;
  rowStream: number;
  rowLsn: number;
}

/** Names remembered; beyond it the memory starts anew. */
const MAX_CACHED = 4096;

export class Catalog {
  private readonly cache = new Map<string, Cached>();
  private readonly wants: Wants;
  private readonly encoder = new TextEncoder();
  private readonly decoder = new TextDecoder();

  constructor(wants: Wants) {
    this.wants = wants;
  }

  /**
   * Root of a table by the newest local state; undefined if there is none. What the entry being built finds out
   * about a table, it depends on. The answer is kept as long as the catalog's leaf does not change.
   */
  root(builder: EntryBuilder, table: string): PageId | undefined {
    const cached = this.entry(table);
    const { leaf } = cached;
    if (
      leaf === undefined ||
      !leaf.live ||
      leaf.suspect ||
      leaf.edit !== undefined ||
      leaf.version.lsn !== cached.lsn ||
      leaf.version.stream !== cached.stream
    ) {
      const frame = builder.head(findLeaf(builder, CATALOG_ROOT_PAGE, cached.key));
      const p = frame.image;
      cached.leaf = frame;
      cached.lsn = frame.version.lsn;
      cached.stream = frame.version.stream;
      const index = searchLeaf(p, cached.key);
      cached.root = index < 0 || p[0] !== KIND_LEAF ? undefined : pageId(u32(rowValue(builder, p, index), 0));
      cached.rowStream = cached.root === undefined ? frame.version.stream : rowStream(p, cellAt(p, index));
      cached.rowLsn = cached.root === undefined ? frame.version.lsn : rowLsn(p, cellAt(p, index));
      if (frame.edit !== undefined) cached.leaf = undefined;
    }
    if (builder.active) builder.dependOn(cached.rowStream, cached.rowLsn);
    return cached.root;
  }

  /** Like `root`, but a missing table is an error. */
  rootOrFail(builder: EntryBuilder, table: string): PageId {
    const root = this.root(builder, table);
    if (root === undefined) throw unknownTable(table);
    return root;
  }

  /** The version of a table's row in the catalog, or of the catalog's page if there is none; as `root` has just found it. */
  versionOf(table: string): PageVersion {
    const { rowStream, rowLsn } = this.entry(table);
    return { stream: streamId(rowStream), lsn: lsn(rowLsn) };
  }

  /** Root of a table as a view sees it. */
  rootAt(reader: PageReader, table: string): PageId | undefined {
    const { key } = this.entry(table);
    const p = reader.read(findLeaf(reader, CATALOG_ROOT_PAGE, key));
    const index = searchLeaf(p, key);
    return index < 0 || p[0] !== KIND_LEAF ? undefined : pageId(u32(rowValue(reader, p, index), 0));
  }

  names(cursor: ScanCursor<Uint8Array>, reader: PageReader): string[] {
    cursor.run(reader, this.wants, CATALOG_ROOT_PAGE);
    return cursor.rows.map((key) => this.decoder.decode(key.subarray(1)));
  }

  cursorOfNames(): ScanCursor<Uint8Array> {
    const range = { gte: Uint8Array.of(TABLE), lt: Uint8Array.of(DROPPED) };
    return new ScanCursor(range, LIMITS.tables, copyOfKey, false);
  }

  /** Makes a table, unless it is there already. */
  create(builder: EntryBuilder, trees: TreeEditor, extents: Extents, table: string): void {
    this.checkFormatted(builder);
    if (this.root(builder, table) !== undefined) return;
    const root = extents.allocate(builder);
    formatPage(builder.edit(builder.head(root)), KIND_LEAF, 0);
    const value = new Uint8Array(4);
    putU32(value, 0, root);
    trees.put(CATALOG_ROOT_PAGE, this.entry(table).key, value);
  }

  /** Takes a table's name away, if there is such a table; its pages are left to `reap`. */
  drop(builder: EntryBuilder, trees: TreeEditor, table: string): void {
    const root = this.root(builder, table);
    if (root === undefined) return;
    trees.remove(CATALOG_ROOT_PAGE, this.entry(table).key);
    trees.put(CATALOG_ROOT_PAGE, droppedKey(root), new Uint8Array(0));
  }

  /** Frees up to `leaves` leaves of one dropped table; false if there is none. */
  reap(builder: EntryBuilder, trees: TreeEditor, leaves: number): boolean {
    if (builder.head(CATALOG_ROOT_PAGE).image[0] === KIND_BLANK) return false;
    const range = { gte: Uint8Array.of(DROPPED), lt: Uint8Array.of(DROPPED + 1) };
    const cursor = new ScanCursor(range, 1, copyOfKey, false);
    // Pages may be freed only if the drop itself is committed.
    cursor.onLeaf = (page) => builder.relyOn(builder.head(page));
    cursor.run(builder, this.wants, CATALOG_ROOT_PAGE);
    const key = cursor.rows[0];
    if (key === undefined) return false;
    const root = pageId(((key[1]! << 24) | (key[2]! << 16) | (key[3]! << 8) | key[4]!) >>> 0);
    for (let i = 0; i < leaves; i++) {
      if (!trees.reapLeaf(root)) continue;
      trees.remove(CATALOG_ROOT_PAGE, key);
      break;
    }
    return true;
  }

  /** A writer waits until the volume has its first pages. */
  checkFormatted(builder: EntryBuilder): void {
    if (builder.head(CATALOG_ROOT_PAGE).image[0] !== KIND_BLANK) return;
    this.wants.format = true;
    throw UNWIND;
  }

  private entry(table: string): Cached {
    let cached = this.cache.get(table);
    if (cached === undefined) {
      const name = this.encoder.encode(table);
      if (name.length === 0)
        throw new SixfoldError("bad-request", "a table's name is not empty", { details: { table } });
      if (name.length > LIMITS.tableNameBytes)
        throw limitExceeded("tableNameBytes", name.length, "the table's name");
      const key = new Uint8Array(1 + name.length);
      key[0] = TABLE;
      key.set(name, 1);
      cached = { key, leaf: undefined, lsn: 0, stream: 0, root: undefined, rowStream: 0, rowLsn: 0 };
      if (this.cache.size >= MAX_CACHED) this.cache.clear();
      this.cache.set(table, cached);
    }
    return cached;
  }
}

function droppedKey(root: PageId): Uint8Array {
  return Uint8Array.of(DROPPED, root >>> 24, (root >>> 16) & 0xff, (root >>> 8) & 0xff, root & 0xff);
}

export const unknownTable = (table: string): SixfoldError =>
  new SixfoldError("unknown-table", `there is no table "${table}"`, { details: { table } });
