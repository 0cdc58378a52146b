/** Long values that go ahead of their commit, in pieces: what is seen of them, what is left of them. */
import { describe, expect, test } from "vitest";
import { SixfoldError, type Entry } from "@sixfold/model";
import { Bank } from "./testing/bank.ts";
import { bytes, errorOf, get, handle, put, worldWithTable } from "./testing/one-engine.fixture.ts";
import type { StorageWorld } from "./testing/storage-world.ts";
import { checkVolume } from "./volume-check.ts";

const PIECE_PAGES = 3;
/** Some dozen pages of 4 KiB each. */
const LONG = 50_000;

const value = (n: number, length = LONG): Uint8Array => new Uint8Array(length).map((_, i) => i * 31 + n);
const world = (options = {}): StorageWorld => worldWithTable({ piecePages: PIECE_PAGES, ...options });

const askLong = (w: StorageWorld, keys: readonly string[], n = 0, tx = handle()): number =>
  w.ask(0, (e, r, now) =>
    e.commit(
      r,
      { tx, writes: keys.map((key, i) => ({ table: "t", key: bytes(key), value: value(n + i) })) },
      now,
    ),
  );

function expectLong(w: StorageWorld, key: string, n: number): void {
  const read = w.run(0, (e, r, now) => e.get(r, { table: "t", keys: [bytes(key)], forUpdate: false }, now));
  if (read.kind !== "values") return expect.fail(read.kind);
  expect(Buffer.compare(read.values[0]!, value(n))).toBe(0);
}

const check = (w: StorageWorld): ReturnType<typeof checkVolume> =>
  checkVolume((page) => w.chains.get(page)?.at(-1)?.image);

const isLarge = ({ deltas }: Entry): boolean => deltas.reduce((sum, d) => sum + d.ops.length, 0) > LONG / 2;

describe("long values of a large commit", () => {
  test("go ahead in pieces, one in flight at a time, and others come in between", () => {
    const w = world();
    const { engine, replies } = w.members[0]!;
    const from = w.log.length;
    const request = askLong(w, ["a", "b", "c"]);
    const others: number[] = [];
    for (let i = 0; !replies.has(request); i++) {
      w.step();
      if (i % 10 === 0) others.push(w.ask(0, (e, r, now) => e.commit(r, small(i), now)));
      expect(engine.stats.inFlight).toBeLessThan(12);
    }
    expect(replies.get(request)).toMatchObject({ kind: "committed", attempts: 1 });
    expect(w.log.slice(from).filter(isLarge)).toEqual([]);
    // Those that came in between were answered before it.
    expect(others.filter((r) => replies.has(r)).length).toBeGreaterThan(5);
    for (const [i, key] of ["a", "b", "c"].entries()) expectLong(w, key, i);
    w.settle();
    expect(check(w)).toMatchObject({ problems: [] });
  });

  test("are replaced and deleted like others", () => {
    const w = world({ poolPages: 16 });
    for (let round = 0; round < 4; round++) {
      expect(w.answer(0, askLong(w, ["a", "b"], round * 10)).kind).toBe("committed");
      expectLong(w, "a", round * 10);
      expectLong(w, "b", round * 10 + 1);
    }
    w.settle();
    const { allocated } = check(w);
    put(w, 0, "a", undefined);
    put(w, 0, "b", undefined);
    w.settle();
    expect(check(w)).toMatchObject({ problems: [], rows: 0 });
    expect(allocated - check(w).allocated).toBeGreaterThan(20);
  });

  test("are free pages as long as the commit is not there: a conflict leaves nothing", () => {
    const w = world();
    put(w, 0, "a", "1");
    w.settle();
    const before = check(w).allocated;
    const tx = handle();
    get(w, 0, "a", tx);
    put(w, 0, "a", "2");
    const lost = w.answer(0, askLong(w, ["a", "b"], 0, { ...tx, began: true }));
    expect(errorOf(lost).code).toBe("row-conflict");
    w.settle();
    expect(check(w)).toMatchObject({ problems: [], allocated: before });
    // And are used by the next one.
    expect(w.answer(0, askLong(w, ["b", "c"])).kind).toBe("committed");
    w.settle();
    expect(check(w)).toMatchObject({ problems: [] });
  });

  test("no page of them is allocated to another meanwhile", () => {
    const w = world();
    const asked = [askLong(w, ["a", "b"]), askLong(w, ["c", "d"], 2), askLong(w, ["e", "f"], 4)];
    for (let i = 0; i < 200; i++) w.step();
    const alone = w.ask(0, (e, r, now) =>
      e.commit(r, { tx: handle(), writes: [{ table: "t", key: bytes("g"), value: value(6, 20_000) }] }, now),
    );
    for (const request of [...asked, alone]) expect(w.answer(0, request).kind).toBe("committed");
    for (const [i, key] of ["a", "b", "c", "d", "e", "f"].entries()) expectLong(w, key, i);
    w.settle();
    expect(check(w)).toMatchObject({ problems: [] });
  });

  test("a stream that is closed before the commit leaves nothing, and the next one writes", () => {
    const w = world();
    const request = askLong(w, ["a", "b", "c"]);
    while (w.log.length < 6) w.step();
    const member = w.members[0]!;
    member.engine.closeStream(new SixfoldError("fenced", "a recovery closed this stream"), w.now);
    w.drain(member);
    expect(errorOf(member.replies.get(request)!).code).toMatch(/fenced|outcome-unknown/);
    member.queue.length = 0;
    w.restart(0);
    w.settle();
    expect(check(w)).toMatchObject({ problems: [], rows: 0 });
    expect(w.answer(0, askLong(w, ["a", "b", "c"])).kind).toBe("committed");
    w.settle();
    expect(check(w)).toMatchObject({ problems: [] });
  });

  test.each([1, 2, 3, 4, 5, 6])("money is neither made nor lost, seed %i", (seed) => {
    const bank = new Bank({
      ...{ seed, accounts: 12, clients: 8, steps: 6000, padding: 9000 + 4000 * (seed % 2), piecePages: 1 },
      ...{ engines: 1 + (seed % 3), yields: 0.05, poolPages: seed % 2 === 0 ? 12 : 1000 },
    }).run();
    expect(bank.problems).toEqual([]);
    expect(bank.counts.transfers).toBeGreaterThan(5);
  });
});

const small = (
  i: number,
): { tx: ReturnType<typeof handle>; writes: { table: string; key: Uint8Array; value: Uint8Array }[] } => ({
  tx: handle(),
  writes: [{ table: "t", key: bytes(`small ${i}`), value: bytes("v") }],
});
