import { describe, expect, test } from "vitest";
import { pageId, streamId, transactionId, type PageId } from "@sixfold/model";
import { extentCount, readExtentHeader } from "./extents.ts";
import { checkVolume } from "./volume-check.ts";
import { bytes, errorOf, get, handle, put, worldWithTable } from "./testing/one-engine.fixture.ts";

describe("the world around", () => {
  test("a replica shows what writers commit, and takes no writes", () => {
    const world = worldWithTable();
    put(world, 0, "a", "1");
    const replica = world.addReplica();
    world.settle();
    put(world, 0, "a", "2");
    world.settle();
    expect(get(world, replica, "a")).toBe("2");
    const tx = handle();
    expect(get(world, replica, "a", tx)).toBe("2");
    expect(
      world.run(replica, (e, r, now) => e.commit(r, { tx: { ...tx, began: true }, writes: [] }, now)).kind,
    ).toBe("committed");
    expect(errorOf(put(world, replica, "a", "3")).code).toBe("not-a-writer");
    expect(
      errorOf(world.run(replica, (e, r, now) => e.dropTable(r, transactionId("1-d"), "t", now))).code,
    ).toBe("not-a-writer");
  });

  test("a transaction whose read point storage no longer keeps is too old, and stays ended", () => {
    const world = worldWithTable({ poolPages: 1 });
    put(world, 0, "a", "1");
    for (let i = 0; i < 60; i++) put(world, 0, `b${i}`, "x".repeat(500));
    const tx = handle();
    expect(get(world, 0, "a", tx)).toBe("1");
    const { engine } = world.members[0]!;
    put(world, 0, "a", "2");
    for (let i = 0; i < 60; i++) put(world, 0, `b${i}`, "y".repeat(500));
    world.settle();
    world.forgetHistory = true;
    engine.dropCleanPages(world.now);
    expect(() => get(world, 0, "a", { ...tx, began: true })).toThrow("no longer kept");
    expect(errorOf(put(world, 0, "a", "3", { ...tx, began: true })).code).toBe("too-old");
    expect(get(world, 0, "a")).toBe("2");
  });

  test("after a yield that is not retried, the client hears of the abort only when it is durable (I2)", () => {
    const world = worldWithTable({ conflicts: "page" });
    world.settle();
    const member = world.members[0]!;
    const asked = world.ask(0, (e, r, now) =>
      e.commit(r, { tx: handle(), writes: [{ table: "t", key: bytes("a"), value: bytes("1") }] }, now),
    );
    const entry = member.queue.pop()!;
    member.engine.decided(entry.lsn, "abort", { phase: "storage-vote", yielded: true }, world.now);
    expect(member.engine.effects).toEqual([{ kind: "abandonAbort", lsn: entry.lsn }]);
    member.engine.abortDurable(entry.lsn, world.now);
    world.drain(member);
    expect(errorOf(world.answer(0, asked)).code).toBe("page-conflict");
  });

  test("an entry that yields to what is known here already is not built again at once", () => {
    const world = worldWithTable();
    put(world, 0, "a", "1");
    const member = world.members[0]!;
    const asked = world.ask(0, (e, r, now) =>
      e.commit(r, { tx: handle(), writes: [{ table: "t", key: bytes("a"), value: bytes("2") }] }, now),
    );
    const entry = member.queue.pop()!;
    const { page, base: winner } = entry.deltas[0]!;
    member.engine.decided(
      entry.lsn,
      "abort",
      { phase: "storage-vote", yielded: true, winner, page },
      world.now,
    );
    expect(member.engine.effects).toEqual([]);
    member.engine.tick(world.now + 60);
    expect(member.engine.effects.map((effect) => effect.kind)).toEqual(["submit"]);
    world.drain(member);
    world.settle();
    expect(world.answer(0, asked).kind).toBe("committed");
  });

  test("an entry that yields on a page that it only read waits, too, before it is built again", () => {
    const world = worldWithTable({ engines: 2 });
    put(world, 0, "a", "1");
    const member = world.members[0]!;
    const tx = handle({ isolation: "serializable" });
    expect(get(world, 0, "a", tx)).toBe("1");
    const asked = world.ask(0, (e, r, now) => e.commit(r, { tx: { ...tx, began: true }, writes: [] }, now));
    const entry = member.queue.pop()!;
    expect(entry.deltas).toEqual([]);
    const { page } = entry.checks[0]!;
    const winner = { stream: 9 as never, lsn: 4 as never };
    const cause = { phase: "storage-vote", yielded: true, winner, page } as const;
    member.engine.decided(entry.lsn, "abort", cause, world.now);
    // The winner is undecided, and may be for as long as a recovery takes: nothing is sent until it is here, or a while has passed.
    expect(member.engine.effects).toEqual([]);
    member.engine.tick(world.now + 60);
    expect(member.engine.effects.map((effect) => effect.kind)).toEqual(["submit"]);
    world.drain(member);
    world.settle();
    expect(world.answer(0, asked).kind).toBe("committed");
  });

  test("a rebuilt entry supersedes the old, and waits for the winner's delta", () => {
    const world = worldWithTable();
    const member = world.members[0]!;
    const asked = world.ask(0, (e, r, now) =>
      e.commit(r, { tx: handle(), writes: [{ table: "t", key: bytes("a"), value: bytes("1") }] }, now),
    );
    const entry = member.queue.pop()!;
    const page = entry.deltas[0]!.page;
    const winner = { stream: 9 as never, lsn: 4 as never };
    member.engine.decided(entry.lsn, "abort", { phase: "storage-vote", winner, page }, world.now);
    world.drain(member);
    expect(member.queue).toEqual([]);
    // The winner changes bytes in the free middle of the page.
    const ops = Uint8Array.of(1, 0x40, 0x06, 1, 0, 7);
    world.chains
      .get(page)!
      .push({ version: winner, image: world.newest(page).image.map((b, i) => (i === 0x640 ? 7 : b)) });
    member.engine.applyForeign(
      {
        stream: winner.stream,
        lsn: winner.lsn,
        transaction: transactionId("9-w"),
        deltas: [{ page, base: entry.deltas[0]!.base, ops }],
      },
      world.now,
    );
    member.engine.advance(winner.stream, winner.lsn, world.now);
    world.drain(member);
    expect(member.queue[0]).toMatchObject({ supersedes: entry.lsn, deltas: [{ page, base: winner }] });
    expect(world.answer(0, asked)).toMatchObject({ kind: "committed", attempts: 2 });
  });

  test("old transactions end, and their rows are free again", () => {
    const world = worldWithTable();
    put(world, 0, "a", "1");
    const tx = handle();
    get(world, 0, "a", tx, true);
    const before = world.members[0]!.engine.oldestReadPoint().toString();
    put(world, 0, "b", "1");
    expect(world.members[0]!.engine.oldestReadPoint().toString()).toBe(before);
    world.now += 6 * 60 * 1000;
    world.members[0]!.engine.tick(world.now);
    expect(put(world, 0, "a", "2").kind).toBe("committed");
    expect(errorOf(put(world, 0, "a", "3", { ...tx, began: true })).code).toBe("timeout");
    expect(world.members[0]!.engine.oldestReadPoint().toString()).not.toBe(before);
  });

  test("an abandoned transaction holds nothing", () => {
    const world = worldWithTable();
    put(world, 0, "a", "1");
    const tx = handle();
    get(world, 0, "a", tx, true);
    world.members[0]!.engine.abandon(tx.id, world.now);
    expect(put(world, 0, "a", "2").kind).toBe("committed");
  });

  test("a read of the past that is abandoned leaves nothing behind once its page comes", () => {
    const world = worldWithTable();
    put(world, 0, "a", "1");
    const tx = handle();
    get(world, 0, "a", tx);
    put(world, 0, "a", "2");
    const member = world.members[0]!;
    const { engine } = member;
    const past = engine.oldestReadPoint().toString();
    world.skip(member);
    const read = { tx: { ...tx, began: true }, table: "t", keys: [bytes("a")], forUpdate: false };
    const asked = world.ask(0, (e, r, now) => e.get(r, read, now));
    while (member.loads[0]?.readPoint.toString() !== past) world.step();
    expect(engine.stats.loading).toBe(1);
    engine.abandon(tx.id, world.now);
    world.settle();
    expect(errorOf(world.answer(0, asked)).code).toBe("connection-lost");
    expect(engine.stats.loading).toBe(0);
    expect(engine.oldestReadPoint().toString()).toBe(engine.applied.toString());
  });

  test("a read that could not run before its transaction was abandoned does not begin it anew", () => {
    const world = worldWithTable();
    const { engine } = world.members[0]!;
    const tx = handle();
    engine.pause();
    const read = { tx, table: "t", keys: [bytes("a")], forUpdate: false };
    const asked = world.ask(0, (e, r, now) => e.get(r, read, now));
    engine.abandon(tx.id, world.now);
    engine.resume(world.now);
    world.drain(world.members[0]!);
    expect(errorOf(world.answer(0, asked)).code).toBe("connection-lost");
    put(world, 0, "a", "1");
    expect(engine.oldestReadPoint().toString()).toBe(engine.applied.toString());
  });

  test.each([1, 2, 3])("claims that lose are built again, and not joined by ever more, seed %i", (seed) => {
    const world = worldWithTable({ seed, engines: 2, yields: 0.8 });
    for (let n = 0; n < 60; n++) {
      const writes = [{ table: "t", key: bytes(`row ${n % 12}`), value: new Uint8Array(20_000) }];
      world.ask(n % 2, (e, r, now) => e.commit(r, { tx: handle(), writes }, now));
      if (n % 6 === 5) world.settleFor(10);
    }
    world.settle();
    expect(extentCount(world.newest(pageId(0)).image)).toBeLessThan(8);
  });

  test("a new incarnation adopts the extents of the old", () => {
    const world = worldWithTable();
    put(world, 0, "a", "1");
    world.settle();
    const extents = (): number => extentCount(world.newest(pageId(0)).image);
    const before = extents();
    const engine = world.restart(0);
    for (let i = 0; i < 60; i++) put(world, 0, `key ${i}`, "x".repeat(300));
    world.settle();
    expect(engine.stats.commits).toBeGreaterThan(60);
    expect(extents()).toBe(before);
    expect(readExtentHeader(world.newest(pageId(2)).image)?.owner).toBe(101);
    expect(checkVolume((page) => world.chains.get(page)?.at(-1)?.image)).toMatchObject({
      problems: [],
      rows: 61,
    });
  });

  describe("an undecided entry of another writer on the way through storage", () => {
    const race = () => {
      const world = worldWithTable({ engines: 2 });
      for (const i of [0, 1]) {
        put(world, i, "a", "1");
        world.settle();
      }
      const [mine, theirs] = [world.members[0]!, world.members[1]!];
      const write = (i: number, value: string): number =>
        world.ask(i, (e, r, now) =>
          e.commit(r, { tx: handle(), writes: [{ table: "t", key: bytes("a"), value: bytes(value) }] }, now),
        );
      write(1, "2");
      mine.engine.foreignClaims(streamId(theirs.stream), theirs.queue, world.now);
      return { world, mine, request: write(0, "3") };
    };

    test("is built upon, not raced", () => {
      const { world, mine, request } = race();
      expect(mine.queue).toEqual([]);
      expect(world.answer(0, request)).toMatchObject({ kind: "committed", attempts: 1 });
      expect(get(world, 0, "a")).toBe("3");
    });

    test("is not waited for any longer than a while", () => {
      const { world, mine } = race();
      mine.engine.tick(world.now + 29);
      world.drain(mine);
      expect(mine.queue).toEqual([]);
      mine.engine.tick(world.now + 30);
      world.drain(mine);
      expect(mine.queue.length).toBe(1);
    });
  });

  test("a branch whose first child went is in order, whatever the key of its first cell is left to be", () => {
    const world = worldWithTable();
    for (let i = 100; i < 200; i++) put(world, 0, `m${i}`, "x".repeat(300));
    // The first leaves empty and go; the next becomes the first child, and takes what is below its old key, until it splits there.
    for (let i = 100; i < 150; i++) put(world, 0, `m${i}`, undefined);
    for (let i = 100; i < 150; i++) put(world, 0, `a${i}`, "x".repeat(300));
    world.settle();
    const report = checkVolume((page) => world.chains.get(page)?.at(-1)?.image);
    expect(report).toMatchObject({ problems: [], rows: 100 });
  });

  test("the volume check finds what is wrong", () => {
    const world = worldWithTable();
    for (let i = 0; i < 100; i++) put(world, 0, `key ${i}`, "x".repeat(300));
    world.settle();
    const image = (page: PageId): Uint8Array | undefined => world.chains.get(page)?.at(-1)?.image.slice();
    expect(checkVolume(image).problems).toEqual([]);
    const leaf = [...world.chains.keys()].find((p) => p > 2 && image(p)![0] === 1)!;
    const swapped = (page: PageId): Uint8Array | undefined => {
      const p = image(page);
      if (page === leaf && p !== undefined) p.copyWithin(8, 10, 12);
      return p;
    };
    expect(checkVolume(swapped).problems.length).toBeGreaterThan(0);
    expect(checkVolume((page) => (page === leaf ? undefined : image(page))).problems).toContain(
      `page ${leaf} was never written`,
    );
  });
});
