import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { DiskFaultError, DiskFullError, type PagePut } from "@sixfold/ports";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MemoryMedium } from "../testing/memory-medium.ts";
import { FilePageStore } from "./file-page-store.ts";
import { REGION_BYTES, Regions } from "./regions.ts";

const PAGES = 300;

let dir: string;
beforeEach(() => void (dir = fs.mkdtempSync(path.join(os.tmpdir(), "sixfold-pages-"))));
afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

const file = (name: string): string => path.join(dir, name);
const page = (id: number, bytes = 8200): readonly [number, Uint8Array] => [
  id,
  new Uint8Array(bytes).fill(id),
];

const put = (store: FilePageStore, pages: readonly PagePut[]): Promise<void> =>
  new Promise((resolve, reject) =>
    store.put(pages, (error) => (error === undefined ? resolve() : reject(error))),
  );
const remove = (store: FilePageStore, pages: readonly number[]): Promise<void> =>
  new Promise((resolve, reject) =>
    store.remove(pages, (error) => (error === undefined ? resolve() : reject(error))),
  );

/** A store of two batches, closed. */
async function filled(): Promise<void> {
  const store = await FilePageStore.open(dir);
  await put(
    store,
    Array.from({ length: PAGES }, (_, id) => page(id)),
  );
  await put(store, [page(7, 5000)]);
  await store.close();
}

const whyNot = (): Promise<unknown> =>
  FilePageStore.open(dir).then(
    (store) => store.close(),
    (error: unknown) => error,
  );

describe("a page store that was damaged", () => {
  test("is not opened, wherever its index says what was not written", async () => {
    await filled();
    const index = fs.readFileSync(file("index"));
    // The last record may be one that a crash has torn.
    const last = index.length - 32;
    for (let at = 0; at < last; at += 7) {
      const damaged = Buffer.from(index);
      damaged[at]! ^= 0x10;
      fs.writeFileSync(file("index"), damaged);
      expect(await whyNot(), `byte ${at}`).toBeInstanceOf(DiskFaultError);
    }
    fs.writeFileSync(file("index"), index);
    expect(await whyNot()).toBeUndefined();
  });

  test("nor where its data is shorter than the index knows, or its index is gone", async () => {
    await filled();
    fs.truncateSync(file("data"), 100 * 8200);
    expect(await whyNot()).toBeInstanceOf(DiskFaultError);
    fs.rmSync(file("index"));
    expect(await whyNot()).toBeInstanceOf(DiskFaultError);
  });

  test("nor where another kind of store was", async () => {
    fs.writeFileSync(file("data.mdb"), "of an earlier version");
    expect(await whyNot()).toBeInstanceOf(DiskFaultError);
  });

  test("is what it was before its last batch if the record of that is torn", async () => {
    await filled();
    const index = fs.readFileSync(file("index"));
    fs.writeFileSync(file("index"), index.subarray(0, index.length - 5));
    const store = await FilePageStore.open(dir);
    expect(store.get(7)!.length).toBe(8200);
    await put(store, [page(9, 100)]);
    await store.close();
    const again = await FilePageStore.open(dir);
    expect([again.get(7)!.length, again.get(9)!.length]).toEqual([8200, 100]);
    await again.close();
  });
});

test("pages are read into room that is given all of them or none, those that have grown, too", async () => {
  const store = await FilePageStore.open(dir);
  await put(store, [page(1), page(2), page(3)]);
  await put(store, [[2, new Uint8Array(100), "add"]]);
  const isIn = (roomBytes: number): Promise<boolean[]> =>
    new Promise((resolve) => {
      const room = new Uint8Array(roomBytes);
      store.read(
        0,
        9,
        (pages) => {
          const read = pages as readonly (readonly [number, Uint8Array])[];
          expect(read.map(([, bytes]) => bytes.length)).toEqual([8200, 8300, 8200]);
          resolve(read.map(([, bytes]) => bytes.buffer === room.buffer));
        },
        room,
      );
    });
  expect(await isIn(40_000)).toEqual([true, true, true]);
  // All of it can be read, but not put together; or not even that.
  for (const tooFew of [30_000, 26_000, 1000]) expect(await isIn(tooFew)).toEqual([false, false, false]);
  await store.close();
});

