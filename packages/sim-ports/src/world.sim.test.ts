/** What the simulated world adds to the contracts: determinism, and faults that mean what they say. */
import type { Host } from "@sixfold/ports";
import { describe, expect, test } from "vitest";
import { fixedDelay } from "./delay.ts";
import { connectOptions, Ear, linkedPair as pair, maxFrameBytes } from "./testing/linked-pair.ts";
import { World } from "./world.ts";

/** Nodes that gossip by promises, timers and disks, with faults; returns the trace. */
async function chatter(seed: number): Promise<{ hash: string; lines: string[]; events: number }> {
  const lines: string[] = [];
  const world = new World(seed, { onEvent: (line) => lines.push(line), network: { lossChance: 0.01 } });
  const names = ["a", "b", "c"];
  const boot = async (host: Host): Promise<void> => {
    const disk = await host.openDisk("log");
    if ((await disk.list()).length === 0) await disk.create("f", 4096);
    const pages = await host.openPageStore("pages");
    await host.network.listen({ host: "", port: 1, maxFrameBytes }, new Ear(true));
    let count = host.entropy() % 10;
    const talk = (): void => {
      for (const name of names) {
        const link = host.network.connect(`ws://${name}:1`, connectOptions, {
          frame: (from, frame) => disk.write("f", frame[0]! * 8, [frame], () => from.close("thanks")),
          closed: () => pages.put([[(count += 1), new Uint8Array(count)]], () => {}),
        });
        link.send(Uint8Array.of(count % 100, 2, 3));
      }
      host.clock.after(50 + (host.entropy() % 100), talk);
    };
    talk();
  };
  for (const name of names) world.node(name, { boot, eventCostMs: name === "c" ? 0.2 : 0 });
  world.at(300, () => world.fabric.partition(["a"], ["b", "c"]));
  world.at(600, () => world.crash("b"));
  world.at(900, () => (world.fabric.heal(), world.restart("b")));
  world.at(1200, () => world.pause("a"));
  world.at(1500, () => (world.resume("a"), world.kill("c"), world.restart("c")));
  await world.run(3000);
  return { hash: world.traceHash, lines, events: world.events };
}

describe("determinism", () => {
  test("W1: the same seed gives the same trace, event by event; another seed another", async () => {
    const [first, second, other] = [await chatter(42), await chatter(42), await chatter(43)];
    expect(first.events).toBeGreaterThan(1000);
    expect(second.lines).toEqual(first.lines);
    expect(second.hash).toBe(first.hash);
    expect(other.hash).not.toBe(first.hash);
  });

  test("promises settle between events, in one order", async () => {
    const world = new World(1);
    const { clock } = world.node("n").host;
    const order: string[] = [];
    const sleep = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));
    const walk = async (name: string): Promise<void> => {
      for (let i = 0; i < 2; i++) {
        await sleep(1);
        for (let deep = 0; deep < 20; deep++) await Promise.resolve();
        order.push(`${name}${i} at ${clock.nowMs()}`);
      }
    };
    void walk("x");
    void walk("y");
    await world.run(10);
    expect(order).toEqual(["x0 at 1", "y0 at 1", "x1 at 2", "y1 at 2"]);
    expect(world.nowMs).toBe(10);
  });

  test("run to a time takes all of that instant and nothing later; a vain wait and a failing node end it", async () => {
    const world = new World(1);
    const { clock } = world.node("n", { boot: () => Promise.reject(new Error("no disk today")) }).host;
    await expect(world.run(0)).rejects.toThrow("no disk today");
    const ran: number[] = [];
    for (const ms of [5, 10, 10.5]) clock.after(ms, () => ran.push(ms));
    await world.run(10);
    expect(ran).toEqual([5, 10]);
    await expect(world.run(() => false)).rejects.toThrow(/nothing is left/);
    clock.after(50, () => {});
    await expect(world.run(() => false, 20)).rejects.toThrow(/next event/);
    clock.after(1, () => {
      throw new Error("broken callback");
    });
    await expect(world.run(1000)).rejects.toThrow("broken callback");
  });
});

