import { lsn, nodeName, NONE, pageId, pgId, ReadPoint, streamId, type Slice } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import {
  BenchSegment,
  chainOf,
  decided,
  KEEP,
  MANIFEST,
  PG,
  point,
  slice,
  v,
} from "./testing/bench-segment.ts";

describe("append", () => {
  test("a resend is acknowledged again, with the same votes", () => {
    const s = new BenchSegment();
    s.append([slice({ stream: 1, lsn: 1, writes: [[1, NONE]] })]);
    const mine = [
      slice({ stream: 2, lsn: 1, writes: [[1, NONE]] }),
      slice({ stream: 2, lsn: 2, writes: [[2, NONE]] }),
    ];
    const [first] = s.append(mine).filter((a) => a.stream === 2);
    const [again] = s.append(mine).filter((a) => a.stream === 2);
    expect(again).toEqual({ ...first, waiting: [] });
    expect(again?.votes).toHaveLength(1);
  });

  test("a gap is answered with the SCL and nothing is taken", () => {
    const s = new BenchSegment();
    const [one, , three] = chainOf(1, 3);
    s.append([one!]);
    expect(s.append([three!])).toMatchObject([{ scl: 1, votes: [] }]);
    expect(s.vote(1, 3)).toBe("absent");
  });

  test("a writer that comes on a new link hears every undecided vote again", () => {
    const s = new BenchSegment();
    s.append([slice({ stream: 1, lsn: 1, writes: [[1, NONE]] })]);
    s.append([slice({ stream: 2, lsn: 1, writes: [[1, NONE]] })]);
    expect(s.append([], { of: 2, link: 7 })).toMatchObject([
      { acceptedFrom: 0, scl: 1, votes: [{ lsn: 1 }] },
    ]);
    expect(s.append([], { of: 2, link: 7 })).toMatchObject([{ acceptedFrom: 1, votes: [] }]);
  });

  test("an exclusive stream's slices count as accepted, without a vote", () => {
    const s = new BenchSegment();
    expect(s.append(chainOf(1, 3), { exclusive: true })).toMatchObject([
      { scl: 3, acceptedFrom: 0, votes: [] },
    ]);
    expect((s.server.status()["machine"] as { votes: number }).votes).toBe(0);
  });

  test("nothing is said before the sync (I1), also of a resend under way", () => {
    const s = new BenchSegment();
    s.autoSync = false;
    expect(s.append(chainOf(1, 1))).toEqual([]);
    expect(s.append(chainOf(1, 1))).toEqual([]);
    s.sync();
    expect(s.heard.map((h) => h.message.type)).toEqual(["ack", "ack"]);
  });

  test("a full disk takes nothing and says so (I10)", () => {
    const s = new BenchSegment();
    s.server.diskFull(true);
    expect(s.append(chainOf(1, 1))).toMatchObject([{ state: "full", scl: 0 }]);
    s.server.diskFull(false);
    expect(s.append(chainOf(1, 1))).toMatchObject([{ state: "ok", scl: 1 }]);
  });

  test("a hole in the decided range stays one until it is filled", () => {
    const s = new BenchSegment({ settings: KEEP });
    s.append(chainOf(1, 4));
    expect(s.decide(1, decided(2, 4))).toMatchObject([{ decidedThrough: 4 }]); // 3 and 4 build on 1 and 2
    const apart = new BenchSegment({ settings: KEEP });
    apart.append([1, 2, 3, 4].map((n) => slice({ stream: 1, lsn: n, writes: [[n, NONE]] })));
    expect(apart.decide(1, decided(2, 4))).toMatchObject([{ decidedThrough: 0 }]);
    expect(apart.decide(1, decided(0, 2, [2]))).toMatchObject([{ decidedThrough: 4 }]);
    expect(apart.read(2, point([1, 4]), [[1, 4]]).kind).toBe("empty");
  });
});

