/** What a segment server does unasked costs no more than it must. */
import { lsn, nodeName, NONE, pageId, pagesPerPg, pgId } from "@sixfold/model";
import type { StorageMessage } from "@sixfold/wire";
import { describe, expect, test } from "vitest";
import { BenchSegment, decided, GEOMETRY, KEEP, point, slice, v } from "./testing/bench-segment.ts";

const PEER = 12;

/** A server with a peer and some PGs, each with a page. */
function wide(pgs: number, settings = {}): BenchSegment {
  const s = new BenchSegment({ settings: { ...KEEP, ...settings } });
  s.server.peerUp({ link: PEER, role: "segment", name: nodeName("segment-b1") }, s.now);
  for (let pg = 0; pg < pgs; pg++)
    s.append([slice({ stream: 1, lsn: pg + 1, back: 0, pg, writes: [[pg * pagesPerPg(GEOMETRY), NONE]] })], {
      pg: pgId(pg),
    });
  return s;
}

/** The PGs whose positions the peer is told in some rounds. */
function told(s: BenchSegment, rounds: number): number[] {
  s.heard.length = 0;
  for (let i = 0; i < rounds; i++) s.tick(200);
  const positions = s.heard.flatMap(({ to, message }) =>
    to === PEER && message.type === "positions" ? [message] : [],
  );
  return positions.map(({ pg }) => Number(pg));
}

