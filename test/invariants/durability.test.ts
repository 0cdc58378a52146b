/** I1 and I2: what was acknowledged stays, what was said to be aborted stays away. Each with its rule broken on purpose. */
import type { StorageMessage } from "@sixfold/wire";
import { describe, expect, test } from "vitest";
import type { World, WorldOptions } from "../scenario/world.ts";
import { contradictions, History } from "./history.ts";
import { hold, put, read, start, until } from "./play.ts";

const SURVIVORS = ["a1", "a2", "b1", "b2"];
const LOST = ["c1", "c2"];

describe("I1: an acknowledged commit survives the loss of every writer and of two segments", () => {
  /** Acknowledged rows that cannot be read after power failed everywhere and two segment servers never came back. */
  function lostCommits(options: WorldOptions): string[] {
    const world = start(options);
    const isPlanted = options.planted !== undefined;
    const acknowledged: string[] = [];
    for (let i = 0; i < 6; i++) {
      // From the fourth on, disks take their time: nothing is synced when the power fails.
      if (i === 3) for (const segment of world.segments.values()) segment.disk.syncsByItself = false;
      if (put(world, "writer-1", { [`row${i}`]: i }).isCommitted) acknowledged.push(`row${i}`);
    }
    for (const name of [...SURVIVORS, ...LOST]) world.crash(name, { tear: false });
    world.crash("writer-1");
    for (const name of SURVIVORS) world.restart(name);
    world.restart("writer-1");
    const rows = read(world, "writer-1", acknowledged, 5000);
    expect(acknowledged.length).toBeGreaterThanOrEqual(3);
    if (!isPlanted) expect(world.violations()).toEqual([]);
    return acknowledged.filter((key) => rows?.[key] !== Number(key.slice(3)));
  }

  test("holds when acks ride on the sync", () => {
    expect(lostCommits({ mode: "single", writers: 1 })).toEqual([]);
    expect(lostCommits({ mode: "multi", writers: 1 })).toEqual([]);
  });

  test("planted break: acks leave before the sync", () => {
    expect(lostCommits({ mode: "multi", writers: 1, planted: ["early-ack"] })).toEqual([
      "row3",
      "row4",
      "row5",
    ]);
  });
});

describe("I2: a reported abort is never committed later", () => {
  /**
   * Two rivals on one page; the younger stream's entry yields, and with `conflicts: page` its client hears of it. Then
   * both writers die, first the winner of the tie, and whoever recovers must not find the told abort to be a commit.
   */
  function toldAndCommitted(plant: (world: World) => void): string[] {
    const world = start(
      { mode: "multi", writers: 3, conflicts: "page", suspectAfterMs: 200 },
      { alice: 100, bob: 50 },
    );
    const segments = [...world.segments.keys()];
    plant(world);
    read(world, "writer-2", ["bob"]); // both build on cached pages
    hold(world, ["writer-1"], ["writer-2", "b1", "b2", "c1", "c2"]);
    hold(world, ["writer-2"], ["a1", "a2"]);
    put(world, "writer-1", { alice: 1 });
    const loser = put(world, "writer-2", { bob: 1 });
    hold(world, ["writer-2"], segments, false);
    world.run();
    // Its client hears of the yield, or not yet.
    until(world, () => loser.end.kind !== "waiting", 60);
    const wasToldAborted = loser.end.kind === "error" && loser.end.error.outcome === "aborted";
    // The winner's recovery hears only those segments that do not have its entry, and so aborts it.
    hold(world, ["writer-2", "writer-3"], ["a1", "a2"]);
    die(world, "writer-1");
    hold(world, ["writer-2", "writer-3"], ["a1", "a2"], false);
    world.tick(600);
    die(world, "writer-2");
    const rows = read(world, "writer-3", ["bob"], 3000);
    expect(rows).toBeDefined();
    if (plant === nothing) expect(world.violations()).toEqual([]);
    const broken = contradictions(new History(world));
    if (wasToldAborted && rows?.["bob"] === 1) broken.push("bob: told aborted, yet committed");
    if (!wasToldAborted && plant === nothing)
      broken.push("the abort was never told: the scenario shows nothing");
    return broken;
  }

  const nothing = (): void => undefined;

  test("holds when an abort is told once it is durable on four of six", () => {
    expect(toldAndCommitted(nothing)).toEqual([]);
  });

  test("planted break: the abort is told before any segment knows it", () => {
    expect(toldAndCommitted(tellAbortsEarly)).toEqual(["bob: told aborted, yet committed"]);
  });
});

/** The process ends, what it had sent and nobody had received is lost, and the others have time to recover its stream. */
function die(world: World, name: string): void {
  for (const other of world.others(name)) world.cut(name, other);
  world.crash(name);
  world.tick(600);
}

/** The second writer's aborts never reach a segment, and it is made to believe that all know them. */
function tellAbortsEarly(world: World): void {
  const aborted = new Set<number>();
  world.tamper = (from, to, message): StorageMessage => {
    if (from === "writer-2" && message.type === "append" && world.segments.has(to)) {
      const { decisions } = message;
      for (const at of [...decisions.aborts, ...decisions.earlyAborts]) aborted.add(at);
      if (aborted.size === 0) return message;
      return {
        ...message,
        slices: [],
        decisions: { from: decisions.from, through: decisions.from, aborts: [], earlyAborts: [] },
      };
    }
    if (to === "writer-2" && message.type === "ack" && aborted.size > 0)
      return { ...message, abortsKnown: [...aborted].filter((at) => at > message.decidedThrough) as never };
    return message;
  };
}