describe("the room of a page store", () => {
  test("is given back when most of it is free", async () => {
    const store = await FilePageStore.open(dir);
    await put(
      store,
      Array.from({ length: 2000 }, (_, id) => page(id)),
    );
    const full = store.diskBytes();
    expect(fs.statSync(file("data")).size).toBeGreaterThan(2000 * 8200);
    await remove(
      store,
      Array.from({ length: 1990 }, (_, id) => id + 10),
    );
    await store.close();
    expect(store.diskBytes()).toBeLessThan(full / 10);
    expect(fs.statSync(file("data")).size).toBeLessThanOrEqual(REGION_BYTES);
    const again = await FilePageStore.open(dir);
    expect(again.pages(0, 99)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(new Uint8Array(again.get(9)!)).toEqual(page(9)[1]);
    await again.close();
  });

  test("is used again: pages that change all the time take half as much again at most", async () => {
    const store = await FilePageStore.open(dir);
    await put(
      store,
      Array.from({ length: 3000 }, (_, id) => page(id)),
    );
    const once = store.diskBytes();
    for (let round = 0; round < 200; round++)
      await put(
        store,
        Array.from({ length: 300 }, (_, i) => page((round * 37 + i * 11) % 3000)),
      );
    expect(store.diskBytes()).toBeLessThan(1.7 * once);
    await store.close();
  });

  test("is used again by pages that grow, and are put anew when they have grown by much", async () => {
    const PART = 200;
    const store = await FilePageStore.open(dir);
    const ids = Array.from({ length: 1000 }, (_, id) => id);
    await put(
      store,
      ids.map((id) => page(id)),
    );
    const once = store.diskBytes();
    const parts = new Map(ids.map((id) => [id, 0]));
    for (let round = 0; round < 300; round++)
      await put(
        store,
        Array.from({ length: 150 }, (_, i) => {
          const id = (round * 151 + i * 13) % 1000;
          parts.set(id, (parts.get(id)! + 1) % 11);
          return parts.get(id) === 0 ? page(id) : [id, new Uint8Array(PART).fill(parts.get(id)!), "add"];
        }),
      );
    expect(store.diskBytes()).toBeLessThan(1.7 * 1.25 * once);
    await store.close();
    const again = await FilePageStore.open(dir);
    for (const id of ids) {
      const stored = again.get(id)!;
      expect(stored.length).toBe(8200 + parts.get(id)! * PART);
      for (let part = 1; part <= parts.get(id)!; part++) expect(stored[8200 + part * PART - 1]).toBe(part);
    }
    await again.close();
  });

  test("has an end, and beyond it the disk is full", () => {
    const regions = new Regions(2 ** 40);
    regions.take(1, 2 ** 40);
    expect(regions.take(2, 4096).at).toBe(2 ** 40);
    regions.take(3, 2 ** 40 - 8192);
    expect(() => regions.take(4, 8192)).toThrow(DiskFullError);
  });

  test("is not lost to batches that found the disk full, and the next one finds it", async () => {
    const medium = new MemoryMedium(1);
    /** Ends what the medium has under way, `failsAt` with a full disk, until the promise settles. */
    const settled = async <T>(promise: Promise<T>, failsAt = 0): Promise<T | Error> => {
      let outcome: T | Error | undefined;
      void promise.then(
        (value) => (outcome = value),
        (error: unknown) => (outcome = error as Error),
      );
      for (let step = 1; outcome === undefined; step++) {
        for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
        medium.step(step === failsAt ? new DiskFullError("full") : undefined);
      }
      return outcome;
    };
    const store = (await settled(FilePageStore.on(medium))) as FilePageStore;
    const before = store.diskBytes();
    const write = (): Promise<string> => put(store, [page(1, 900_000)]).then(() => "written");
    for (const failsAt of [1, 2]) expect(await settled(write(), failsAt)).toBeInstanceOf(DiskFullError);
    expect(await settled(write())).toBe("written");
    expect(store.diskBytes() - before).toBeLessThan(2 * REGION_BYTES);
    expect(store.count()).toBe(1);
  });
});
