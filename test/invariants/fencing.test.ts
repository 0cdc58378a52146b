/** I6: after its fence no quorum takes anything from a stream's writer; I3: a recovery commits nothing beside what is committed. With the rules broken on purpose. */
import { describe, expect, test } from "vitest";
import { finalOf } from "../scenario/show-state.ts";
import type { World } from "../scenario/world.ts";
import { History, wrongWith } from "./history.ts";
import { hold, part, put, start, stateOf, until } from "./play.ts";

const ZOMBIE = "writer-2";

/**
 * A master that is cut off from its peers but not from storage is recovered, and then sends what it had held back.
 * Says which of its entries a quorum has taken beyond the final LSN, and how many its clients took for committed.
 */
function zombie(world: World): { takenBeyondTheEnd: string[]; heardCommitted: number } {
  const segments = [...world.segments.keys()];
  put(world, ZOMBIE, { bob: 0 });
  world.cut("writer-1", ZOMBIE);
  hold(world, [ZOMBIE], segments);
  hold(world, segments, [ZOMBIE]);
  const inFlight = [1, 2, 3].map((i) => put(world, ZOMBIE, { bob: i }));
  expect(
    until(world, () => finalOf(world, 2) !== undefined, 1000),
    "the stream is recovered",
  ).toBe(true);
  const final = finalOf(world, 2)!;
  hold(world, [ZOMBIE], segments, false);
  hold(world, segments, [ZOMBIE], false);
  world.heal("writer-1", ZOMBIE);
  world.run();
  const takenBeyondTheEnd: string[] = [];
  for (const [name, { stream, lsn, takenBy }] of new History(world).entries)
    if (stream === 2 && lsn > final && [...takenBy.values()].some((takers) => takers.size >= 4))
      takenBeyondTheEnd.push(name);
  return { takenBeyondTheEnd, heardCommitted: inFlight.filter((tx) => tx.isCommitted).length };
}

const ZONE = ["a1", "a2"];
const REST = ["b1", "b2", "c1", "c2"];

/**
 * A zone is cut off with a master that owns a row; its entry is on two segments. Another master commits on the same base at the other four,
 * through the manifest, and all four know. A third one reaches the zone and half of the rest, and recovers the first's stream.
 */
function zoneAgainstManifest(world: World): { rivalCommitted: boolean } {
  part(world, ZONE, REST);
  part(world, ["writer-1"], [...REST, "writer-2"]);
  part(world, ["writer-2"], ZONE);
  put(world, "writer-1", { alice: 1 });
  const rival = put(world, "writer-2", { alice: 2 });
  until(world, () => rival.end.kind !== "waiting", 2000);
  world.tick(300);
  part(world, ["writer-3"], ["c1", "c2"]);
  world.cut("writer-1", "writer-3");
  until(world, () => finalOf(world, 1) !== undefined, 2000);
  return { rivalCommitted: rival.isCommitted };
}

describe("I3: a recovery hears of committed rivals that only segments without the entry know", () => {
  const options = { mode: "multi", writers: 3, suspectAfterMs: 100 } as const;

  test("holds: those are asked for the entry's pages", () => {
    const world = start(options, { alice: 0 });
    expect(zoneAgainstManifest(world)).toEqual({ rivalCommitted: true });
    expect(finalOf(world, 1)).toBeDefined();
    expect(wrongWith(world)).toEqual([]);
  });

  test("planted break: they are not asked", () => {
    const world = start({ ...options, planted: ["rivals-elsewhere-unasked"] }, { alice: 0 });
    expect(zoneAgainstManifest(world)).toEqual({ rivalCommitted: true });
    expect(wrongWith(world).join("\n")).toMatch(/are both built on/);
  });
});

/**
 * The other way round: the third one has committed the zone's entry when the second's commit reaches the manifest; it had read it before
 * (`late`), or has not yet.
 */
