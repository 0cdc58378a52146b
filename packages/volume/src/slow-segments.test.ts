/** One or two segments that answer late or not at all: what gathers for them, who waits for them, and how they come back (I7, I10). */
import { describe, expect, test } from "vitest";
import { lsn, pageId, pgId, ReadPoint, streamId, type NodeName } from "@sixfold/model";
import type { Append } from "@sixfold/wire";
import type { ServerStanding } from "./segment-care.ts";
import { at, delta, entry, openCluster, SERVERS, type TestCluster } from "./test-kit/test-cluster.ts";

const [A1, , , B2, C1, C2] = SERVERS.map((s) => s.name) as [
  NodeName,
  NodeName,
  NodeName,
  NodeName,
  NodeName,
  NodeName,
];
/** Small, so that some hundred entries are too much. */
const BOUND = 2048;

/** Delivers all that is not from or to these, until nothing is left. */
function runWithout(c: TestCluster, slow: readonly NodeName[]): void {
  for (let hasMoved = true; hasMoved;) {
    hasMoved = false;
    for (const key of [...c.links.keys()])
      if (!slow.some((name) => key.includes(name)) && c.deliver(key)) hasMoved = true;
  }
}

/** Submits entries from..to on pages of their own, one flush each, and runs all but `slow`. */
function write(c: TestCluster, from: number, to: number, slow: readonly NodeName[] = []): void {
  const { volume } = c.nodes.get("w1")!;
  for (let i = from; i <= to; i++) {
    const base = i > 20 ? at(1, i - 20) : undefined;
    volume.submit(entry(1, i, [delta(3 + (i % 20), base)], i > 20 ? { ownBases: [i - 20] } : {}), c.now);
    c.flush("w1");
    runWithout(c, slow);
  }
}

/** Slices that wait on the way to a segment. */
function waitingFor(c: TestCluster, server: NodeName): number {
  const queue = c.links.get(`w1>${server}`) ?? [];
  return queue.reduce((sum, { message: m }) => sum + (m.type === "append" ? m.slices.length : 0), 0);
}

function standing(c: TestCluster, server: NodeName): ServerStanding {
  const own = c.nodes.get("w1")!.volume.status()["own"] as { segments: Record<string, ServerStanding> };
  return own.segments[server]!;
}

const bounded = (mode: "single" | "multi", sendBytesMax = BOUND): TestCluster =>
  openCluster(mode, ["w1"], { settings: { sendBytesMax } });

const said = (c: TestCluster, event: string): number =>
  c.nodes
    .get("w1")!
    .of("log")
    .filter((e) => e.event === event).length;

describe.each(["single", "multi"] as const)("a segment that does not keep up, %s", (mode) => {
  test("is left to gossip at a bound; commits go on, and what gathers for it stays bounded (I10)", () => {
    const c = bounded(mode);
    write(c, 1, 100, [C2]);
    expect(c.nodes.get("w1")!.volume.durable).toBe(100);
    const gathered = waitingFor(c, C2);
    expect(standing(c, C2)).toMatchObject({ isUp: true, leftToGossip: 1 });
    expect(standing(c, A1)).toMatchObject({ behindBytes: 0, leftToGossip: 0 });
    expect(said(c, "segment-left-to-gossip")).toBe(1);
    write(c, 101, 300, [C2]);
    expect(c.nodes.get("w1")!.volume.durable).toBe(300);
    expect(waitingFor(c, C2)).toBe(gathered);
    expect(standing(c, C2).behindBytes).toBeGreaterThan(BOUND);
  });

  test("that was away gets with its slices the decisions it missed, from where it stands", () => {
    const c = bounded(mode);
    write(c, 1, 20);
    c.run(3);
    c.disconnect("w1", C2);
    write(c, 21, 40, [C2]);
    c.run(3);
    c.reconnect("w1", C2);
    let resent: Append | undefined;
    for (let i = 0; i < 100 && resent === undefined; i++) {
      const next = c.links
        .get(`w1>${C2}`)
        ?.find(({ message: m }) => m.type === "append" && m.slices.length > 0);
      if (next?.message.type === "append") resent = next.message;
      else c.step();
    }
    expect(resent?.slices[0]?.lsn).toBe(21);
    expect(resent?.decisions.from).toBeLessThanOrEqual(20);
    expect(resent?.decisions.through).toBe(40);
    c.run(3);
    expect(standing(c, C2)).toMatchObject({ behindBytes: 0 });
  });

  test("without the bound everything gathers for it", () => {
    const c = bounded(mode, Infinity);
    write(c, 1, 300, [C2]);
    expect(waitingFor(c, C2)).toBe(300);
  });

  test("is taken back once gossip has brought what it lacks, and is then of use again", () => {
    const c = bounded(mode);
    write(c, 1, 300, [C2]);
    // It hears what was sent before it was left, and is asked: it lacks too much still.
    c.run(60);
    expect(standing(c, C2).leftToGossip).toBe(1);
    const waited = c.segments.get(C2)!.stream(pgId(0), streamId(1)).scl;
    expect(waited).toBeLessThan(300);
    c.gossip();
    c.run(60);
    expect(standing(c, C2)).toMatchObject({ behindBytes: 0, leftToGossip: 0 });
    expect(said(c, "segment-taken-back")).toBe(1);
    // With two others out of reach four of six need it.
    write(c, 301, 310, [A1, B2]);
    expect(c.nodes.get("w1")!.volume.durable).toBe(310);
  });

  test("is left again when its link was lost meanwhile and it lacks too much", () => {
    const c = bounded(mode);
    c.disconnect("w1", C2);
    write(c, 1, 300);
    c.reconnect("w1", C2);
    c.run(2);
    expect(standing(c, C2)).toMatchObject({ isUp: true, leftToGossip: 1 });
    expect(waitingFor(c, C2)).toBe(0);
    c.disconnect("w1", C2);
    expect(standing(c, C2)).toMatchObject({ isUp: false, leftToGossip: 0 });
  });

  test("three that are slow are waited for, not left: only they can make a quorum (I7)", () => {
    const c = bounded(mode);
    const slow = [B2, C1, C2];
    write(c, 1, 300, slow);
    expect(c.nodes.get("w1")!.volume.durable).toBe(0);
    for (const server of slow) expect(standing(c, server)).toMatchObject({ behindBytes: 0, leftToGossip: 0 });
    c.run(2);
    expect(c.nodes.get("w1")!.volume.durable).toBe(300);
  });

  test("that is only slow is not sent twice what is on its way", () => {
    const c = bounded(mode, Infinity);
    write(c, 1, 50, [C2]);
    c.tick(600); // no progress for longer than `resendAfterMs`: it is asked
    const sent = waitingFor(c, C2);
    // Its answers to what was sent before the question come one by one.
    for (let i = 0; i < 10; i++) {
      c.deliver(`w1>${C2}`);
      while (c.deliver(`${C2}>w1`));
      c.flush("w1");
    }
    const here = c.segments.get(C2)!.stream(pgId(0), streamId(1));
    expect(here.scl).toBeGreaterThan(3);
    expect(waitingFor(c, C2)).toBe(sent - here.scl);
    c.run(2);
    expect(here.scl).toBe(50);
  });
});

