/** Frames that vanish, come twice and out of order; partitions that overlap. */
import { describe, expect, test } from "vitest";
import { connectOptions, Ear, linkedPair, quick } from "./testing/linked-pair.ts";

const always = { loseChance: 0, duplicateChance: 0, reorderChance: 0, reorderMs: 0 };
const texts = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i));

describe("mischief", () => {
  test("single frames vanish while the link lives on", async () => {
    const { world, server, client, send } = await linkedPair();
    send("hello");
    world.fabric.setMischief({ ...always, loseChance: 0.3 });
    const sent = texts(300);
    for (const text of sent) send(text);
    await world.run(world.nowMs + 100);
    const arrived = server.frames.slice(1);
    expect(server.frames[0]).toBe("hello");
    expect(arrived).toEqual(sent.filter((text) => arrived.includes(text)));
    expect(300 - arrived.length).toBe(world.fabric.mischiefDone.lost);
    expect(arrived.length).toBeGreaterThan(150);
    expect(arrived.length).toBeLessThan(270);
    world.fabric.setMischief(undefined);
    send("after");
    await world.run(world.nowMs + 10);
    expect(server.frames.at(-1)).toBe("after");
    expect([server.reasons, client.reasons]).toEqual([[], []]);
  });

  test("frames come twice, the second time later by chance", async () => {
    const { world, server, send } = await linkedPair();
    send("hello");
    world.fabric.setMischief({ ...always, duplicateChance: 1, reorderMs: 5 });
    const sent = texts(50);
    for (const text of sent) send(text);
    await world.run(world.nowMs + 100);
    const arrived = server.frames.slice(1);
    expect(arrived.toSorted()).toEqual([...sent, ...sent].sort());
    expect(arrived.filter((text, i) => arrived.indexOf(text) === i)).toEqual(sent);
    expect(arrived).not.toEqual([...sent, ...sent]);
  });

  test("the second copy has a buffer of its own", async () => {
    const { world, server, send, link } = await linkedPair();
    send("hello");
    world.fabric.setMischief({ ...always, duplicateChance: 1, reorderMs: 5 });
    server.frame = (_link, frame) =>
      void server.frames.push(Buffer.from(frame.fill(frame[0]! + 1)).toString());
    link.send(Buffer.from("aaa"));
    await world.run(world.nowMs + 100);
    expect(server.frames).toEqual(["iiiii", "bbb", "bbb"]);
  });

  test("frames come late, and others pass them; never more than told", async () => {
    const { world, server, send } = await linkedPair();
    send("hello");
    world.fabric.setMischief({ ...always, reorderChance: 0.5, reorderMs: 20 });
    const sent = texts(200);
    for (const text of sent) send(text);
    await world.run(world.nowMs + 1.1);
    const inTurn = server.frames.slice(1);
    expect(inTurn).toEqual(sent.filter((text) => inTurn.includes(text)));
    expect(200 - inTurn.length).toBe(world.fabric.mischiefDone.reordered);
    await world.run(world.nowMs + 21);
    const late = server.frames.slice(1 + inTurn.length);
    expect([...inTurn, ...late].sort()).toEqual([...sent].sort());
    expect(late).not.toEqual(late.toSorted((a, b) => Number(a) - Number(b)));
  });

  test("it meets only the directions named, only trusted links, and never the first frame of a direction", async () => {
    const { world, server, client, send } = await linkedPair();
    world.fabric.setMischief({ ...always, loseChance: 1, from: ["c"], to: ["s"] });
    for (const text of ["first", "second"]) send(text);
    for (const text of ["one", "two"]) server.links[0]!.send(Buffer.from(text));
    await world.run(world.nowMs + 10);
    expect([server.frames, client.frames]).toEqual([["first"], ["one", "two"]]);
    world.fabric.setMischief({ ...always, loseChance: 1, from: ["s"] });
    send("heard");
    server.links[0]!.send(Buffer.from("unheard"));
    await world.run(world.nowMs + 10);
    expect([server.frames, client.frames]).toEqual([
      ["first", "heard"],
      ["one", "two"],
    ]);

    const plain = await linkedPair(quick, 1, false);
    plain.world.fabric.setMischief({ ...always, loseChance: 1 });
    for (const text of ["a", "b"]) plain.send(text);
    plain.server.links[0]!.send(Buffer.from("c"));
    plain.server.links[0]!.send(Buffer.from("d"));
    await plain.world.run(plain.world.nowMs + 10);
    expect([plain.server.frames, plain.client.frames]).toEqual([
      ["a", "b"],
      ["c", "d"],
    ]);
  });

  test("a straggler never arrives at the link after it, nor at a closed one", async () => {
    const { world, server, send } = await linkedPair();
    send("hello");
    await world.run(world.nowMs + 5);
    world.fabric.setMischief({ ...always, reorderChance: 1, reorderMs: 1000 });
    for (const text of texts(20)) send(text);
    world.fabric.setMischief(undefined);
    world.fabric.breakLinks("c");
    world.find("c").host.network.connect("ws://s:7", connectOptions, new Ear()).send(Buffer.from("anew"));
    await world.run(world.nowMs + 2000);
    expect(server.frames).toEqual(["hello", "anew"]);
  });

  test("W1: with it too the same seed gives the same trace", async () => {
    const hashes = [];
    for (const seed of [5, 5, 6]) {
      const { world, send } = await linkedPair(quick, seed);
      world.fabric.setMischief({ loseChance: 0.2, duplicateChance: 0.2, reorderChance: 0.2, reorderMs: 9 });
      for (const text of texts(100)) send(text);
      await world.run(200);
      hashes.push(world.traceHash);
    }
    expect(hashes[0]).toBe(hashes[1]);
    expect(hashes[2]).not.toBe(hashes[0]);
  });
});

describe("partitions", () => {
  test("that overlap end one by one", async () => {
    const { world, server, send } = await linkedPair();
    world.fabric.partition(["c"], ["s"]);
    world.fabric.isolate("s");
    send("held");
    world.fabric.unpartition(["c"], ["s"]);
    await world.run(world.nowMs + 100);
    expect(server.frames).toEqual([]);
    world.fabric.unpartition(["s"], ["c", "s"]);
    await world.run(world.nowMs + 10);
    expect(server.frames).toEqual(["held"]);
    // Free directions stay free, however often they are freed.
    world.fabric.unpartition(["s"], ["c"]);
    world.fabric.partition(["c"], ["s"], { oneWay: true });
    world.fabric.unpartition(["c"], ["s"], { oneWay: true });
    send("free");
    await world.run(world.nowMs + 10);
    expect(server.frames).toEqual(["held", "free"]);
  });

  test("a side that gave up during one leaves the other half-open after its end, until that side is told", async () => {
    const { world, server, client, send } = await linkedPair();
    world.fabric.partition(["c"], ["s"], { oneWay: true });
    send("lost");
    await world.run(world.nowMs + 20_000);
    expect([client.reasons, server.reasons]).toEqual([["connection timed out"], []]);
    server.links[0]!.send(Buffer.from("to nobody"));
    await world.run(world.nowMs + 10);
    expect(server.reasons).toEqual([]);
    world.fabric.unpartition(["c"], ["s"], { oneWay: true });
    await world.run(world.nowMs + 10);
    expect([server.frames, server.reasons, client.frames]).toEqual([[], ["connection reset"], []]);
  });
});
