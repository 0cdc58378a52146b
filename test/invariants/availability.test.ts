/** I7: two of six out of reach stop nothing, three do not stop reading. With the manifest path broken on purpose. */
import { describe, expect, test } from "vitest";
import { finalOf } from "../scenario/show-state.ts";
import type { World, WorldOptions } from "../scenario/world.ts";
import { wrongWith } from "./history.ts";
import { hold, put, putAndWait, read, silence, start, until } from "./play.ts";

const MULTI: WorldOptions = { mode: "multi", writers: 2, suspectAfterMs: 200 };

/** What of writing and recovery does not go on with these segments silent. */
function stalled(world: World, silent: readonly string[]): string[] {
  const found: string[] = [];
  silence(world, silent);
  if (!putAndWait(world, "writer-1", { alice: 1 })) found.push("an owned page");
  if (!putAndWait(world, "writer-2", { alice: 2 })) found.push("a transferred page");
  world.crash("writer-1");
  const recovered = until(world, () => finalOf(world, 1) !== undefined, 3000);
  if (!recovered) found.push("recovery");
  if (!putAndWait(world, "writer-2", { bob: 3 })) found.push("writing after it");
  const rows = read(world, "writer-2", ["alice", "bob"], 500);
  if (found.length === 0) expect(rows).toEqual({ alice: 2, bob: 3 });
  expect(wrongWith(world)).toEqual([]);
  return found;
}

describe("I7: segments out of reach", () => {
  test.each([[["c1", "c2"]], [["a1", "c2"]], [["a1", "a2"]]])(
    "writing and recovery go on without %s",
    (silent) => {
      expect(stalled(start(MULTI, { alice: 0, bob: 0 }), silent)).toEqual([]);
    },
  );

  test("planted break: nobody can be asked again, so that nothing commits through the manifest", () => {
    const world = start(MULTI, { alice: 0, bob: 0 });
    world.tamper = (_from, _to, message) => (message.type === "askVotes" ? undefined : message);
    expect(stalled(world, ["c1", "c2"])).toContain("a transferred page");
  });

  test("a segment that made an older master wait for a younger one, and then died, holds up nobody", () => {
    const world = start({ mode: "multi", writers: 2 }, { alice: 0 });
    expect(putAndWait(world, "writer-2", { alice: 1 })).toBe(true);
    world.crash("c2");
    const rest = ["a1", "a2", "b1", "b2"];
    // The younger one's claim is first at c1 and last everywhere else.
    hold(world, ["writer-2"], rest);
    const younger = put(world, "writer-2", { alice: 2 });
    const older = put(world, "writer-1", { alice: 3 });
    world.crash("c1");
    hold(world, ["writer-2"], rest, false);
    expect(until(world, () => older.isCommitted, 3000)).toBe(true);
    expect(until(world, () => younger.isCommitted, 3000)).toBe(true);
    expect(wrongWith(world)).toEqual([]);
  });

  test("reading goes on with three segments silent, and writing waits instead of lying", () => {
    const world = start(MULTI, { alice: 0, bob: 0 });
    put(world, "writer-1", { alice: 1 });
    world.tick(50);
    silence(world, ["a1", "b1", "c1"]);
    expect(read(world, "writer-2", ["alice", "bob"], 500)).toEqual({ alice: 1, bob: 0 });
    const waiting = put(world, "writer-1", { alice: 2 });
    world.tick(600);
    expect(waiting.end.kind).toBe("waiting");
    silence(world, ["a1", "b1", "c1"], false);
    expect(until(world, () => waiting.isCommitted, 2000)).toBe(true);
  });

  test("with four segments silent nothing is committed, nor told to be; what the others have is read; and all goes on when they are back", () => {
    const world = start({ ...MULTI, poolPages: 16 }, { alice: 0, bob: 0 });
    put(world, "writer-1", { alice: 1 });
    world.tick(50);
    const four = ["a1", "b1", "c1", "c2"];
    silence(world, four);
    const waiting = put(world, "writer-1", { alice: 2 });
    world.tick(3000);
    expect(waiting.end.kind).toBe("waiting");
    expect(read(world, "writer-2", ["alice", "bob"], 2000)).toEqual({ alice: 1, bob: 0 });
    // Nobody could open a stream, or know that nobody else has.
    world.crash("writer-1");
    world.tick(1000);
    expect(finalOf(world, 1)).toBeUndefined();
    silence(world, four, false);
    expect(until(world, () => finalOf(world, 1) !== undefined, 5000)).toBe(true);
    expect(putAndWait(world, "writer-2", { bob: 3 }, 5000)).toBe(true);
    expect(wrongWith(world)).toEqual([]);
  });
});
