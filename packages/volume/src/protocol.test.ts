/** Scripts of the cases of DESIGN section 6 that random lives rarely meet. */
import { describe, expect, test } from "vitest";
import { lsn, pgId, streamId, type NodeName, type PlantedBug } from "@sixfold/model";
import { at, delta, entry, openCluster, SERVERS, type TestCluster } from "./test-kit/test-cluster.ts";

const C1 = SERVERS[4]!.name;
const C2 = SERVERS[5]!.name;

/** Delivers whatever passes the filter until nothing does. */
function runLinks(c: TestCluster, filter: (from: string, to: string) => boolean): void {
  for (let progress = true; progress;) {
    progress = false;
    for (const key of [...c.links.keys()]) {
      const [from, to] = key.split(">") as [string, string];
      if (filter(from, to) && c.deliver(key)) progress = true;
    }
  }
}

/** w1 (stream 1) has a page of w2's (stream 2) changed on four segments; c1 and c2 are out of its reach. */
function fourOfSix(planted: readonly PlantedBug[] = []): TestCluster {
  const c = openCluster("multi", ["w1", "w2"], { planted });
  const w2 = c.nodes.get("w2")!;
  w2.volume.submit(entry(2, 1, [delta(3)]), c.now);
  c.flush("w2");
  c.run(2);
  c.disconnect("w1", C1);
  c.disconnect("w1", C2);
  c.nodes.get("w1")!.volume.submit(entry(1, 1, [delta(3, at(2, 1))]), c.now);
  c.flush("w1");
  return c;
}

describe("commit through the manifest", () => {
  test("four accepts and two silent segments: the manifest decides, and is relieved afterwards (I7)", () => {
    const c = fourOfSix();
    runLinks(c, () => true);
    const w1 = c.nodes.get("w1")!;
    expect(w1.decisions().size).toBe(0);
    c.run(3);
    expect(w1.decisions().get(lsn(1))).toBe("commit");
    c.run(30, 50);
    expect(w1.volume.manifest!.outcomes).toEqual([]);
  });

  test("what a recovery has decided stays there until all six know of it, however long one is away", () => {
    const c = openCluster("multi", ["w1", "w2"]);
    for (const node of ["w1", "w2"]) c.disconnect(node, C2);
    c.nodes.get("w1")!.volume.submit(entry(1, 1, [delta(3)]), c.now);
    c.flush("w1");
    runLinks(c, (from) => from === "w1");
    c.kill("w1");
    const { volume } = c.nodes.get("w2")!;
    volume.recover(streamId(1), c.now);
    c.drain("w2");
    c.run(200, 1000);
    expect(volume.manifest!.outcomes).toMatchObject([{ stream: 1, lsn: 1, decision: "commit" }]);
    c.reconnect("w2", C2);
    c.run(30, 1000);
    expect(volume.manifest!.outcomes).toEqual([]);
  });

  test("old votes do not count: segments are asked again after the manifest was read", () => {
    for (const oldVotesCount of [false, true]) {
      const c = fourOfSix(oldVotesCount ? ["manifest-commit-on-old-votes"] : []);
      runLinks(c, () => true);
      const b1 = c.segments.get(SERVERS[2]!.name)!.stream(pgId(0), streamId(1)).slices.get(lsn(1))!;
      b1.vote = { kind: "hold" };
      c.run(100, 10);
      expect(c.nodes.get("w1")!.decisions().get(lsn(1)), `planted: ${oldVotesCount}`).toBe(
        oldVotesCount ? "commit" : undefined,
      );
    }
  });

  test("a recovery that read the manifest before is refused, and starts over (I2)", () => {
    for (const noCompareAndSet of [false, true]) {
      const c = fourOfSix(noCompareAndSet ? ["recovery-without-compare-and-set"] : []);
      runLinks(c, (from, to) => from === "w1" || to === "w1");
      const w2 = c.nodes.get("w2")!;
      w2.volume.recover(streamId(1), c.now);
      c.drain("w2");
      // w2 has read the manifest and fenced b1, b2, c1, c2; their answers are still on the way.
      const fencing = (from: string, to: string): boolean => from === "w2" && !to.includes("-a");
      runLinks(
        c,
        (from, to) =>
          fencing(from, to) || (to === "w2" && c.links.get(`${from}>w2`)![0]!.message.type !== "fenced"),
      );
      for (let i = 0; i < 100; i++) {
        c.now += 1;
        c.nodes.get("w1")!.volume.tick(c.now);
        c.flush("w1");
        runLinks(c, (from, to) => from === "w1" || to === "w1");
      }
      expect(c.nodes.get("w1")!.decisions().get(lsn(1))).toBe("commit");
      runLinks(
        c,
        (from, to) => (from === "w2" && !to.includes("-a")) || (to === "w2" && !from.includes("-a")),
      );
      c.run(20, 50);
      const truth = c.segments
        .get(SERVERS[2]!.name)!
        .stream(pgId(0), streamId(1))
        .slices.get(lsn(1))!.decision;
      expect(truth, `planted: ${noCompareAndSet}`).toBe(noCompareAndSet ? "abort" : "commit");
    }
  });
});

