/** A newcomer to a PG: what it must have before it counts as one of the six (I8). */
import { epoch, nodeName, pgId, streamId, type Manifest, type PlantedBug } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import {
  BenchSegment,
  chainOf,
  decided,
  GEOMETRY,
  MANIFEST,
  point,
  slice,
  v,
} from "./testing/bench-segment.ts";
import { Ring } from "./testing/ring.ts";

const OLD = ["segment-0", "segment-1", "b1", "b2", "c1", "c2"].map(nodeName);
const NEW = ["segment-0", "segment-2", "b1", "b2", "c1", "c2"].map(nodeName);
const PG = pgId(0);

const stable: Manifest = { ...MANIFEST, revision: 2, epoch: epoch(1), pgs: [OLD] };
const middle: Manifest = {
  ...stable,
  revision: 3,
  epoch: epoch(2),
  changes: [{ pg: PG, to: NEW, since: epoch(2) }],
};
const finished: Manifest = { ...stable, revision: 4, epoch: epoch(3), pgs: [NEW] };

const told = (ring: Ring, value: Manifest): void => {
  for (const server of ring.servers) server.say(1, { type: "manifestTold", value });
};

/** Three servers; the third is to take the second's place. The first stream was merged and settled, and left every log, before. */
function replaced(planted: readonly PlantedBug[] = []): { ring: Ring; newcomer: BenchSegment } {
  const servers = [0, 1, 2].map((i) => new BenchSegment({ name: `segment-${i}`, planted }));
  const ring = new Ring(servers);
  told(ring, stable);
  for (const server of servers.slice(0, 2)) {
    server.append(chainOf(1, 9), { decisions: decided(0, 9), lowWater: point([1, 9]) });
    server.close(1, 9, 9, decided(9, 9));
    server.tick();
    server.tick();
    const lowWater = settled(1);
    server.append([slice({ stream: 2, lsn: 1, back: 0, writes: [[2, v(0, 0)]] })], {
      ...{ decisions: decided(0, 1), lowWater },
    });
  }
  told(ring, middle);
  return { ring, newcomer: servers[2]! };
}

/** Three servers; the third is to take the second's place, and copies so many pages, two at a time. */
function inSteps(count: number, copyBytesPerSecond: number) {
  const settings = { copyStepBytes: 2 * GEOMETRY.pageBytes, copyBytesPerSecond };
  const servers = [0, 1, 2].map((i) => new BenchSegment({ name: `segment-${i}`, settings }));
  const ring = new Ring(servers);
  told(ring, stable);
  const slices = Array.from({ length: count }, (_, i) =>
    slice({ stream: 1, lsn: i + 1, writes: [[i, v(0, 0)]] }),
  );
  for (const server of servers.slice(0, 2)) {
    server.append(slices, { decisions: decided(0, count), lowWater: point([1, count]) });
    for (let i = 0; i < 4; i++) server.tick();
  }
  told(ring, middle);
  return { ring, servers, newcomer: servers[2]! };
}

const settled = (through: number): ReturnType<typeof point> => {
  const at = point();
  return at.settle(streamId(through));
};

const isWhole = (s: BenchSegment): unknown =>
  s.say(1, { type: "askCopied", request: 1, pg: PG }).find((m) => m.type === "copied");

