/** Crashes and faults of simulated disks and page stores, and the log that has to live on them. */
import type { Disk } from "@sixfold/ports";
import { DiskFullError, LogWriter, logFileName, readLog, sectorBytes } from "@sixfold/ports";
import { logBlockCodec } from "@sixfold/wire";
import { describe, expect, test } from "vitest";
import { fixedDelay } from "./delay.ts";
import type { SimNode } from "./sim-node.ts";
import { settled as settle } from "./testing/linked-pair.ts";
import { World } from "./world.ts";

const blockBytes = 8 * sectorBytes;
const filled = (value: number): Uint8Array => new Uint8Array(blockBytes).fill(value);

async function written(
  disk: Disk,
  world: World,
  offset: number,
  bytes: Uint8Array,
): Promise<Error | undefined> {
  let outcome: { error: Error | undefined } | undefined;
  disk.write("f", offset, [bytes], (error) => (outcome = { error }));
  await world.run(() => outcome !== undefined);
  return outcome!.error;
}

async function diskWorld(seed: number): Promise<{ world: World; node: SimNode; disk: Disk }> {
  const world = new World(seed);
  const node = world.node("n", { sync: fixedDelay(1) });
  const disk = await settle(world, node.host.openDisk("d"));
  await settle(world, disk.create("f", 3 * blockBytes));
  return { world, node, disk };
}

describe("disk", () => {
  test("a power loss keeps what was synced and tears the rest by sectors, each way sooner or later", async () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 60; seed++) {
      const { world, node, disk } = await diskWorld(seed);
      expect(await written(disk, world, 0, filled(1))).toBeUndefined();
      expect(await written(disk, world, blockBytes, filled(2))).toBeUndefined();
      disk.write("f", blockBytes, [filled(3)], () => expect.unreachable("the process is dead"));
      expect(node.disk("d").unsyncedBytes).toBe(blockBytes);
      world.crash("n");
      expect(node.disk("d").unsyncedBytes).toBe(0);
      world.restart("n");
      const again = await settle(world, node.host.openDisk("d"));
      const bytes = await settle(world, again.read("f", 0, 3 * blockBytes));
      expect(bytes.subarray(0, blockBytes).every((byte) => byte === 1)).toBe(true);
      const sectors: number[] = [];
      for (let at = blockBytes; at < 2 * blockBytes; at += sectorBytes) {
        const sector = bytes.subarray(at, at + sectorBytes);
        expect(sector.every((byte) => byte === sector[0])).toBe(true);
        sectors.push(sector[0]!);
      }
      const news = sectors.filter((value) => value === 3).length;
      expect(sectors.every((value) => value === 2 || value === 3)).toBe(true);
      const isPrefix = sectors.every((value, i) => i === 0 || sectors[i - 1] === 3 || value === 2);
      outcomes.add(news === 0 ? "none" : news === sectors.length ? "all" : isPrefix ? "prefix" : "mixed");
    }
    expect([...outcomes].sort()).toEqual(["all", "mixed", "none", "prefix"]);
  });

  test("a kill leaves written bytes to be read, a later sync makes them safe, a power loss before it does not", async () => {
    const results = { synced: new Set<number>(), unsynced: new Set<number>() };
    for (let seed = 0; seed < 40; seed++) {
      for (const kind of ["synced", "unsynced"] as const) {
        const { world, node, disk } = await diskWorld(seed);
        disk.write("f", 0, [filled(9)], () => expect.unreachable("the process is dead"));
        world.kill("n");
        world.restart("n");
        const again = await settle(world, node.host.openDisk("d"));
        expect((await settle(world, again.read("f", 0, 1)))[0]).toBe(9);
        if (kind === "synced") expect(await written(again, world, 0, new Uint8Array(0))).toBeUndefined();
        world.crash("n");
        world.restart("n");
        const last = await settle(world, node.host.openDisk("d"));
        results[kind].add((await settle(world, last.read("f", 0, 1)))[0]!);
      }
    }
    expect([...results.synced]).toEqual([9]);
    expect([...results.unsynced].sort((a, b) => a - b)).toEqual([0, 9]);
  });

  test("a full disk, a failed sync that no later sync mends, a stall, and damage", async () => {
    const { world, node, disk } = await diskWorld(5);
    const image = node.disk("d");
    image.capacity = 4 * blockBytes;
    await expect(settle(world, disk.create("g", 2 * blockBytes))).rejects.toBeInstanceOf(DiskFullError);
    expect(await settle(world, disk.freeBytes())).toBe(blockBytes);
    await settle(world, disk.create("g", blockBytes));

    image.failNext(new Error("sync failed"));
    expect((await written(disk, world, 0, filled(4)))?.message).toBe("sync failed");
    expect(await written(disk, world, 0, new Uint8Array(0))).toBeUndefined();
    expect((await settle(world, disk.read("f", 0, 1)))[0]).toBe(4);

    image.stall();
    let stalled = false;
    disk.write("f", blockBytes, [filled(5)], () => (stalled = true));
    await world.run(world.nowMs + 10_000);
    expect(stalled).toBe(false);
    image.unstall();
    await world.run(() => stalled);

    image.corrupt("f", blockBytes, 3);
    const damaged = await settle(world, disk.read("f", blockBytes, 4));
    expect([...damaged.slice(0, 3)].every((byte) => byte !== 5)).toBe(true);
    expect(damaged[3]).toBe(5);

    world.crash("n");
    world.restart("n");
    const again = await settle(world, node.host.openDisk("d"));
    expect((await settle(world, again.read("f", 0, 1)))[0]).toBe(0);
  });
});

