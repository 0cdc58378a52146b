/** Processes that end between two of their effects. */
import type { Disk, Host } from "@sixfold/ports";
import { describe, expect, test } from "vitest";
import { fixedDelay } from "./delay.ts";
import { Ear, linkedPair, maxFrameBytes, settled } from "./testing/linked-pair.ts";
import type { Boundary } from "./timeline.ts";
import { World } from "./world.ts";

/** A node that writes 1, 2, 3 … into the bytes of a file, one after the other, and says so before and after. */
async function writer(seed: number) {
  const world = new World(seed);
  const told: string[] = [];
  let lives = 0;
  const boot = async (host: Host): Promise<void> => {
    lives += 1;
    const disk = await host.openDisk("d");
    if (lives > 1) return;
    await disk.create("f", 8);
    let next = 1;
    const write = (): void => {
      const mine = next++;
      told.push(`begin ${mine}`);
      disk.write("f", mine - 1, [Uint8Array.of(mine)], () => told.push(`end ${mine}`));
      // Not reached by a process that ended in the call above.
      told.push(`begun ${mine}`);
      host.clock.after(5, write);
    };
    write();
  };
  world.node("n", { boot, sync: fixedDelay(1) });
  const bytes = async (): Promise<number[]> => {
    const disk = await settled(world, world.find("n").host.openDisk("d"));
    return [...(await settled(world, disk.read("f", 0, 4)))];
  };
  return { world, told, bytes };
}

describe("at a persist", () => {
  test("before: the write is not there, and nothing runs after it", async () => {
    for (const how of ["crash", "kill"] as const) {
      const { world, told, bytes } = await writer(1);
      const ended: number[] = [];
      world.crashAt("n", { boundary: "before-persist", count: 3, how }, () => ended.push(world.nowMs));
      await world.run(100);
      expect(told.slice(-3)).toEqual(["begun 2", "end 2", "begin 3"]);
      expect(ended).toHaveLength(1);
      expect(world.find("n").isUp).toBe(false);
      world.restart("n");
      expect(await bytes()).toEqual([1, 2, 0, 0]);
    }
  });

  test("after: it is durable, and its callback never comes", async () => {
    for (const how of ["crash", "kill"] as const) {
      const { world, told, bytes } = await writer(1);
      world.crashAt("n", { boundary: "after-persist", count: 3, how }, () => world.restart("n"));
      await world.run(100);
      expect(told.slice(-3)).toEqual(["end 2", "begin 3", "begun 3"]);
      expect(await bytes()).toEqual([1, 2, 3, 0]);
      world.crash("n");
      world.restart("n");
      expect(await bytes()).toEqual([1, 2, 3, 0]);
    }
  });

  test("a page store's batches count, too; a failed one is not durable", async () => {
    for (const [boundary, kept] of [
      ["before-persist", [1]],
      ["after-persist", [1, 3]],
    ] as const) {
      const world = new World(1);
      const node = world.node("n");
      const store = await settled(world, node.host.openPageStore("p"));
      let done = 0;
      const put = (page: number): void => {
        node.host.clock.soon(() => store.put([[page, Uint8Array.of(page)]], () => (done += 1)));
      };
      world.crashAt("n", { boundary, count: boundary === "before-persist" ? 3 : 2, how: "crash" });
      put(1);
      await world.run(() => done === 1);
      node.pageStore("p").failNext(new Error("no"));
      put(2);
      await world.run(() => done === 2);
      put(3);
      await world.run(world.nowMs + 100);
      expect([done, node.isUp]).toEqual([2, false]);
      world.restart("n");
      const again = await settled(world, node.host.openPageStore("p"));
      expect(again.pages(0, 10)).toEqual(kept);
    }
  });
});

