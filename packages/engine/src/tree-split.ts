/**
 * Splitting a node of a path.
 *
 *     parent  [ ... | L | ... ]        ->   [ ... | L | sep R | ... ]
 *               L [ a b c d e ]                L [ a b c ]   R [ d e ]
 *
 * The point of the split is by bytes; where keys arrive in order (the new cell goes behind
 * the last) the left node stays full and the right begins empty. Separators between leaves are cut to the
 * shortest that tells the two sides apart (Bayer and Unterauer, Prefix B-trees, 1977).
 *
 * Whatever narrows a node's range changes the node: that is what keeps writers with a stale parent out.
 *
 * The root never moves: splitting it pushes its cells down into a new node first.
 */
import { assert, type PageId } from "@sixfold/model";
import { copyCells, formatPage, hasRoom, insertChild, truncateCells } from "./cell-edit.ts";
import type { EntryBuilder } from "./entry-builder.ts";
import type { Extents } from "./extents.ts";
import {
  KIND_BRANCH,
  KIND_LEAF,
  branchCellBytes,
  cellAt,
  cellBytes,
  cellCount,
  copyKey,
  pageLevel,
} from "./slotted-page.ts";
import type { Frame } from "./frame.ts";

/** The way from the root to a leaf. `slots[i]` is the cell of `frames[i]` that leads to `frames[i+1]`. */
export interface Path {
  readonly frames: Frame[];
  readonly slots: number[];
}

const EMPTY = new Uint8Array(0);

/**
 * Splits the node at `depth` of the path, or first one above it if that lacks room: the caller descends
 * again afterwards. `slot` is where the cell in want of room is or goes; `newKey` is its key if it is new.
 */
export function splitAt(
  builder: EntryBuilder,
  extents: Extents,
  path: Path,
  depth: number,
  slot: number,
  newKey?: Uint8Array,
): void {
  let at = depth;
  let place = slot;
  let key = newKey;
  // Goes up while the parent has no room for the separator; every round is a smaller depth.
  for (;;) {
    if (at === 0) return pushDown(builder, extents, path);
    const node = path.frames[at]!;
    const cut = splitPoint(node.image, place, key);
    const separator = separatorAt(node.image, cut, key);
    const parent = path.frames[at - 1]!;
    const index = path.slots[at - 1]! + 1;
    if (hasRoom(parent.image, branchCellBytes(separator.length))) {
      const right = extents.allocate(builder);
      const target = builder.edit(builder.head(right));
      if (cut === cellCount(node.image)) {
        formatPage(target, node.image[0]!, pageLevel(node.image));
        // The left leaf keeps its rows, but its range shrinks: it must get a new version, or a writer with a
        // stale parent could still put a row there that belongs to the right.
        const left = builder.edit(node);
        if (!builder.planted.has("split-leaves-left-alone")) left.setU16(2, cellCount(node.image));
      } else {
        copyCells(target, node.image, cut, cellCount(node.image));
        truncateCells(builder.edit(node), cut);
      }
      insertChild(builder.edit(parent), index, separator, right);
      return;
    }
    place = index;
    key = undefined;
    at--;
  }
}

/** The root's cells move to a new node, which becomes the root's only child. */
function pushDown(builder: EntryBuilder, extents: Extents, path: Path): void {
  const root = path.frames[0]!;
  const page: PageId = extents.allocate(builder);
  copyCells(builder.edit(builder.head(page)), root.image, 0, cellCount(root.image));
  const edit = builder.edit(root);
  formatPage(edit, KIND_BRANCH, pageLevel(root.image) + 1);
  insertChild(edit, 0, EMPTY, page);
}

/** Index of the first cell that goes to the right node. It equals the count only for a new last cell of a leaf. */
function splitPoint(p: Uint8Array, place: number, newKey: Uint8Array | undefined): number {
  const count = cellCount(p);
  const isLeaf = p[0] === KIND_LEAF;
  if (isLeaf && newKey !== undefined && place === count) return count;
  assert(count >= 2, "a full node has at least two cells");
  // A branch that grows at its right end keeps nearly all on the left.
  if (!isLeaf && place === count) return count - 1;
  let total = 0;
  for (let i = 0; i < count; i++) total += cellBytes(p, cellAt(p, i));
  let left = 0;
  let cut = 0;
  while (cut < count - 1 && (cut === 0 || left + cellBytes(p, cellAt(p, cut)) <= total / 2))
    left += cellBytes(p, cellAt(p, cut++));
  return cut;
}

/** The key from which on the right node is responsible. */
function separatorAt(p: Uint8Array, cut: number, newKey: Uint8Array | undefined): Uint8Array {
  const right = cut === cellCount(p) ? newKey! : copyKey(p, cellAt(p, cut));
  if (p[0] === KIND_BRANCH) return right;
  const left = copyKey(p, cellAt(p, cut - 1));
  let shared = 0;
  while (shared < left.length && left[shared] === right[shared]) shared++;
  return right.slice(0, shared + 1);
}
