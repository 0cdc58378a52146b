/**
 * The monitor hears every kind of step that the production machines make, and finds nothing wrong with a life that
 * saw a conflict, a death, a recovery and a restart. What it notices of broken rules: `random-faults.sim.test.ts`.
 */
import type { TraceKind } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import type { World } from "../scenario/world.ts";
import { put, putAndWait, read, start, until } from "./play.ts";

const ALL: readonly TraceKind[] = [
  ...(["stored", "voted", "learned", "fenced", "chained", "answered"] as const),
  ...(["opened", "sent", "decided", "told", "durable"] as const),
  ...(["manifest", "shown", "outcome", "died"] as const),
];

/** Two writers race for a page; one dies with a commit in flight, is recovered, and comes back. Returns the kinds of steps heard. */
function life(): { world: World; heard: Set<TraceKind> } {
  const world = start({ mode: "multi", writers: 2, suspectAfterMs: 200 }, { alice: 1, bob: 1 });
  const heard = new Set<TraceKind>();
  const { monitor } = world;
  const observe = monitor.observe.bind(monitor);
  monitor.observe = (traced) => {
    heard.add(traced.event.kind);
    observe(traced);
  };
  const races = [put(world, "writer-1", { alice: 2 }), put(world, "writer-2", { alice: 3 })];
  until(world, () => races.every((tx) => tx.end.kind !== "waiting"), 2000);
  const segments = [...world.segments.keys()];
  for (const segment of segments) world.setHeld(segment, "writer-2", true);
  const lost = put(world, "writer-2", { bob: 2 });
  world.crash("writer-2");
  world.crash("a1");
  for (const segment of segments) world.setHeld(segment, "writer-2", false);
  world.tick(1000);
  world.clients.get("writer-1")!.outcome(lost.id);
  world.run();
  world.restart("writer-2");
  world.restart("a1");
  world.tick(1500);
  expect(putAndWait(world, "writer-2", { carol: 1 })).toBe(true);
  expect(read(world, "writer-2", ["alice"], 2000)).toBeDefined();
  world.clients.get("writer-1")!.outcome(lost.id);
  world.tick(500);
  return { world, heard };
}

describe("the monitor on production machines", () => {
  test("hears every kind of step, and finds nothing wrong", () => {
    const { world, heard } = life();
    expect(ALL.filter((kind) => !heard.has(kind))).toEqual([]);
    expect(world.violations()).toEqual([]);
  });
});
