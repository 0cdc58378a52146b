/** Media that are slow, stalled or full for a while, fail more than once, or lie about what they wrote. */
import type { Disk } from "@sixfold/ports";
import { DiskFullError, LogWriter, readLog, sectorBytes } from "@sixfold/ports";
import { logBlockCodec } from "@sixfold/wire";
import { describe, expect, test } from "vitest";
import { fixedDelay } from "./delay.ts";
import type { SimNode } from "./sim-node.ts";
import { settled } from "./testing/linked-pair.ts";
import { World } from "./world.ts";

const fileBytes = 64 * sectorBytes;

interface Bench {
  readonly world: World;
  readonly node: SimNode;
  readonly disk: Disk;
  /** Writes, waits, and returns how long it took and what came of it. */
  readonly write: (
    name: string,
    offset: number,
    bytes: Uint8Array,
  ) => Promise<{ ms: number; error: Error | undefined }>;
  /** Sectors of the file that are not all zeros, with their first byte. */
  readonly sectors: (name: string) => Promise<Map<number, number>>;
}

async function bench(seed: number, files: readonly string[] = ["f"]): Promise<Bench> {
  const world = new World(seed);
  const node = world.node("n", { sync: fixedDelay(1) });
  const disk = await settled(world, node.host.openDisk("d"));
  for (const name of files) await settled(world, disk.create(name, fileBytes));
  return {
    world,
    node,
    disk,
    write: async (name, offset, bytes) => {
      const start = world.nowMs;
      let outcome: { error: Error | undefined } | undefined;
      disk.write(name, offset, [bytes], (error) => (outcome = { error }));
      await world.run(() => outcome !== undefined);
      return { ms: world.nowMs - start, error: outcome!.error };
    },
    sectors: async (name) => {
      const bytes = await settled(world, disk.read(name, 0, fileBytes));
      const found = new Map<number, number>();
      for (let at = 0; at < fileBytes; at += sectorBytes) {
        const sector = bytes.subarray(at, at + sectorBytes);
        const first = sector.find((byte) => byte !== 0);
        if (first !== undefined) found.set(at / sectorBytes, first);
      }
      return found;
    },
  };
}

const sector = (value: number, count = 1): Uint8Array => new Uint8Array(count * sectorBytes).fill(value);

describe("time", () => {
  test("a read takes as long as what it brings, however much was asked for", async () => {
    const { world, disk } = await bench(1);
    const timeOf = async (length: number): Promise<number> => {
      const beganMs = world.nowMs;
      await settled(world, disk.read("f", 0, length));
      return world.nowMs - beganMs;
    };
    expect(await timeOf(2 ** 32)).toBe(await timeOf(fileBytes));
  });

  test("slow by a factor, until it is not; stalled for a while, with all requests in order after it", async () => {
    const { world, node, disk, write } = await bench(1);
    expect((await write("f", 0, sector(1))).ms).toBeCloseTo(1, 2);
    node.disk("d").slowBy(50);
    expect((await write("f", 0, sector(1))).ms).toBeCloseTo(50, 0);
    node.disk("d").slowBy(1);
    expect((await write("f", 0, sector(1))).ms).toBeCloseTo(1, 2);

    for (const isFirst of [true, false]) {
      const order: string[] = [];
      const write = (name: string): void => disk.write("f", 0, [], () => order.push(name));
      const start = world.nowMs;
      // The last is due at the very end of the stall, and that was planned before or after the stall's end was.
      if (!isFirst) node.disk("d").stall(200);
      write("a");
      write("b");
      node.disk("d").slowBy(198);
      write("c");
      node.disk("d").slowBy(1);
      if (isFirst) node.disk("d").stall(200);
      node.disk("d").stall(100);
      await world.run(start + 199);
      expect(order).toEqual([]);
      await world.run(start + 200);
      expect(order).toEqual(["a", "b", "c"]);
    }
  });

  test("batches of a page store come in order after a stall too", async () => {
    const world = new World(1);
    const node = world.node("n", { sync: fixedDelay(1) });
    const store = await settled(world, node.host.openPageStore("p"));
    const image = node.pageStore("p");
    image.stall(10);
    const order: number[] = [];
    for (let i = 1; i <= 12; i++) store.put([[7, Uint8Array.of(i)]], () => order.push(i));
    await world.run(() => order.length === 12);
    expect(order).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(store.get(7)).toEqual(Uint8Array.of(12));
  });
});

describe("room and failures", () => {
  test("a full disk that is freed later takes files again", async () => {
    const { world, node, disk } = await bench(1);
    node.disk("d").capacity = fileBytes;
    await expect(settled(world, disk.create("g", 1))).rejects.toBeInstanceOf(DiskFullError);
    node.disk("d").capacity = 2 * fileBytes;
    await settled(world, disk.create("g", fileBytes));
    expect(await settled(world, disk.freeBytes())).toBe(0);
  });

  test("fails as often as told", async () => {
    const { node, write, sectors } = await bench(1);
    node.disk("d").failNext(new Error("first"), 2);
    node.disk("d").failNext(new Error("second"));
    expect(node.disk("d").planned).toBe(3);
    const messages = [];
    for (let i = 0; i < 4; i++) messages.push((await write("f", 0, sector(1))).error?.message);
    expect(messages).toEqual(["first", "first", "second", undefined]);
    node.disk("d").failNext(new Error("never met"));
    node.disk("d").corruptNext();
    node.disk("d").misdirectNext();
    node.disk("d").cancelPlanned();
    expect((await write("f", 0, sector(3))).error).toBeUndefined();
    expect([...(await sectors("f"))]).toEqual([[0, 3]]);
  });
});