describe("decisions", () => {
  test("are carried until known on four of six: a segment that missed frames has no hole (safety rule)", () => {
    for (const decisionsNotCarried of [false, true]) {
      const c = openCluster("multi", ["w1"], {
        planted: decisionsNotCarried ? ["decisions-not-carried"] : [],
      });
      const w1 = c.nodes.get("w1")!;
      const away: NodeName[] = SERVERS.slice(3).map((s) => s.name);
      for (let i = 1; i <= 4; i++) {
        w1.volume.submit(entry(1, i, [delta(2 + i)]), c.now);
        c.flush("w1");
        runLinks(c, (_, to) => to !== "w1");
        // The acks of four come in; the frames with the decision are lost on the way to three.
        for (const s of SERVERS) while (c.deliver(`${s.name}>w1`));
        for (const s of away) c.disconnect("w1", s);
        for (const s of away) c.reconnect("w1", s);
      }
      // All three say where they stand before four know, and gossip alone would fill the rest.
      runLinks(c, (_, to) => to !== "w1");
      for (const s of away) while (c.deliver(`${s}>w1`));
      c.run(1, 1);
      for (const s of c.segments.values()) {
        const here = s.stream(pgId(0), streamId(1));
        const hasHole = here.decidedThrough < 4;
        expect(hasHole).toBe(decisionsNotCarried && away.includes(s.name));
      }
    }
  });

  test("a reject is told at once, a yield only when durable on four of six (I2)", () => {
    const c = openCluster("multi", ["w1", "w2"]);
    const [w1, w2] = [c.nodes.get("w1")!, c.nodes.get("w2")!];
    w1.volume.submit(entry(1, 1, [delta(0)]), c.now);
    c.flush("w1");
    runLinks(c, (from) => from === "w1"); // all six claim the page for stream 1
    w2.volume.submit(entry(2, 1, [delta(0)]), c.now);
    c.flush("w2");
    runLinks(c, (from) => from === "w2");
    for (const s of SERVERS.slice(0, 2)) c.deliver(`${s.name}>w2`);
    // Two wait for a higher stream: four may still accept, and five are needed.
    expect(w2.of("decided")[0]).toMatchObject({
      decision: "abort",
      cause: { winner: at(1, 1), yielded: true },
    });
    expect(w2.of("told")).toEqual([]);
    expect(w2.volume.abortTold(lsn(1))).toBe(false);
    runLinks(c, () => true);
    expect(w2.of("told")).toEqual([{ kind: "told", lsn: 1 }]);
    expect(w1.decisions().get(lsn(1))).toBe("commit");
    w2.volume.submit(entry(2, 2, [delta(0)], { supersedes: 1 }), c.now);
    c.flush("w2");
    runLinks(c, (from) => from === "w2");
    c.deliver(`${SERVERS[0]!.name}>w2`);
    expect(w2.of("decided")[1]!.cause!.yielded).toBeUndefined();
    expect(w2.of("told").map((t) => t.lsn)).toEqual([1, 2]);
  });

  test("an abort takes what was built on it along; commits keep LSN order", () => {
    const c = openCluster("multi", ["w1"]);
    const w1 = c.nodes.get("w1")!;
    w1.volume.submit(entry(1, 1, [delta(3)]), c.now);
    w1.volume.submit(entry(1, 2, [delta(3, at(1, 1))], { ownBases: [1] }), c.now);
    w1.volume.submit(entry(1, 3, [delta(4)]), c.now);
    w1.volume.submit(entry(1, 4, [delta(5)], { ownBases: [2] }), c.now);
    c.flush("w1");
    w1.volume.giveUp(lsn(1), at(9, 1), c.now);
    c.run(3);
    expect([...w1.decisions()]).toEqual([
      [1, "abort"],
      [2, "abort"],
      [4, "abort"],
      [3, "commit"],
    ]);
    expect(w1.volume.durable).toBe(4);
  });
});

describe("courtesy", () => {
  test("a page with a foreign waiter is held until its commit is seen, or 50 ms have passed", () => {
    const c = openCluster("multi", ["w1", "w2"]);
    const [w1, w2] = [c.nodes.get("w1")!, c.nodes.get("w2")!];
    w2.volume.submit(entry(2, 1, [delta(3)]), c.now);
    c.flush("w2");
    runLinks(c, (from) => from === "w2");
    w1.volume.submit(entry(1, 1, [delta(3)]), c.now);
    c.flush("w1");
    runLinks(c, (from) => from === "w1");
    w2.volume.submit(entry(2, 2, [delta(3, at(2, 1))], { ownBases: [1] }), c.now);
    c.flush("w2");
    for (const s of SERVERS) {
      c.deliver(`w2>${s.name}`);
      while (c.links.has(`${s.name}>w2`)) c.deliver(`${s.name}>w2`);
    }
    expect(w2.of("hold").flatMap((h) => h.pages)).toEqual([3]);
    expect(w2.of("release")).toEqual([]);
    w2.volume.foreignSeen(streamId(1), lsn(1));
    c.drain("w2");
    expect(w2.of("release").flatMap((r) => r.pages)).toEqual([3]);
  });
});
