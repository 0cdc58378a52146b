/**
 * Changing B+trees, within the entry being built.
 *
 * `put` and `remove` descend from the root and note the path; when a leaf has no room, one
 * node of the path is split and the descent begins again, so that each step is simple
 * and the tree is whole between steps. All of it is one entry: readers see all or nothing (I4).
 *
 * A leaf that becomes empty is unlinked and freed, with a mark left on it: a writer that
 * still believes in the leaf is then caught by the page's version. Half-empty leaves are
 * left alone: merging them would make writers meet on pages for little space.
 *
 * Lehman-Yao latching and sideways links are not needed: one thread, and other writers
 * are kept apart by page versions.
 */
import { assert, pageId, type PageId } from "@sixfold/model";
import {
  formatPage,
  hasRoom,
  hasRoomInstead,
  insertRow,
  removeCell,
  replaceRow,
  type RowContent,
} from "./cell-edit.ts";
import type { EntryBuilder } from "./entry-builder.ts";
import type { Extents } from "./extents.ts";
import type { Frame } from "./frame.ts";
import { freeOverflow, writeOverflow } from "./overflow.ts";
import {
  KIND_BLANK,
  KIND_BRANCH,
  KIND_LEAF,
  cellAt,
  cellCount,
  childAt,
  leafCellBytes,
  maxCellBytes,
  rowIsOverflow,
  rowOverflowPage,
  searchBranch,
  searchLeaf,
} from "./slotted-page.ts";
import { splitAt, type Path } from "./tree-split.ts";

const EMPTY = new Uint8Array(0);

export class TreeEditor {
  private readonly builder: EntryBuilder;
  private readonly extents: Extents;
  private readonly path: Path = { frames: [], slots: [] };
  private readonly row: RowContent = { stream: 0, lsn: 0, value: EMPTY, length: 0, overflowPage: 0 };
  private readonly maxCell: number;

  constructor(builder: EntryBuilder, extents: Extents) {
    this.builder = builder;
    this.extents = extents;
    this.maxCell = maxCellBytes(extents.pageBytes);
  }

  /**
   * Sets a row; an existing one is replaced. The row gets the version of the entry being built. `first`: a long value's first page, if
   * it was written ahead.
   */
  put(root: PageId, key: Uint8Array, value: Uint8Array, first?: PageId): void {
    const { builder, row } = this;
    row.stream = builder.version.stream;
    row.lsn = builder.version.lsn;
    row.value = value;
    row.length = value.length;
    row.overflowPage = 0;
    const long = leafCellBytes(key.length, value.length) > this.maxCell;
    if (long) row.overflowPage = first ?? writeOverflow(builder, this.extents, value);
    const size = leafCellBytes(key.length, long ? 4 : value.length);
    for (;;) {
      const leaf = this.descend(root, key);
      const p = leaf.image;
      const found = searchLeaf(p, key);
      if (found >= 0) {
        if (hasRoomInstead(p, found, size)) {
          this.freeValue(leaf, found);
          replaceRow(builder.edit(leaf), found, row);
          break;
        }
        // Splitting a leaf of one cell would leave nothing on one side; such a leaf always has room instead.
        splitAt(builder, this.extents, this.path, this.path.frames.length - 1, found);
      } else if (hasRoom(p, size)) {
        insertRow(builder.edit(leaf), -1 - found, key, row);
        break;
      } else splitAt(builder, this.extents, this.path, this.path.frames.length - 1, -1 - found, key);
    }
    row.value = EMPTY;
    builder.checkSize();
  }

  /** Removes a row; false if there is none. */
  remove(root: PageId, key: Uint8Array): boolean {
    const leaf = this.descend(root, key);
    const found = searchLeaf(leaf.image, key);
    if (found < 0) {
      // That the row is absent is what the entry relies on.
      this.builder.relyOn(leaf);
      return false;
    }
    this.freeValue(leaf, found);
    removeCell(this.builder.edit(leaf), found);
    if (cellCount(leaf.image) === 0) this.unlink();
    this.builder.checkSize();
    return true;
  }

  /**
   * Takes the last leaf of a tree away with all its rows, as long as the tree has more than its root.
   * When only the root is left, frees that too and returns true.
   */
  reapLeaf(root: PageId): boolean {
    const { frames, slots } = this.path;
    frames.length = slots.length = 0;
    let frame = this.builder.head(root);
    frames.push(frame);
    while (frame.image[0] === KIND_BRANCH) {
      const last = cellCount(frame.image) - 1;
      slots.push(last);
      frame = this.builder.head(pageId(childAt(frame.image, last)));
      frames.push(frame);
    }
    if (frame.image[0] === KIND_LEAF)
      for (let i = 0; i < cellCount(frame.image); i++) this.freeValue(frame, i);
    if (frames.length > 1) {
      this.unlink();
      return false;
    }
    formatPage(this.builder.edit(frame), KIND_BLANK, 0);
    this.extents.free(this.builder, root);
    return true;
  }

  /** Fetches what a put or remove of `key` will surely need, without changing anything. */
  prefetch(root: PageId, key: Uint8Array): void {
    this.descend(root, key);
  }

  private descend(root: PageId, key: Uint8Array): Frame {
    const { frames, slots } = this.path;
    frames.length = slots.length = 0;
    let frame = this.builder.head(root);
    frames.push(frame);
    while (frame.image[0] === KIND_BRANCH) {
      this.builder.relyOn(frame);
      const i = searchBranch(frame.image, key);
      slots.push(i);
      frame = this.builder.head(pageId(childAt(frame.image, i)));
      frames.push(frame);
    }
    assert(frame.image[0] === KIND_LEAF, "a tree's branches lead to a leaf");
    return frame;
  }

  private freeValue(leaf: Frame, index: number): void {
    const cell = cellAt(leaf.image, index);
    if (rowIsOverflow(leaf.image, cell))
      freeOverflow(this.builder, this.extents, pageId(rowOverflowPage(leaf.image, cell)));
  }

  /** Takes the last node of the path out of the tree, and every branch that is empty then. */
  private unlink(): void {
    const { frames, slots } = this.path;
    for (let depth = frames.length - 1; depth > 0; depth--) {
      const node = frames[depth]!;
      formatPage(this.builder.edit(node), KIND_BLANK, 0);
      this.extents.free(this.builder, node.page);
      const parent = frames[depth - 1]!;
      removeCell(this.builder.edit(parent), slots[depth - 1]!);
      if (cellCount(parent.image) > 0) return;
    }
    // The whole tree is empty: the root, which stays, becomes a leaf.
    if (frames.length > 1) formatPage(this.builder.edit(frames[0]!), KIND_LEAF, 0);
  }
}
