import { describe, expect, test } from "vitest";
import { lsn, pageId, ReadPoint, streamId } from "@sixfold/model";
import { at, delta, entry, openCluster, SERVERS } from "./test-kit/test-cluster.ts";

describe("an exclusive volume", () => {
  test("commits in LSN order on four of six, without votes (I1, I7)", () => {
    const c = openCluster("single", ["w1"]);
    const w = c.nodes.get("w1")!;
    c.disconnect("w1", SERVERS[0]!.name);
    c.disconnect("w1", SERVERS[1]!.name);
    for (let i = 1; i <= 20; i++) {
      w.volume.submit(entry(1, i, [delta(3 + (i % 4), i > 4 ? at(1, i - 4) : undefined)]), c.now);
      if (i % 3 === 0) c.flush("w1");
    }
    c.flush("w1");
    c.run(2);
    expect(w.of("decided").map((d) => d.lsn)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(w.volume.durable).toBe(20);
    c.disconnect("w1", SERVERS[2]!.name);
    w.volume.submit(entry(1, 21, [delta(70)]), c.now);
    c.flush("w1");
    c.run(5);
    expect(w.volume.durable).toBe(20);
    for (const s of SERVERS) c.reconnect("w1", s.name);
    c.run(5);
    expect(w.volume.durable).toBe(21);
    expect(w.volume.manifest!.pgs.length).toBe(2);
    for (const s of c.segments.values()) expect(s.stream(0 as never, streamId(1)).scl).toBe(20);
  });

  test("a clean close and a new stream: what was committed is found, the closed stream settles", () => {
    const c = openCluster("single", ["w1"]);
    const w = c.nodes.get("w1")!;
    w.volume.submit(entry(1, 1, [delta(0), delta(1), delta(2)]), c.now);
    w.volume.submit(entry(1, 2, [delta(3)]), c.now);
    w.volume.closeOwn(c.now);
    c.flush("w1");
    c.run(20, 100);
    expect(w.of("closed")).toEqual([{ kind: "closed", stream: 1, final: 2 }]);
    expect(w.volume.manifest!.settledThrough).toBe(1);
    w.volume.openStream(c.now);
    c.drain("w1");
    c.run(3);
    expect(w.of("opened").map((o) => o.stream)).toEqual([1, 2]);
    w.volume.readPage(pageId(3), new ReadPoint(streamId(1)), c.now);
    c.drain("w1");
    c.run(1);
    expect(w.of("page")[0]!.answer).toMatchObject({ kind: "page", version: at(1, 2) });
  });

  test("failover recovers every open stream first, and keeps what was committed (I1, I6)", () => {
    const c = openCluster("single", ["w1"]);
    const w1 = c.nodes.get("w1")!;
    for (let i = 1; i <= 5; i++) w1.volume.submit(entry(1, i, [delta(2 + i)]), c.now);
    c.flush("w1");
    c.run(1);
    expect(w1.volume.durable).toBe(5);
    const w2 = c.addNode("w2");
    w2.volume.openStream(c.now);
    c.drain("w2");
    c.run(3);
    expect(w2.of("closed")).toEqual([{ kind: "closed", stream: 1, final: 5 }]);
    expect(w2.of("opened")).toEqual([{ kind: "opened", stream: 2, exclusive: true }]);
    w1.volume.submit(entry(1, 6, [delta(9)]), c.now);
    c.flush("w1");
    c.run(3);
    // By now the stream is complete everywhere, and the manifest has forgotten it: only storage can tell.
    expect(w1.of("fenced")).toEqual([{ kind: "fenced", stream: 1, undecided: [6] }]);
    w1.volume.findTransaction(entry(1, 6, []).transaction, c.now);
    w1.volume.findTransaction(entry(1, 5, []).transaction, c.now);
    c.drain("w1");
    c.run(1);
    expect(w1.of("outcome").map((o) => o.outcome)).toEqual(["aborted", "committed"]);
  });
});

test("an exclusive writer that hears of its successor's commits before it learns that it was succeeded gives way to them", () => {
  const c = openCluster("single", ["w1"]);
  const w1 = c.nodes.get("w1")!;
  w1.volume.submit(entry(1, 1, [delta(3)]), c.now);
  c.flush("w1");
  c.run(1);
  const w2 = c.addNode("w2");
  w2.volume.openStream(c.now);
  c.drain("w2");
  c.run(3);
  w2.volume.submit(entry(2, 1, [delta(3, at(1, 1))]), c.now);
  c.flush("w2");
  c.run(1);
  w1.volume.submit(entry(1, 2, [delta(3, at(1, 1))]), c.now);
  w1.volume.giveUp(lsn(2), at(2, 1), c.now);
  c.flush("w1");
  c.run(3);
  expect([w2.decisions().get(lsn(1)), w1.decisions().get(lsn(2))]).toEqual(["commit", "abort"]);
});

test("a clean close whose stream is recovered, and settled before its writer learns of it, ends all the same", () => {
  const c = openCluster("single", ["w1"]);
  const w1 = c.nodes.get("w1")!;
  const w2 = c.addNode("w2");
  w2.volume.openStream(c.now);
  c.drain("w2");
  c.run(3);
  w1.volume.submit(entry(1, 1, [delta(3)]), c.now);
  w1.volume.closeOwn(c.now);
  c.flush("w1");
  c.run(3);
  expect(w1.volume.manifest!.settledThrough).toBe(1);
  expect(w1.of("fenced").length).toBe(1);
  expect(w1.of("closed")).toEqual([{ kind: "closed", stream: 1, final: 0 }]);
});

describe("a shared volume", () => {
  test("two rivals on one page: the older stream wins, the younger yields and hears when it is safe", () => {
    const c = openCluster("multi", ["w1", "w2"]);
    const [w1, w2] = [c.nodes.get("w1")!, c.nodes.get("w2")!];
    w1.volume.submit(entry(1, 1, [delta(0)]), c.now);
    w2.volume.submit(entry(2, 1, [delta(0)]), c.now);
    c.flush("w1");
    c.flush("w2");
    c.run(10);
    expect(w1.decisions().get(lsn(1))).toBe("commit");
    expect(w2.decisions().get(lsn(1))).toBe("abort");
    expect(w2.of("told")).toEqual([{ kind: "told", lsn: 1 }]);
  });

  test("an entry aborted before it was sent: followers hear of the abort, not of a gap", () => {
    const c = openCluster("multi", ["w1"]);
    const { volume } = c.nodes.get("w1")!;
    volume.submit(entry(1, 1, [delta(3)]), c.now);
    c.flush("w1");
    c.run(2);
    volume.submit(entry(1, 2, [delta(3, at(1, 1))]), c.now);
    volume.giveUp(lsn(2), at(2, 1), c.now);
    const fed: unknown[] = [];
    for (let i = 0; i < 5; i++) {
      c.now += 10;
      volume.tick(c.now);
      const point = new ReadPoint(streamId(0));
      volume.flush(point, point, c.now);
      for (const e of volume.effects)
        if (e.kind === "append" && e.message.decisions.through === 2) fed.push(e.message.decisions.aborts);
      c.drain("w1");
      c.run(1);
    }
    expect(fed).toEqual([[2]]);
  });
});