function manifestAgainstZone(world: World, late: boolean): { rival: string; both: string[] } {
  part(world, ZONE, REST);
  part(world, ["writer-1"], [...REST, "writer-2"]);
  part(world, ["writer-2"], ZONE);
  put(world, "writer-1", { alice: 1 });
  const rival = put(world, "writer-2", { alice: 2 });
  if (late) {
    let asked = false;
    world.tamper = (from, _to, message) => {
      if (from === "writer-2" && message.type === "askVotes" && !asked) {
        asked = true;
        hold(world, REST, ["writer-2"]);
      }
      return message;
    };
    until(world, () => asked, 2000);
  } else hold(world, REST, ["writer-2"]);
  part(world, ["writer-3"], ["c1", "c2"]);
  world.cut("writer-1", "writer-3");
  until(world, () => finalOf(world, 1) !== undefined, 2000);
  world.tamper = undefined;
  hold(world, REST, ["writer-2"], false);
  world.tick(600);
  return { rival: rival.end.kind, both: wrongWith(world).filter((line) => line.includes("both built on")) };
}

describe("I3: a commit through the manifest looks at what was committed there", () => {
  const options = { mode: "multi", writers: 3, suspectAfterMs: 100 } as const;

  test.each([false, true])("holds, read before: %s", (late) => {
    expect(manifestAgainstZone(start(options, { alice: 0 }), late).both).toEqual([]);
  });

  test.each([
    ["manifest-commit-without-conflict-check", false],
    ["manifest-commit-without-compare-and-set", true],
  ] as const)("planted break: %s", (bug, late) => {
    const world = start({ ...options, planted: [bug] }, { alice: 0 });
    expect(manifestAgainstZone(world, late).both).not.toEqual([]);
  });
});

/** A master that is recovered between its look at the manifest and its commit there. Says what the monitor has to say of that. */
function closedMeanwhile(world: World): string[] {
  const segments = [...world.segments.keys()];
  hold(world, ["writer-2"], ["a1", "a2"]);
  put(world, "writer-1", { alice: 1 });
  let asked = false;
  world.tamper = (from, _to, message) => {
    if (from === "writer-2" && message.type === "askVotes" && !asked) {
      asked = true;
      hold(world, segments, ["writer-2"]);
    }
    return message;
  };
  put(world, "writer-2", { alice: 2 });
  until(world, () => asked, 2000);
  world.cut("writer-1", "writer-2");
  until(world, () => finalOf(world, 2) !== undefined, 2000);
  world.tamper = undefined;
  hold(world, segments, ["writer-2"], false);
  world.tick(600);
  return wrongWith(world).filter((line) => line.startsWith("manifest-commit-open"));
}

describe("I6: a closed stream commits nothing through the manifest", () => {
  const options = { mode: "multi", writers: 2, suspectAfterMs: 100 } as const;

  test("holds", () => {
    expect(closedMeanwhile(start(options, { alice: 0 }))).toEqual([]);
  });

  test("planted break: it does", () => {
    const world = start({ ...options, planted: ["manifest-commit-closed-unchecked"] }, { alice: 0 });
    expect(closedMeanwhile(world)).not.toEqual([]);
  });
});

describe("I6: a stream has one author", () => {
  test("holds: a zombie's slices are taken nowhere, and it opens a new stream", () => {
    const world = start({ mode: "multi", writers: 2, suspectAfterMs: 200 }, { alice: 0, bob: 0 });
    expect(zombie(world)).toEqual({ takenBeyondTheEnd: [], heardCommitted: 0 });
    const stream = (): unknown => world.nodes.get(ZOMBIE)!.machine!.status()["stream"];
    expect(until(world, () => stream() === 3 && stateOf(world, ZOMBIE) === "writing", 3000)).toBe(true);
    expect(wrongWith(world)).toEqual([]);
  });

  test("planted break: a fence is answered but not kept to", () => {
    const world = start(
      { mode: "multi", writers: 2, suspectAfterMs: 200, planted: ["fence-ignored"] },
      { alice: 0, bob: 0 },
    );
    // The close would fence as well: it is on its way when the zombie wakes up.
    world.tamper = (_from, _to, message) => (message.type === "close" ? undefined : message);
    expect(zombie(world).takenBeyondTheEnd).not.toEqual([]);
  });
});
