/**
 * Checks a whole volume at rest: every tree in order, and reachable plus free pages equal to
 * what the extents say is allocated. Used by `sixfold check` and by tests.
 */
import {
  CATALOG_ROOT_PAGE,
  EXTENT_PAGES,
  VOLUME_HEADER_PAGE,
  extentHeaderPage,
  pageId,
  type PageId,
} from "@sixfold/model";
import { extentCount, readExtentHeader } from "./extents.ts";
import {
  KIND_BRANCH,
  KIND_LEAF,
  KIND_OVERFLOW,
  PAGE_HEADER,
  SLOT_BYTES,
  cellAt,
  cellBytes,
  cellCount,
  childAt,
  compareBytes,
  copyKey,
  pageLevel,
  rowIsOverflow,
  rowOverflowPage,
  rowValueAt,
  totalFree,
  u16,
  u32,
} from "./slotted-page.ts";

export interface VolumeReport {
  readonly tables: number;
  readonly rows: number;
  /** Pages that tables, the catalog and dropped tables reach. */
  readonly reachable: number;
  /** Pages the extents call allocated, headers included. */
  readonly allocated: number;
  /** Pages of claimed extents that are not allocated. */
  readonly free: number;
  /** What is wrong, at most a hundred lines. */
  readonly problems: readonly string[];
}

const MAX_PROBLEMS = 100;

interface Node {
  readonly page: PageId;
  readonly level: number | undefined;
  /** Keys lie at or after `low` and before `high`. */
  readonly low: Uint8Array | undefined;
  readonly high: Uint8Array | undefined;
}

/** `read` gives a page's image; undefined if it was never written. O(pages). */
export function checkVolume(read: (page: PageId) => Uint8Array | undefined): VolumeReport {
  return new VolumeCheck(read).run();
}

class VolumeCheck {
  private readonly read: (page: PageId) => Uint8Array | undefined;
  private readonly reached = new Set<PageId>();
  private readonly problems: string[] = [];
  private rows = 0;

  constructor(read: (page: PageId) => Uint8Array | undefined) {
    this.read = read;
  }

  run(): VolumeReport {
    const header = this.read(VOLUME_HEADER_PAGE);
    if (header === undefined)
      return { tables: 0, rows: 0, reachable: 0, allocated: 0, free: 0, problems: [] };
    const roots: PageId[] = [];
    let tables = 0;
    this.tree(CATALOG_ROOT_PAGE, (leaf, cell) => {
      const key = copyKey(leaf, cell);
      if (key[0] === 0) tables++;
      roots.push(
        key[0] === 0
          ? pageId(u32(leaf, rowValueAt(leaf, cell)))
          : pageId(((key[1]! << 24) | (key[2]! << 16) | (key[3]! << 8) | key[4]!) >>> 0),
      );
    });
    this.rows = 0;
    for (const root of roots) this.tree(root, () => this.rows++);
    const allocated = this.extents(extentCount(header));
    const { rows, problems } = this;
    const free = extentCount(header) * EXTENT_PAGES - allocated;
    return { tables, rows, reachable: this.reached.size, allocated, free, problems };
  }

  private tree(root: PageId, onRow: (leaf: Uint8Array, cell: number) => void): void {
    const open: Node[] = [{ page: root, level: undefined, low: undefined, high: undefined }];
    while (open.length > 0) {
      const node = open.pop()!;
      const p = this.reach(node.page);
      if (p === undefined) continue;
      if (p[0] !== KIND_LEAF && p[0] !== KIND_BRANCH) {
        this.problem(`page ${node.page} is no tree node`);
        continue;
      }
      this.node(node, p);
      for (let i = 0; i < cellCount(p); i++) {
        const cell = cellAt(p, i);
        if (p[0] === KIND_BRANCH) {
          const low = i === 0 ? node.low : copyKey(p, cell);
          const high = i + 1 < cellCount(p) ? copyKey(p, cellAt(p, i + 1)) : node.high;
          open.push({ page: pageId(childAt(p, i)), level: pageLevel(p) - 1, low, high });
        } else {
          if (rowIsOverflow(p, cell)) this.overflow(pageId(rowOverflowPage(p, cell)));
          onRow(p, cell);
        }
      }
    }
  }

  private node(node: Node, p: Uint8Array): void {
    if (node.level !== undefined && pageLevel(p) !== node.level)
      this.problem(`page ${node.page} is on level ${pageLevel(p)}, not ${node.level}`);
    if (node.level !== undefined && cellCount(p) === 0) this.problem(`page ${node.page} is empty`);
    let live = PAGE_HEADER;
    let before: Uint8Array | undefined;
    for (let i = 0; i < cellCount(p); i++) {
      const cell = cellAt(p, i);
      const key = copyKey(p, cell);
      live += SLOT_BYTES + cellBytes(p, cell);
      // The key of a branch's first cell counts as minus infinity, whatever it is left to be.
      if (p[0] === KIND_BRANCH && i === 0) continue;
      if (before !== undefined && compareBytes(before, key) >= 0)
        this.problem(`page ${node.page}: keys ${i - 1} and ${i} are out of order`);
      before = key;
      if (node.low !== undefined && compareBytes(key, node.low) < 0)
        this.problem(`page ${node.page}: key ${i} is below the page's range`);
      if (node.high !== undefined && compareBytes(key, node.high) >= 0)
        this.problem(`page ${node.page}: key ${i} is above the page's range`);
    }
    if (live + totalFree(p) !== p.length)
      this.problem(`page ${node.page}: ${live} bytes used and ${totalFree(p)} free are not ${p.length}`);
  }

  private overflow(first: PageId): void {
    const p = this.reach(first);
    if (p === undefined) return;
    if (p[0] !== KIND_OVERFLOW) return this.problem(`page ${first} is no overflow page`);
    for (let i = 0; i < u16(p, 4); i++) this.reach(pageId(u32(p, PAGE_HEADER + 4 * i)));
  }

  private reach(page: PageId): Uint8Array | undefined {
    if (this.reached.has(page)) {
      this.problem(`page ${page} is reached twice`);
      return undefined;
    }
    this.reached.add(page);
    const p = this.read(page);
    if (p === undefined) this.problem(`page ${page} was never written`);
    return p;
  }

  private extents(count: number): number {
    let allocated = 0;
    for (let extent = 0; extent < count; extent++) {
      const page = extentHeaderPage(extent);
      const header = this.read(page);
      const read = header === undefined ? undefined : readExtentHeader(header);
      if (read === undefined) {
        this.problem(`extent ${extent} has no header`);
        continue;
      }
      read.used.forEach((used, bit) => {
        const at = pageId(extent * EXTENT_PAGES + bit);
        const reserved = at === page || at === VOLUME_HEADER_PAGE;
        if (used) allocated++;
        if (used && !reserved && !this.reached.has(at))
          this.problem(`page ${at} is allocated, and nothing leads to it`);
        if (!used && this.reached.has(at)) this.problem(`page ${at} is in use, and not allocated`);
      });
    }
    for (const page of this.reached)
      if (page >= count * EXTENT_PAGES) this.problem(`page ${page} lies beyond the last extent`);
    return allocated;
  }

  private problem(what: string): void {
    if (this.problems.length < MAX_PROBLEMS) this.problems.push(what);
  }
}