describe("peers that break the protocol are refused, and nothing else is harmed", () => {
  const bad: readonly (readonly [string, (s: BenchSegment) => void])[] = [
    [
      "a slice of another stream",
      (s) =>
        s.append([slice({ stream: 2, lsn: 2, back: 1, writes: [[1, NONE]] })], {
          stream: streamId(1),
        }),
    ],
    ["a base that is not earlier", (s) => s.append([slice({ stream: 1, lsn: 2, writes: [[1, v(1, 2)]] })])],
    [
      "slices out of order",
      (s) => s.append([slice({ stream: 1, lsn: 3, back: 2 }), slice({ stream: 1, lsn: 2, back: 1 })]),
    ],
    ["page 9999 is not in PG 0", (s) => s.append([slice({ stream: 1, lsn: 2, writes: [[9999, NONE]] })])],
    [
      "slice 5 follows 0, not 1",
      (s) => s.append([slice({ stream: 1, lsn: 5, back: 0, writes: [[1, NONE]] })]),
    ],
    ["there is no PG 70000000", (s) => s.append([], { pg: pgId(70_000_000) })],
    [
      "positions comes from segment servers only",
      (s) => s.say(1, { type: "positions", pg: PG, streams: [] }),
    ],
    [
      "pageRead is not for segment servers",
      (s) => s.say(1, { type: "pageRead", request: 1, pg: PG, page: pageId(1), answer: { kind: "empty" } }),
    ],
  ];
  for (const [reason, act] of bad)
    test(reason, () => {
      const s = new BenchSegment();
      s.append(chainOf(1, 1));
      act(s);
      expect(s.refused).toEqual([reason]);
      expect(s.vote(1, 1)).toBe("accept");
      expect(s.append([slice({ stream: 1, lsn: 2, writes: [[1, v(1, 1)]] })])).toMatchObject([{ scl: 2 }]);
    });
});