describe("a newcomer", () => {
  test("answers no read before it has every page and slice; then as its peers do, also after a crash", () => {
    const { ring, newcomer } = replaced();
    expect(isWhole(newcomer)).toMatchObject({ isWhole: false });
    expect(newcomer.read(1, settled(1)).kind).toBe("behind");
    ring.run(12);
    expect(newcomer.said).toContain("segment-joined");
    expect(isWhole(newcomer)).toMatchObject({ isWhole: true });
    expect(newcomer.read(1, settled(1))).toEqual(ring.servers[0]!.read(1, settled(1)));
    newcomer.crash();
    expect(isWhole(newcomer)).toMatchObject({ isWhole: true });
    expect(newcomer.read(1, settled(1))).toEqual(ring.servers[0]!.read(1, settled(1)));
  });

  test("planted: one that counts at once takes what was settled before it for never written", () => {
    const { newcomer } = replaced(["newcomer-counts-at-once"]);
    expect(isWhole(newcomer)).toMatchObject({ isWhole: true });
    expect(newcomer.read(1, settled(1)).kind).toBe("empty");
  });

  test("copies no faster than it may", () => {
    const pages = (count: number, bytesPerSecond: number): number => {
      const { ring, newcomer } = inSteps(count, bytesPerSecond);
      let rounds = 0;
      for (; !newcomer.said.includes("segment-joined") && rounds < 300; rounds++) ring.run(1);
      return rounds;
    };
    // Thirty pages in fifteen pulls, in rounds of 100 ms.
    expect(pages(30, 1e9)).toBeLessThan(25);
    expect(pages(30, 500)).toBeGreaterThan(40);
  });

  test("asks for several steps once the first answer says what positions count; they may come in any order", () => {
    const { servers, newcomer } = inSteps(30, Number.POSITIVE_INFINITY);
    const [source] = servers as [BenchSegment];
    const questions = () =>
      newcomer.heard
        .splice(0)
        .flatMap(({ to, message }) => (to === 11 && message.type === "pullPages" ? [message] : []));
    newcomer.tick(100);
    const underWay = questions();
    const asked: number[] = [];
    for (let n = 0; n < 30 && underWay.length > 0; n++) {
      asked.push(underWay.length);
      // The newest is answered first.
      for (const answer of source.say(13, underWay.pop()!)) newcomer.say(11, answer);
      underWay.push(...questions());
    }
    expect(asked.slice(0, 3)).toEqual([1, 3, 3]);
    newcomer.tick(100);
    expect(isWhole(newcomer)).toMatchObject({ isWhole: true });
    for (let page = 0; page < 30; page++)
      expect(newcomer.read(page, point([1, 30]))).toEqual(source.read(page, point([1, 30])));
  });

  test("a step that is never answered ends the copy, however many others are; it begins anew", () => {
    const { ring, newcomer } = inSteps(30, Number.POSITIVE_INFINITY);
    let answers = 0;
    ring.tamper = (m) => (m.type === "pulledPages" && ++answers === 3 ? { ...m, request: 0 } : m);
    ring.run(8);
    expect(answers).toBeGreaterThan(10);
    expect(newcomer.said).not.toContain("segment-joined");
    ring.run(40);
    expect(newcomer.said).toContain("segment-joined");
    expect(newcomer.read(29, point([1, 30]))).toMatchObject({ kind: "page", version: v(1, 30) });
  });

  test("copies once, also if a peer still lists a stream that the member it copied from has settled and forgotten", () => {
    const servers = [0, 1, 2].map((i) => new BenchSegment({ name: `segment-${i}` }));
    const ring = new Ring(servers);
    told(ring, stable);
    for (const server of servers.slice(0, 2)) {
      server.append(chainOf(1, 9), { decisions: decided(0, 9), lowWater: point([1, 9]) });
      server.tick();
      server.tick();
      server.close(1, 9, 9, decided(9, 9));
    }
    const next = [slice({ stream: 2, lsn: 1, back: 0, writes: [[2, v(0, 0)]] })];
    servers[0]!.append(next, { decisions: decided(0, 1), lowWater: settled(1) });
    servers[1]!.append(next, { decisions: decided(0, 1) });
    told(ring, middle);
    ring.run(30);
    const newcomer = servers[2]!;
    expect(isWhole(newcomer)).toMatchObject({ isWhole: true });
    expect(newcomer.said.filter((event) => event === "segment-copied")).toHaveLength(1);
    expect(newcomer.read(1, settled(1))).toEqual(servers[0]!.read(1, settled(1)));
  });

  test("does not take what is still to come of a settled stream for received: a later entry on it waits", () => {
    const servers = [0, 1, 2].map((i) => new BenchSegment({ name: `segment-${i}` }));
    const ring = new Ring(servers);
    told(ring, stable);
    const [source, newcomer] = [servers[0]!, servers[2]!];
    source.append(chainOf(1, 9), { decisions: decided(0, 9), lowWater: point([1, 5]) });
    source.tick();
    source.close(1, 9, 9, decided(9, 9));
    const later = [slice({ stream: 2, lsn: 1, back: 0, writes: [[1, v(1, 9)]] })];
    source.append(later, { lowWater: settled(1) });
    // What the source has beyond its pages comes later; its store is too slow for it to be on them.
    source.autoStore = false;
    ring.tamper = (m) => (m.type === "pulledSlices" ? { ...m, request: 0 } : m);
    told(ring, middle);
    for (let i = 0; i < 9; i++) {
      newcomer.tick(100);
      source.tick(100);
      ring.deliver();
    }
    expect(newcomer.said).toContain("segment-copied");
    newcomer.append(later, { lowWater: settled(1) });
    expect(newcomer.vote(2, 1)).toBe("hold");
    ring.tamper = (m) => m;
    source.autoStore = true;
    source.store();
    ring.run(30);
    expect(newcomer.vote(2, 1)).toBe("accept");
  });

  test("says to database nodes that it has everything, before it is asked", () => {
    const { ring, newcomer } = replaced();
    ring.run(12);
    const copied = newcomer.heard.filter(({ message }) => message.type === "copied");
    expect(copied).toContainEqual({ to: 1, message: { type: "copied", request: 0, pg: PG, isWhole: true } });
  });

  test("begins anew after a crash in between", () => {
    const { ring, newcomer } = replaced();
    newcomer.crash();
    expect(newcomer.read(1, settled(1)).kind).toBe("behind");
    newcomer.server.peerUp({ link: 1, role: "node", name: nodeName("writer-1") }, 0);
    ring.link(2);
    newcomer.say(1, { type: "manifestTold", value: middle });
    ring.run(12);
    expect(isWhole(newcomer)).toMatchObject({ isWhole: true });
  });

  test("takes the place of another, which drops what it has; an older manifest brings nothing back", () => {
    const { ring, newcomer } = replaced();
    ring.run(12);
    told(ring, finished);
    told(ring, middle);
    const left = ring.servers[1]!;
    expect(left.said).toContain("segment-left");
    expect(left.pages.size).toBeGreaterThan(0);
    left.tick();
    expect(left.pages.size).toBe(0);
    expect(left.append(chainOf(3, 1))).toEqual([]);
    expect(isWhole(left)).toBeUndefined();
    expect(newcomer.read(1, settled(1)).kind).toBe("page");
    left.crash();
    expect(isWhole(left)).toMatchObject({ isWhole: false });
  });

  test("who has left and stopped before its pages were gone finds them when it scrubs", () => {
    const { ring } = replaced();
    ring.run(12);
    told(ring, finished);
    const left = ring.servers[1]!;
    left.crash();
    left.server.peerUp({ link: 1, role: "node", name: nodeName("writer-1") }, 0);
    left.say(1, { type: "manifestTold", value: finished });
    expect(left.pages.size).toBeGreaterThan(0);
    for (let i = 0; i < 3; i++) left.tick();
    expect(left.pages.size).toBe(0);
  });
});