describe("page store", () => {
  test("a crash keeps finished batches and a prefix of the others, each whole", async () => {
    const kept = new Set<number>();
    for (let seed = 0; seed < 40; seed++) {
      const world = new World(seed);
      const node = world.node("n");
      const store = await settle(world, node.host.openPageStore("p"));
      let isDone = false;
      store.put([[0, filled(1)]], () => (isDone = true));
      await world.run(() => isDone);
      for (const batch of [1, 2, 3]) {
        const pages = [10 * batch, 10 * batch + 1].map((page) => [page, filled(batch)] as const);
        store.put(pages, () => expect.unreachable("the process is dead"));
      }
      world.crash("n");
      world.restart("n");
      const again = await settle(world, node.host.openPageStore("p"));
      const ids = again.pages(0, 100);
      expect(again.get(0)![0]).toBe(1);
      expect(ids).toEqual([0, 10, 11, 20, 21, 30, 31].slice(0, ids.length));
      expect(ids.length % 2).toBe(1);
      kept.add(ids.length);
    }
    expect([...kept].sort((a, b) => a - b)).toEqual([1, 3, 5, 7]);
  });

  test("full, failing and damaged stores", async () => {
    const world = new World(1);
    const node = world.node("n");
    const store = await settle(world, node.host.openPageStore("p"));
    const image = node.pageStore("p");
    const put = async (page: number, bytes: number): Promise<Error | undefined> => {
      let outcome: { error: Error | undefined } | undefined;
      store.put([[page, filled(page).subarray(0, bytes)]], (error) => (outcome = { error }));
      await world.run(() => outcome !== undefined);
      return outcome!.error;
    };
    image.capacity = 1000;
    expect(await put(1, 600)).toBeUndefined();
    expect(await put(2, 600)).toBeInstanceOf(DiskFullError);
    expect(await put(1, 900)).toBeUndefined();
    image.failNext(new Error("medium error"));
    expect((await put(1, 10))?.message).toBe("medium error");
    expect([store.count(), store.get(1)!.length, image.usedBytes]).toEqual([1, 900, 900]);
    image.corrupt(1);
    expect(store.get(1)!.filter((byte) => byte !== 1)).toHaveLength(1);
  });
});

