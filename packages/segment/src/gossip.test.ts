import { lsn, nodeName, NONE, pageId, pagesPerPg, pgId, streamId } from "@sixfold/model";
import type { MergedHere } from "@sixfold/wire";
import { describe, expect, test } from "vitest";
import { encodePage } from "./page-image.ts";
import { Ring } from "./testing/ring.ts";
import {
  BenchSegment,
  chainOf,
  decided,
  GEOMETRY,
  KEEP,
  KEEP_AND_COPY,
  PG,
  point,
  slice,
  v,
} from "./testing/bench-segment.ts";

describe("gossip", () => {
  test("a segment that was away catches up without a writer: slices, decisions, closes; no vote is made", () => {
    const [a, b] = [new BenchSegment({ settings: KEEP }), new BenchSegment({ settings: KEEP })];
    a.append(chainOf(1, 5), { decisions: decided(0, 3, [3]) });
    const ring = new Ring([a, b]);
    ring.run(6);
    expect(b.vote(1, 3)).not.toBe("absent");
    expect(b.vote(1, 4), "undecided slices are left to the writer").toBe("absent");
    expect(b.read(1, point([1, 3]), [[1, 3]])).toEqual(a.read(1, point([1, 3]), [[1, 3]]));
    a.close(1, 3, 2, decided(3, 3));
    ring.run(6);
    expect(b.append(chainOf(1, 1))).toMatchObject([{ state: "fenced", decidedThrough: 5 }]); // 4 and 5 lie beyond the end
    expect((b.server.status()["machine"] as { votes: number }).votes).toBe(0);
  });

  describe("an abort that a recovery overruled, at a segment that was cut off with the writer", () => {
    const now = point([1, 6]);
    const pair = (): readonly [BenchSegment, BenchSegment] => {
      const [a, b] = [new BenchSegment({ settings: KEEP }), new BenchSegment({ settings: KEEP })];
      a.append(chainOf(1, 6), { decisions: decided(0, 5) });
      b.append(chainOf(1, 6), { decisions: decided(0, 6, [6]) });
      a.close(1, 6, 6, decided(5, 6));
      expect(a.read(1, now, [[1, 6]], [1])).toMatchObject({ kind: "page", version: v(1, 6) });
      return [a, b];
    };

    test("is put right by a peer that knows of the close, also for after a crash; until then readers who know of it are sent on", () => {
      const [a, b] = pair();
      expect(b.read(1, now, [[1, 6]], [1])).toEqual({ kind: "behind" });
      new Ring([a, b]).run(6);
      expect(b.read(1, now, [[1, 6]], [1])).toEqual(a.read(1, now, [[1, 6]]));
      b.crash();
      expect(b.read(1, now, [[1, 6]], [1])).toEqual(a.read(1, now, [[1, 6]]));
    });

    test("I8: is not kept because a peer tells of the end before it knows all that was decided", () => {
      const [cutOff, peer] = [new BenchSegment({ settings: KEEP }), new BenchSegment({ settings: KEEP })];
      // None builds on another: what became of the sixth tells nothing of those before.
      const apart = [1, 2, 3, 4, 5, 6].map((n) => slice({ stream: 1, lsn: n, writes: [[n, NONE]] }));
      cutOff.append(apart, { decisions: decided(0, 6, [6]) });
      peer.append(apart, { decisions: decided(0, 3) });
      peer.close(1, 6, 6, decided(5, 6));
      const ring = new Ring([cutOff, peer]);
      ring.tamper = (m) => (m.type === "pulledSlices" && m.closed === undefined ? { ...m, request: 0 } : m);
      ring.run(6);
      expect(cutOff.read(6, now, [[1, 6]], [1])).toEqual({ kind: "behind" });
      ring.tamper = (m) => m;
      ring.run(20);
      expect(cutOff.read(6, now, [[1, 6]], [1])).toMatchObject({ kind: "page", version: v(1, 6) });
    });

    test("is put right by the manifest's word, also for after a crash, if the end was known before", () => {
      const [a, b] = pair();
      b.close(1, 6, 6, decided(6, 6));
      b.close(1, 6, 6, decided(5, 6));
      expect(b.read(1, now, [[1, 6]])).toEqual(a.read(1, now, [[1, 6]]));
      b.crash();
      expect(b.read(1, now, [[1, 6]])).toEqual(a.read(1, now, [[1, 6]]));
    });
  });

  test("when peers have merged past it, a segment copies pages, then goes on by slices; and it survives a crash", () => {
    const [a, b] = [new BenchSegment(), new BenchSegment({ settings: KEEP })];
    a.append(chainOf(1, 30), { decisions: decided(0, 30), lowWater: point([1, 28]) });
    a.tick();
    const ring = new Ring([a, b]);
    ring.run(8);
    const now = point([1, 30]);
    expect(b.said).toContain("segment-copied");
    expect(b.read(1, now, [[1, 30]])).toEqual(a.read(1, now, [[1, 30]]));
    b.crash();
    expect(b.read(1, now, [[1, 30]])).toEqual(a.read(1, now, [[1, 30]]));
    expect(b.append([slice({ stream: 1, lsn: 31, writes: [[1, v(1, 30)]] })])).toMatchObject([
      { scl: 31, votes: [] },
    ]);
  });

  test("pages are copied only if no peer that is ahead has the slices any more", () => {
    const [a, b, c] = [
      new BenchSegment(),
      new BenchSegment({ settings: KEEP }),
      new BenchSegment({ settings: KEEP }),
    ];
    // It is ahead of all, and so asked first.
    a.append(chainOf(1, 31), { decisions: decided(0, 31), lowWater: point([1, 28]) });
    c.append(chainOf(1, 30), { decisions: decided(0, 30) });
    for (const s of [a, b, c]) s.tick();
    new Ring([a, b, c]).run(12);
    expect(b.read(1, point([1, 31]), [[1, 31]])).toEqual(a.read(1, point([1, 31]), [[1, 31]]));
    expect(b.said).not.toContain("segment-copied");
  });

  test("a peer that can only give pages is copied from after two rounds, counted anew when its link has been down", () => {
    const s = new BenchSegment({ settings: KEEP });
    const [stream, peer] = [streamId(1), { role: "segment", name: nodeName("segment-b1") } as const];
    // What it asks for when it hears on this link that the peer has all up to `at`, and has merged it.
    const copy = (link: number, at: number) => {
      const there = { stream, scl: lsn(at), decidedThrough: lsn(at), closed: false };
      const said = s.say(link, { type: "positions", pg: PG, streams: [there] });
      const { request } = said.find((m) => m.type === "pullSlices")!;
      const nothing = { slices: [], decisions: decided(at, at), mergedThrough: lsn(at), closed: undefined };
      const answer = { type: "pulledSlices", request, pg: PG, stream, ...nothing } as const;
      return s.say(link, answer).find((m) => m.type === "pullPages");
    };
    s.server.peerUp({ link: 12, ...peer }, s.now);
    expect(copy(12, 9)).toBeUndefined();
    s.now += 1000;
    s.server.peerDown(12, s.now);
    s.server.peerUp({ link: 13, ...peer }, s.now);
    expect(copy(13, 9)).toBeUndefined();
    s.now += 399;
    expect(copy(13, 9)).toBeUndefined();
    s.now += 1;
    const { request } = copy(13, 9)!;
    const merged = [{ stream, through: lsn(9), tail: lsn(9) }];
    const all = { pages: [], next: undefined, merged, settledThrough: streamId(0) };
    s.say(13, { type: "pulledPages", request, pg: PG, ...all });
    expect(s.said).toContain("segment-copied");
    expect(copy(13, 20), "and anew for the next copy").toBeUndefined();
  });

  test("I8: a segment with a damaged page gives no copy that would pass for whole", () => {
    const a = new BenchSegment({ settings: { scrubPagesPerTick: 0 } });
    const b = new BenchSegment({ settings: KEEP });
    a.append([...chainOf(1, 9), slice({ stream: 1, lsn: 10, writes: [[2, NONE]] })], {
      decisions: decided(0, 10),
      lowWater: point([1, 10]),
    });
    a.tick();
    a.pages.get(pageId(2))![70]! ^= 1;
    const ring = new Ring([a, b]);
    ring.run(30);
    expect(
      a.said.filter((event) => event === "page-corrupt"),
      "said once",
    ).toHaveLength(1);
    expect(b.said).not.toContain("segment-copied");
    expect(b.read(1, point([1, 10]), [[1, 10]]).kind).toBe("behind");
  });

  test("an answer to one PG's copy that brings nothing to store does not keep the next PG's waiting", () => {
    const s = new BenchSegment({ settings: KEEP_AND_COPY });
    s.server.peerUp({ link: 12, role: "segment", name: nodeName("segment-b1") }, s.now);
    s.server.peerUp({ link: 13, role: "segment", name: nodeName("segment-b2") }, s.now);
    const at = { stream: streamId(1), through: lsn(5), tail: lsn(5) };
    const known = { stream: at.stream, scl: lsn(5), decidedThrough: lsn(5), closed: false };
    const pgs = [0, 1, 2].map(pgId);
    const linkOf = (pg: number): number => (pg === 2 ? 13 : 12);
    const pulls = pgs
      .flatMap((pg) => s.say(linkOf(pg), { type: "positions", pg, streams: [known] }))
      .filter((m) => m.type === "pullSlices");
    const asked = pulls.flatMap(({ request, pg }) => {
      const [slices, decisions] = [[], decided(5, 5)];
      const { stream, through: mergedThrough } = at;
      const nothing = { request, pg, stream, slices, decisions, mergedThrough, closed: undefined };
      return s.say(linkOf(pg), { type: "pulledSlices", ...nothing }).filter((m) => m.type === "pullPages");
    });
    expect(asked.map(({ pg }) => pg)).toEqual(pgs);
    const image = new Uint8Array(GEOMETRY.pageBytes);
    const merged = new Map([[at.stream, 5]]);
    // All answers come while the first one's page is on its way to the store.
    for (const { request, pg } of asked) {
      const page = pageId(pg * pagesPerPg(GEOMETRY));
      const stored = encodePage(page, { version: v(1, 5), base: NONE, merged, image });
      const pages = pg === 1 ? [] : [{ page, stored }];
      const answer = {
        type: "pulledPages",
        request,
        pg,
        pages,
        next: undefined,
        merged: [at],
        settledThrough: streamId(0),
      } as const;
      s.server.receive(linkOf(pg), answer, s.now);
    }
    s.drain();
    expect(s.said.filter((event) => event === "segment-copied")).toHaveLength(3);
  });

  test("claims of slices that a copy covers are free", () => {
    const [a, b] = [new BenchSegment(), new BenchSegment({ settings: KEEP })];
    const aborted = chainOf(1, 2);
    const others = [3, 4, 5].map((n) => slice({ stream: 1, lsn: n, writes: [[n, NONE]] }));
    b.append(aborted);
    a.append([...aborted, ...others], { decisions: decided(0, 5, [1, 2]), lowWater: point([1, 5]) });
    a.tick();
    b.append([slice({ stream: 2, lsn: 1, writes: [[1, NONE]] })]);
    expect(b.vote(2, 1)).toBe("wait 1:1");
    new Ring([a, b]).run(12);
    expect(b.said).toContain("segment-copied");
    expect(b.vote(2, 1)).toBe("accept");
  });

  test("I2: what is in a copied page already is not rejected by what came after it there", () => {
    const [a, b] = [new BenchSegment(), new BenchSegment({ settings: KEEP_AND_COPY })];
    const first = slice({ stream: 1, lsn: 1, writes: [[1, NONE]] });
    const passed = slice({ stream: 2, lsn: 1, writes: [[1, v(1, 1)]] });
    const lowWater = point([1, 1], [2, 1], [3, 1]);
    a.append([first], { decisions: decided(0, 1), lowWater });
    a.append([passed], { decisions: decided(0, 1), lowWater });
    a.append([slice({ stream: 3, lsn: 1, writes: [[1, v(2, 1)]] })], { decisions: decided(0, 1), lowWater });
    a.tick();
    b.append([first], { decisions: decided(0, 1) });
    b.append([passed]);
    const ring = new Ring([a, b]);
    // The positions are those of the copy's first answer: pages that come later may be further, and 2:1 in this one.
    ring.tamper = (m) =>
      m.type === "pulledPages" ? { ...m, merged: m.merged.filter((s) => s.stream !== 2) } : m;
    while (!b.said.includes("segment-copied")) ring.run(1);
    b.append([slice({ stream: 3, lsn: 2, writes: [[1, v(3, 1)]] })], { decisions: decided(1, 2) });
    expect(b.vote(2, 1)).toBe("accept");
  });

  test("I2: what builds on a version that is in a copied page already is not rejected by that version", () => {
    const [a, b] = [new BenchSegment(), new BenchSegment({ settings: KEEP })];
    const lowWater = point([1, 3], [2, 1]);
    a.append(chainOf(1, 3), { decisions: decided(0, 3), lowWater });
    a.append([slice({ stream: 2, lsn: 1, writes: [[2, NONE]] })], { decisions: decided(0, 1), lowWater });
    a.tick();
    b.append(chainOf(1, 3), { decisions: decided(0, 1) });
    const ring = new Ring([a, b]);
    ring.tamper = (m) => {
      if (m.type === "pulledPages") return { ...m, merged: m.merged.filter((s) => s.stream !== 1) };
      return m.type === "pulledSlices" && m.stream === 1 ? { ...m, decisions: decided(0, 1), slices: [] } : m;
    };
    while (!b.said.includes("segment-copied")) ring.run(1);
    b.append([slice({ stream: 1, lsn: 4, writes: [[1, v(1, 3)]] })], { decisions: decided(0, 1) });
    expect(b.vote(1, 4)).toBe("accept");
    b.decide(1, decided(1, 4));
    expect(b.read(1, point([1, 4], [2, 1]), [[1, 4]])).toMatchObject({ kind: "page", version: v(1, 4) });
  });

  test("a damaged page is said to be so, and mended from a peer", () => {
    const [a, b] = [new BenchSegment(), new BenchSegment({ settings: { scrubPagesPerTick: 0 } })];
    for (const s of [a, b]) {
      s.append(chainOf(1, 3), { decisions: decided(0, 3), lowWater: point([1, 3]) });
      s.tick();
    }
    const good = b.read(1, point([1, 3]), [[1, 3]]);
    b.pages.get(pageId(1))![60]! ^= 1;
    b.crash();
    const ring = new Ring([a, b]);
    expect(b.read(1, point([1, 3]), [[1, 3]]).kind).toBe("corrupt");
    ring.run(1);
    b.read(1, point([1, 3]), [[1, 3]]);
    ring.deliver();
    expect(b.said).toContain("page-corrupt");
    expect(b.read(1, point([1, 3]), [[1, 3]])).toEqual(good);
    expect([good.kind, b.pages.get(pageId(1))]).toEqual(["page", a.pages.get(pageId(1))]);
  });

  test("a page is never mended into an older one: a peer that has merged less gives what it knows, one that knows less gives nothing (I1)", () => {
    const lost = new BenchSegment({ settings: { scrubPagesPerTick: 0 } });
    const unmerged = new BenchSegment({ settings: KEEP });
    const behind = new BenchSegment();
    lost.append(chainOf(1, 3), { decisions: decided(0, 3), lowWater: point([1, 3]) });
    unmerged.append(chainOf(1, 3), { decisions: decided(0, 3), lowWater: point([1, 3]) });
    behind.append(chainOf(1, 2), { decisions: decided(0, 2), lowWater: point([1, 2]) });
    for (const s of [lost, behind]) s.tick();
    const good = lost.read(1, point([1, 3]), [[1, 3]]);
    lost.pages.get(pageId(1))![60]! ^= 1;
    lost.crash();
    const ring = new Ring([lost, unmerged]);
    lost.read(1, point([1, 3]), [[1, 3]]);
    // Its slices are merged, and still in its log.
    const asked = lost.heard.map(({ message }) => message).filter((m) => m.type === "pullPages");
    expect(asked.map(({ mends }) => mends?.streams)).toEqual([[{ stream: 1, through: 3 }]]);
    ring.deliver();
    expect(lost.read(1, point([1, 3]), [[1, 3]])).toEqual(good);
    behind.server.peerUp({ link: 12, role: "segment", name: nodeName("segment-b1") }, behind.now);
    const streams = (through: number): MergedHere["streams"] => [
      { stream: streamId(1), through: lsn(through) },
    ];
    const answersTo = (through: number): number => {
      const mends = { settledThrough: streamId(0), streams: streams(through) };
      const question = { request: 1, pg: pgId(0), from: pageId(1), limit: 1, mends };
      return behind.say(12, { type: "pullPages", ...question }).length;
    };
    expect([answersTo(2), answersTo(3)]).toEqual([1, 0]);
  });
});
