import { describe, expect, test } from "vitest";
import { lsn, pageId, pgId, ReadPoint, streamId } from "@sixfold/model";
import { at, delta, entry, openCluster, SERVERS, type TestCluster } from "./test-kit/test-cluster.ts";
import { TailHistory } from "./tails.ts";

/** Stream 1 has committed one entry on page 3, known to all. */
function written(): TestCluster {
  const c = openCluster("single", ["w1"]);
  c.nodes.get("w1")!.volume.submit(entry(1, 1, [delta(3)]), c.now);
  c.flush("w1");
  c.run(3);
  return c;
}
const POINT = new ReadPoint(streamId(0), [[streamId(1), lsn(1)]]);

describe("reading pages", () => {
  test("asks one segment; with three of six out of reach reading goes on (I7)", () => {
    const c = written();
    for (const s of SERVERS.slice(0, 3)) c.disconnect("w1", s.name);
    const w = c.nodes.get("w1")!;
    w.volume.readPage(pageId(3), POINT, c.now);
    c.drain("w1");
    expect([...c.links.keys()].length).toBe(1);
    c.run(1);
    expect(w.of("page")).toMatchObject([
      { page: 3, readPoint: POINT, answer: { kind: "page", version: at(1, 1) } },
    ]);
  });

  test("hedges to a second segment, and passes on from one that is behind (I8)", () => {
    const c = written();
    const w = c.nodes.get("w1")!;
    w.volume.submit(entry(1, 2, [delta(3, at(1, 1))]), c.now);
    c.flush("w1");
    for (const s of SERVERS.slice(0, 4)) while (c.deliver(`w1>${s.name}`));
    for (const s of SERVERS.slice(0, 4)) while (c.deliver(`${s.name}>w1`));
    expect(w.volume.durable).toBe(2);
    c.tick(10);
    // Two segments have not even the slice, and nobody's decision has arrived.
    const point = new ReadPoint(streamId(0), [[streamId(1), lsn(2)]]);
    w.volume.readPage(pageId(3), point, c.now);
    c.drain("w1");
    const before = [...c.links.values()].flat().filter((m) => m.message.type === "readPage").length;
    c.tick(10);
    expect([...c.links.values()].flat().filter((m) => m.message.type === "readPage").length).toBe(before + 1);
    c.run(10);
    expect(w.of("page")[0]!.answer).toMatchObject({ kind: "page", version: at(1, 2) });
  });

  test("a page that nobody can give is unavailable after the time limit, not before", () => {
    const c = written();
    for (const s of SERVERS) c.disconnect("w1", s.name);
    const w = c.nodes.get("w1")!;
    w.volume.readPage(pageId(3), POINT, c.now);
    c.run(9, 1000);
    expect(w.of("page")).toEqual([]);
    c.run(2, 1000);
    expect(w.of("page")[0]!.answer).toEqual({ kind: "unavailable" });
  });

  test("three seats tell whether the manifest has changed", () => {
    const c = written();
    const w = c.nodes.get("w1")!;
    for (const s of SERVERS.slice(0, 3)) c.disconnect("w1", s.name);
    w.volume.checkManifest(c.now);
    c.drain("w1");
    c.run(1);
    for (const s of SERVERS) c.reconnect("w1", s.name);
    const w2 = c.addNode("w2");
    w2.volume.openStream(c.now);
    c.drain("w2");
    for (let n = 0; w2.of("opened").length === 0 && n < 1000; n++) {
      c.now += 1;
      w2.volume.tick(c.now);
      c.flush("w2");
      for (const key of [...c.links.keys()]) if (key.includes("w2")) c.deliver(key);
    }
    w.volume.checkManifest(c.now);
    c.drain("w1");
    c.run(1);
    expect(w.of("manifestChecked").map((m) => m.unchanged)).toEqual([true, false]);
  });
});

describe("tails", () => {
  test("need is the last slice at or below the read point, never less (I8)", () => {
    const t = new TailHistory();
    for (const n of [2, 5, 9]) t.note(streamId(1), pgId(0), lsn(n));
    expect([1, 2, 4, 5, 8, 9, 100].map((n) => t.at(streamId(1), pgId(0), lsn(n)))).toEqual([
      0, 2, 2, 5, 5, 9, 9,
    ]);
    t.noteForeign(streamId(2), pgId(0), [{ back: lsn(7), lsn: lsn(8) }]);
    expect(t.at(streamId(2), pgId(0), lsn(7))).toBe(7);
    expect(t.at(streamId(2), pgId(0), lsn(3)), "what is not known any more is asked for too much").toBe(7);
    for (let n = 10; n < 10_000; n++) t.note(streamId(1), pgId(0), lsn(n));
    expect(t.at(streamId(1), pgId(0), lsn(20))).toBeGreaterThan(20);
    expect(t.need(pgId(0), new ReadPoint(streamId(0), [[streamId(1), lsn(9999)]]))).toEqual([[1, 9999]]);
  });

  test("a read point within a stretch that was missed asks for what comes after it", () => {
    const t = new TailHistory();
    t.noteForeign(streamId(2), pgId(0), [{ back: lsn(0), lsn: lsn(3) }]);
    t.noteTails(streamId(2), new Map([[pgId(0), lsn(9)]]));
    t.noteForeign(streamId(2), pgId(0), [{ back: lsn(9), lsn: lsn(12) }]);
    expect([2, 3, 4, 8, 9, 11, 12].map((n) => t.at(streamId(2), pgId(0), lsn(n)))).toEqual([
      0, 3, 9, 9, 9, 9, 12,
    ]);
  });

  test("beyond what is known of a closed stream, its end is asked for", () => {
    const t = new TailHistory();
    t.noteForeign(streamId(2), pgId(0), [{ back: lsn(0), lsn: lsn(3) }]);
    const { manifest } = written().nodes.get("w1")!.volume;
    const tails = new Map([[pgId(0), lsn(7)]]);
    const closed = {
      ...manifest!.streams[0]!,
      id: streamId(2),
      state: "closed",
      final: lsn(8),
      tails,
    } as const;
    t.learnManifest({ ...manifest!, streams: [closed] });
    expect([2, 3, 5, 8].map((n) => t.at(streamId(2), pgId(0), lsn(n)))).toEqual([0, 3, 7, 7]);
  });
});
