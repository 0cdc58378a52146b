/** I4, I5 and I8: what readers may see. Each with its rule broken on purpose. */
import { ReadPoint, streamId } from "@sixfold/model";
import { encodeSlice, type Append, type StorageMessage } from "@sixfold/wire";
import { describe, expect, test } from "vitest";
import { SMALL_PGS, type Tamper, type World } from "../scenario/world.ts";
import { hold, put, read, silence, start, until, type Rows } from "./play.ts";

describe("I4: an entry is visible whole or not at all", () => {
  /** Entries over two protection groups reach a replica one frame at a time; a reader asks after each. */
  function sums(tamper: Tamper | undefined): number[] {
    const world = start({ mode: "multi", writers: 1, replicas: 1, geometry: SMALL_PGS });
    fillFirstGroup(world);
    put(world, "writer-1", { "000": 100, zzz: 0 });
    world.tick(100);
    const seen: number[] = [sum(read(world, "replica-1", ["000", "zzz"], 500))];
    world.tamper = tamper;
    hold(world, ["writer-1"], ["replica-1"]);
    for (let i = 1; i <= 3; i++) put(world, "writer-1", { "000": 100 - i, zzz: i });
    world.tick(20);
    const feed = world.direction("writer-1", "replica-1").queue;
    expect(feed.length, "several frames are on their way").toBeGreaterThanOrEqual(6);
    while (feed.length > 0) {
      world.deliver("writer-1", "replica-1");
      seen.push(sum(read(world, "replica-1", ["000", "zzz"], 500)));
    }
    if (tamper === undefined) {
      expect(read(world, "replica-1", ["000", "zzz"], 500)).toEqual({ "000": 97, zzz: 3 });
      expect(world.violations()).toEqual([]);
    }
    return seen;
  }

  const sum = (rows: Rows | undefined): number => Number(rows?.["000"]) + Number(rows?.["zzz"]);

  test("holds while a replica gets an entry's parts one by one", () => {
    expect(new Set(sums(undefined))).toEqual(new Set([100]));
  });

  test("planted break: a part is shown as if it were the whole", () => {
    expect(new Set(sums(partsAsWholes)).size).toBeGreaterThan(1);
  });
});

/** Every slice to a follower says that it is all there is, and that it is decided. */
function partsAsWholes(_from: string, _to: string, message: StorageMessage, channel: string): StorageMessage {
  if (channel !== "feed" || message.type !== "append" || message.slices.length === 0) return message;
  const last = message.slices.at(-1)!.lsn;
  const decisions: Append["decisions"] = { ...message.decisions, through: last };
  return {
    ...message,
    decisions,
    slices: message.slices.map((slice) =>
      encodeSlice({ ...slice, transaction: slice.transaction, pgs: [slice.pg] }),
    ),
  };
}

/** Rows enough that the table's last pages lie in another protection group than its first. */
function fillFirstGroup(world: World): void {
  const filler = "x".repeat(900);
  for (let i = 0; i < 30; i++) {
    const rows = Object.fromEntries(
      Array.from({ length: 10 }, (_, j) => [`k${String(i * 10 + j).padStart(4, "0")}`, filler]),
    );
    put(world, "writer-1", rows);
    world.tick(20);
  }
}

describe("I5: a read point is causally closed", () => {
  /** The second master copies what the first has written; a replica hears the second at once, the first late. */
  function effectWithoutCause(tamper: Tamper | undefined): boolean {
    const world = start({ mode: "multi", writers: 2, replicas: 1 }, { cause: 0 });
    world.clients.get("writer-2")!.createTable("effects");
    world.run();
    put(world, "writer-2", { effect: 0 }, "effects");
    world.tick(100);
    world.tamper = tamper;
    hold(world, ["writer-1"], ["replica-1"]);
    put(world, "writer-1", { cause: 1 });
    world.tick(30);
    expect(read(world, "writer-2", ["cause"])).toEqual({ cause: 1 });
    put(world, "writer-2", { effect: 1 }, "effects");
    world.tick(30);
    const effect = read(world, "replica-1", ["effect"], 500, "effects")?.["effect"];
    const cause = read(world, "replica-1", ["cause"], 500)?.["cause"];
    hold(world, ["writer-1"], ["replica-1"], false);
    world.tick(30);
    expect(read(world, "replica-1", ["effect"], 500, "effects")).toEqual({ effect: 1 });
    if (tamper === undefined) expect(world.violations()).toEqual([]);
    return effect === 1 && cause === 0;
  }

  test("holds while one of two feeds is late", () => {
    expect(effectWithoutCause(undefined)).toBe(false);
  });

  test("planted break: entries do not say what they were built on", () => {
    const forget: Tamper = (_from, _to, message) =>
      message.type === "append" ? { ...message, builtOn: new ReadPoint(streamId(0)) } : message;
    expect(effectWithoutCause(forget)).toBe(true);
  });
});

describe("I8: a segment never answers a read from an incomplete chain", () => {
  /** One segment has missed the newest entry, and is the only one that a fresh replica can ask. */
  function staleRead(planted: boolean): { early: unknown; late: unknown } {
    const world = start(
      { mode: "multi", writers: 1, replicas: 1, planted: planted ? ["reads-behind"] : [] },
      { alice: 1 },
    );
    world.crash("replica-1");
    silence(world, ["c1"]);
    put(world, "writer-1", { alice: 2 });
    world.tick(50);
    world.restart("replica-1");
    world.tick(50);
    // It has joined, and knows from the writer what is durable. Only the one that is behind can be asked for pages.
    const others = [...world.segments.keys()].filter((name) => name !== "c1");
    hold(world, ["replica-1"], others);
    hold(world, ["replica-1"], ["c1"], false);
    hold(world, ["c1"], ["replica-1"], false);
    const early = read(world, "replica-1", ["alice"], 100)?.["alice"];
    silence(world, ["c1"], false);
    hold(world, ["replica-1"], others, false);
    let late: unknown;
    until(world, () => (late = read(world, "replica-1", ["alice"], 100)?.["alice"]) !== undefined, 1000);
    if (!planted) expect(world.violations()).toEqual([]);
    return { early, late };
  }

  test("holds: it says that it is behind, and the reader waits", () => {
    expect(staleRead(false)).toEqual({ early: undefined, late: 2 });
  });

  test("planted break: reads are answered whatever is missing", () => {
    expect(staleRead(true).early).toBe(1);
  });
});