test("what one PG keeps for a segment that is away is not at the cost of others", () => {
  const c = openCluster("single", ["w1"], { settings: { retainedBytesMax: 4096 } });
  const { volume } = c.nodes.get("w1")!;
  c.disconnect("w1", C2);
  volume.submit(entry(1, 1, [delta(64)]), c.now); // the second PG; c2 comes back before much has happened to it
  c.flush("w1");
  c.run(5);
  for (let i = 2; i <= 200; i++) {
    volume.submit(entry(1, i, [delta(3 + (i % 20))]), c.now);
    c.flush("w1");
    runWithout(c, []);
  }
  expect(volume.durable).toBe(200);
  expect((volume.status()["own"] as { keptBytes: number }).keptBytes).toBeLessThanOrEqual(4096);
  c.reconnect("w1", C2);
  c.run(5);
  // Without gossip: the busy PG dropped what c2 lacks, the quiet one did not.
  expect(c.segments.get(C2)!.stream(pgId(1), streamId(1)).scl).toBe(1);
  expect(c.segments.get(C2)!.stream(pgId(0), streamId(1)).scl).toBe(0);
});

describe("a page that passes between masters, with two slow segments", () => {
  /** w1 is to change a page of w2's, while c1 and c2 hear nothing. Returns how long that takes. */
  function transfer(known: boolean): number {
    const c = openCluster("multi", ["w1", "w2"]);
    const slow = [C1, C2];
    const w2 = c.nodes.get("w2")!;
    w2.volume.submit(entry(2, 1, [delta(3)]), c.now);
    c.flush("w2");
    c.run(2);
    if (known) {
      // Own pages commit on four; the other two are late by now.
      write(c, 1, 1, slow);
      for (let i = 0; i < 10; i++) {
        c.tick(10);
        runWithout(c, slow);
      }
    }
    const next = known ? 2 : 1;
    const { volume } = c.nodes.get("w1")!;
    volume.submit(entry(1, next, [delta(3, at(2, 1))]), c.now);
    c.flush("w1");
    const begun = c.now;
    while (volume.durable < next && c.now < begun + 2000) {
      runWithout(c, slow);
      c.tick(5);
    }
    return c.now - begun;
  }

  test("commits through the manifest without waiting for the timeout of those who are silent", () => {
    expect(transfer(false)).toBeLessThan(100);
    expect(transfer(true)).toBeLessThan(100);
  });
});

describe("reads", () => {
  const POINT = new ReadPoint(streamId(0), [[streamId(1), lsn(1)]]);

  /** One read, with answers of all but `slow` at once; how long it took. */
  function read(c: TestCluster, slow: readonly NodeName[]): number {
    const w = c.nodes.get("w1")!;
    const begun = c.now;
    const before = w.of("page").length;
    w.volume.readPage(pageId(3), POINT, c.now);
    c.drain("w1");
    runWithout(c, slow);
    while (w.of("page").length === before) {
      c.tick(10);
      runWithout(c, slow);
    }
    return c.now - begun;
  }

  test("hedge around a segment that does not answer, and then avoid it", () => {
    const c = openCluster("single", ["w1"]);
    c.nodes.get("w1")!.volume.submit(entry(1, 1, [delta(3)]), c.now);
    c.flush("w1");
    c.run(3);
    const slow = [B2, C1];
    const times = Array.from({ length: 300 }, () => {
      c.tick(1);
      return read(c, slow);
    });
    // Each is met once, and once more after each half second.
    expect(Math.max(...times)).toBeLessThanOrEqual(20);
    expect(times.filter((ms) => ms > 0).length).toBeLessThanOrEqual(4);
    const { hedges } = c.nodes.get("w1")!.volume.status() as { hedges: number };
    expect(hedges).toBeGreaterThan(0);
    // They answer again: all are asked in turn, and nothing is late.
    for (let i = 0; i < 60; i++) c.tick(10);
    c.run(2);
    for (let i = 0; i < 30; i++) read(c, []);
    const { hedges: later } = c.nodes.get("w1")!.volume.status() as { hedges: number };
    for (let i = 0; i < 60; i++) expect(read(c, [])).toBe(0);
    expect((c.nodes.get("w1")!.volume.status() as { hedges: number }).hedges).toBe(later);
  });
});