describe("gossip", () => {
  test("tells the positions of a PG once, and is silent until something happens there", () => {
    const s = wide(20);
    const first = told(s, 10);
    expect(new Set(first).size).toBe(20);
    expect(first.length).toBeLessThan(23);
    expect(told(s, 50).length).toBeLessThan(10);
    const [page, base] = [7 * pagesPerPg(GEOMETRY), v(1, 8)];
    s.append([slice({ stream: 1, lsn: 100, back: 8, pg: 7, writes: [[page, base]] })], { pg: pgId(7) });
    expect(told(s, 3).filter((pg) => pg === 7)).toEqual([7]);
  });

  test("looks at each PG once in a while all the same", () => {
    const s = wide(20);
    told(s, 10);
    expect(new Set(told(s, 320)).size).toBe(20);
  });

  test("tells a new link everything", () => {
    const s = wide(5);
    told(s, 10);
    s.server.peerDown(PEER, s.now);
    s.server.peerUp({ link: PEER, role: "segment", name: nodeName("segment-b1") }, s.now);
    expect(told(s, 2).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
  });

  test("goes on asking for what a peer has and this server lacks, however long the peer is silent", () => {
    const s = wide(2);
    const { stream } = slice({ stream: 1, lsn: 1 });
    const ahead = {
      type: "positions",
      pg: pgId(1),
      streams: [{ stream, scl: 9, decidedThrough: 9, closed: false }],
    };
    s.server.peerDown(1, s.now);
    s.say(PEER, ahead as StorageMessage);
    s.heard.length = 0;
    for (let i = 0; i < 60; i++) s.tick(200);
    expect(s.heard.filter(({ message }) => message.type === "pullSlices").length).toBeGreaterThan(5);
  });
});

describe("a copier", () => {
  const COPIER = 13;
  const pull = {
    type: "pullPages",
    request: 1,
    pg: pgId(0),
    from: pageId(0),
    limit: 10,
    mends: undefined,
  } as const;

  /** A server with one stored page of the PG, and a copier of a peer beside the peer itself. */
  function asked(): BenchSegment {
    const s = wide(1, { mergeAboveBytes: 0, scrubPagesPerTick: 0 });
    s.server.peerUp({ link: COPIER, role: "copier", name: nodeName("segment-b1") }, s.now);
    s.decide(1, decided(0, 1), { lowWater: point([1, 1], [2, 99]) });
    s.tick();
    s.heard.length = 0;
    return s;
  }
  const heard = (s: BenchSegment): string[] => s.heard.map(({ to, message }) => `${to} ${message.type}`);

  test("is given pages on its link, and on the common one that there are no more, before what was said since", () => {
    const s = asked();
    s.say(COPIER, pull);
    s.say(COPIER, { ...pull, request: 2, from: pageId(1) });
    s.sync();
    expect(heard(s)).toEqual([`${COPIER} pulledPages`, `${PEER} pulledPages`, `${PEER} positions`]);
    const next = s.heard.map(({ message }) => message.type === "pulledPages" && message.next);
    expect(next).toEqual([pageId(1), undefined, false]);
  });

  test("finds all that lies beyond the pages it was given, though it has not said yet what it has", () => {
    const s = asked();
    s.say(COPIER, pull);
    const next = slice({ stream: 1, lsn: 2, back: 1, writes: [[0, v(1, 1)]] });
    s.append([next], { decisions: decided(1, 2), lowWater: point([1, 2], [2, 99]) });
    for (let i = 0; i < 3; i++) s.tick();
    const after = { pg: pgId(0), stream: next.stream, after: lsn(1), through: lsn(2) };
    const answers = s.say(PEER, { type: "pullSlices", request: 3, ...after });
    expect(answers).toMatchObject([{ type: "pulledSlices", mergedThrough: 1, slices: [{ lsn: 2 }] }]);
  });

  test("is not told the end if the common link is gone", () => {
    const s = asked();
    s.server.peerDown(PEER, s.now);
    s.say(COPIER, { ...pull, from: pageId(1) });
    s.sync();
    expect(heard(s)).toEqual([]);
  });

  test("looks at checksums itself; who asks on the common link has them looked at", () => {
    const s = asked();
    s.pages.get(pageId(0))![40]! ^= 1;
    s.say(COPIER, pull);
    expect(heard(s)[0]).toBe(`${COPIER} pulledPages`);
    s.heard.length = 0;
    s.say(PEER, pull);
    expect(heard(s)).not.toContain(`${PEER} pulledPages`);
  });

  test("asks for pages and says nothing else, and is no peer that gossips", () => {
    const s = asked();
    s.say(COPIER, { type: "manifestPeek", request: 3 });
    expect(heard(s)).toEqual([]);
    s.server.peerDown(COPIER, s.now);
    s.append([slice({ stream: 1, lsn: 2, back: 1, writes: [[0, v(1, 1)]] })]);
    expect(told(s, 3)).toEqual([0]);
    expect(s.heard.every(({ to }) => to !== COPIER)).toBe(true);
  });
});

describe("copied pages that come while the store is busy", () => {
  test("wait, one answer a PG: the one that was asked for last (I10)", () => {
    const settings = { mergeAboveBytes: 0, scrubPagesPerTick: 0, pullTimeoutMs: 1000, imageCacheBytes: 0 };
    const [s, peer] = [wide(1, settings), wide(1, settings)];
    const page = 0;
    const low = point([1, 1], [2, 99]);
    for (const one of [s, peer]) {
      one.decide(1, decided(0, 1), { lowWater: low });
      one.tick();
    }
    s.pages.get(pageId(page))![60]! ^= 1;
    // A batch that takes long.
    s.autoStore = false;
    for (const one of [s, peer]) {
      one.append([slice({ stream: 2, lsn: 1, writes: [[1, NONE]] })], { lowWater: low });
      one.decide(2, decided(0, 1), { lowWater: low });
      one.tick();
    }
    const answersWaiting = (): unknown => s.server.status()["copyAnswersWaiting"];
    for (let i = 0; i < 20; i++) {
      s.heard.length = 0;
      expect(s.read(page, low).kind).toBe("corrupt");
      const asked = s.heard.find(({ message }) => message.type === "pullPages")!;
      const [answer] = peer.say(PEER, asked.message);
      s.say(PEER, answer!);
      s.say(PEER, answer!);
      expect(answersWaiting()).toBe(1);
      // The last is still waited for.
      if (i < 19) s.tick(1001);
    }
    s.store();
    s.drain();
    s.store();
    expect(answersWaiting()).toBe(0);
    expect(s.read(page, low)).toEqual(peer.read(page, low));
  });
});

describe("scrub", () => {
  const PASS_MS = 100_000;
  const counters = (s: BenchSegment): Record<string, number> =>
    s.server.status()["machine"] as Record<string, number>;

  test("goes once through the store in the set time, not more often, and not in one step after a stop", () => {
    const s = wide(1, { mergeAboveBytes: 0, scrubPassMs: PASS_MS, scrubPagesPerTick: 4 });
    for (let page = 1; page <= 50; page++)
      s.append([slice({ stream: 2, lsn: page, writes: [[page, NONE]] })], {
        lowWater: point([1, 1], [2, 50]),
      });
    s.decide(1, decided(0, 1), { lowWater: point([1, 1], [2, 50]) });
    s.decide(2, decided(0, 50), { lowWater: point([1, 1], [2, 50]) });
    s.tick();
    expect(s.pages.size).toBe(51);
    const before = counters(s)["pagesScrubbed"]!;
    for (let ms = 0; ms < PASS_MS; ms += 500) s.tick(500);
    const inOnePass = counters(s)["pagesScrubbed"]! - before;
    expect(inOnePass).toBeGreaterThan(48);
    expect(inOnePass).toBeLessThan(54);
    s.tick(PASS_MS * 5);
    expect(counters(s)["pagesScrubbed"]! - before - inOnePass).toBeLessThan(5);
  });

  test("finds a page that was stored under another's id, and has it mended", () => {
    const s = wide(1, { mergeAboveBytes: 0, scrubPassMs: 1000 });
    s.append([slice({ stream: 2, lsn: 1, writes: [[1, NONE]] })]);
    s.decide(1, decided(0, 1), { lowWater: point([1, 1], [2, 1]) });
    s.decide(2, decided(0, 1), { lowWater: point([1, 1], [2, 1]) });
    for (let i = 0; i < 3; i++) s.tick();
    s.pages.set(pageId(1), s.pages.get(pageId(0))!.slice());
    s.heard.length = 0;
    for (let i = 0; i < 100; i++) s.tick();
    expect(s.said).toContain("page-corrupt");
    expect(counters(s)["pagesDamaged"]).toBe(1);
    expect(s.heard.map(({ message }) => message.type)).toContain("pullPages");
  });

  test("an image older than the one that was stored last is not read, nor built on", () => {
    const s = wide(1, { mergeAboveBytes: 0, imageCacheBytes: 0, scrubPagesPerTick: 0 });
    const [low, next] = [point([1, 1]), point([1, 2])];
    s.decide(1, decided(0, 1), { lowWater: low });
    s.tick();
    const older = s.pages.get(pageId(0))!.slice();
    s.append([slice({ stream: 1, lsn: 2, writes: [[0, v(1, 1)]] })]);
    s.decide(1, decided(0, 2), { lowWater: next });
    s.tick();
    expect(s.read(0, next)).toMatchObject({ kind: "page", version: v(1, 2) });
    s.pages.set(pageId(0), older);
    expect(s.read(0, next)).toEqual({ kind: "corrupt" });
    s.append([slice({ stream: 1, lsn: 3, writes: [[0, v(1, 2)]] })]);
    s.decide(1, decided(0, 3), { lowWater: point([1, 3]) });
    s.tick();
    s.tick();
    expect(s.pages.get(pageId(0))).toEqual(older);
    expect(s.said).toContain("page-corrupt");
  });
});