describe("nodes", () => {
  test("W2: nothing of a dead incarnation ever runs, and boot runs at each start", async () => {
    const world = new World(3);
    const ran: string[] = [];
    let boots = 0;
    const boot = async (host: Host): Promise<void> => {
      const name = `life ${(boots += 1)}`;
      host.clock.after(100, () => ran.push(`${name} timer`));
      const disk = await host.openDisk("d");
      if (boots === 1) await disk.create("f", 1000);
      ran.push(`${name} ready`);
      disk.write("f", 0, [new Uint8Array(1000)], () => ran.push(`${name} written`));
    };
    world.node("n", { boot, sync: fixedDelay(10) });
    await world.run(() => ran.length === 1);
    world.kill("n");
    await world.run(1000);
    expect(ran).toEqual(["life 1 ready"]);
    expect(() => world.find("n").host).toThrow(/is up/);
    world.restart("n");
    await world.run(2000);
    expect(ran).toEqual(["life 1 ready", "life 2 ready", "life 2 written", "life 2 timer"]);
  });

  test("a paused node's events wait, and come in order at its resuming; time goes on for others", async () => {
    const { world, server, send } = await pair();
    const { clock } = world.find("s").host;
    const due = world.nowMs + 5;
    let firedAt = 0;
    clock.after(5, () => (firedAt = clock.nowMs()));
    const cancelled = clock.after(6, () => expect.unreachable("cancelled while it waits in the backlog"));
    world.pause("s");
    for (const text of ["1", "2", "3"]) send(text);
    await world.run(due + 500);
    expect([server.frames, firedAt]).toEqual([[], 0]);
    cancelled.cancel();
    world.resume("s");
    await world.run(due + 501);
    expect(server.frames).toEqual(["1", "2", "3"]);
    expect(firedAt).toBe(due + 500);
  });

  test("a slow node takes its events one after the other", async () => {
    const { world, server, send } = await pair();
    world.find("s").eventCostMs = 10;
    const start = world.nowMs;
    for (let i = 0; i < 10; i++) send(String(i));
    await world.run(start + 55);
    expect(server.frames).toEqual(["0", "1", "2", "3", "4", "5"]);
    await world.run(start + 200);
    expect(server.frames).toHaveLength(10);
  });

  test("clocks are ahead and drift as told", async () => {
    const world = new World(1);
    const right = world.node("right").host.clock;
    const wrong = world.node("wrong", { wallAheadMs: 60_000, driftPpm: 1000 }).host.clock;
    let firedAt = 0;
    wrong.after(1000, () => (firedAt = world.nowMs));
    await world.run(10_000);
    expect(firedAt).toBeGreaterThan(998.9);
    expect(firedAt).toBeLessThan(999.1);
    expect(wrong.nowMs() - right.nowMs()).toBeCloseTo(10, 6);
    expect(wrong.wallMs() - right.wallMs()).toBe(60_010);
  });
});