describe("fence and close", () => {
  /** Stream 1 is closed, merged, settled, and forgotten. */
  const settledAndGone = (settings: { readonly outcomesKept?: number } = {}): BenchSegment => {
    const s = new BenchSegment({ settings });
    s.append(chainOf(1, 2), { decisions: decided(0, 2) });
    s.close(1, 2, 2, decided(2, 2));
    for (let i = 0; i < 3; i++) {
      s.append([], { of: 2, lowWater: point([1, 2]) });
      s.tick();
    }
    s.append([], { of: 2, lowWater: new ReadPoint(streamId(1)) });
    return s;
  };

  const takenAfterFence = (planted: readonly "fence-ignored"[]) => {
    const s = new BenchSegment({ planted });
    s.append(chainOf(1, 1));
    s.fence(1);
    const [ack] = s.append([slice({ stream: 1, lsn: 2, writes: [[1, v(1, 1)]] })], {
      decisions: decided(0, 1),
    });
    return [ack?.state, ack?.scl, ack?.decidedThrough];
  };
  test("I6: after its fence a stream appends and decides nothing; planted, it does", () => {
    expect(takenAfterFence([])).toEqual(["fenced", 1, 0]);
    expect(takenAfterFence(["fence-ignored"])).toEqual(["ok", 2, 1]);
  });

  test("I6: a fence outlives a crash, also of a stream never heard of", () => {
    const s = new BenchSegment();
    s.fence(4);
    s.crash();
    expect(s.append(chainOf(4, 1))).toMatchObject([{ state: "fenced", scl: 0 }]);
  });

  test("the answer holds undecided slices with votes, facts, aborts, and what they can conflict with", () => {
    const s = new BenchSegment({ settings: KEEP });
    s.append(chainOf(1, 3), { decisions: decided(0, 2, [2]) });
    s.append([slice({ stream: 2, lsn: 1, writes: [[1, NONE]] })]);
    const answer = s.fence(2);
    expect(answer).toMatchObject({
      scl: 1,
      decidedThrough: 0,
      tail: 0,
      slices: [{ vote: { kind: "reject" }, decision: undefined }],
    });
    expect(answer.committed).toEqual([{ page: 1, base: NONE, version: v(1, 1) }]);
    expect(s.fence(1)).toMatchObject({
      decidedThrough: 2,
      tail: 1,
      aborts: [2],
      slices: [{ slice: { lsn: 3 }, vote: { kind: "void" } }],
    });
  });

  test("of a page's many versions those are told that follow a base in use, here or where it was asked for", () => {
    const s = new BenchSegment({ settings: KEEP });
    s.append(chainOf(1, 50), { decisions: decided(0, 50) });
    s.append([slice({ stream: 2, lsn: 1, writes: [[1, v(1, 30)]] })]);
    const after30 = { page: 1, base: v(1, 30), version: v(1, 31) };
    expect(s.fence(2).committed).toEqual([after30]);
    expect(s.fence(3).committed).toEqual([]);
    const uses = [40, 50].map((at) => ({ page: pageId(1), base: v(1, at) }));
    expect(s.fence(3, uses).committed).toEqual([{ page: 1, base: v(1, 40), version: v(1, 41) }]);
  });

  test("an entry may have more pages than a call takes arguments (I10)", () => {
    const geometry = { pageBytes: 4096, segmentBytes: 4096 * 200_000 };
    const s = new BenchSegment({ settings: { ...KEEP, geometry } });
    const checks = Array.from({ length: 200_000 }, (_, page) => [page, NONE] as const);
    s.append([slice({ stream: 1, lsn: 1, checks })]);
    expect(s.fence(1)).toMatchObject({ scl: 1, slices: [{ vote: { kind: "accept" } }] });
  });

  test("close overrides an abort that a writer could not make known, and says what is missing", () => {
    const s = new BenchSegment({ settings: KEEP });
    s.append(chainOf(1, 1), { decisions: decided(0, 0, [], [1]) });
    expect(s.close(1, 2, 2, decided(0, 2))).toBe(false);
    s.crash();
    expect(s.read(1, point([1, 1]), [[1, 1]])).toMatchObject({ kind: "page", version: v(1, 1) });
    const whole = new BenchSegment();
    whole.append(chainOf(1, 3));
    expect(whole.close(1, 2, 2, decided(0, 2))).toBe(true);
    expect(whole.append([slice({ stream: 2, lsn: 1, writes: [[1, v(1, 2)]] })]).at(-1)?.votes).toEqual([]);
  });

  test("a close that says nothing of entries without a slice here leaves no gap for ever, nor after a restart (I7)", () => {
    const s = new BenchSegment({ settings: KEEP });
    const written = (lsn: number, back: number): Slice =>
      slice({ stream: 1, lsn, back, writes: [[1, back === 0 ? NONE : v(1, back)]] });
    // 2 and 5 lie in another PG, where their decisions were known; 4 was given up, which nobody here has heard.
    s.append([written(1, 0), written(3, 1), written(4, 3)], { decisions: decided(0, 1) });
    expect(s.close(1, 5, 3, decided(2, 3))).toBe(true);
    expect(s.append([slice({ stream: 2, lsn: 1, writes: [[1, v(1, 3)]] })]).at(-1)?.votes).toEqual([]);
    s.crash();
    expect(s.close(1, 5, 3, decided(5, 5))).toBe(true);
    expect(s.read(1, point([1, 5]), [[1, 3]])).toMatchObject({ kind: "page", version: v(1, 3) });
  });

  test("outcomes of the manifest are facts, durable before they are confirmed", () => {
    const s = new BenchSegment({ settings: KEEP });
    s.append(chainOf(1, 2));
    const said = s.say(9, {
      type: "outcomes",
      request: 3,
      pg: PG,
      outcomes: [{ stream: streamId(1), lsn: lsn(2), decision: "commit" }],
    });
    expect(said.map((m) => m.type)).toContain("outcomesKnown");
    s.crash();
    expect(s.read(1, point([1, 2]), [[1, 2]])).toMatchObject({ kind: "page", version: v(1, 2) });
  });

  test("a transaction is found by its attempts, newest fate included", () => {
    const s = new BenchSegment({ settings: KEEP });
    s.append(chainOf(1, 2), { decisions: decided(0, 1) });
    const find = (t: string) =>
      s.say(9, {
        type: "findTransaction",
        request: 1,
        pg: PG,
        stream: streamId(1),
        transaction: t as never,
      })[0];
    expect(find("t-1")).toMatchObject({
      attempts: [{ lsn: 1, decision: "commit" }],
      scl: 2,
      forgottenThrough: 0,
    });
    expect(find("t-2")).toMatchObject({ attempts: [{ lsn: 2, decision: undefined }] });
    expect(find("t-9")).toMatchObject({ attempts: [] });
  });

  test("of a stream that is settled and gone, not found says nothing where nothing is remembered", () => {
    const s = settledAndGone({ outcomesKept: 1 });
    const message = {
      type: "findTransaction",
      request: 1,
      pg: PG,
      stream: streamId(1),
      transaction: "1.0-none" as never,
    } as const;
    const isGone = { attempts: [], forgottenThrough: 1 };
    expect(s.say(9, message)[0]).toMatchObject(isGone);
    // Late news of it make no empty log that could pass for the stream.
    s.server.peerUp({ link: 12, role: "segment", name: nodeName("segment-b1") }, s.now);
    const position = { stream: streamId(1), scl: lsn(2), decidedThrough: lsn(2), closed: true };
    s.say(12, { type: "positions", pg: PG, streams: [position] });
    expect(s.say(9, message)[0]).toMatchObject(isGone);
    expect(s.close(1, 2, 2, decided(2, 2))).toBe(true);
    expect(s.say(9, message)[0]).toMatchObject(isGone);
    s.fence(1);
    expect(s.say(9, message)[0]).toMatchObject(isGone);
  });

  test("I6: a writer that wakes when its stream is settled and forgotten is fenced all the same", () => {
    const s = settledAndGone();
    const zombie = slice({ stream: 1, lsn: 3, back: 2, writes: [[1, v(1, 2)]] });
    expect(s.append([zombie])).toMatchObject([{ state: "fenced" }]);
    expect(s.append([slice({ stream: 1, lsn: 1, writes: [[1, v(1, 2)]] })])).toMatchObject([
      { state: "fenced" },
    ]);
    expect(s.vote(1, 1)).toBe("absent");
  });
});