describe("at a send", () => {
  /** The server answers each frame with three; it is to end at the fifth. */
  async function answering(boundary: Boundary, how: "crash" | "kill") {
    const { world, client, server, send } = await linkedPair();
    server.frame = (link) => {
      for (const text of ["x", "y", "z"]) {
        server.frames.push(`sending ${text}`);
        link.send(Buffer.from(text));
      }
    };
    world.crashAt("s", { boundary, count: 5, how });
    for (const text of ["1", "2", "3"]) send(text);
    await world.run(world.nowMs + 100);
    return { world, client, server };
  }

  test("before: the frame is not sent; after: it is, and nothing after it", async () => {
    for (const how of ["crash", "kill"] as const) {
      const before = await answering("before-send", how);
      expect(before.client.frames).toEqual(["x", "y", "z", "x"]);
      expect(before.server.frames.at(-1)).toBe("sending y");
      const after = await answering("after-send", how);
      expect(after.client.frames).toEqual(["x", "y", "z", "x", "y"]);
      expect(after.server.frames.at(-1)).toBe("sending y");
      expect(after.client.reasons).toEqual(how === "kill" ? ["connection reset"] : []);
      expect(after.world.find("s").isUp).toBe(false);
    }
  });

  test("a frame sent before the link is open counts once", async () => {
    const { world } = await linkedPair();
    const { host } = world.find("c");
    const link = host.network.connect(
      "ws://s:7",
      { maxFrameBytes, trusted: true, timeoutMs: 100 },
      new Ear(),
    );
    world.crashAt("c", { boundary: "before-send", count: 3, how: "kill" });
    link.send(Buffer.from("a"));
    link.send(Buffer.from("b"));
    await world.run(world.nowMs + 50);
    expect(world.find("c").isUp).toBe(true);
    link.send(Buffer.from("c"));
    expect(world.find("c").isUp).toBe(false);
  });
});

describe("a point", () => {
  test("can be taken back, is replaced by the next, and outlasts other ends of the process", async () => {
    const { world, told } = await writer(1);
    world.crashAt("n", { boundary: "before-persist", count: 1, how: "kill" });
    world.cancelCrashAt("n");
    await world.run(20);
    expect(world.find("n").isUp).toBe(true);
    world.crashAt("n", { boundary: "before-persist", count: 1, how: "kill" });
    world.crashAt("n", { boundary: "before-persist", count: 2, how: "kill" });
    const before = told.length;
    await world.run(world.nowMs + 5);
    expect(told.length).toBe(before + 3);
    world.kill("n");
    const { host } = (world.restart("n"), world.find("n"));
    const disk = await settled(world, host.openDisk("d"));
    disk.write("f", 0, [Uint8Array.of(9)], () => expect.unreachable("it ended before"));
    expect(world.find("n").isUp).toBe(false);
  });

  test("W2: code of the dead that still runs, in a promise's continuation, does nothing", async () => {
    const world = new World(3);
    const after: string[] = [];
    let life = 0;
    const boot = async (host: Host): Promise<void> => {
      if ((life += 1) > 1) {
        await host.network.listen({ host: "", port: 1, maxFrameBytes }, new Ear());
        return;
      }
      const disk: Disk = await host.openDisk("d");
      await disk.create("f", 8);
      disk.write("f", 0, [Uint8Array.of(1)], () => after.push("written"));
      after.push("code goes on");
      disk.write("f", 1, [Uint8Array.of(2)], () => after.push("written too"));
      host.clock.after(1, () => after.push("timer"));
      void host.network
        .listen({ host: "", port: 1, maxFrameBytes }, new Ear())
        .then(() => after.push("listens"));
      void disk.remove("f").then(() => after.push("removed"));
      const ear = new Ear();
      host.network.connect("ws://n:1", { maxFrameBytes, trusted: true, timeoutMs: 10 }, ear);
      const pages = await host.openPageStore("p");
      pages.put([[1, Uint8Array.of(1)]], () => after.push("stored"));
    };
    world.node("n", { boot });
    world.crashAt("n", { boundary: "before-persist", count: 1, how: "kill" }, () => world.restart("n"));
    await world.run(1000);
    expect(after).toEqual(["code goes on"]);
    expect(life).toBe(2);
    expect(world.fabric.linkCount).toBe(0);
    const { host } = world.find("n");
    const disk = await settled(world, host.openDisk("d"));
    expect([...(await settled(world, disk.read("f", 0, 2)))]).toEqual([0, 0]);
    expect((await settled(world, host.openPageStore("p"))).count()).toBe(0);
  });
});
