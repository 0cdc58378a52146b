import { describe, expect, test } from "vitest";
import { CommitPace } from "./commit-pace.ts";
import type { EngineResult } from "./engine-api.ts";
import { QUEUE_MIN, queueMax } from "./pressure.ts";
import { bytes, errorOf, get, handle, put, worldWithTable } from "./testing/one-engine.fixture.ts";
import type { StorageWorld } from "./testing/storage-world.ts";

/** Commits of one row each, all asked for before storage has taken any. */
const askPuts = (world: StorageWorld, count: number, value = "v"): number[] =>
  Array.from({ length: count }, (_, i) =>
    world.ask(0, (e, r, now) =>
      e.commit(r, { tx: handle(), writes: [{ table: "t", key: bytes(`k${i}`), value: bytes(value) }] }, now),
    ),
  );

const refusals = (results: readonly EngineResult[]): unknown[] =>
  results.filter((r) => r.kind === "failed").map((r) => [errorOf(r).code, errorOf(r).details.limit?.name]);

describe("what a node takes", () => {
  test("the pace is of the last second, and forgets what was before", () => {
    const pace = new CommitPace();
    expect(pace.within(250, 0, 0)).toBe(0);
    for (let ms = 100; ms <= 2000; ms += 100) pace.within(250, ms * 10, ms);
    expect(pace.within(250, 20_000, 2000)).toBe(2500);
    // Nothing more is committed.
    for (let ms = 2100; ms <= 4000; ms += 100) pace.within(250, 20_000, ms);
    expect(pace.within(250, 20_000, 4000)).toBe(0);
  });

  test("a writer that commits nothing takes what fills its batches, and refuses the rest unbegun", () => {
    const world = worldWithTable();
    const asked = askPuts(world, QUEUE_MIN + 7);
    const { engine } = world.members[0]!;
    expect(engine.pressure).toMatchObject({ state: "refusing", pendingWrites: QUEUE_MIN, refused: 7 });
    const refused = asked.slice(QUEUE_MIN).map((r) => world.members[0]!.replies.get(r)!);
    expect(refusals(refused)).toEqual(Array(7).fill(["overloaded", "queuedCommits"]));
    expect(errorOf(refused[0]!)).toMatchObject({ outcome: "not-started", retryable: "same-request" });
    world.settle();
    expect(engine.pressure).toMatchObject({ state: "ok", pendingWrites: 0, pendingBytes: 0 });
    expect(put(world, 0, "after", "1").kind).toBe("committed");
  });

  test("who asks for little is let in where others are refused", () => {
    const world = worldWithTable();
    askPuts(world, QUEUE_MIN + 1);
    const modest = (count: number): number[] =>
      Array.from({ length: count }, (_, i) =>
        world.ask(0, (e, r, now) => {
          const writes = [{ table: "t", key: bytes(`m${i}`), value: bytes("v") }];
          e.commit(r, { tx: handle(), writes, isModest: true }, now);
        }),
      );
    const { engine, replies } = world.members[0]!;
    expect(engine.pressure.refused).toBe(1);
    const asked = modest(QUEUE_MIN + 2);
    expect(engine.pressure.refused).toBe(3);
    expect(asked.filter((r) => replies.has(r))).toEqual(asked.slice(-2));
  });

  test("one that has committed more lately lets more wait, up to the limit", () => {
    const state = { counts: { commits: 0 }, now: 0, pace: new CommitPace(), maxQueuedCommits: 5000 };
    const most: number[] = [];
    for (const perSecond of [0, 1000, 10_000, 1_000_000])
      for (let i = 0; i < 20; i++) {
        state.now += 100;
        state.counts.commits += perSecond / 10;
        const max = queueMax(state);
        if (i === 19) most.push(max);
      }
    expect(most).toEqual([QUEUE_MIN, QUEUE_MIN, 2500, 5000]);
  });

  test("what waits is bounded in bytes, too", () => {
    const world = worldWithTable({ queuedBytes: 5000 });
    const asked = askPuts(world, 10, "v".repeat(998));
    const results = asked.map((r) => world.answer(0, r));
    expect(refusals(results)).toEqual(Array(5).fill(["overloaded", "queuedBytes"]));
    expect(world.members[0]!.engine.pressure).toMatchObject({ pendingBytes: 0, refused: 5 });
  });

  test("reads that wait for pages are bounded; those that do not wait are not", () => {
    const world = worldWithTable({ waitingReads: 3 });
    put(world, 0, "a", "1");
    world.restart(0);
    const read = (): number =>
      world.ask(0, (e, r, now) => e.get(r, { table: "t", keys: [bytes("a")], forUpdate: false }, now));
    const results = Array.from({ length: 5 }, read).map((r) => world.answer(0, r));
    expect(results.filter((r) => r.kind === "values")).toHaveLength(3);
    expect(refusals(results)).toEqual(Array(2).fill(["overloaded", "waitingReads"]));
    for (let i = 0; i < 5; i++) expect(get(world, 0, "a")).toBe("1");
    expect(world.members[0]!.engine.pressure.pendingReads).toBe(0);
  });

  test("open transactions are bounded, and one that ends makes room", () => {
    const world = worldWithTable({ openTransactions: 2 });
    put(world, 0, "a", "1");
    const [one, two, three] = [handle(), handle(), handle()];
    get(world, 0, "a", one);
    get(world, 0, "a", two);
    expect(() => get(world, 0, "a", three)).toThrow("2 transactions are open");
    expect(world.run(0, (e, r, now) => e.rollback(r, one.id, now)).kind).toBe("rolled-back");
    expect(get(world, 0, "a", three)).toBe("1");
  });
});
