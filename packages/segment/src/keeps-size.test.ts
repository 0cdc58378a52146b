/** A segment server keeps its size: what is merged, dropped, carried forward or refused, and when. */
import { LIMITS, NONE, pgId, type ReadPoint } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { LogSkim } from "./log-skim.ts";
import { BenchSegment, GEOMETRY, chainOf, decided, point, slice, v } from "./testing/bench-segment.ts";

/** Merging only what must be. */
/** A changed page is more than its changes. */
const CHAIN_COST = 500;
const LAZY = { mergeAboveBytes: Number.POSITIVE_INFINITY, logFilesKept: 2 };

function rotateTo(s: BenchSegment, file: number): void {
  while (s.file < file) {
    s.rotate();
    s.tick();
  }
}

describe("the log", () => {
  test("a slice of a quiet PG keeps no old file: it is merged however little there is", () => {
    const s = new BenchSegment({ settings: LAZY });
    const quiet = slice({ stream: 1, lsn: 1, pg: 2, writes: [[600, NONE]] });
    s.append([quiet], { pg: pgId(2) });
    s.decide(1, decided(0, 1), { pg: pgId(2), lowWater: point([1, 1]) });
    rotateTo(s, 3);
    expect(Math.max(0, ...s.trims)).toBeLessThan(2);
    rotateTo(s, 5);
    s.tick();
    expect(Math.max(...s.trims)).toBeGreaterThan(1);
    expect(s.pages.size).toBe(1);
    s.crash();
    expect(s.blocks.every(({ file }) => file > 1)).toBe(true);
    const [answer] = s.say(1, {
      type: "readPage",
      request: 1,
      pg: pgId(2),
      page: quiet.deltas[0]!.page,
      readPoint: point([1, 1]),
      need: [],
      closed: [],
    });
    expect(answer).toMatchObject({ answer: { kind: "page", version: v(1, 1) } });
  });

  test("what is undecided, or read, is carried forward with its votes, in parts and over again", () => {
    const s = new BenchSegment({ settings: LAZY });
    s.append(chainOf(1, 6));
    s.append([slice({ stream: 2, lsn: 1, writes: [[1, NONE]] })]);
    s.append([slice({ stream: 3, lsn: 1, writes: [[2, NONE]] })]);
    s.rotate();
    s.append([slice({ stream: 3, lsn: 2, writes: [[2, v(3, 1)]] })]);
    s.rotate();
    s.append([slice({ stream: 3, lsn: 3, writes: [[2, v(3, 2)]] })]);
    const votes = (): string[] => [
      ...[1, 2, 3, 4, 5, 6].map((at) => s.vote(1, at)),
      s.vote(2, 1),
      ...[1, 2, 3].map((at) => s.vote(3, at)),
    ];
    const before = votes();
    expect(before[6]).toBe("wait 1:1");
    for (let file = 4; file < 9; file++) {
      rotateTo(s, file);
      s.tick();
      expect(s.blocks[0]!.file).toBeGreaterThanOrEqual(file - 3);
      s.crash();
      expect(votes()).toEqual(before);
    }
    s.decide(1, decided(0, 6));
    expect(s.read(1, point([1, 6]))).toMatchObject({ kind: "page", version: v(1, 6) });
  });

  test("with the file cut off behind the checkpoint, before what it carries, nothing is missing", () => {
    const s = new BenchSegment({ settings: LAZY });
    s.append(chainOf(1, 6));
    s.file = 6;
    const whole = s.blocks.length;
    s.rotate();
    // Checkpoint and carried slices are there, and have not been followed by anything durable.
    for (let keep = whole; keep <= s.blocks.length; keep++) {
      const t = new BenchSegment({ settings: LAZY });
      t.blocks.push(...s.blocks.slice(0, keep));
      t.crash();
      expect([1, 6].map((at) => t.vote(1, at))).toEqual(["accept", "accept"]);
    }
  });

  test("what stood in a damaged file is written anew, and the file goes", () => {
    const s = new BenchSegment({ settings: LAZY });
    s.append(chainOf(1, 6));
    s.append([slice({ stream: 2, lsn: 1, writes: [[1, NONE]] })]);
    s.fence(3);
    s.rotate();
    s.append([slice({ stream: 3, lsn: 2, back: 1, writes: [[2, NONE]] })]);
    const votes = (): string[] => [...[1, 6].map((at) => s.vote(1, at)), s.vote(2, 1)];
    const before = votes();
    s.server.logDamaged(1);
    s.drain();
    s.tick();
    expect(s.blocks.every(({ file }) => file > 1)).toBe(true);
    expect(s.said).toContain("log-file-corrupt");
    s.crash();
    expect(votes()).toEqual(before);
    expect(s.append([slice({ stream: 3, lsn: 1, writes: [[9, NONE]] })])).toMatchObject([
      { state: "fenced" },
    ]);
  });

  test("files that become free are trimmed without waiting for the next", () => {
    const s = new BenchSegment({ settings: { mergeAboveBytes: 0 } });
    s.append(chainOf(1, 6));
    rotateTo(s, 2);
    expect(s.trims.filter((before) => before > 1)).toEqual([]);
    s.decide(1, decided(0, 6), { lowWater: point([1, 6]) });
    s.tick();
    s.tick();
    expect(s.trims.at(-1)).toBe(2);
    s.crash();
    expect(s.blocks.every(({ file }) => file > 1)).toBe(true);
  });
});

