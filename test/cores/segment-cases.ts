/** A segment server's machine without its disk: taking slices, voting on them, merging nothing. */
import {
  assert,
  epoch,
  lsn,
  nodeName,
  NONE,
  pageId,
  pgId,
  ReadPoint,
  streamId,
  transactionId,
  type PageVersion,
  type Slice,
} from "@sixfold/model";
import { SegmentServer } from "@sixfold/segment";
import { encodeSlice, type Append } from "@sixfold/wire";
import type { Case } from "./measure.ts";
import { rowOps } from "./wire-cases.ts";

/** Slices in a frame. */
const BATCH = 32;
/** Slices of one server; then another takes its place, so that none grows for ever. */
const LIFE = 16_384;

const GEOMETRY = { pageBytes: 8192, segmentBytes: 1 << 24 };
const STREAM = streamId(1);
const NOWHERE = new ReadPoint(streamId(0));
const OPS = rowOps(1);

/** A change of two pages. */
function sliceOf(at: number, uses: readonly (readonly [page: number, base: PageVersion])[]): Slice {
  const [back, supersedes] = [lsn(at - 1), lsn(0)];
  return encodeSlice({
    ...{ stream: STREAM, lsn: lsn(at), pg: pgId(0), back, supersedes, owned: true, epoch: epoch(1) },
    ...{ pgs: [pgId(0)], ownBases: [], checks: [], transaction: transactionId("1-V1StGXR8_Z5jdHi6B-myT") },
    deltas: uses.map(([page, base]) => ({ page: pageId(page), base, ops: OPS })),
  });
}

function begin(): SegmentServer {
  const server = new SegmentServer({
    name: nodeName("segment-a1"),
    pages: { get: () => undefined, tail: () => undefined, pages: () => [], count: () => 0 },
    settings: { geometry: GEOMETRY, mergeAboveBytes: Number.POSITIVE_INFINITY },
  });
  server.peerUp({ link: 1, role: "node", name: nodeName("writer-1") }, 0);
  return server;
}

/** What a server gets in its life: frames of slices, each of two pages of so many; the decisions on all before ride along. */
function framesOf(pages: number, exclusive: boolean): Append[] {
  const heads = new Map<number, PageVersion>();
  const frames: Append[] = [];
  for (let at = 1; at <= LIFE;) {
    const decisions = { from: lsn(0), through: lsn(at - 1), aborts: [], earlyAborts: [] };
    const slices: Slice[] = [];
    for (let i = 0; i < BATCH; i++, at++) {
      const used = [(at * 7) % pages, (at * 7 + 1 + (at % (pages - 1))) % pages].sort((a, b) => a - b);
      slices.push(
        sliceOf(
          at,
          used.map((page) => [page, heads.get(page) ?? NONE]),
        ),
      );
      for (const page of used) heads.set(page, { stream: STREAM, lsn: lsn(at) });
    }
    const head = { type: "append", pg: pgId(0), stream: STREAM, exclusive } as const;
    frames.push({ ...head, decisions, lowWater: NOWHERE, builtOn: NOWHERE, slices });
  }
  return frames;
}

function appending(name: string, pages: number, exclusive: boolean): Case {
  let frames: Append[] | undefined;
  let server = begin();
  let at = 0;
  return {
    name,
    run: (times) => {
      frames ??= framesOf(pages, exclusive);
      for (let n = 0; n < times; n++) {
        if (at === frames.length) [server, at] = [begin(), 0];
        server.receive(1, frames[at++]!, 0);
        assert(server.effects.length > 0, "a frame is acknowledged");
        server.effects.length = 0;
      }
      return lsn(at);
    },
  };
}

export function segmentCases(): Case[] {
  return [
    appending("segment: 32 slices of an exclusive stream", 200, true),
    appending("segment: votes on 32 slices, 200 pages", 200, false),
    appending("segment: votes on 32 slices, 4 pages", 4, false),
  ];
}
