/**
 * What a kept slice takes in memory beside its bytes: the ground of the figures in `kept.ts`.
 *
 *     npx tsx --conditions=source --expose-gc packages/segment/bench/slice-cost.ts
 */
import { assert, nodeName, NONE, type Slice } from "@sixfold/model";
import { decodeRecords, encodeRecords } from "@sixfold/wire";
import { costOf } from "../src/kept.ts";
import { SegmentServer } from "../src/segment-server.ts";
import { decided, GEOMETRY, PG, point, slice, v } from "../src/testing/bench-segment.ts";

const COUNT = 50_000;
const PAGES = 200;
/** Slices that come together. */
const A_FRAME = 10;

function heap(): number {
  assert(globalThis.gc !== undefined, "run with --expose-gc");
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

for (const [deltas, count, isAlone] of [
  [1, COUNT, false],
  [2, COUNT, false],
  [8, COUNT, false],
  [2, 20_000, true],
] as const) {
  const server = new SegmentServer({
    name: nodeName("segment-a1"),
    pages: { get: () => undefined, tail: () => undefined, pages: () => [], count: () => 0 },
    settings: {
      geometry: { ...GEOMETRY, segmentBytes: GEOMETRY.pageBytes * 65_536 },
      mergeAboveBytes: Number.POSITIVE_INFINITY,
      keepBytesMax: Number.POSITIVE_INFINITY,
    },
  });
  server.peerUp({ link: 1, role: "node", name: nodeName("writer-1") }, 0);
  const before = heap();
  let cost = 0;
  let bytes = 0;
  const last = new Map<number, number>();
  const batch: Slice[] = [];
  for (let at = 1; at <= count; at++) {
    const pages = Array.from(
      { length: deltas },
      (_, i) => (at * deltas + i) % (isAlone ? 65_536 : PAGES),
    ).sort((a, b) => a - b);
    const made = slice({
      stream: 1,
      lsn: at,
      transaction: `1-${String(at).padStart(21, "0")}`,
      writes: pages.map((page) => [page, last.has(page) ? v(1, last.get(page)!) : NONE]),
    });
    for (const page of pages) last.set(page, at);
    batch.push(made);
    cost += costOf(made);
    bytes += made.byteLength;
    if (batch.length < A_FRAME) continue;
    // As a frame brings them.
    const record = {
      kind: "slices",
      pg: PG,
      stream: made.stream,
      exclusive: false,
      slices: batch.splice(0),
      votes: [],
    } as const;
    const [read] = decodeRecords(Buffer.concat(encodeRecords([record])));
    assert(read?.kind === "slices", "what was encoded");
    server.receive(
      1,
      {
        type: "append",
        pg: PG,
        stream: made.stream,
        exclusive: false,
        decisions: decided(0, at - A_FRAME),
        lowWater: point(),
        builtOn: point(),
        slices: read.slices,
      },
      at,
    );
    server.effects.length = 0;
  }
  const took = heap() - before;
  assert(server.status()["keptCost"] === cost, "the account is what was put in");
  const each = (n: number): string => (n / count).toFixed(0).padStart(6);
  const pages = Number(server.status()["changedPages"]);
  console.log(
    `${deltas} deltas: heap ${each(took)} a slice, bytes ${each(bytes)}, accounted ${each(cost)}; ${count} slices, ${pages} pages`,
  );
}