describe("reads", () => {
  test("I8: behind when the SCL or the decisions do not reach; planted, an incomplete chain is served", () => {
    const read = (planted: readonly "reads-behind"[]) => {
      const s = new BenchSegment({ planted, settings: KEEP });
      s.append(chainOf(1, 2), { decisions: decided(0, 1) });
      return [
        s.read(1, point([1, 3]), [[1, 3]]).kind,
        s.read(1, point([1, 2]), [[1, 2]]).kind,
        s.read(1, point([5, 1]), [[5, 1]]).kind,
        s.read(1, point([1, 1]), [[1, 1]]).kind,
      ];
    };
    expect(read([])).toEqual(["behind", "behind", "behind", "page"]);
    expect(read(["reads-behind"])).toEqual(["page", "page", "empty", "page"]);
  });

  test("I8: a committed version beyond a gap in the chain is never skipped", () => {
    const s = new BenchSegment({ settings: KEEP });
    s.append([slice({ stream: 2, lsn: 1, writes: [[1, v(1, 1)]] })], { decisions: decided(0, 1) });
    expect(s.read(1, point([1, 1], [2, 1]), [[2, 1]]).kind).toBe("behind");
    s.append(chainOf(1, 1));
    expect(
      s.read(1, point([1, 1], [2, 1]), [
        [1, 1],
        [2, 1],
      ]),
    ).toMatchObject({ kind: "page", version: v(2, 1) });
  });

  test("images handed out do not change afterwards", () => {
    const s = new BenchSegment({ settings: KEEP });
    s.append(chainOf(1, 2), { decisions: decided(0, 1) });
    const first = s.read(1, point([1, 1]));
    const copy = first.kind === "page" ? first.image.slice() : undefined;
    s.decide(1, decided(0, 2));
    s.read(1, point([1, 2]));
    expect(first.kind === "page" && first.image).toEqual(copy);
  });
});