describe("a disk that lies", () => {
  test("misdirected: acknowledged, the right place is as it was, another of this or another file has the bytes", async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 20; seed++) {
      const { node, world, write, sectors } = await bench(seed, ["f", "g"]);
      await write("f", 3 * sectorBytes, sector(1, 2));
      node.disk("d").misdirectNext();
      expect((await write("f", 3 * sectorBytes, sector(2, 2))).error).toBeUndefined();
      const [f, g] = [await sectors("f"), await sectors("g")];
      expect([f.get(3), f.get(4)]).toEqual([1, 1]);
      for (const [name, found] of [
        ["f", f],
        ["g", g],
      ] as const) {
        const strays = [...found].filter(([, value]) => value === 2).map(([at]) => at);
        if (strays.length === 0) continue;
        expect(strays).toEqual([strays[0], strays[0]! + 1]);
        seen.add(name);
      }
      expect([...f, ...g].filter(([, value]) => value === 2)).toHaveLength(2);
      // It is as durable there as it should have been here.
      world.crash("n");
      world.restart("n");
      const again = await settled(world, world.find("n").host.openDisk("d"));
      const read = async (name: string): Promise<number> =>
        (await settled(world, again.read(name, 0, fileBytes))).filter((byte) => byte === 2).length;
      expect((await read("f")) + (await read("g"))).toBe(2 * sectorBytes);
      expect((await settled(world, again.read("f", 3 * sectorBytes, 1)))[0]).toBe(1);
    }
    expect([...seen].sort()).toEqual(["f", "g"]);
  });

  test("misdirected with nowhere else to go: the write is lost", async () => {
    const { node, write, sectors } = await bench(1);
    node.disk("d").misdirectNext();
    expect((await write("f", 0, sector(5, 64))).error).toBeUndefined();
    expect((await sectors("f")).size).toBe(0);
  });

  test("corrupted: acknowledged, with a few bytes changed; a sync without bytes does not use it up", async () => {
    const { world, node, disk, write } = await bench(2);
    node.disk("d").corruptNext();
    await write("f", 0, new Uint8Array(0));
    await write("f", 512, sector(7));
    const bytes = await settled(world, disk.read("f", 0, fileBytes));
    const wrong = bytes.subarray(512, 1024).filter((byte) => byte !== 7).length;
    expect(wrong).toBeGreaterThan(0);
    expect(wrong).toBeLessThanOrEqual(16);
    expect(bytes.filter((byte) => byte !== 0).length).toBeLessThanOrEqual(512);
    await write("f", 512, sector(8));
    expect(await settled(world, disk.read("f", 512, 512))).toEqual(sector(8));
  });

  test("a log notices both in any block but its last; its last looks torn, or never written", async () => {
    const states = { inside: new Set<string>(), last: new Set<string>() };
    for (let seed = 0; seed < 30; seed++) {
      for (const where of ["inside", "last"] as const) {
        const world = new World(seed);
        const node = world.node("n");
        const disk = await settled(world, node.host.openDisk("log"));
        const read = () =>
          settled(
            world,
            readLog(disk, logBlockCodec, () => {}),
          );
        const options = { disk, codec: logBlockCodec, report: await read(), salt: 1, fileBytes: 1 << 16 };
        const log = await settled(world, LogWriter.open({ ...options, onFailure: (e) => world.fail(e) }));
        for (let block = 0; block < 8; block++) {
          if (block === (where === "inside" ? 3 : 7)) {
            if (seed % 2 === 0) node.disk("log").corruptNext();
            else node.disk("log").misdirectNext();
          }
          let isDone = false;
          log.append([new Uint8Array(700).fill(block + 1)], () => (isDone = true));
          await world.run(() => isDone);
        }
        const { state, blocks } = await read();
        states[where].add(state);
        if (where === "inside") expect(state).toBe("corrupt");
        else if (state !== "corrupt") expect(blocks).toBe(7);
      }
    }
    expect([...states.inside]).toEqual(["corrupt"]);
    expect(states.last.has("torn")).toBe(true);
  });
});

describe("a page store that lies", () => {
  test("misdirected and corrupted pages, one of a batch", async () => {
    const world = new World(4);
    const node = world.node("n");
    const store = await settled(world, node.host.openPageStore("p"));
    const image = node.pageStore("p");
    const put = async (pages: readonly number[], value: number): Promise<void> => {
      let isDone = false;
      const batch = pages.map((page) => [page, new Uint8Array(64).fill(value)] as const);
      store.put(batch, (error) => (isDone = error === undefined));
      await world.run(() => isDone);
    };
    const values = (): number[] => [1, 2, 3, 4].map((page) => store.get(page)![0]!);
    await put([1, 2, 3, 4], 1);
    image.misdirectNext();
    await put([2], 9);
    expect(store.get(2)![0]).toBe(1);
    expect(values().filter((value) => value === 9)).toHaveLength(1);
    await put([1, 2, 3, 4], 1);
    image.corruptNext();
    await put([1, 3], 5);
    const damaged = [1, 3].filter((page) => store.get(page)!.some((byte) => byte !== 5));
    expect(damaged).toHaveLength(1);
    expect([store.get(2)![0], store.get(4)![0], store.count()]).toEqual([1, 1, 4]);
    expect(image.planned).toBe(0);
  });

  test("a misdirected page with no other in the store is lost", async () => {
    const world = new World(4);
    const node = world.node("n");
    const store = await settled(world, node.host.openPageStore("p"));
    node.pageStore("p").misdirectNext();
    let isDone = false;
    store.put([[1, sector(1)]], () => (isDone = true));
    await world.run(() => isDone);
    expect([store.count(), node.pageStore("p").usedBytes]).toEqual([0, 0]);
  });
});
