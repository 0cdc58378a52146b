/** What a server merges of a PG before it gives the first page of a copy of it, and how long the peer waits for that at most. */
import { epoch, lsn, nodeName, NONE, pageId, pgId, streamId, type Manifest } from "@sixfold/model";
import type { PulledPages, StorageMessage } from "@sixfold/wire";
import { describe, expect, test } from "vitest";
import { decodeHead } from "./page-image.ts";
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
import { Ring } from "./testing/ring.ts";

const [PEER, COPIER] = [12, 13];
const TIMEOUT_MS = 1000;
const QUIET = { ...KEEP, scrubPagesPerTick: 0, pullTimeoutMs: TIMEOUT_MS };
const pull = { type: "pullPages", request: 1, pg: PG, from: pageId(0), limit: 10, mends: undefined } as const;

/** Six entries on two pages, decided, of which the low-water bound lets five be merged, and nothing is; a peer and its copier. */
function survivor(): BenchSegment {
  const s = new BenchSegment({ settings: QUIET });
  const name = nodeName("segment-b1");
  s.server.peerUp({ link: PEER, role: "segment", name }, s.now);
  s.server.peerUp({ link: COPIER, role: "copier", name }, s.now);
  const writes = [1, 2, 3, 4, 5, 6].map((at) => [at % 2, at > 2 ? v(1, at - 2) : NONE] as const);
  s.append(writes.map((write, i) => slice({ stream: 1, lsn: i + 1, writes: [write] })));
  s.decide(1, decided(0, 6), { lowWater: point([1, 5]) });
  s.tick();
  expect(s.pages.size).toBe(0);
  return s;
}

const answersIn = (messages: readonly StorageMessage[]): PulledPages[] =>
  messages.filter((m) => m.type === "pulledPages");
const answers = (s: BenchSegment): PulledPages[] => answersIn(s.heard.map(({ message }) => message));
const ofStream1 = (through: number): object[] => [{ stream: 1, through, tail: through }];
const slicesAfter = (s: BenchSegment, after: number): number[] => {
  const asked = { pg: PG, stream: streamId(1), after: lsn(after), through: lsn(9) };
  const [answer] = s.say(PEER, { type: "pullSlices", request: 9, ...asked });
  return answer?.type === "pulledSlices" ? answer.slices.map((one) => Number(one.lsn)) : [];
};

describe("the first answer to a copy", () => {
  test("has on its pages what could be merged, and says so; what is beyond the low-water bound is still there as slices", () => {
    for (const link of [COPIER, PEER]) {
      const s = survivor();
      const [answer] = answersIn(s.say(link, pull));
      expect(answer!.merged).toEqual(ofStream1(5));
      const versions = answer!.pages.map(({ page, stored }) => [page, decodeHead(page, stored)!.version]);
      expect(versions).toEqual([
        [0, v(1, 4)],
        [1, v(1, 5)],
      ]);
      expect(slicesAfter(s, 5)).toEqual([6]);
      // Nor is anything gone that the peer might need if this copy fails.
      expect(slicesAfter(s, 0)).toEqual([1, 2, 3, 4, 5, 6]);
    }
  });

  test("is given at once if nothing can be merged, and so are all that follow it", () => {
    const s = survivor();
    s.say(COPIER, pull);
    s.autoStore = false;
    s.append(chainOf(2, 1, 9), { decisions: decided(0, 1), lowWater: point([1, 5], [2, 1]) });
    expect(answersIn(s.say(COPIER, { ...pull, request: 2, from: pageId(1) }))).toMatchObject([
      { request: 2 },
    ]);
    s.store();
    const t = survivor();
    t.say(COPIER, pull);
    t.autoStore = false;
    expect(answersIn(t.say(COPIER, { ...pull, request: 2 }))).toMatchObject([{ request: 2 }]);
  });

  test("does not wait for a page that cannot be merged", () => {
    const s = survivor();
    const low = point([1, 5], [2, 1], [3, 9]);
    s.append([], { of: 3, lowWater: low });
    s.decide(1, decided(0, 6), { lowWater: low });
    const torn = slice({ stream: 2, lsn: 1, writes: [[3, v(3, 7)]] });
    s.append([torn], { decisions: decided(0, 1), lowWater: low });
    s.say(COPIER, pull);
    s.heard.length = 0;
    // What it builds on is not here.
    const [answer] = answersIn(s.say(COPIER, { ...pull, request: 2 }));
    expect(answer!.merged.filter(({ through }) => through > 0)).toEqual(ofStream1(5));
  });

  test("does not wait for what comes meanwhile", () => {
    const s = survivor();
    s.autoStore = false;
    s.say(COPIER, pull);
    for (let at = 7; at < 12; at++)
      s.append([slice({ stream: 1, lsn: at, writes: [[at, NONE]] })], {
        decisions: decided(6, at),
        lowWater: point([1, at]),
      });
    expect(answers(s)).toEqual([]);
    s.store();
    s.drain();
    expect(answers(s)).toMatchObject([{ merged: ofStream1(5), next: pageId(2) }]);
  });

  test("comes after more than one batch where there is much to merge, and only of this PG", () => {
    const s = new BenchSegment({ settings: { ...QUIET, mergePagesPerTick: 2 } });
    s.server.peerUp({ link: PEER, role: "segment", name: nodeName("segment-b1") }, s.now);
    const [low, other] = [point([1, 5], [2, 9]), pgId(1)];
    s.append([slice({ stream: 2, lsn: 1, pg: 1, writes: [[256, NONE]] })], { pg: other });
    s.decide(2, decided(0, 1), { pg: other, lowWater: low });
    for (let at = 1; at <= 5; at++) s.append([slice({ stream: 1, lsn: at, writes: [[at, NONE]] })]);
    s.decide(1, decided(0, 5), { lowWater: low });
    expect(answersIn(s.say(PEER, pull))).toEqual([]);
    expect(answersIn(s.tick())).toEqual([]);
    expect(answersIn(s.tick())).toMatchObject([{ merged: ofStream1(5) }]);
    expect([...s.pages.keys()]).toEqual([1, 2, 3, 4, 5]);
  });

  test("is put off no longer than the peer can wait, however long the store takes (I10)", () => {
    const s = survivor();
    s.autoStore = false;
    s.say(PEER, pull);
    const from = s.now;
    while (answers(s).length === 0 && s.now - from < TIMEOUT_MS) s.tick();
    expect(s.now - from).toBe(300);
    expect(answers(s)).toMatchObject([{ merged: ofStream1(0), pages: [] }]);
    s.store();
    s.drain();
    expect(answers(s)).toHaveLength(1);
  });
});

