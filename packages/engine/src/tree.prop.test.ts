/**
 * Trees against a sorted map: random puts, removes and scans over entries that are committed, undone or taken back.
 *
 * After every entry the pages rebuilt from deltas alone must equal the pages in the pool byte for byte, and
 * reverting must lead back to what was there.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { NONE, applyOps, lsn, pageId, streamId, type Delta, type PageId } from "@sixfold/model";
import { BufferPool } from "./buffer-pool.ts";
import { EntryBuilder, type Built } from "./entry-builder.ts";
import { Extents, readExtentHeader, extentCount } from "./extents.ts";
import { formatPage } from "./cell-edit.ts";
import { ReadPoint } from "@sixfold/model";
import {
  KIND_BRANCH,
  KIND_LEAF,
  cellAt,
  cellCount,
  childAt,
  copyKey,
  compareBytes,
  rowIsOverflow,
  rowOverflowPage,
  u16,
  u32,
  PAGE_HEADER,
  totalFree,
} from "./slotted-page.ts";
import { TreeEditor } from "./tree-edit.ts";
import { ScanCursor, copyOfKey, lookup } from "./tree.ts";
import { Wants } from "./unwind.ts";

const ROOT = pageId(1);

class Fixture {
  readonly wants = new Wants();
  readonly pool: BufferPool;
  readonly builder: EntryBuilder;
  readonly extents: Extents;
  readonly trees: TreeEditor;
  readonly replica = new Map<PageId, Uint8Array>();
  readonly pageBytes: number;
  private next = 1;

  constructor(pageBytes: number) {
    this.pageBytes = pageBytes;
    this.pool = new BufferPool(pageBytes, 100_000);
    this.builder = new EntryBuilder(this.pool, this.wants, new Map());
    this.extents = new Extents(pageBytes, this.wants);
    this.trees = new TreeEditor(this.builder, this.extents);
    this.extents.open(streamId(1));
    for (const page of [0, 1, 2]) this.pool.add(pageId(page), undefined, NONE, undefined);
    this.entry(() => {
      this.extents.format(this.builder);
      formatPage(this.builder.edit(this.builder.head(ROOT)), KIND_LEAF, 0);
      this.extents.own(0);
      this.extents.claimBuilt(this.extents.claim(this.builder, 2000));
    });
  }

  /** Builds one entry and applies its deltas to the replica. */
  entry(work: () => void): Built {
    this.builder.begin({ stream: streamId(1), lsn: lsn(this.next++) }, false);
    work();
    const built = this.builder.finish(new ReadPoint(streamId(0)), 1_000_000);
    for (const delta of built.deltas) this.apply(delta);
    return built;
  }

  private apply(delta: Delta): void {
    let image = this.replica.get(delta.page);
    if (image === undefined) this.replica.set(delta.page, (image = new Uint8Array(this.pageBytes)));
    applyOps(image, delta.ops);
  }

  takeBack(built: Built): void {
    for (const frame of built.frames) frame.pop();
    this.replica.clear();
    for (const [page, image] of this.images()) this.replica.set(page, image);
  }

  images(): Map<PageId, Uint8Array> {
    return new Map([...this.pool.all()].map((f) => [f.page, f.image.slice()]));
  }

  expectReplicaEqual(): void {
    for (const [page, image] of this.replica)
      expect(Buffer.compare(image, this.pool.get(page)!.image), `page ${page} rebuilt from deltas`).toBe(0);
  }

  /** Walks the tree: order, levels, space accounting; returns its pages. */
  checkTree(): Set<PageId> {
    const pages = new Set<PageId>();
    const walk = (
      page: PageId,
      low: Uint8Array | undefined,
      high: Uint8Array | undefined,
      level: number | undefined,
    ): void => {
      expect(pages.has(page)).toBe(false);
      pages.add(page);
      const p = this.pool.get(page)!.image;
      if (level !== undefined) expect(p[1]).toBe(level);
      const count = cellCount(p);
      let live = 0;
      for (let i = 0; i < count; i++) {
        const key = copyKey(p, cellAt(p, i));
        if (i > 0 || p[0] === KIND_LEAF) {
          if (low !== undefined) expect(compareBytes(key, low)).toBeGreaterThanOrEqual(0);
          if (high !== undefined) expect(compareBytes(key, high)).toBeLessThan(0);
        }
        if (i > 0) expect(compareBytes(copyKey(p, cellAt(p, i - 1)), key)).toBeLessThan(0);
        live += 2;
        if (p[0] === KIND_BRANCH) {
          const end = i + 1 < count ? copyKey(p, cellAt(p, i + 1)) : high;
          walk(pageId(childAt(p, i)), i === 0 ? low : key, end, p[1]! - 1);
        } else if (rowIsOverflow(p, cellAt(p, i))) {
          const first = pageId(rowOverflowPage(p, cellAt(p, i)));
          pages.add(first);
          const o = this.pool.get(first)!.image;
          for (let k = 0; k < u16(o, 4); k++) pages.add(pageId(u32(o, PAGE_HEADER + 4 * k)));
        }
      }
      expect(totalFree(p) + live).toBeLessThanOrEqual(this.pageBytes);
      if (page !== ROOT) expect(count).toBeGreaterThan(0);
    };
    walk(ROOT, undefined, undefined, undefined);
    return pages;
  }

  /** Reachable pages are exactly the allocated ones: nothing leaks, nothing is used twice. */
  checkAllocation(reachable: Set<PageId>): void {
    const extents = extentCount(this.pool.get(pageId(0))!.image);
    for (let e = 0; e < extents; e++) {
      const header = e === 0 ? 2 : e * 64;
      const read = readExtentHeader(this.pool.get(pageId(header))!.image)!;
      read.used.forEach((used, bit) => {
        const page = pageId(e * 64 + bit);
        const expected = page === header || page <= 2 || reachable.has(page);
        expect(used, `page ${page}`).toBe(expected);
        if (used) expect(read.touched[bit]).toBe(true);
      });
    }
  }
}