describe("log under crashes", () => {
  /** Lives of appending, each ended by a kill or a power loss; returns how many records the last log held. */
  async function lives(
    seed: number,
    removes: boolean,
  ): Promise<{ records: number; torn: number; files: number }> {
    const world = new World(seed);
    const node = world.node("n");
    const { random } = world;
    /** Records whose `done` came, or that a reader has once seen and synced: they are there for ever. */
    let promised = 0;
    let given = 0;
    let torn = 0;
    let files = 0;
    for (let life = 0; life < 6; life++) {
      const disk = await settle(world, node.host.openDisk("log"));
      const seen: number[] = [];
      const report = await settle(
        world,
        readLog(disk, logBlockCodec, (payload) => {
          const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
          for (let at = 0; at < payload.byteLength; at += 8 + view.getUint32(at + 4))
            seen.push(view.getUint32(at));
        }),
      );
      expect(report.state, `seed ${seed}, life ${life}: ${JSON.stringify(report.corruption)}`).not.toBe(
        "corrupt",
      );
      const first = seen[0] ?? 0;
      expect(seen).toEqual(seen.map((_, i) => first + i));
      if (!removes) expect(first).toBe(0);
      const next = first + seen.length;
      expect(next).toBeGreaterThanOrEqual(promised);
      expect(next).toBeLessThanOrEqual(given);
      if (report.state === "torn") torn += 1;
      files = report.files.length;
      const opening = LogWriter.open({
        disk,
        codec: logBlockCodec,
        report,
        salt: 77,
        fileBytes: 20_000,
        blockBytesMax: 6000,
        onFailure: (error) => world.fail(error),
        onRotate: (fileNumber) => removes && writer.removeBefore(fileNumber),
      });
      const writer = await settle(world, opening);
      promised = next;
      given = next;
      const { clock } = node.host;
      const append = (): void => {
        for (let i = random.int(5); i >= 0; i--) {
          const record = given;
          const body = random.int(3000);
          const head = new Uint8Array(8);
          new DataView(head.buffer).setUint32(0, record);
          new DataView(head.buffer).setUint32(4, body);
          writer.append([head, new Uint8Array(body).fill(record)], () => {
            expect(record).toBe(promised);
            promised += 1;
          });
          given += 1;
        }
        clock.after(random.next(), append);
      };
      append();
      await world.run(world.nowMs + 1 + random.int(30));
      if (random.chance(0.3)) world.kill("n");
      else world.crash("n");
      world.restart("n");
    }
    return { records: promised, torn, files };
  }

  test("what was promised is there after any crash, in order, and never a false alarm of corruption", async () => {
    let torn = 0;
    let rotated = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const result = await lives(seed, false);
      expect(result.records).toBeGreaterThan(0);
      torn += result.torn;
      if (result.files > 3) rotated += 1;
    }
    // The runs have met what they are for.
    expect(torn).toBeGreaterThan(30);
    expect(rotated).toBeGreaterThan(10);
  });

  test("L4: removing old files as soon as a new one is begun never loses the end of the log", async () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { records, files } = await lives(seed, true);
      expect(records).toBeGreaterThan(0);
      expect(files).toBeLessThan(6);
    }
  });

  test("a block whose sync failed is written again before the next life relies on it", async () => {
    const world = new World(3);
    const node = world.node("n");
    const reopened = async (): Promise<{ writer: LogWriter; blocks: number; state: string }> => {
      const disk = await settle(world, node.host.openDisk("log"));
      const report = await settle(
        world,
        readLog(disk, logBlockCodec, () => {}),
      );
      const { blocks, state } = report;
      const options = { disk, codec: logBlockCodec, report, salt: 1, fileBytes: 4096, onFailure: () => {} };
      return { writer: await settle(world, LogWriter.open(options)), blocks, state };
    };
    const append = async (writer: LogWriter, text: string): Promise<Error | undefined> => {
      const ends: (Error | undefined)[] = [];
      writer.append([Buffer.from(text)], (error) => ends.push(error));
      await world.run(() => ends.length > 0);
      return ends[0];
    };
    const first = await reopened();
    expect(await append(first.writer, "one")).toBeUndefined();
    node.disk("log").failNext(new Error("sync failed"));
    expect(await append(first.writer, "two")).toBeInstanceOf(Error);
    world.kill("n");
    world.restart("n");
    const second = await reopened();
    expect(second.blocks, "read from the system's cache").toBe(2);
    expect(await append(second.writer, "three")).toBeUndefined();
    world.crash("n");
    world.restart("n");
    expect(await reopened()).toMatchObject({ state: "clean", blocks: 3 });
  });

  test("the check would notice: a disk that forgets synced bytes breaks the promise", async () => {
    const world = new World(9);
    const node = world.node("n");
    const disk = await settle(world, node.host.openDisk("log"));
    const report = await settle(
      world,
      readLog(disk, logBlockCodec, () => {}),
    );
    const options = { disk, codec: logBlockCodec, report, salt: 1, fileBytes: 4096, onFailure: () => {} };
    const writer = await settle(world, LogWriter.open(options));
    let done = 0;
    for (const text of ["first", "second", "third"]) {
      writer.append([Buffer.from(text)], () => (done += 1));
      const wanted = done + 1;
      await world.run(() => done === wanted);
    }
    node.disk("log").corrupt(logFileName(1), 10, 1);
    expect(
      (
        await settle(
          world,
          readLog(disk, logBlockCodec, () => {}),
        )
      ).state,
    ).toBe("corrupt");
  });

  test("a disk too full for the next file: what fits is written, then the writer stops with the reason", async () => {
    const world = new World(2);
    const node = world.node("n");
    node.disk("log").capacity = 9000;
    const disk = await settle(world, node.host.openDisk("log"));
    const report = await settle(
      world,
      readLog(disk, logBlockCodec, () => {}),
    );
    const failures: Error[] = [];
    const onFailure = (error: Error): void => void failures.push(error);
    const options = { disk, codec: logBlockCodec, report, salt: 1, fileBytes: 4096, onFailure };
    const writer = await settle(world, LogWriter.open(options));
    const ends: (Error | undefined)[] = [];
    for (let i = 0; i < 10; i++) {
      writer.append([new Uint8Array(1500)], (error) => ends.push(error));
      await world.run(() => ends.length === i + 1);
    }
    expect(ends.map((error) => error instanceof DiskFullError)).toEqual([
      ...Array(4).fill(false),
      ...Array(6).fill(true),
    ]);
    expect(failures).toHaveLength(1);
    expect(
      (
        await settle(
          world,
          readLog(disk, logBlockCodec, () => {}),
        )
      ).blocks,
    ).toBe(4);
  });
});