describe("network faults", () => {
  test("a partition holds frames, one way if so told, and healing delivers them in order", async () => {
    const { world, server, client, send } = await pair();
    world.fabric.partition(["c"], ["s"], { oneWay: true });
    send("held 1");
    send("held 2");
    server.links[0]!.send(Buffer.from("back"));
    await world.run(world.nowMs + 5000);
    expect([server.frames, client.frames]).toEqual([[], ["back"]]);
    world.fabric.heal();
    send("after");
    await world.run(world.nowMs + 10);
    expect(server.frames).toEqual(["held 1", "held 2", "after"]);
    expect([server.reasons, client.reasons]).toEqual([[], []]);
  });

  test("a long partition breaks the link at the sender; the other side hears of it at the healing only", async () => {
    const { world, server, client, send } = await pair();
    world.fabric.isolate("s");
    send("lost");
    await world.run(world.nowMs + 20_000);
    expect([client.reasons, server.reasons]).toEqual([["connection timed out"], []]);
    world.fabric.unblock("s", "c");
    await world.run(world.nowMs + 20_000);
    expect(server.reasons).toEqual([]);
    world.fabric.unblock("c", "s");
    await world.run(world.nowMs + 10);
    expect([server.frames, server.reasons]).toEqual([[], ["connection reset"]]);
    expect(world.fabric.linkCount).toBe(0);
  });

  test("connecting into a partition goes on once it heals, or times out", async () => {
    const { world, client } = await pair();
    world.fabric.isolate("s");
    const { network } = world.find("c").host;
    network.connect("ws://s:7", connectOptions, client).send(Buffer.from("x"));
    await world.run(world.nowMs + 2000);
    expect(client.links).toHaveLength(1);
    world.fabric.heal();
    await world.run(world.nowMs + 500);
    expect(client.links).toHaveLength(2);
    world.fabric.isolate("s");
    network.connect("ws://s:7", connectOptions, client);
    await world.run(world.nowMs + 4000);
    expect(client.reasons).toEqual(["connecting timed out"]);
  });

  test("a killed process resets its links; what it had sent still arrives", async () => {
    const { world, server, client } = await pair();
    server.links[0]!.send(Buffer.from("last words"));
    world.kill("s");
    await world.run(world.nowMs + 10);
    expect([client.frames, client.reasons]).toEqual([["last words"], ["connection reset"]]);
    expect(server.reasons).toEqual([]);
    world.find("c").host.network.connect("ws://s:7", connectOptions, client);
    await world.run(world.nowMs + 10);
    expect(client.reasons).toEqual(["connection reset", "connection refused"]);
  });

  test("a machine without power says nothing: who sends to it times out, or is reset once it is back", async () => {
    for (const isBack of [false, true]) {
      const { world, client, send } = await pair();
      world.crash("s");
      await world.run(world.nowMs + 60_000);
      expect(client.reasons).toEqual([]);
      if (isBack) world.restart("s");
      send("anybody there?");
      await world.run(world.nowMs + 10);
      expect(client.reasons).toEqual(isBack ? ["connection reset"] : []);
      await world.run(world.nowMs + 20_000);
      expect(client.reasons).toEqual([isBack ? "connection reset" : "connection timed out"]);
    }
  });

  test("broken links: both sides hear once, what was on its way is lost", async () => {
    const { world, server, client, send } = await pair();
    send("on its way");
    expect(world.fabric.breakLinks("s", "c")).toBe(1);
    await world.run(world.nowMs + 3000);
    expect(server.frames).toEqual([]);
    expect([server.reasons, client.reasons]).toEqual([["connection broken"], ["connection broken"]]);
    expect(world.fabric.breakLinks("c")).toBe(0);
  });

  test("distance: AZs differ, and a direction can be set", async () => {
    const world = new World(1, { network: { sameAz: fixedDelay(1), otherAz: fixedDelay(10) } });
    for (const [name, az] of [
      ["x", "a"],
      ["y", "a"],
      ["z", "b"],
    ] as const) {
      const boot = async (host: Host): Promise<void> =>
        void (await host.network.listen({ host: "", port: 1, maxFrameBytes }, new Ear(true)));
      world.node(name, { az, boot });
    }
    await world.run(0);
    const roundTrip = async (to: string): Promise<number> => {
      const ear = new Ear();
      const link = world.find("x").host.network.connect(`ws://${to}:1`, connectOptions, ear);
      await world.run(() => ear.links.length > 0);
      const start = world.nowMs;
      link.send(Buffer.from("!"));
      await world.run(() => ear.frames.length > 0);
      return world.nowMs - start;
    };
    expect(await roundTrip("y")).toBeCloseTo(2, 1);
    expect(await roundTrip("z")).toBeCloseTo(20, 1);
    world.fabric.setDelay("x", "z", fixedDelay(100));
    expect(await roundTrip("z")).toBeCloseTo(110, 1);
  });

  test("a frame changed after it was sent is caught", async () => {
    const { world, link } = await pair();
    const frame = Buffer.from("immutable");
    link.send(frame);
    frame[3] = 0;
    await expect(world.run(world.nowMs + 10)).rejects.toThrow(/not changed/);
  });
});