const key = fc.oneof(
  { weight: 6, arbitrary: fc.nat(400).map((n) => Uint8Array.of(n >> 8, n & 255)) },
  { weight: 2, arbitrary: fc.uint8Array({ minLength: 0, maxLength: 12 }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(40), fc.integer({ min: 900, max: 1024 }))
      .map(([n, length]) => new Uint8Array(length).fill(n)),
  },
);
const value = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(fc.nat(255), fc.nat(300)).map(([n, length]) => new Uint8Array(length).fill(n)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(255), fc.integer({ min: 1000, max: 20_000 }))
      .map(([n, length]) => new Uint8Array(length).map((_, i) => i + n)),
  },
);
const operation = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("put" as const), key, value }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("remove" as const), key }) },
);
const entries = fc.array(
  fc.record({
    fate: fc.constantFrom("keep", "keep", "keep", "undo", "take back"),
    operations: fc.array(operation, { minLength: 1, maxLength: 25 }),
  }),
  { minLength: 1, maxLength: 40 },
);
const bound = fc.option(key, { nil: undefined });

const hex = (b: Uint8Array): string => Buffer.from(b).toString("hex");

function apply(
  fixture: Fixture,
  model: Map<string, Uint8Array>,
  operations: readonly { kind: "put" | "remove"; key: Uint8Array; value?: Uint8Array }[],
): void {
  for (const op of operations) {
    if (op.kind === "put") {
      fixture.trees.put(ROOT, op.key, op.value!);
      model.set(hex(op.key), op.value!);
    } else {
      expect(fixture.trees.remove(ROOT, op.key)).toBe(model.delete(hex(op.key)));
    }
  }
}

describe("trees", () => {
  test("hold what a sorted map holds; deltas rebuild the pages, reverses restore them", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(4096, 8192),
        entries,
        bound,
        bound,
        fc.boolean(),
        fc.integer({ min: 1, max: 50 }),
        (pageBytes, script, low, high, reverse, limit) => {
          const fixture = new Fixture(pageBytes);
          let model = new Map<string, Uint8Array>();
          for (const { fate, operations } of script) {
            const before = fixture.images();
            const after = new Map(model);
            if (fate === "undo") {
              fixture.builder.begin({ stream: streamId(1), lsn: lsn(999_999) }, false);
              apply(fixture, after, operations);
              fixture.builder.undo();
            } else {
              const built = fixture.entry(() => apply(fixture, after, operations));
              fixture.expectReplicaEqual();
              if (fate === "take back") fixture.takeBack(built);
              else model = after;
            }
            if (fate !== "keep")
              for (const [page, image] of before)
                expect(Buffer.compare(fixture.pool.get(page)!.image, image), `page ${page} restored`).toBe(0);
            fixture.checkAllocation(fixture.checkTree());
          }
          for (const [k, v] of model)
            expect(hex(lookup(fixture.builder, ROOT, Buffer.from(k, "hex"))!)).toBe(hex(v));
          const cursor = new ScanCursor({ gte: low, lt: high, reverse }, limit, copyOfKey, false);
          cursor.run(fixture.builder, fixture.wants, ROOT);
          const expected = [...model.keys()]
            .sort()
            .filter((k) => (low === undefined || k >= hex(low)) && (high === undefined || k < hex(high)));
          if (reverse) expected.reverse();
          expect(cursor.rows.map(hex)).toEqual(expected.slice(0, limit));
          expect(cursor.more).toBe(expected.length > limit);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("keys in order fill their leaves", () => {
    const fixture = new Fixture(8192);
    for (let i = 0; i < 4000; i++)
      fixture.entry(() => fixture.trees.put(ROOT, Uint8Array.of(i >> 16, i >> 8, i), new Uint8Array(80)));
    const pages = fixture.checkTree();
    // 4000 rows of 101 bytes and their slots: 81 to a page.
    expect(pages.size).toBeLessThan(54);
  });

  test("an update costs the row and little more", () => {
    const fixture = new Fixture(8192);
    for (let i = 0; i < 50; i++)
      fixture.entry(() => fixture.trees.put(ROOT, Uint8Array.of(i), new Uint8Array(100)));
    const update = fixture.entry(() =>
      fixture.trees.put(ROOT, Uint8Array.of(7), new Uint8Array(100).fill(9)),
    );
    expect(update.deltas.length).toBe(1);
    expect(update.deltas[0]!.ops.length).toBeLessThanOrEqual(100 + 20);
    const insert = fixture.entry(() => fixture.trees.put(ROOT, Uint8Array.of(7, 1), new Uint8Array(100)));
    expect(insert.deltas[0]!.ops.length).toBeLessThanOrEqual(100 + 55);
  });

  test("everything removed leaves an empty root and no page behind", () => {
    const fixture = new Fixture(4096);
    const keys = Array.from({ length: 3000 }, (_, i) => Uint8Array.of((i * 7919) % 251, i >> 8, i & 255));
    for (const k of keys) fixture.entry(() => fixture.trees.put(ROOT, k, new Uint8Array(60)));
    expect(fixture.pool.get(ROOT)!.image[0]).toBe(KIND_BRANCH);
    for (const k of keys) fixture.entry(() => fixture.trees.remove(ROOT, k));
    const pages = fixture.checkTree();
    expect(pages.size).toBe(1);
    fixture.checkAllocation(pages);
  });
});
