/** Reads of many rows, cut so that others have their turn in between. */
import { describe, expect, test } from "vitest";
import { LIMITS } from "@sixfold/model";
import type { ProcedureContext } from "./engine-api.ts";
import { bytes, errorOf, handle, text, worldWithTable } from "./testing/one-engine.fixture.ts";
import type { StorageWorld } from "./testing/storage-world.ts";

const key = (n: number): Uint8Array => bytes(String(n).padStart(6, "0"));

function filled(rows: number): StorageWorld {
  const world = worldWithTable({ poolPages: 100_000 });
  for (let from = 0; from < rows; from += 1000) {
    const count = Math.min(1000, rows - from);
    const writes = Array.from({ length: count }, (_, i) => ({
      table: "t",
      key: key(from + i),
      value: bytes("old"),
    }));
    expect(world.run(0, (e, r, now) => e.commit(r, { tx: handle(), writes }, now)).kind).toBe("committed");
  }
  world.settle();
  return world;
}

const askScan = (world: StorageWorld, limit: number): number =>
  world.ask(0, (e, r, now) => e.scan(r, { table: "t", limit }, now));
const askGet = (world: StorageWorld): number =>
  world.ask(0, (e, r, now) => e.get(r, { table: "t", keys: [key(0)], forUpdate: false }, now));

describe("reads of many rows", () => {
  test("a scan is cut in slices of one snapshot, and others are answered in between", () => {
    const world = filled(6000);
    const { engine, replies } = world.members[0]!;
    const scan = askScan(world, 6000);
    expect(replies.has(scan)).toBe(false);
    const writes = [{ table: "t", key: key(5500), value: bytes("new") }];
    const put = world.ask(0, (e, r, now) => e.commit(r, { tx: handle(), writes }, now));
    while (!replies.has(put)) {
      // All of the world's steps but the engine's next turn.
      const entry = world.members[0]!.queue.shift();
      if (entry !== undefined) engine.decided(entry.lsn, "commit", undefined, world.now);
      world.drain(world.members[0]!);
    }
    let turns = 0;
    for (; !replies.has(scan); turns++) {
      expect(engine.hasMore).toBe(true);
      engine.newTurn(world.now);
      world.drain(world.members[0]!);
    }
    expect(turns).toBeGreaterThan(1);
    expect([engine.hasMore, engine.pressure.pendingReads]).toEqual([false, 0]);
    const result = replies.get(scan)!;
    if (result.kind !== "rows") return expect.fail(result.kind);
    expect(result.rows.map((row) => text(row.key))).toEqual(
      Array.from({ length: 6000 }, (_, n) => text(key(n))),
    );
    expect(text(result.rows[5500]!.value)).toBe("old");
  });

  test("once much was read in a turn, what comes waits for the next", () => {
    const world = filled(2000);
    const { engine, replies } = world.members[0]!;
    engine.newTurn(world.now);
    const scans = [1, 2, 3].map(() => askScan(world, 2000));
    const get = askGet(world);
    expect([...scans, get].map((r) => replies.has(r))).toEqual([true, true, true, false]);
    expect(engine.hasMore).toBe(true);
    engine.newTurn(world.now);
    world.drain(world.members[0]!);
    expect(replies.has(get)).toBe(true);
  });

  test("a transaction that ends while its scan waits for its turn is answered", () => {
    const world = filled(6000);
    const { engine, replies } = world.members[0]!;
    const tx = handle();
    const scan = world.ask(0, (e, r, now) => e.scan(r, { tx, table: "t", limit: 6000 }, now));
    engine.abandon(tx.id, world.now);
    world.drain(world.members[0]!);
    expect(errorOf(replies.get(scan)!).code).toBe("connection-lost");
    world.settle();
    expect(engine.stats).toMatchObject({ transactions: 0, waiting: 0 });
  });

  test("a procedure scans so many rows in all, and is refused beyond them", () => {
    const world = filled(LIMITS.procedureRows + 1000);
    const sweep = (rows: number) => (p: ProcedureContext) => {
      let seen = 0;
      while (seen < rows) seen += p.scan("t", { gte: key(seen), limit: Math.min(4000, rows - seen) }).length;
      return seen;
    };
    const call = (rows: number) =>
      world.run(0, (e, r, now) =>
        e.call(r, { tx: handle().id, isolation: "snapshot", run: sweep(rows) }, now),
      );
    const all = world.run(0, (e, r, now) =>
      e.call(r, { tx: handle().id, isolation: "snapshot", run: (p) => p.scan("t", {}).length }, now),
    );
    expect(errorOf(all).details.limit).toMatchObject({ name: "procedureRows" });
    expect(call(LIMITS.procedureRows)).toMatchObject({ kind: "called", value: LIMITS.procedureRows });
    expect(errorOf(call(LIMITS.procedureRows + 1)).details.limit).toMatchObject({ name: "procedureRows" });
  });

  test("a procedure's scan of too many bytes is refused, and not cut without a word", () => {
    const world = worldWithTable({ poolPages: 100_000 });
    const value = new Uint8Array(1 << 20);
    for (let row = 0; row < 5; row++)
      world.run(0, (e, r, now) =>
        e.commit(r, { tx: handle(), writes: [{ table: "t", key: key(row), value }] }, now),
      );
    const scan = (limit?: number) =>
      world.run(0, (e, r, now) =>
        e.call(r, { tx: handle().id, isolation: "snapshot", run: (p) => p.scan("t", { limit }).length }, now),
      );
    expect(scan(3)).toMatchObject({ kind: "called", value: 3 });
    expect(errorOf(scan()).details.limit).toMatchObject({ name: "scanBytes" });
  });
});
