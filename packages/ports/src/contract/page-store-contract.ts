import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PagePut, PageStore, StoredPage } from "../page-store.ts";
import { pageIdMax } from "../page-store.ts";
import type { Harness } from "./harness.ts";
import { Outcome, pattern } from "./harness.ts";

export interface PageStoreHarness extends Harness {
  readonly store: PageStore;
  /** Closes the store and opens the same one again. */
  reopen(): Promise<PageStore>;
}

export function pageStoreContract(name: string, make: () => Promise<PageStoreHarness>): void {
  describe(`page store contract: ${name}`, () => {
    let harness: PageStoreHarness;
    let store: PageStore;
    beforeEach(async () => {
      harness = await make();
      store = harness.store;
    });
    afterEach(() => harness.close());

    async function put(pages: readonly PagePut[]): Promise<void> {
      const outcome = new Outcome();
      store.put(pages, outcome.done);
      expect(outcome.calls).toBe(0);
      await harness.until(outcome.isCalled);
      expect([outcome.calls, outcome.error]).toEqual([1, undefined]);
    }

    async function remove(pages: readonly number[]): Promise<void> {
      const outcome = new Outcome();
      store.remove(pages, outcome.done);
      await harness.until(outcome.isCalled);
      expect([outcome.calls, outcome.error]).toEqual([1, undefined]);
    }

    test("what was put is got, at any id and length", async () => {
      const pages = [0, 1, 255, 256, 65_536, 2 ** 31, pageIdMax].map(
        (id, i) => [id, pattern(1 + i * 3000, id)] as const,
      );
      await put(pages);
      for (const [id, bytes] of pages) expect(Buffer.compare(store.get(id)!, bytes)).toBe(0);
      expect(store.get(2)).toBeUndefined();
      expect(store.count()).toBe(pages.length);
    });

    test("what it takes on its medium grows with what is put, by at least as much", async () => {
      const before = store.diskBytes();
      const pages = Array.from({ length: 64 }, (_, id) => [id, pattern(8_000, id)] as const);
      await put(pages);
      expect(store.diskBytes() - before).toBeGreaterThanOrEqual(64 * 8_000);
    });

    test("a later batch replaces, also when both are under way at once", async () => {
      const first = new Outcome();
      const second = new Outcome();
      store.put([[7, pattern(100, 1)]], first.done);
      store.put([[7, pattern(200, 2)]], second.done);
      await harness.until(() => first.calls > 0 && second.calls > 0);
      expect(Buffer.compare(store.get(7)!, pattern(200, 2))).toBe(0);
      expect(store.count()).toBe(1);
    });

    test("what is added stands at the end, whoever reads it, also when both are under way at once", async () => {
      await put([[7, pattern(5000, 7)]]);
      const [first, second] = [new Outcome(), new Outcome()];
      store.put([[7, pattern(90, 1), "add"]], first.done);
      store.put([[7, pattern(300, 2), "add"]], second.done);
      await harness.until(() => first.calls > 0 && second.calls > 0);
      const whole = Buffer.concat([pattern(5000, 7), pattern(90, 1), pattern(300, 2)]);
      expect(Buffer.compare(store.get(7)!, whole)).toBe(0);
      expect(Buffer.compare(store.tail(7, 100)!, whole.subarray(-100))).toBe(0);
      for (const room of [undefined, new Uint8Array(8000), new Uint8Array(10)]) {
        let read: readonly StoredPage[] | Error | undefined;
        store.read(0, 9, (pages) => (read = pages), room);
        await harness.until(() => read !== undefined);
        expect(
          (read as readonly StoredPage[]).map(([id, bytes]) => [id, Buffer.compare(bytes, whole)]),
        ).toEqual([[7, 0]]);
      }
      await put([[8, pattern(600, 4)]]);
      for (const roomBytes of [16_000, 6200]) {
        let read: readonly StoredPage[] = [];
        store.read(0, 9, (pages) => (read = pages as typeof read), new Uint8Array(roomBytes));
        await harness.until(() => read.length > 0);
        expect(
          read.map(([id, bytes]) => [id, Buffer.compare(bytes, id === 7 ? whole : pattern(600, 4))]),
        ).toEqual([
          [7, 0],
          [8, 0],
        ]);
      }
      store = await harness.reopen();
      expect(Buffer.compare(store.get(7)!, whole)).toBe(0);
      await put([[7, pattern(50, 3)]]);
      expect(Buffer.compare(store.get(7)!, pattern(50, 3))).toBe(0);
      expect(Buffer.compare(store.tail(7, 100)!, pattern(50, 3))).toBe(0);
    });

    test("what is to be added to a page that is not there is passed over", async () => {
      await put([[7, pattern(90, 1), "add"]]);
      expect(store.get(7)).toBeUndefined();
      expect(store.tail(7, 10)).toBeUndefined();
      await put([[7, pattern(50, 3)]]);
      const [removed, added] = [new Outcome(), new Outcome()];
      store.remove([7], removed.done);
      store.put([[7, pattern(90, 1), "add"]], added.done);
      await harness.until(() => removed.calls > 0 && added.calls > 0);
      expect(store.count()).toBe(0);
      store = await harness.reopen();
      expect(store.count()).toBe(0);
    });

    test("the caller owns what it gets", async () => {
      await put([[1, pattern(64, 1)]]);
      store.get(1)!.fill(0xee);
      expect(Buffer.compare(store.get(1)!, pattern(64, 1))).toBe(0);
      const held = store.get(1)!;
      await put([[1, pattern(64, 2)]]);
      expect(Buffer.compare(held, pattern(64, 1))).toBe(0);
    });

    test("ids come ascending, from anywhere, at most as many as asked for", async () => {
      const ids = [5, 300, 70_000, 3_000_000_000, pageIdMax];
      await put([...ids].reverse().map((id) => [id, pattern(8, id)] as const));
      expect(store.pages(0, 100)).toEqual(ids);
      expect(store.pages(6, 2)).toEqual([300, 70_000]);
      expect(store.pages(300, 1)).toEqual([300]);
      expect(store.pages(pageIdMax, 5)).toEqual([pageIdMax]);
      expect(store.pages(0, 0)).toEqual([]);
    });

    test("pages are read as they stood when it was asked for", async () => {
      const ids = [3, 4, 5, 900, 70_000];
      await put(ids.map((id) => [id, pattern(5000 + id, id)] as const));
      let read: readonly StoredPage[] | Error | undefined;
      const changed = new Outcome();
      store.read(4, 3, (pages) => (read = pages));
      expect(read).toBeUndefined();
      store.put(
        ids.map((id) => [id, pattern(7000, id + 1)] as const),
        changed.done,
      );
      await harness.until(() => read !== undefined && changed.isCalled());
      const pages = read as readonly StoredPage[];
      expect(pages.map(([id]) => id)).toEqual([4, 5, 900]);
      for (const [id, bytes] of pages) expect(Buffer.compare(bytes, pattern(5000 + id, id))).toBe(0);
      read = undefined;
      store.read(pageIdMax, 3, (none) => (read = none));
      await harness.until(() => read !== undefined);
      expect(read).toEqual([]);
    });

    test("pages are read into room that is given, or beside it if they do not fit", async () => {
      const ids = [3, 4, 900];
      await put(ids.map((id) => [id, pattern(5000 + id, id)] as const));
      for (const roomBytes of [64_000, 6000]) {
        let read: readonly StoredPage[] | Error | undefined;
        store.read(3, 3, (pages) => (read = pages), new Uint8Array(roomBytes));
        await harness.until(() => read !== undefined);
        const pages = read as readonly StoredPage[];
        expect(pages.map(([id]) => id)).toEqual(ids);
        for (const [id, bytes] of pages) expect(Buffer.compare(bytes, pattern(5000 + id, id))).toBe(0);
      }
    });

    test("removed pages are gone, absent ones passed over", async () => {
      await put([1, 2, 3].map((id) => [id, pattern(8, id)] as const));
      await remove([1, 3, 99]);
      expect(store.pages(0, 10)).toEqual([2]);
      expect(store.get(1)).toBeUndefined();
      expect(store.count()).toBe(1);
    });

    test("what has no bytes is not taken, nor what is put with it", async () => {
      const outcome = new Outcome();
      const page = [1, pattern(8, 1)] as const;
      const nothing = new Uint8Array(0);
      expect(() => store.put([page, [2, nothing]], outcome.done)).toThrow(RangeError);
      expect(() => store.put([page, [1, nothing, "add"]], outcome.done)).toThrow(RangeError);
      await put([[3, pattern(8, 3)]]);
      expect([outcome.calls, store.count()]).toEqual([0, 1]);
    });

    test("an empty batch is done too", async () => {
      await put([]);
      await remove([]);
      expect(store.count()).toBe(0);
    });

    test("reopened, every finished batch is there", async () => {
      await put(Array.from({ length: 500 }, (_, id) => [id, pattern(1024, id)] as const));
      await remove([13]);
      store = await harness.reopen();
      expect(store.count()).toBe(499);
      expect(store.get(13)).toBeUndefined();
      expect(Buffer.compare(store.get(499)!, pattern(1024, 499))).toBe(0);
    });
  });
}
