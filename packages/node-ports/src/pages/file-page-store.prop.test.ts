/** The page store under crashes at any point, and full disks: what it promises of batches holds, whatever the medium leaves of the last writes. */
import { Random } from "@sixfold/model";
import { DiskFullError, type PagePut } from "@sixfold/ports";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MemoryMedium } from "../testing/memory-medium.ts";
import { FilePageStore } from "./file-page-store.ts";

const PAGES = 40;
/** So small that it is tidied up all the time. */
const LIMITS = { indexLogBytes: 600, regionBytes: 16 << 10 };

type Content = ReadonlyMap<number, Uint8Array>;

/** One batch as it was given: what stood in the store before all of them, and after each. */
interface Given {
  readonly change: (before: Content) => Content;
  outcome: "none" | "done" | "failed";
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Life {
  readonly random: Random;
  medium: MemoryMedium;
  store!: FilePageStore;
  /** Before the batches below. */
  content: Content = new Map();
  given: Given[] = [];
  isReadRight = true;
  private writes = 0;

  constructor(seed: number) {
    this.random = new Random(seed);
    this.medium = new MemoryMedium(seed);
  }

  async open(): Promise<void> {
    const opening = FilePageStore.on(this.medium, { limits: LIMITS });
    let isOpen = false;
    void opening.then(() => (isOpen = true));
    for (await settle(); !isOpen && this.medium.isBusy; await settle()) this.medium.step();
    this.store = await opening;
  }

  batch(): void {
    const { random } = this;
    const ids = Array.from({ length: 1 + random.int(random.int(6) === 0 ? PAGES * 3 : 12) }, () =>
      random.int(PAGES),
    );
    if (random.int(4) === 0) {
      this.give((before) => new Map([...before].filter(([page]) => !ids.includes(page)))).remove(ids);
      return;
    }
    const pages = ids.map((page) =>
      random.int(2) === 0
        ? ([page, this.bytes(3 * 4096)] as const)
        : ([page, this.bytes(300), "add"] as const),
    );
    this.give((before) => {
      const after = new Map(before);
      for (const [page, bytes, how] of pages)
        if (how !== "add") after.set(page, bytes);
        else if (after.has(page)) after.set(page, Buffer.concat([after.get(page)!, bytes]));
      return after;
    }).put(pages);
  }

  /** Reads that end after others have written find what stood there when they began. */
  read(): void {
    const before = this.stored();
    this.store.read(0, PAGES, (pages) => {
      if (!(pages instanceof Error)) this.isReadRight &&= isEqual(new Map(pages), before);
    });
  }

  private give(change: Given["change"]): {
    put: (pages: readonly PagePut[]) => void;
    remove: (pages: readonly number[]) => void;
  } {
    const one: Given = { change, outcome: "none" };
    this.given.push(one);
    const done = (error?: Error): void => void (one.outcome = error === undefined ? "done" : "failed");
    return { put: (pages) => this.store.put(pages, done), remove: (ids) => this.store.remove(ids, done) };
  }

  private bytes(max: number): Uint8Array {
    const bytes = new Uint8Array(1 + this.random.int(max));
    for (let i = 0; i < bytes.length; i++) bytes[i] = (this.writes + i * 7) & 0xff;
    this.writes += 1;
    return bytes;
  }

  /** What the store holds. */
  stored(): Content {
    return new Map(this.store.pages(0, PAGES).map((page) => [page, new Uint8Array(this.store.get(page)!)]));
  }

  /** The end of each page is the end of what was read of it. */
  get isTailRight(): boolean {
    return [...this.stored()].every(([page, bytes]) => {
      const tail = this.store.tail(page, 1 + this.random.int(200))!;
      return Buffer.compare(tail, bytes.subarray(bytes.length - tail.length)) === 0;
    });
  }

  /** Is what it holds all that was done, and of what was under way some from the first on? Then that is what was before. */
  expectWhole(): void {
    const found = this.stored();
    let content = this.content;
    const last = this.given.map(({ outcome }) => outcome).lastIndexOf("done");
    let isFound = last === -1 && isEqual(found, content);
    for (const [i, { change, outcome }] of this.given.entries()) {
      if (outcome !== "failed") content = change(content);
      if (i >= last) isFound ||= isEqual(found, content);
    }
    expect(isFound, "the store holds what no prefix of its batches makes").toBe(true);
    this.content = found;
    this.given = [];
  }
}

function isEqual(a: Content, b: Content): boolean {
  return (
    a.size === b.size && [...a].every(([page, bytes]) => Buffer.compare(bytes, b.get(page) ?? PADDING) === 0)
  );
}
const PADDING = new Uint8Array(1);

async function live(seed: number, lives: number, fullChance: number): Promise<void> {
  const life = new Life(seed);
  for (let n = 0; n < lives; n++) {
    await life.open();
    life.expectWhole();
    expect(life.isTailRight).toBe(true);
    for (let left = life.random.int(60); left > 0; left--) {
      const what = life.random.int(10);
      if (what < 4) life.batch();
      else if (what === 4) life.read();
      else life.medium.step(life.random.next() < fullChance ? new DiskFullError("full") : undefined);
      await settle();
    }
    life.medium = life.medium.crash(seed * 1000 + n);
  }
  await life.open();
  life.expectWhole();
  expect(life.isReadRight).toBe(true);
}

describe("a page store", () => {
  test("holds after any crash what was done, and of the rest whole batches in their order", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1, max: 6 }), (seed, lives) =>
        live(seed, lives, 0),
      ),
      { numRuns: 100 },
    );
  });

  test("does so on a disk that is full now and then, too", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1e6 }), (seed) => live(seed, 3, 0.2)),
      { numRuns: 100 },
    );
  });
});
