import { describe, expect, test } from "vitest";
import { NONE, transactionId } from "@sixfold/model";
import { checkVolume } from "./volume-check.ts";
import type { StorageWorld } from "./testing/storage-world.ts";
import { bytes, errorOf, get, handle, put, text, worldWithTable } from "./testing/one-engine.fixture.ts";

describe("one engine", () => {
  test("writes, reads, deletes and lists", () => {
    const world = worldWithTable();
    expect(put(world, 0, "a", "1").kind).toBe("committed");
    expect(get(world, 0, "a")).toBe("1");
    expect(get(world, 0, "b")).toBeUndefined();
    put(world, 0, "a", "22");
    expect(get(world, 0, "a")).toBe("22");
    put(world, 0, "a", undefined);
    expect(get(world, 0, "a")).toBeUndefined();
    expect(world.run(0, (e, r, now) => e.listTables(r, now))).toMatchObject({ names: ["t"] });
  });

  test("an unknown table is an error, also once it was dropped", () => {
    const world = worldWithTable();
    for (let i = 0; i < 300; i++) put(world, 0, `key ${i}`, "x".repeat(100 + i * 7));
    expect(world.run(0, (e, r, now) => e.dropTable(r, transactionId("1-d"), "t", now)).kind).toBe(
      "committed",
    );
    expect(() => get(world, 0, "key 1")).toThrow('no table "t"');
    expect(errorOf(put(world, 0, "a", "1")).code).toBe("unknown-table");
    world.settle();
    expect(world.run(0, (e, r, now) => e.listTables(r, now))).toMatchObject({ names: [] });
    const report = checkVolume((page) => world.chains.get(page)?.at(-1)?.image);
    expect(report).toMatchObject({ tables: 0, rows: 0, reachable: 1, problems: [] });
  });

  test("a table is made and dropped once: the second time nothing is changed", () => {
    const world = worldWithTable();
    const ask = (what: "createTable" | "dropTable"): unknown =>
      world.run(0, (e, r, now) => e[what](r, handle().id, "t", now));
    const changed = { kind: "committed", version: { stream: 1 } };
    const unchanged = { kind: "committed", version: NONE, attempts: 0 };
    expect(ask("createTable")).toMatchObject(unchanged);
    expect(ask("dropTable")).toMatchObject(changed);
    expect(ask("dropTable")).toMatchObject(unchanged);
    expect(ask("createTable")).toMatchObject(changed);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    "tables dropped and made by two writers at once leave no page behind, seed %i",
    (seed) => {
      const world = worldWithTable({ seed, engines: 2, yields: 0.05, poolPages: 16 });
      const asked: (readonly [number, number])[] = [];
      const ask = (i: number, make: Parameters<StorageWorld["ask"]>[1]): unknown =>
        asked.push([i, world.ask(i, make)]);
      for (let n = 0; n < 200; n++) {
        const i = n % 2;
        if (n % 20 === 10) ask(i, (e, r, now) => e.dropTable(r, transactionId(`1-d${n}`), "t", now));
        else if (n % 20 === 15) ask(i, (e, r, now) => e.createTable(r, transactionId(`1-c${n}`), "t", now));
        else
          ask(i, (e, r, now) =>
            e.commit(
              r,
              {
                tx: handle(),
                writes: [{ table: "t", key: bytes(`row ${n % 50}`), value: new Uint8Array(50 * (n % 40)) }],
              },
              now,
            ),
          );
        world.settleFor(10);
      }
      const results = asked.map(([i, r]) => world.answer(i, r));
      expect(results.filter((r) => r.kind === "committed").length).toBeGreaterThan(50);
      for (const r of results) if (r.kind === "failed") expect(r.error.code).toBe("unknown-table");
      world.settle();
      expect(checkVolume((page) => world.chains.get(page)?.at(-1)?.image)).toMatchObject({ problems: [] });
    },
  );

  test("a snapshot does not move, and a row read and written by two is a row conflict (I9)", () => {
    const world = worldWithTable();
    put(world, 0, "a", "1");
    const tx = handle();
    expect(get(world, 0, "a", tx)).toBe("1");
    put(world, 0, "a", "2");
    expect(get(world, 0, "a", { ...tx, began: true })).toBe("1");
    const error = errorOf(put(world, 0, "a", "3", { ...tx, began: true }));
    expect(error.code).toBe("row-conflict");
    expect(error.details.conflict).toMatchObject({
      table: "t",
      phase: "local",
      winningVersion: expect.stringMatching(/^1:/),
    });
    expect(get(world, 0, "a")).toBe("2");
  });

  test("a transaction the engine does not know is refused, not written blindly (I9)", () => {
    const world = worldWithTable();
    expect(errorOf(put(world, 0, "a", "1", handle({ began: true }))).code).toBe("connection-lost");
  });

  test("a deleted and a newly made row are conflicts too", () => {
    const world = worldWithTable();
    put(world, 0, "a", "1");
    const tx = handle();
    get(world, 0, "a", tx);
    get(world, 0, "b", { ...tx, began: true });
    put(world, 0, "a", undefined);
    expect(errorOf(put(world, 0, "a", "3", { ...tx, began: true })).code).toBe("row-conflict");
    const other = handle();
    get(world, 0, "b", other);
    put(world, 0, "b", "2");
    expect(errorOf(put(world, 0, "b", "3", { ...other, began: true })).code).toBe("row-conflict");
  });

  test("serializable notices write skew and phantoms, snapshot does not", () => {
    for (const isolation of ["snapshot", "serializable"] as const) {
      const world = worldWithTable();
      put(world, 0, "a", "1");
      put(world, 0, "b", "1");
      const [one, two] = [handle({ isolation }), handle({ isolation })];
      for (const tx of [one, two]) {
        get(world, 0, "a", tx);
        get(world, 0, "b", { ...tx, began: true });
      }
      expect(put(world, 0, "a", "0", { ...one, began: true }).kind).toBe("committed");
      expect(put(world, 0, "b", "0", { ...two, began: true }).kind).toBe(
        isolation === "snapshot" ? "committed" : "failed",
      );
      const scanner = handle({ isolation });
      const rows = world.run(0, (e, r, now) => e.scan(r, { tx: scanner, table: "t", gte: bytes("a") }, now));
      expect(rows).toMatchObject({ kind: "rows", more: false });
      put(world, 0, "c", "new");
      expect(put(world, 0, "z", "1", { ...scanner, began: true }).kind).toBe(
        isolation === "snapshot" ? "committed" : "failed",
      );
    }
  });

  test("locked rows make others wait, first come first served", () => {
    const world = worldWithTable();
    put(world, 0, "a", "0");
    const [one, two] = [handle(), handle()];
    expect(get(world, 0, "a", one, true)).toBe("0");
    const waiting = world.ask(0, (e, r, now) =>
      e.get(r, { tx: two, table: "t", keys: [bytes("a")], forUpdate: true }, now),
    );
    const blind = world.ask(0, (e, r, now) =>
      e.commit(r, { tx: handle(), writes: [{ table: "t", key: bytes("a"), value: bytes("blind") }] }, now),
    );
    world.settleFor(100);
    expect(world.members[0]!.replies.has(waiting)).toBe(false);
    put(world, 0, "a", "1", { ...one, began: true });
    const seen = world.answer(0, waiting);
    expect(seen.kind === "values" && text(seen.values[0])).toBe("1");
    expect(world.members[0]!.replies.has(blind)).toBe(false);
    expect(put(world, 0, "a", "2", { ...two, began: true }).kind).toBe("committed");
    expect(world.answer(0, blind).kind).toBe("committed");
    expect(get(world, 0, "a")).toBe("blind");
  });

  test("a deadlock ends the youngest", () => {
    const world = worldWithTable();
    put(world, 0, "a", "0");
    put(world, 0, "b", "0");
    const [one, two] = [handle(), handle()];
    get(world, 0, "a", one, true);
    get(world, 0, "b", two, true);
    const first = world.ask(0, (e, r, now) =>
      e.get(r, { tx: { ...one, began: true }, table: "t", keys: [bytes("b")], forUpdate: true }, now),
    );
    expect(() => get(world, 0, "a", { ...two, began: true }, true)).toThrow("youngest");
    expect(world.answer(0, first).kind).toBe("values");
    expect(errorOf(put(world, 0, "b", "1", { ...two, began: true })).code).toBe("deadlock");
    expect(put(world, 0, "b", "1", { ...one, began: true }).kind).toBe("committed");
  });

  test("long values come and go", () => {
    const world = worldWithTable({ poolPages: 64 });
    for (const length of [1_000, 1_100, 4_000, 4_088, 4_089, 9_000, 100_000, 1_048_576, 10]) {
      const value = new Uint8Array(length).map((_, i) => i * 31 + length);
      const write = world.run(0, (e, r, now) =>
        e.commit(r, { tx: handle(), writes: [{ table: "t", key: bytes("long"), value }] }, now),
      );
      expect(write.kind).toBe("committed");
      const read = world.run(0, (e, r, now) =>
        e.get(r, { table: "t", keys: [bytes("long")], forUpdate: false }, now),
      );
      expect(read.kind === "values" && Buffer.compare(read.values[0]!, value)).toBe(0);
    }
  });

  test("limits are named before anything is built", () => {
    const world = worldWithTable();
    const error = errorOf(put(world, 0, "k".repeat(1025), "1"));
    expect(error.details.limit).toEqual({ name: "keyBytes", max: 1024, actual: 1025 });
    expect(errorOf(put(world, 0, "k", "v".repeat(1024 * 1024 + 1))).details.limit?.name).toBe("valueBytes");
  });

  test("beyond the in-flight bytes commits queue, beyond the queue they are refused", () => {
    const world = worldWithTable({ inFlightBytes: 2000, queuedCommits: 20 });
    const asked = Array.from({ length: 30 }, (_, i) =>
      world.ask(0, (e, r, now) =>
        e.commit(
          r,
          { tx: handle(), writes: [{ table: "t", key: bytes(`k${i}`), value: bytes("v".repeat(200)) }] },
          now,
        ),
      ),
    );
    const { engine } = world.members[0]!;
    expect(engine.stats.inFlight).toBeLessThan(15);
    expect(engine.pressure).toMatchObject({
      state: "refusing",
      inFlightBytesMax: 2000,
      queued: 20 - engine.stats.inFlight,
      pendingWrites: 20,
      refused: 10,
    });
    expect(engine.pressure.inFlightBytes).toBeGreaterThanOrEqual(2000);
    const results = asked.map((r) => world.answer(0, r));
    expect(engine.pressure).toMatchObject({ state: "ok", inFlightBytes: 0, queued: 0, pendingWrites: 0 });
    const refused = results.filter((r) => r.kind === "failed");
    expect(refused.length).toBe(10);
    expect(refused.every((r) => errorOf(r).code === "overloaded")).toBe(true);
  });

  test("a closed stream answers everything, takes undecided changes back and goes on reading", async () => {
    const { SixfoldError } = await import("@sixfold/model");
    const world = worldWithTable();
    put(world, 0, "a", "1");
    const pending = world.ask(0, (e, r, now) =>
      e.commit(r, { tx: handle(), writes: [{ table: "t", key: bytes("a"), value: bytes("2") }] }, now),
    );
    world.members[0]!.engine.closeStream(
      new SixfoldError("fenced", "a recovery closed this stream"),
      world.now,
    );
    world.drain(world.members[0]!);
    const error = errorOf(world.answer(0, pending));
    expect(error.outcome).toBe("unknown");
    expect(get(world, 0, "a")).toBe("1");
    expect(errorOf(put(world, 0, "a", "3")).code).toBe("not-a-writer");
  });

  test.each([
    ["recovery", "aborted", "fenced"],
    ["storage-vote", "unknown", "outcome-unknown"],
  ] as const)("what a close tells of an attempt that ended by %s", async (phase, outcome, code) => {
    const { SixfoldError } = await import("@sixfold/model");
    const world = worldWithTable();
    put(world, 0, "a", "1");
    const member = world.members[0]!;
    const pending = world.ask(0, (e, r, now) =>
      e.commit(r, { tx: handle(), writes: [{ table: "t", key: bytes("a"), value: bytes("2") }] }, now),
    );
    const entry = member.queue.pop()!;
    // It is to be rebuilt when the close arrives: what a recovery has said stands in the manifest, a yield nowhere yet.
    member.engine.holdPages([entry.deltas[0]!.page], world.now);
    member.engine.decided(entry.lsn, "abort", { phase, yielded: phase !== "recovery" }, world.now);
    member.engine.closeStream(new SixfoldError("fenced", "a recovery closed this stream"), world.now);
    world.drain(member);
    const error = errorOf(world.answer(0, pending));
    expect([error.outcome, error.code]).toEqual([outcome, code]);
  });

  test("an entry rebuilt in the turn of the close never leaves, and its client hears that", async () => {
    const { SixfoldError } = await import("@sixfold/model");
    const world = worldWithTable();
    put(world, 0, "a", "1");
    const member = world.members[0]!;
    const pending = world.ask(0, (e, r, now) =>
      e.commit(r, { tx: handle(), writes: [{ table: "t", key: bytes("a"), value: bytes("2") }] }, now),
    );
    const entry = member.queue.pop()!;
    member.engine.decided(entry.lsn, "abort", { phase: "recovery" }, world.now);
    expect(member.engine.effects.map((effect) => effect.kind)).toEqual(["submit"]);
    member.engine.closeStream(new SixfoldError("fenced", "a recovery closed this stream"), world.now);
    expect(member.engine.effects.map((effect) => effect.kind)).toEqual(["reply"]);
    world.drain(member);
    expect(errorOf(world.answer(0, pending)).outcome).toBe("aborted");
  });

  test("what came while the engine was paused ends with its stream, and is not committed in the next (I2)", async () => {
    const { SixfoldError, lsn, streamId } = await import("@sixfold/model");
    const world = worldWithTable();
    const member = world.members[0]!;
    member.engine.pause();
    const pending = world.ask(0, (e, r, now) =>
      e.commit(r, { tx: handle(), writes: [{ table: "t", key: bytes("a"), value: bytes("1") }] }, now),
    );
    member.engine.closeStream(new SixfoldError("fenced", "a recovery closed this stream"), world.now);
    member.engine.open(streamId(7), false, lsn(1), world.now);
    member.engine.resume(world.now);
    expect(member.engine.effects.filter((effect) => effect.kind === "submit")).toEqual([]);
    world.drain(member);
    expect(errorOf(world.answer(0, pending))).toMatchObject({ code: "fenced", outcome: "aborted" });
  });
});

describe("procedures", () => {
  const increment = (world: StorageWorld, i: number, key: string): number =>
    world.ask(i, (e, r, now) =>
      e.call(
        r,
        {
          tx: transactionId(`1-p${r}`),
          isolation: "snapshot",
          run: (p) => {
            const n = Number(text(p.get("t", bytes(key))) ?? "0") + 1;
            p.put("t", bytes(key), bytes(String(n)));
            return n;
          },
        },
        now,
      ),
    );

  test("run on the newest local state and never conflict within a writer", () => {
    const world = worldWithTable();
    const asked = Array.from({ length: 50 }, () => increment(world, 0, "n"));
    const values = asked
      .map((r) => world.answer(0, r))
      .map((r) => (r.kind === "called" ? r.value : expect.fail()));
    expect(values).toEqual(Array.from({ length: 50 }, (_, i) => i + 1));
  });

  test("their failures undo everything; their own exceptions are told apart", () => {
    const world = worldWithTable();
    put(world, 0, "a", "1");
    const result = world.run(0, (e, r, now) =>
      e.call(
        r,
        {
          tx: transactionId("1-x"),
          isolation: "snapshot",
          run: (p) => {
            for (let i = 0; i < 200; i++) p.put("t", bytes(`row ${i}`), bytes("x".repeat(300)));
            throw new Error("no");
          },
        },
        now,
      ),
    );
    expect(errorOf(result)).toMatchObject({ code: "procedure-failed", outcome: "aborted" });
    expect(world.run(0, (e, r, now) => e.scan(r, { table: "t" }, now))).toMatchObject({
      rows: [{ key: bytes("a") }],
    });
  });

  test("a result that rests on undecided rows waits for them", () => {
    const world = worldWithTable({ yields: 0.5, seed: 5 });
    const asked = Array.from({ length: 20 }, () => increment(world, 0, "n"));
    const read = world.ask(0, (e, r, now) =>
      e.call(
        r,
        { tx: transactionId("1-r"), isolation: "snapshot", run: (p) => text(p.get("t", bytes("n"))) },
        now,
      ),
    );
    const seen = world.answer(0, read);
    expect(seen).toMatchObject({ kind: "called", value: "20" });
    for (const r of asked) expect(world.members[0]!.replies.has(r)).toBe(true);
  });

  test("two writers count together without losing one (I9)", () => {
    const world = worldWithTable({ engines: 2, yields: 0.05 });
    const asked = Array.from({ length: 100 }, (_, i) => [i % 2, increment(world, i % 2, "n")] as const);
    for (const [i, r] of asked) expect(world.answer(i, r).kind).toBe("called");
    world.settle();
    expect(get(world, 0, "n")).toBe("100");
    expect(get(world, 1, "n")).toBe("100");
    expect(world.members[0]!.engine.stats.takenBack).toBeGreaterThan(0);
  });
});