/** What waits to be merged when merging begins, and when it ends, in turns. */
function mergesFromAndTo(name: string, mergeAboveBytes: number): number[] {
  const s = new BenchSegment({ name, settings: { ...LAZY, mergeAboveBytes, mergePagesPerTick: 3 } });
  const toMerge = (): number => {
    const { toMerge, changedPages } = s.server.status() as Record<string, number>;
    return toMerge! + CHAIN_COST * changedPages!;
  };
  const bounds: number[] = [];
  let [before, isMerging] = [0, false];
  for (let i = 1; i <= 400; i++) {
    s.append([slice({ stream: 1, lsn: i, writes: [[i, NONE]] })], {
      decisions: decided(i - 1, i),
      lowWater: point([1, i]),
    });
    s.tick();
    const merges = toMerge() < before;
    if (merges !== isMerging) bounds.push(merges ? before : toMerge());
    [before, isMerging] = [toMerge(), merges];
  }
  return bounds;
}

test("merging falls behind by one or two sixteenths before it catches up, so that pages are stored by hundreds", () => {
  const bounds = mergesFromAndTo("segment-a1", 128_000);
  expect(bounds.length).toBeGreaterThan(8);
  for (const [n, bytes] of bounds.entries()) {
    const [least, most] = n % 2 === 0 ? [136_000, 144_000] : [128_000, 128_000];
    // By no more than a few slices.
    expect(bytes).toBeGreaterThan(least - 5000);
    expect(bytes).toBeLessThan(most + 5000);
  }
});

test("servers that take the same slices do not all begin to merge at once", () => {
  const [a, b] = ["segment-a1", "segment-b1"].map((name) => mergesFromAndTo(name, 128_000));
  expect(a).not.toEqual(b);
  expect(mergesFromAndTo("segment-a1", 128_000)).toEqual(a);
});

test("a tick stores so many bytes, and more the more memory is taken", () => {
  const { pageBytes } = GEOMETRY;
  /** Pages stored in the first tick, of a hundred that are changed whole. */
  const stored = (settings: object): number => {
    const s = new BenchSegment({ settings: { ...LAZY, mergeBytesPerTick: 10 * pageBytes, ...settings } });
    for (let i = 1; i <= 100; i++)
      s.append([slice({ stream: 1, lsn: i, writes: [[i, NONE]], whole: true })], {
        decisions: decided(i - 1, i),
        lowWater: point([1, i]),
      });
    s.tick();
    return s.pages.size;
  };
  const waits = 100 * pageBytes;
  expect(stored({ mergeAboveBytes: waits / 2, retainBytesMax: 100 * waits })).toBe(10);
  const half = stored({ mergeAboveBytes: waits / 2, retainBytesMax: 2 * waits, mergePagesPerTick: 90 });
  expect(half).toBeGreaterThan(25);
  expect(half).toBeLessThan(50);
  expect(stored({ mergeAboveBytes: waits / 4, retainBytesMax: waits / 2, mergePagesPerTick: 90 })).toBe(89);
});

