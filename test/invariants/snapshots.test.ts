/**
 * Section 8: snapshots at `consistency: "cluster"` are ordered. Two masters commit independent rows while neither hears the other, and
 * a reader beside each has asked the sequencer, a third master, just before.
 */
import { check, type HistoryTransaction } from "@sixfold/checker";
import type { PlantedBug } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { valueOf } from "../scenario/script-client.ts";
import { SEGMENTS, type World, type WorldOptions } from "../scenario/world.ts";
import { hold, put, putAndWait, start, until } from "./play.ts";

interface Reader {
  readonly values: unknown[];
  invokedAt: number;
  returnedAt: number;
}

/** A row each in the tables xs and ys, written at these nodes. */
function startWithRows(options: WorldOptions, [first, second]: readonly [string, string]): World {
  const world = start(options);
  world.clients.get(first)!.createTable("xs");
  world.clients.get(second)!.createTable("ys");
  world.run();
  put(world, first, { row: 1 }, "xs");
  put(world, second, { row: 2 }, "ys");
  return world;
}

/** Reads x and y in one transaction. */
function readBoth(world: World, node: string): Reader {
  const client = world.clients.get(node)!;
  const tx = client.begin(undefined, { consistency: "cluster" });
  const reader: Reader = { values: [], invokedAt: world.now, returnedAt: Infinity };
  let answers = 0;
  const take = (at: number, table: string): void =>
    client.get(tx, table, ["row"], (heard) => {
      if (heard.kind !== "done" || heard.result.op !== "get") throw new Error(`${node} got no answer`);
      reader.values[at] = valueOf(heard.result.values[0]);
      if (++answers === 2) reader.returnedAt = world.now;
    });
  take(0, "xs");
  take(1, "ys");
  return reader;
}

function committed(
  id: number,
  [invokedAt, returnedAt]: readonly [number, number],
  operations: HistoryTransaction["operations"],
): HistoryTransaction {
  return {
    id,
    session: id,
    invokedAt,
    returnedAt,
    outcome: "committed",
    isolation: "snapshot",
    consistency: "cluster",
    operations,
  };
}

/** The names of what the checker finds, and what the two readers saw. */
function twoReaders(planted: readonly PlantedBug[]): { found: string[]; seen: unknown[] } {
  const world = startWithRows({ mode: "multi", writers: 3, planted }, ["writer-2", "writer-3"]);
  world.tick(50);
  const history = [
    committed(1, [0, world.now], [{ kind: "write", key: "x", value: 1 }]),
    committed(2, [0, world.now], [{ kind: "write", key: "y", value: 2 }]),
  ];
  world.tick(10);
  // A round of the sequencer's own is under way, so that both readers share the next.
  hold(world, ["writer-2", "writer-3"], ["writer-1", "writer-2", "writer-3"]);
  readBoth(world, "writer-1");
  world.run();
  hold(world, ["writer-2", "writer-3"], ["writer-1"], false);
  hold(world, SEGMENTS, ["writer-1"]);
  const readers = [readBoth(world, "writer-2"), readBoth(world, "writer-3")];
  world.run();
  hold(world, ["writer-1"], ["writer-2", "writer-3"]);
  hold(world, SEGMENTS, ["writer-1"], false);
  world.run();
  for (const name of ["writer-2", "writer-3"]) {
    world.deliver("writer-1", name); // what its durable point is
    world.run();
  }
  const underWay = world.direction("writer-1", "writer-2").queue.map((a) => a.kind === "frame" && a.text);
  expect(underWay, "the sequencer's answer is on its way").toEqual([expect.stringMatching(/^snapshot/)]);
  for (const [id, node, key, value] of [
    [3, "writer-2", "x", 3],
    [4, "writer-3", "y", 4],
  ] as const) {
    const begun = world.now;
    expect(putAndWait(world, node, { row: value }, 2000, `${key}s`)).toBe(true);
    history.push(committed(id, [begun, world.now], [{ kind: "write", key, value }]));
  }
  for (const name of ["writer-2", "writer-3"]) world.deliver("writer-1", name);
  expect(until(world, () => readers.every((r) => r.returnedAt < Infinity), 1000)).toBe(true);
  for (const [i, reader] of readers.entries())
    history.push(
      committed(
        5 + i,
        [reader.invokedAt, reader.returnedAt],
        [
          { kind: "read", key: "x", value: Number(reader.values[0]) },
          { kind: "read", key: "y", value: Number(reader.values[1]) },
        ],
      ),
    );
  expect(world.violations()).toEqual([]);
  return { found: check(history).violations.map((v) => v.name), seen: readers.map((r) => r.values) };
}

describe("section 8: cluster snapshots are ordered", () => {
  test("holds: both begin at what the sequencer showed", () => {
    expect(twoReaders([])).toEqual({
      found: [],
      seen: [
        [1, 2],
        [1, 2],
      ],
    });
  });

  test("planted break: each begins at what its node shows by then, and they make a long fork", () => {
    expect(twoReaders(["cluster-snapshot-unordered"])).toEqual({
      found: ["long fork"],
      seen: [
        [3, 2],
        [1, 4],
      ],
    });
  });
});

describe("section 8: who gives cluster snapshots", () => {
  test("the next master does, when the first one dies over a question", () => {
    const options = { mode: "multi", writers: 3, suspectAfterMs: 200 } as const;
    const world = startWithRows(options, ["writer-2", "writer-3"]);
    world.tick(50);
    hold(world, SEGMENTS, ["writer-1"]);
    const readers = [readBoth(world, "writer-2"), readBoth(world, "writer-3")];
    world.tick(50);
    world.crash("writer-1");
    expect(readers.map((r) => r.returnedAt)).toEqual([Infinity, Infinity]);
    expect(until(world, () => readers.every((r) => r.returnedAt < Infinity), 2000)).toBe(true);
    expect(readers.map((r) => r.values)).toEqual([
      [1, 2],
      [1, 2],
    ]);
  });

  test("a restarted first master asks the others, until its old stream is closed and after", () => {
    const options = { mode: "multi", writers: 2, suspectAfterMs: 200 } as const;
    const world = startWithRows(options, ["writer-2", "writer-2"]);
    world.crash("writer-1");
    world.restart("writer-1");
    const reader = readBoth(world, "writer-2");
    world.tick(500);
    expect(reader.values).toEqual([1, 2]);
    const late = readBoth(world, "writer-1");
    world.tick(10);
    expect(late.values).toEqual([1, 2]);
  });

  test("in an exclusive volume each node for itself, without a further hop", () => {
    const options = { mode: "single", writers: 1, replicas: 1 } as const;
    const world = startWithRows(options, ["writer-1", "writer-1"]);
    const asked: string[] = [];
    world.tamper = (from, _to, message) => {
      if (message.type.startsWith("ask")) asked.push(`${from} ${message.type}`);
      return message;
    };
    const readers = [readBoth(world, "writer-1"), readBoth(world, "replica-1")];
    world.run();
    expect(readers.map((r) => r.values)).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(asked).toEqual(["replica-1 askDurable"]);
  });
});
