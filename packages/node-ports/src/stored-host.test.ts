import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NodeHost } from "./node-host.ts";
import { StoredHost, storedHosts } from "./stored-host.ts";

const PAGES = 300;

let dir: string;
let host: StoredHost;
let data: string;

beforeEach(async () => {
  dir = mkdtempSync(path.join(tmpdir(), "sixfold-stored-"));
  const live = new NodeHost("segment-a1", path.join(dir, "segment-a1"));
  const disk = await live.openDisk("log");
  await disk.create("00000001.log", 8192);
  await new Promise<void>((done) => disk.write("00000001.log", 512, [Uint8Array.of(1, 2, 3)], () => done()));
  await disk.close();
  const pages = await live.openPageStore("pages");
  const batch = Array.from({ length: PAGES }, (_, i) => [i, new Uint8Array(8200).fill(i)] as const);
  await new Promise<void>((done) => pages.put(batch, () => done()));
  await pages.close();
  host = new StoredHost(path.join(dir, "segment-a1"));
  data = path.join(dir, "segment-a1", "pages.pages", "data");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Names, sizes and times of everything. */
function snapshot(): string[] {
  const files = readdirSync(dir, { recursive: true, encoding: "utf8" }).sort();
  return files.map((name) => {
    const { size, mtimeMs, ctimeMs } = statSync(path.join(dir, name));
    return `${name} ${size} ${mtimeMs} ${ctimeMs}`;
  });
}

describe("a stopped host's data", () => {
  test("is read as it was written, and nothing of it is touched", async () => {
    const before = snapshot();
    expect(await storedHosts(dir, "log")).toEqual(["segment-a1"]);
    const disk = (await host.openDisk("log"))!;
    expect(await disk.list()).toEqual([{ name: "00000001.log", bytes: 8192 }]);
    expect([...(await disk.read("00000001.log", 511, 5))]).toEqual([0, 1, 2, 3, 0]);
    const pages = (await host.openPageStore("pages"))!;
    expect(pages.count()).toBe(PAGES);
    expect(pages.pages(298, 10)).toEqual([298, 299]);
    expect(new Uint8Array(pages.get(7)!)).toEqual(new Uint8Array(8200).fill(7));
    await pages.close();
    expect(snapshot()).toEqual(before);
  });

  test("that is not there is no data", async () => {
    expect(await storedHosts(path.join(dir, "nowhere"), "log")).toEqual([]);
    expect(await host.openDisk("other")).toBeUndefined();
    expect(await host.openPageStore("other")).toBeUndefined();
    expect(await host.diskUse("other", "other")).toEqual({ log: 0, pages: 0 });
    expect((await host.diskUse("log", "pages")).pages).toBeGreaterThan(PAGES * 8200);
  });
});

test("a page store that was cut off, or is gone, is not believed", async () => {
  truncateSync(data, 100 * 8200);
  await expect(host.openPageStore("pages")).rejects.toThrow(/beyond the end of its data/);
  rmSync(data);
  await expect(host.openPageStore("pages")).rejects.toThrow(/no such file/);
});
