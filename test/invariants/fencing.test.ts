/** I6: after its fence no quorum takes anything from a stream's writer. With the fence ignored on purpose. */
import { describe, expect, test } from "vitest";
import { manifestIn } from "../scenario/show-state.ts";
import type { World } from "../scenario/world.ts";
import { History } from "./history.ts";
import { hold, put, start, stateOf, until } from "./play.ts";

/**
 * A master that is cut off from its peers but not from storage is recovered, and then sends what it had held back.
 * Says which of its entries a quorum has taken beyond the final LSN, and what its clients heard of them.
 */
function zombie(world: World): { takenBeyondTheEnd: string[]; heardCommitted: number } {
  const segments = [...world.segments.keys()];
  world.cut("writer-1", "writer-2");
  hold(world, ["writer-1"], segments);
  hold(world, segments, ["writer-1"]);
  const inFlight = [1, 2, 3].map((i) => put(world, "writer-1", { alice: i }));
  const closed = (): number | undefined => {
    const stream = manifestIn(world)?.streams.find((s) => s.id === 1);
    return stream?.state === "closed" ? stream.final : undefined;
  };
  expect(
    until(world, () => closed() !== undefined, 1000),
    "the stream is recovered",
  ).toBe(true);
  const final = closed()!;
  hold(world, ["writer-1"], segments, false);
  hold(world, segments, ["writer-1"], false);
  world.run();
  const takenBeyondTheEnd: string[] = [];
  for (const [name, { stream, lsn, takenBy }] of new History(world).entries)
    if (stream === 1 && lsn > final && [...takenBy.values()].some((takers) => takers.size >= 4))
      takenBeyondTheEnd.push(name);
  return { takenBeyondTheEnd, heardCommitted: inFlight.filter((tx) => tx.isCommitted).length };
}

describe("I6: a stream has one author", () => {
  test("holds: a zombie's slices are taken nowhere, and it opens a new stream", () => {
    const world = start({ mode: "multi", writers: 2, suspectAfterMs: 200 }, { alice: 0 });
    expect(zombie(world)).toEqual({ takenBeyondTheEnd: [], heardCommitted: 0 });
    expect(until(world, () => stateOf(world, "writer-1") === "writing", 3000)).toBe(true);
    expect(world.nodes.get("writer-1")!.machine!.status()["stream"]).toBe(3);
  });

  test("planted break: a fence is answered but not kept to", () => {
    const world = start(
      { mode: "multi", writers: 2, suspectAfterMs: 200, planted: ["fence-ignored"] },
      { alice: 0 },
    );
    expect(zombie(world).takenBeyondTheEnd).not.toEqual([]);
  });
});
