/** I6: after its fence no quorum takes anything from a stream's writer. With the fence ignored on purpose. */
import { describe, expect, test } from "vitest";
import { finalOf } from "../scenario/show-state.ts";
import type { World } from "../scenario/world.ts";
import { History, wrongWith } from "./history.ts";
import { hold, put, start, stateOf, until } from "./play.ts";

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