describe("the manifest's seat", () => {
  const ballot = (round: number, proposer = "n1") => ({ round, proposer });
  test("a promise refuses lower ballots, the same again is granted, peeks promise nothing", () => {
    const s = new BenchSegment();
    const prepare = (b: ReturnType<typeof ballot>) =>
      s.say(1, { type: "manifestPrepare", request: 1, ballot: b })[0];
    expect(prepare(ballot(2))).toMatchObject({ granted: true, accepted: undefined });
    expect(prepare(ballot(2))).toMatchObject({ granted: true });
    expect(prepare(ballot(1, "z"))).toMatchObject({ granted: false, promised: ballot(2) });
    expect(s.say(1, { type: "manifestPeek", request: 1 })[0]).toMatchObject({
      promised: ballot(2),
      value: undefined,
    });
    expect(prepare(ballot(2, "n2"))).toMatchObject({ granted: true });
  });
  test("nothing of it leaves before the sync", () => {
    const s = new BenchSegment();
    s.autoSync = false;
    expect(s.say(1, { type: "manifestAccept", request: 1, ballot: ballot(1), value: MANIFEST })).toEqual([]);
    expect(s.say(1, { type: "manifestPeek", request: 1 })).toEqual([]);
  });
});

describe("merge, checkpoint and trim", () => {
  const low = (at: number) => point([1, at]);
  test("versions below every low-water mark are merged, slices leave, older reads are too old", () => {
    const s = new BenchSegment();
    s.append(chainOf(1, 3), { decisions: decided(0, 3), lowWater: low(2) });
    const before = s.read(1, point([1, 3]), [[1, 3]]);
    s.tick();
    expect(s.pages.size).toBe(1);
    expect(s.read(1, point([1, 3]), [[1, 3]])).toEqual(before);
    expect(s.read(1, point([1, 1]), [[1, 1]]).kind).toBe("too-old");
    expect(s.server.status()).toMatchObject({
      segments: [{ streams: [{ mergedThrough: 2, slicesKept: 1 }] }],
    });
  });

  test("I4: an open stream that has not reported holds merging back; planted, a reader's version is gone", () => {
    const s = new BenchSegment();
    s.append(chainOf(2, 1, 3));
    s.crash();
    s.append(chainOf(1, 3), { decisions: decided(0, 3), lowWater: low(3) });
    s.tick();
    expect(s.pages.size).toBe(0);
    const broken = new BenchSegment({ planted: ["merge-all"] });
    broken.append(chainOf(1, 3), { decisions: decided(0, 3), lowWater: low(1) });
    broken.tick();
    expect(broken.read(1, point([1, 1]), [[1, 1]]).kind).toBe("too-old");
  });

  test("a writer that has closed, settled and gone holds merging back no longer", () => {
    const s = new BenchSegment({ settings: { mergeAboveBytes: 0 } });
    s.append(chainOf(1, 2), { decisions: decided(0, 2), lowWater: low(2) });
    s.tick();
    s.close(1, 2, 2, decided(2, 2));
    // Settled before there is anything to merge again.
    const lowWater = new ReadPoint(streamId(1), [[streamId(2), lsn(1)]]);
    s.append([slice({ stream: 2, lsn: 1, writes: [[9, NONE]] })], { decisions: decided(0, 1), lowWater });
    expect(s.server.status()).toMatchObject({ segments: [{ streams: [{ stream: 2, slicesKept: 1 }] }] });
    s.tick();
    expect(s.server.status()).toMatchObject({ segments: [{ streams: [{ stream: 2, slicesKept: 0 }] }] });
  });

  test("a damaged page is voted on once it is mended: before that a reject would name what nobody knows", () => {
    const s = new BenchSegment();
    s.append(chainOf(1, 1), { decisions: decided(0, 1), lowWater: low(1) });
    s.tick();
    const [page, stored] = [...s.pages][0]!;
    s.rotate();
    s.crash();
    s.pages.set(
      page,
      stored.map((byte, i) => (i === stored.length - 30 ? byte ^ 1 : byte)),
    );
    s.append([slice({ stream: 1, lsn: 2, writes: [[page, v(1, 1)]] })]);
    expect(s.vote(1, 2)).toBe("hold");
  });

  test("a store that already shows a batch before it is told changes no answer", () => {
    const s = new BenchSegment();
    s.append(chainOf(1, 3), { decisions: decided(0, 3), lowWater: low(2) });
    const expected = s.read(1, point([1, 3]), [[1, 3]]);
    const t = new BenchSegment({ settings: { imageCacheBytes: 0 } });
    t.append(chainOf(1, 3), { decisions: decided(0, 3), lowWater: low(2) });
    t.server.tick(20);
    const stored = t.server.effects.find((e) => e.kind === "storePages");
    if (stored?.kind !== "storePages") throw new Error("nothing stored");
    for (const [page, bytes] of stored.pages) t.pages.set(page, bytes);
    t.server.effects.length = 0;
    expect(t.read(1, point([1, 3]), [[1, 3]])).toEqual(expected);
  });

  test("files are trimmed behind a checkpoint; what is left recovers everything (facts, fences, votes, seat)", () => {
    const s = new BenchSegment();
    s.append(chainOf(1, 40), { decisions: decided(0, 40, []), lowWater: low(40) });
    s.append([slice({ stream: 3, lsn: 1, writes: [[9, NONE]] })], { lowWater: low(40) });
    s.append([slice({ stream: 2, lsn: 1, writes: [[9, NONE]] })], { lowWater: low(40) });
    s.say(1, { type: "manifestPrepare", request: 1, ballot: { round: 7, proposer: "n" } });
    s.fence(6);
    s.tick();
    s.rotate();
    s.tick();
    s.append([slice({ stream: 3, lsn: 2, writes: [[10, NONE]] })], { lowWater: low(40) });
    s.decide(3, decided(0, 2), { lowWater: low(40) });
    s.rotate();
    s.tick();
    expect(s.trims.at(-1)).toBe(1); // stream 2's undecided slice stands in file 1
    const now = point([1, 40], [2, 1], [3, 2]);
    s.decide(2, decided(0, 1, [1]), { lowWater: now });
    s.decide(3, decided(0, 2), { lowWater: now });
    s.decide(1, decided(0, 40), { lowWater: now });
    s.close(6, 0, 0, decided(0, 0));
    s.tick();
    s.tick();
    s.rotate();
    s.tick();
    expect(s.trims.at(-1)).toBe(4);
    const reads = () =>
      [1, 9, 10].map((p) =>
        s.read(p, now, [
          [1, 40],
          [2, 1],
          [3, 2],
        ]),
      );
    const before = reads();
    expect(before.map((r) => r.kind)).toEqual(["page", "page", "page"]);
    s.crash();
    expect(s.blocks[0]!.file).toBe(4);
    expect(reads()).toEqual(before);
    expect(s.append(chainOf(6, 1))).toMatchObject([{ state: "fenced" }]);
    expect(
      s.say(1, { type: "manifestPrepare", request: 1, ballot: { round: 3, proposer: "n" } })[0],
    ).toMatchObject({ granted: false });
    expect(s.append([slice({ stream: 1, lsn: 41, writes: [[1, v(1, 40)]] })])).toMatchObject([
      { scl: 41, votes: [] },
    ]);
  });
});
