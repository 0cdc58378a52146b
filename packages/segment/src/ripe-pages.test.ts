/** Pages that have changed much are merged though nothing else asks for it: together, a bounded part at a time. */
import { NONE } from "@sixfold/model";
import { expect, test } from "vitest";
import { BenchSegment, decided, point, slice, v } from "./testing/bench-segment.ts";

const SETTINGS = { mergeAboveBytes: Number.POSITIVE_INFINITY, ripeChanges: 4, ripePages: 3 };

/** Entries of stream 1 that change all of `pages`, committed; readers are past those up to `past`. */
class Changes {
  readonly segment: BenchSegment;
  private readonly heads = new Map<number, number>();
  private at = 0;

  constructor(settings: object = {}) {
    this.segment = new BenchSegment({ settings: { ...SETTINGS, ...settings } });
  }

  of(pages: readonly number[], times: number, past = Number.POSITIVE_INFINITY): void {
    for (let i = 0; i < times; i++) {
      const lsn = ++this.at;
      const writes = pages.map((page) => [page, this.head(page)] as const);
      this.segment.append([slice({ stream: 1, lsn, writes })], {
        decisions: decided(lsn - 1, lsn),
        lowWater: point([1, Math.min(lsn, past)]),
      });
      for (const page of pages) this.heads.set(page, lsn);
    }
  }

  private head(page: number) {
    const at = this.heads.get(page);
    return at === undefined ? NONE : v(1, at);
  }

  /** Pages stored so far, after so many ticks. */
  stored(ticks = 1): number[] {
    for (let i = 0; i < ticks; i++) this.segment.tick();
    return [...this.segment.pages.keys()].sort((a, b) => a - b);
  }

  get merged(): unknown {
    return (this.segment.server.status()["machine"] as Record<string, unknown>)["pagesMerged"];
  }
}

test("pages that have changed often enough are merged once they are several, and no others", () => {
  const changes = new Changes();
  changes.of([1, 2, 3, 9], 3);
  changes.of([1, 2], 1);
  expect(changes.stored()).toEqual([]);
  changes.of([3], 1);
  expect(changes.stored()).toEqual([1, 2, 3]);
  // From anew: page 9 has been ripe alone.
  changes.of([9], 1);
  changes.of([1, 2], 3);
  expect(changes.stored()).toEqual([1, 2, 3]);
  changes.of([1, 2], 1);
  expect([changes.stored(), changes.merged]).toEqual([[1, 2, 3, 9], 6]);
});

test("what readers are not past is merged when more of it has changed", () => {
  const changes = new Changes();
  changes.of([1, 2, 3], 4, 0);
  expect(changes.stored(3)).toEqual([]);
  changes.of([1, 2, 3], 3);
  expect(changes.stored()).toEqual([]);
  changes.of([1, 2, 3], 1);
  expect(changes.stored()).toEqual([1, 2, 3]);
});

test("what has grown ripe again while it was stored is merged again", () => {
  const changes = new Changes();
  const { segment } = changes;
  segment.autoStore = false;
  changes.of([1, 2, 3], 4);
  segment.tick();
  changes.of([1, 2, 3], 4);
  segment.tick();
  segment.store();
  segment.drain();
  expect(changes.merged).toBe(3);
  segment.autoStore = true;
  changes.stored();
  expect(changes.merged).toBe(6);
});

test("a tick merges no more than its share of changes, and goes on in the next", () => {
  // Two pages of four changes, each of which counts as four changes more.
  const changes = new Changes({ ripePages: 1, mergeChangesPerTick: 16 });
  changes.of([1, 2, 3, 4, 5], 4);
  expect(changes.stored()).toEqual([1, 2]);
  expect(changes.stored()).toEqual([1, 2, 3, 4]);
  expect(changes.stored()).toEqual([1, 2, 3, 4, 5]);

  const old = new Changes({ mergeAboveBytes: 0, mergeChangesPerTick: 16 });
  old.of([1, 2, 3], 1);
  old.of([1, 2, 3, 4], 4);
  expect(old.stored()).toEqual([1, 2]);
  expect(old.stored()).toEqual([1, 2, 3, 4]);
});
