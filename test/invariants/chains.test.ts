/** I3 and I9: versions of a page form one chain, and no update is lost. */
import { describe, expect, test } from "vitest";
import { valueOf, type ScriptTransaction } from "../scenario/script-client.ts";
import type { World, WorldOptions } from "../scenario/world.ts";
import { wrongWith } from "./history.ts";
import { hold, put, read, start, until } from "./play.ts";

describe("I3: committed versions of a page form one chain", () => {
  /** Two masters change one page at the same moment, again and again; what the logs say then. */
  function race(plant: (world: World) => void): string[] {
    const world = start({ mode: "multi", writers: 2 }, { alice: 0, bob: 0 });
    plant(world);
    let answered = 0;
    for (let i = 1; i <= 5; i++) {
      hold(world, ["writer-1", "writer-2"], ["writer-1", "writer-2"]);
      hold(world, ["writer-1", "writer-2"], [...world.segments.keys()]);
      const both = [put(world, "writer-1", { alice: i }), put(world, "writer-2", { bob: i })];
      hold(world, ["writer-1", "writer-2"], [...world.segments.keys()], false);
      hold(world, ["writer-1", "writer-2"], ["writer-1", "writer-2"], false);
      try {
        world.run();
        if (until(world, () => both.every((tx) => tx.isCommitted), 500)) answered++;
      } catch {
        break; // a machine that notices the break stops: the logs show what it had let pass
      }
    }
    return [...wrongWith(world), ...(answered === 5 ? [] : ["not every transaction committed"])];
  }

  test("holds when segments vote by base", () => {
    expect(race(() => undefined)).toEqual([]);
  });

  test("planted break: whatever was taken counts as accepted", () => {
    const found = race(countEverythingAsAccept);
    expect(found.filter((line) => line.includes("are both built on"))).not.toEqual([]);
  });
});

/** Writers do not hear of waits and rejects: "wait counted as accept". */
function countEverythingAsAccept(world: World): void {
  world.tamper = (_from, _to, message) =>
    message.type === "ack" ? { ...message, votes: [], waiting: [] } : message;
}

describe("I9: a transaction that reads a row and writes it loses no other's update", () => {
  /** Both read, both write one more than they read, at once; whoever fails, fails. Says by how much the row fell short. */
  function lostUpdates(
    options: WorldOptions,
    nodes: readonly [string, string],
    remembersReads: boolean,
  ): number {
    const world = start(options, { counter: 0 });
    let committed = 0;
    for (let i = 0; i < 4; i++) {
      const both = nodes.map((node) => ({ node, ...readCounter(world, node) }));
      const ends = both.map(({ node, tx, value }) => {
        const client = world.clients.get(node)!;
        const end = remembersReads ? tx : client.begin(undefined);
        client.write(end, "accounts", "counter", value + 1);
        client.commit(end);
        return end;
      });
      world.run();
      expect(until(world, () => ends.every((tx) => tx.end.kind !== "waiting"), 1000)).toBe(true);
      committed += ends.filter((tx) => tx.isCommitted).length;
      world.tick(30);
    }
    expect(committed).toBeGreaterThanOrEqual(4);
    if (remembersReads) expect(wrongWith(world)).toEqual([]);
    return committed - Number(read(world, nodes[0], ["counter"])?.["counter"]);
  }

  const worlds = [
    ["one master", { mode: "single", writers: 1 }, ["writer-1", "writer-1"]],
    ["one of several masters", { mode: "multi", writers: 2 }, ["writer-2", "writer-2"]],
    ["two masters", { mode: "multi", writers: 2 }, ["writer-1", "writer-2"]],
  ] as const;

  test.each(worlds)("holds with %s", (_name, options, nodes) => {
    expect(lostUpdates(options, nodes, true)).toBe(0);
  });

  test.each(worlds)(
    "planted break: what was read is forgotten before the commit (%s)",
    (_name, options, nodes) => {
      expect(lostUpdates(options, nodes, false)).toBe(4);
    },
  );
});

function readCounter(world: World, node: string): { tx: ScriptTransaction; value: number } {
  const client = world.clients.get(node)!;
  const tx = client.begin(undefined);
  let value = Number.NaN;
  client.get(tx, "accounts", ["counter"], (heard) => {
    if (heard.kind === "done" && heard.result.op === "get") value = Number(valueOf(heard.result.values[0]));
  });
  world.run();
  until(world, () => !Number.isNaN(value), 200);
  return { tx, value };
}