describe("a start", () => {
  type Segments = { streams: { stream: number }[] }[];
  const state = (s: BenchSegment): unknown =>
    (s.server.status()["segments"] as Segments).map(({ streams, ...rest }) => ({
      ...rest,
      streams: [...streams].sort((a, b) => a.stream - b.stream),
    }));
  const kept = (s: BenchSegment): unknown => [s.server.status()["keptCost"], s.server.status()["toMerge"]];

  test("that passes over what was merged knows what one knows that reads everything", () => {
    const s = new BenchSegment({ settings: { ...LAZY, mergeAboveBytes: 4000 } });
    let before = NONE;
    for (let i = 1; i <= 60; i++) {
      s.append([slice({ stream: 1, lsn: i, writes: [[i % 7, i > 7 ? v(1, i - 7) : NONE]] })]);
      s.append([slice({ stream: 2, lsn: i, writes: [[20, before]] })]);
      before = v(2, i);
      if (i % 4 === 0) s.decide(1, decided(0, i - 2), { lowWater: point([1, i - 3], [2, i]) });
      if (i % 5 === 0) s.decide(2, decided(0, i), { lowWater: point([1, i - 3], [2, i - 9]) });
      s.tick();
      if (i % 9 === 0) s.rotate();
      if (i === 30) s.fence(3);
      if (i < 10) continue;
      s.skims = true;
      s.crash();
      const skimmed = [state(s), kept(s), s.read(20, point([1, 99], [2, i]))];
      s.skims = false;
      s.crash();
      expect(skimmed).toEqual([state(s), kept(s), s.read(20, point([1, 99], [2, i]))]);
    }
    expect(s.trims.length).toBeGreaterThan(0);
  });

  test("decodes nothing of what was merged", () => {
    const s = new BenchSegment({ settings: { ...LAZY, mergeAboveBytes: 0 } });
    s.append(chainOf(1, 6));
    s.decide(1, decided(0, 6), { lowWater: point([1, 6]) });
    s.append([slice({ stream: 2, lsn: 1, writes: [[9, NONE]] })], { lowWater: point([1, 6]) });
    s.tick();
    s.tick();
    s.rotate();
    const skim = new LogSkim();
    for (const { bytes } of s.blocks) skim.see(bytes);
    const kinds = s.blocks.flatMap(({ bytes }, n) =>
      skim.records(bytes, n).map((r) => (r.kind === "slices" ? `slices of ${r.stream}` : r.kind)),
    );
    expect(kinds).toEqual(["slices of 2", "checkpoint"]);
  });
});

describe("the low-water mark", () => {
  const AGE = LIMITS.transactionAgeMs + 31_000;

  function merged(s: BenchSegment): number {
    s.tick();
    s.tick();
    return s.pages.size;
  }

  test("an open stream that never reports holds nothing back for ever", () => {
    const s = new BenchSegment({ settings: { mergeAboveBytes: 0 } });
    s.append([slice({ stream: 1, lsn: 1, writes: [[1, NONE]] })]);
    s.append([slice({ stream: 2, lsn: 1, writes: [[2, NONE]] })]);
    s.crash();
    s.decide(1, decided(0, 1), { lowWater: point([1, 1]) });
    expect(merged(s)).toBe(0);
    s.tick(AGE);
    s.decide(1, decided(0, 1), { lowWater: point([1, 1]) });
    expect(merged(s)).toBe(1);
  });

  test("nor does one whose writer has fallen silent, with an old reader", () => {
    const s = new BenchSegment({ settings: { mergeAboveBytes: 0 } });
    s.append([slice({ stream: 1, lsn: 1, writes: [[1, NONE]] })]);
    s.append([], { of: 2, lowWater: point() });
    s.decide(1, decided(0, 1), { lowWater: point([1, 1]) });
    expect(merged(s)).toBe(0);
    s.tick(AGE - 60_000);
    s.decide(1, decided(0, 1), { lowWater: point([1, 1]) });
    expect(merged(s)).toBe(0);
    s.tick(60_000);
    s.decide(1, decided(0, 1), { lowWater: point([1, 1]) });
    expect(merged(s)).toBe(1);
    expect(s.read(1, point())).toEqual({ kind: "too-old" });
  });

  const readers = (link: number, stream: number | undefined, lowWater: ReadPoint, shown = lowWater) =>
    ({
      link,
      message: {
        type: "readers",
        stream: stream === undefined ? undefined : chainOf(stream, 1)[0]!.stream,
        lowWater,
        shown,
      },
    }) as const;
  const hear = (s: BenchSegment, { link, message }: ReturnType<typeof readers>): void => {
    s.say(link, message);
  };

  test("is what every node says, replicas too, and moves with writers that write nothing", () => {
    const s = new BenchSegment({ settings: { mergeAboveBytes: 0 } });
    s.append([slice({ stream: 1, lsn: 1, writes: [[1, NONE]] })]);
    s.append([], { of: 2, lowWater: point() });
    hear(s, readers(7, undefined, point()));
    s.decide(1, decided(0, 1), { lowWater: point([1, 1]) });
    expect(merged(s)).toBe(0);
    hear(s, readers(2, 2, point([1, 1])));
    expect(merged(s)).toBe(0);
    expect(s.read(1, point())).toEqual({ kind: "empty" });
    hear(s, readers(7, undefined, point([1, 1])));
    expect(merged(s)).toBe(1);
  });

  test("a replica that says the same for ever is stuck, one that is gone has no readers", () => {
    const s = new BenchSegment({ settings: { mergeAboveBytes: 0 } });
    s.append([slice({ stream: 1, lsn: 1, writes: [[1, NONE]] })]);
    hear(s, readers(7, undefined, point()));
    hear(s, readers(8, undefined, point()));
    s.decide(1, decided(0, 1), { lowWater: point([1, 1]), builtOn: point([1, 1]) });
    s.server.peerDown(8, s.now);
    expect(merged(s)).toBe(0);
    s.tick(AGE - 60_000);
    hear(s, readers(7, undefined, point()));
    expect(merged(s)).toBe(0);
    s.tick(60_000);
    hear(s, readers(7, undefined, point()));
    expect(merged(s)).toBe(1);
  });
});

