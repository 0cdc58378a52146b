/** Transactions that meet a change of tables: what they are told, and when. */
import { describe, expect, test } from "vitest";
import { checkVolume } from "./volume-check.ts";
import type { StorageWorld } from "./testing/storage-world.ts";
import type { EngineResult } from "./engine-api.ts";
import { bytes, errorOf, get, handle, put, worldWithTable } from "./testing/one-engine.fixture.ts";

type Change = "createTable" | "dropTable";
const change = (world: StorageWorld, i: number, what: Change, table = "t"): EngineResult =>
  world.run(i, (e, r, now) => e[what](r, handle().id, table, now));
const ended = (isolation: "snapshot" | "serializable" = "snapshot") => {
  const tx = handle({ isolation });
  return { tx, on: { ...tx, began: true } };
};

describe.each([1, 2])("a transaction, with %i writers", (engines) => {
  const other = engines - 1;
  const world = (): StorageWorld => worldWithTable({ engines });

  test("whose table was dropped is told so, and that it is no use to try again", () => {
    const w = world();
    const { tx, on } = ended();
    get(w, 0, "a", tx);
    change(w, other, "dropTable");
    w.settle();
    const error = errorOf(put(w, 0, "a", "1", on));
    expect([error.code, error.retryable, error.details.table]).toEqual(["unknown-table", "no", "t"]);
  });

  test("whose table was dropped and made again may try again", () => {
    const w = world();
    put(w, 0, "b", "old");
    w.settle();
    const { tx, on } = ended();
    expect(get(w, 0, "b", tx)).toBe("old");
    change(w, other, "dropTable");
    change(w, other, "createTable");
    w.settle();
    // Not a row that it has read: only the table tells.
    const error = errorOf(put(w, 0, "a", "1", on));
    expect([error.code, error.retryable, error.outcome, error.sqlState]).toEqual([
      ...["schema-changed", "new-transaction", "aborted", "40001"],
    ]);
    const again = ended();
    expect(get(w, 0, "b", again.tx)).toBeUndefined();
    expect(put(w, 0, "a", "1", again.on).kind).toBe("committed");
  });

  test("that is serializable is told of a table that it only read, too", () => {
    const w = world();
    change(w, 0, "createTable", "u");
    w.settle();
    const { tx, on } = ended("serializable");
    w.run(0, (e, r, now) => e.get(r, { tx, table: "u", keys: [bytes("a")], forUpdate: false }, now));
    change(w, other, "dropTable", "u");
    change(w, other, "createTable", "u");
    w.settle();
    expect(errorOf(put(w, 0, "a", "1", on)).code).toBe("schema-changed");
    const reader = ended("snapshot");
    w.run(0, (e, r, now) =>
      e.get(r, { tx: reader.tx, table: "u", keys: [bytes("a")], forUpdate: false }, now),
    );
    change(w, other, "dropTable", "u");
    w.settle();
    expect(put(w, 0, "a", "2", reader.on).kind).toBe("committed");
  });

  test("may write to a table that was made since it began", () => {
    const w = world();
    const { tx, on } = ended();
    get(w, 0, "a", tx);
    change(w, other, "createTable", "u");
    w.settle();
    const write = { table: "u", key: bytes("a"), value: bytes("1") };
    expect(w.run(0, (e, r, now) => e.commit(r, { tx: on, writes: [write] }, now)).kind).toBe("committed");
  });
});

describe("a table that is being dropped", () => {
  test("is not said to be gone before that is decided", () => {
    const w = worldWithTable();
    const member = w.members[0]!;
    w.ask(0, (e, r, now) => e.dropTable(r, handle().id, "t", now));
    const [drop] = member.queue;
    expect(drop).toBeDefined();
    const writes = [{ table: "t", key: bytes("a"), value: bytes("1") }];
    const commit = w.ask(0, (e, r, now) => e.commit(r, { tx: handle(), writes }, now));
    expect(member.replies.has(commit)).toBe(false);
    w.settle();
    expect(errorOf(w.answer(0, commit)).code).toBe("unknown-table");
  });

  test("and made again by turns, under writes of all, leaves every page accounted for", () => {
    for (let seed = 1; seed <= 5; seed++) {
      const w = worldWithTable({ seed, engines: 3, yields: 0.05, poolPages: 32 });
      const asked: (readonly [number, number])[] = [];
      const open: ({ tx: ReturnType<typeof handle>; on: ReturnType<typeof handle> } | undefined)[] = [];
      for (let n = 0; n < 240; n++) {
        const i = n % 3;
        const began = open[i];
        const key = bytes(`row ${n % 40}`);
        if (n % 24 === 10) asked.push([i, w.ask(i, (e, r, now) => e.dropTable(r, handle().id, "t", now))]);
        else if (n % 24 === 13)
          asked.push([i, w.ask(i, (e, r, now) => e.createTable(r, handle().id, "t", now))]);
        else if (began === undefined) {
          open[i] = ended();
          const { tx } = open[i];
          asked.push([
            i,
            w.ask(i, (e, r, now) => e.get(r, { tx, table: "t", keys: [key], forUpdate: false }, now)),
          ]);
        } else {
          open[i] = undefined;
          const writes = [{ table: "t", key, value: new Uint8Array(40 * (n % 50)) }];
          asked.push([i, w.ask(i, (e, r, now) => e.commit(r, { tx: began.on, writes }, now))]);
        }
        w.settleFor(8);
      }
      w.settle();
      const codes = new Set(
        asked.map(([i, r]) => w.answer(i, r)).flatMap((a) => (a.kind === "failed" ? [a.error.code] : [])),
      );
      for (const code of codes)
        expect(["unknown-table", "schema-changed", "row-conflict", "connection-lost"]).toContain(code);
      expect(codes).toContain("unknown-table");
      expect(checkVolume((page) => w.chains.get(page)?.at(-1)?.image)).toMatchObject({ problems: [] });
    }
  });
});
