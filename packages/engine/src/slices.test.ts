/** Reads of many rows, cut so that others have their turn in between. */
import { describe, expect, test } from "vitest";
import { LIMITS } from "@sixfold/model";
import type { CallRequest, ProcedureContext, ScanRange } from "./engine-api.ts";
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

/** How many rows a procedure's scan finds. */
const scanned = (p: ProcedureContext, range: ScanRange): number => p.scan("t", range, () => 0).length;

const askCall = (world: StorageWorld, procedure: string, run: CallRequest["run"]): number =>
  world.ask(0, (e, r, now) => e.call(r, { tx: handle().id, isolation: "snapshot", procedure, run }, now));

const askScan = (world: StorageWorld, limit: number): number =>
  world.ask(0, (e, r, now) => e.scan(r, { table: "t", limit }, now));
const askGet = (world: StorageWorld): number =>
  world.ask(0, (e, r, now) => e.get(r, { table: "t", keys: [key(0)], forUpdate: false }, now));

describe("reads of many rows", () => {
  test("a scan is cut in slices of one snapshot, and others are answered in between", () => {
    const world = filled(10_000);
    const { engine, replies } = world.members[0]!;
    const scan = askScan(world, 10_000);
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
      Array.from({ length: 10_000 }, (_, n) => text(key(n))),
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

  test("a procedure that has read many rows gives way: short requests are answered before the next such call begins", () => {
    const world = filled(5000);
    const { engine, replies } = world.members[0]!;
    const ran: string[] = [];
    const call = (procedure: string, rows: number): number => {
      const run = (p: ProcedureContext): number => {
        ran.push(procedure);
        return scanned(p, { limit: rows });
      };
      return askCall(world, procedure, run);
    };
    const turn = (): void => {
      engine.newTurn(world.now);
      world.drain(world.members[0]!);
    };
    turn();
    call("long", 5000);
    // Nothing was known of it.
    expect(ran).toEqual(["long"]);
    turn();
    const calls = [1, 2].map(() => call("long", 5000));
    const short = call("short", 1);
    expect(ran).toEqual(["long", "short"]);
    expect([...calls, short].map((r) => replies.has(r))).toEqual([false, false, true]);
    for (let n = 0; n < 2; n++) {
      expect(engine.hasMore).toBe(true);
      turn();
      expect(ran.length).toBe(3 + 2 * n);
      call("short", 1);
      turn();
      expect(ran.slice(2 + 2 * n)).toEqual(["long", "short"]);
    }
    expect(calls.map((r) => replies.has(r))).toEqual([true, true]);
    expect([engine.hasMore, engine.pressure.pendingWrites]).toEqual([false, 0]);
  });

  test("a procedure counts as long as it was the last time that it came to its end", () => {
    const world = filled(3000);
    const { engine } = world.members[0]!;
    const ran: number[] = [];
    const call = (rows: number): void => {
      const run = (p: ProcedureContext): void => {
        ran.push(rows);
        for (let n = 0; n < rows; n++) p.get("t", key(n));
      };
      askCall(world, "reads", run);
    };
    call(2000);
    call(1);
    expect(ran).toEqual([2000]);
    while (engine.hasMore) engine.newTurn(world.now);
    expect(ran).toEqual([2000, 1]);
    call(1);
    expect(ran).toEqual([2000, 1, 1]);
  });

  test("long calls are run, however much short ones read", () => {
    const world = filled(3000);
    const { engine, replies } = world.members[0]!;
    const run = (p: ProcedureContext): number => scanned(p, { limit: 3000 });
    engine.newTurn(world.now);
    askCall(world, "long", run);
    const long = askCall(world, "long", run);
    for (let n = 0; n < 4; n++) {
      for (let i = 0; i < 6; i++) askScan(world, 2000);
      engine.newTurn(world.now);
      world.drain(world.members[0]!);
    }
    expect(replies.has(long)).toBe(true);
  });

  test("a procedure scans so many rows in all, and is refused beyond them", () => {
    const world = filled(LIMITS.procedureRows + 1000);
    const sweep = (rows: number) => (p: ProcedureContext) => {
      let seen = 0;
      while (seen < rows) seen += scanned(p, { gte: key(seen), limit: Math.min(4000, rows - seen) });
      return seen;
    };
    const call = (rows: number) =>
      world.run(0, (e, r, now) =>
        e.call(r, { tx: handle().id, isolation: "snapshot", run: sweep(rows) }, now),
      );
    const all = world.run(0, (e, r, now) =>
      e.call(r, { tx: handle().id, isolation: "snapshot", run: (p) => scanned(p, {}) }, now),
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
        e.call(r, { tx: handle().id, isolation: "snapshot", run: (p) => scanned(p, { limit }) }, now),
      );
    expect(scan(3)).toMatchObject({ kind: "called", value: 3 });
    expect(errorOf(scan()).details.limit).toMatchObject({ name: "scanBytes" });
  });
});