describe("memory", () => {
  test("when it is used up new slices are refused, nothing acknowledged is lost, and merging makes room", () => {
    const s = new BenchSegment({ settings: { mergeAboveBytes: 0, retainBytesMax: 0, keepBytesMax: 3500 } });
    const slices = chainOf(1, 10);
    const taken = slices.findIndex(
      (one) => s.append([one], { decisions: decided(0, one.lsn - 1) })[0]!.state === "full",
    );
    expect(taken).toBeGreaterThan(3);
    expect(s.append([slices[taken]!])).toMatchObject([{ state: "full", scl: taken }]);
    s.decide(1, decided(0, taken), { lowWater: point([1, taken]) });
    s.tick();
    s.tick();
    expect(s.append([slices[taken]!])).toMatchObject([{ state: "ok", scl: taken + 1 }]);
  });

  test("what is undecided is never refused the earlier slices that it waits for", () => {
    const s = new BenchSegment({ settings: { mergeAboveBytes: 0, retainBytesMax: 0, keepBytesMax: 3500 } });
    for (const one of chainOf(1, 20)) expect(s.append([one])).toMatchObject([{ state: "ok" }]);
    s.decide(1, decided(0, 20));
    expect(s.append([slice({ stream: 2, lsn: 1, writes: [[9, NONE]] })])).toMatchObject([{ state: "full" }]);
  });

  test("nor is a node that shows the same for ever waited for", () => {
    const s = new BenchSegment({ settings: { mergeAboveBytes: 0, retainBytesMax: 0, keepBytesMax: 3500 } });
    const says = { type: "readers", stream: undefined, lowWater: point(), shown: point() } as const;
    for (let i = 1; i <= 8; i++) {
      const at = point([1, i - 1]);
      s.append(chainOf(1, 8).slice(i - 1, i), { lowWater: at, builtOn: at, decisions: decided(0, i - 1) });
      s.say(7, says);
      s.tick();
    }
    expect(s.pages.size).toBe(0);
    for (let ms = 0; ms < 25_000; ms += 1000) {
      s.decide(1, decided(0, 8), { lowWater: point([1, 8]), builtOn: point([1, 8]) });
      s.say(7, says);
      s.tick(1000);
    }
    expect(s.pages.size).toBe(1);
    expect(s.append([slice({ stream: 2, lsn: 1, writes: [[9, NONE]] })])).toMatchObject([{ state: "ok" }]);
  });

  test("an old reader is overtaken before that", () => {
    const s = new BenchSegment({ settings: { mergeAboveBytes: 0, retainBytesMax: 0, keepBytesMax: 3500 } });
    const slices = chainOf(1, 10);
    for (const one of slices.slice(0, 6))
      s.append([one], {
        lowWater: point(),
        builtOn: point([1, one.lsn - 1]),
        decisions: decided(0, one.lsn - 1),
      });
    s.tick();
    expect(s.pages.size).toBe(0);
    s.tick(6000);
    s.tick();
    expect(s.pages.size).toBe(1);
    expect(s.read(1, point([1, 1]))).toEqual({ kind: "too-old" });
    expect(s.read(1, point([1, 6]))).toMatchObject({ kind: "page", version: v(1, 5) });
  });

  test("pages that only the store knows of leave it", () => {
    const s = new BenchSegment({ settings: { mergeAboveBytes: 0, idleChainsMax: 4 } });
    for (let page = 0; page < 12; page++)
      s.append([slice({ stream: 1, lsn: page + 1, writes: [[page, NONE]] })]);
    s.decide(1, decided(0, 12), { lowWater: point([1, 12]) });
    for (let i = 0; i < 4; i++) s.tick();
    const [segment] = s.server.status()["segments"] as { chainsInMemory: number }[];
    expect(segment!.chainsInMemory).toBeLessThan(6);
    expect(s.read(3, point([1, 12]))).toMatchObject({ kind: "page", version: v(1, 4) });
  });
});