describe("a question that was put off", () => {
  function putOff(): BenchSegment {
    const s = survivor();
    s.autoStore = false;
    s.say(COPIER, pull);
    expect(s.server.status()["copiesPutOff"]).toBe(1);
    return s;
  }
  function answered(s: BenchSegment): { to: number; message: StorageMessage }[] {
    s.store();
    s.drain();
    for (let i = 0; i < 20; i++) s.tick();
    return s.heard.filter(({ message }) => message.type === "pulledPages");
  }

  test("is forgotten when its link goes down", () => {
    const s = putOff();
    s.server.peerDown(COPIER, s.now);
    expect(answered(s)).toEqual([]);
  });

  test("is forgotten when its PG leaves", () => {
    const s = putOff();
    const others = ["a2", "b1", "b2", "c1", "c2", "d1"].map((name) => nodeName(`segment-${name}`));
    const value: Manifest = { ...MANIFEST, revision: 2, epoch: epoch(2), pgs: [others] };
    s.say(1, { type: "manifestTold", value });
    expect(s.said).toContain("segment-left");
    expect(s.server.status()["copiesPutOff"]).toBe(0);
    expect(answered(s)).toEqual([]);
  });

  test("gives way to the next one of the same peer", () => {
    const s = putOff();
    s.say(PEER, { ...pull, request: 2 });
    expect(answered(s)).toMatchObject([{ to: PEER, message: { request: 2, merged: ofStream1(5) } }]);
  });
});

test("a newcomer takes as pages what its source had not merged, and pulls nothing of it", () => {
  const old = ["segment-0", "segment-1", "b1", "b2", "c1", "c2"].map(nodeName);
  const to = ["segment-0", "segment-2", "b1", "b2", "c1", "c2"].map(nodeName);
  const stable: Manifest = { ...MANIFEST, revision: 2, epoch: epoch(1), pgs: [old] };
  const changes = [{ pg: PG, to, since: epoch(2) }];
  const servers = [0, 1, 2].map((i) => new BenchSegment({ name: `segment-${i}`, settings: QUIET }));
  const ring = new Ring(servers);
  const tell = (value: Manifest): void => {
    for (const server of servers) server.say(1, { type: "manifestTold", value });
  };
  tell(stable);
  for (const server of servers.slice(0, 2)) {
    server.append(chainOf(1, 9), { decisions: decided(0, 9), lowWater: point([1, 9]) });
    server.tick();
  }
  tell({ ...stable, revision: 3, epoch: epoch(2), changes });
  ring.run(12);
  const newcomer = servers[2]!;
  expect(newcomer.said).toContain("segment-joined");
  expect(newcomer.server.status()["machine"]).toMatchObject({ slicesPulled: 0, pagesCopied: 1 });
  expect(newcomer.read(1, point([1, 9]))).toEqual(servers[1]!.read(1, point([1, 9])));
});
