import { deserialize, serialize } from "node:v8";
import fc from "fast-check";
import {
  epoch,
  lsn,
  NONE,
  pageId,
  pgId,
  ReadPoint,
  streamId,
  transactionId,
  version,
  type Manifest,
  type PageVersion,
  type Slice,
  type TraceEvent,
} from "@sixfold/model";
import { showStep } from "@sixfold/protocol";
import { encodeSlice } from "@sixfold/wire";
import { describe, expect, test } from "vitest";
import { plain, revived, type PlainEvent } from "./traced-codec.ts";

/** What Node's IPC channel does with `serialization: "advanced"`. */
const carried = (event: TraceEvent): TraceEvent =>
  revived(deserialize(serialize(plain(event))) as PlainEvent);

const positive = fc.integer({ min: 1, max: 2 ** 40 });
const someVersion = fc.oneof(
  fc.constant<PageVersion>(NONE),
  fc.record({ stream: positive.map(streamId), lsn: positive.map(lsn) }),
);
const readPoint = fc
  .tuple(fc.nat(5), fc.array(fc.tuple(fc.integer({ min: 1, max: 12 }).map(streamId), positive.map(lsn))))
  .map(([settled, positions]) => new ReadPoint(streamId(settled), positions));
const slice: fc.Arbitrary<Slice> = fc
  .record({
    bases: fc.array(someVersion, { minLength: 1, maxLength: 4 }),
    owned: fc.boolean(),
    supersedes: fc.nat(90),
    id: fc.constantFrom("", "1-V1StGXR8_Z5jdHi6"),
  })
  .map(({ bases, owned, supersedes, id }) =>
    encodeSlice({
      stream: streamId(2),
      lsn: lsn(100),
      pg: pgId(1),
      back: lsn(98),
      supersedes: lsn(supersedes),
      owned,
      epoch: epoch(4),
      pgs: [pgId(1)],
      ownBases: [lsn(91), lsn(99)],
      transaction: transactionId(id),
      deltas: bases.map((base, i) => ({ page: pageId(i), base, ops: new Uint8Array(4000) })),
      checks: [{ page: pageId(65), base: version(streamId(1), lsn(7)) }],
    }),
  );

const sent = fc.record({
  kind: fc.constant("sent" as const),
  stream: fc.constant(streamId(2)),
  lsn: fc.constant(lsn(100)),
  slices: fc.array(slice, { minLength: 1, maxLength: 3 }),
  builtOn: readPoint,
});

describe("a trace event on its way to the supervisor", () => {
  test("a sent entry keeps what the monitor reads of it, and leaves its bytes behind", () => {
    fc.assert(
      fc.property(sent, (event) => {
        const there = carried(event);
        if (there.kind !== "sent") throw new Error(there.kind);
        expect(showStep(there)).toBe(showStep(event));
        for (const [
          i,
          { pg, epoch: at, owned, supersedes, ownBases, transaction, deltas, checks },
        ] of event.slices.entries())
          expect(there.slices[i]).toStrictEqual({
            ...{ pg, epoch: at, owned, supersedes, ownBases, transaction },
            deltas: deltas.map(({ page, base }) => ({ page, base: { ...base } })),
            checks: checks.map(({ page, base }) => ({ page, base: { ...base } })),
          });
        expect(there.builtOn).toStrictEqual(event.builtOn.clone());
        expect(serialize(plain(event)).byteLength).toBeLessThan(4000);
      }),
      { numRuns: 60 },
    );
  });

  test("read points come as read points, as they were when it was said", () => {
    fc.assert(
      fc.property(readPoint, positive, (vector, through) => {
        const before = vector.clone();
        const event = plain({ kind: "shown", stream: streamId(9), through: lsn(1), vector, readable: true });
        vector.advance(streamId(11), lsn(2 ** 41 + through));
        const there = revived(deserialize(serialize(event)) as PlainEvent);
        if (there.kind !== "shown") throw new Error(there.kind);
        expect(there.vector).toBeInstanceOf(ReadPoint);
        expect(there.vector).toStrictEqual(before);
        const answer = { pg: pgId(0), page: pageId(1), version: NONE, readPoint: before };
        expect(carried({ kind: "answered", ...answer })).toStrictEqual({ kind: "answered", ...answer });
      }),
    );
  });

  test("everything else comes as it is: maps, and numbers that JSON does not know", () => {
    const manifest: Manifest = {
      volume: "bank",
      revision: 7,
      epoch: epoch(1),
      mode: "multi",
      nextMode: "multi",
      geometry: { pageBytes: 8192, segmentBytes: 1 << 26 },
      servers: [],
      seats: [],
      nodes: [],
      nextSeats: [],
      pgs: [[]],
      changes: [],
      nextStream: streamId(3),
      streams: [
        {
          state: "closed",
          id: streamId(2),
          node: "writer-1" as Manifest["pgs"][number][number],
          exclusive: false,
          final: lsn(40),
          tails: new Map([[pgId(0), lsn(39)]]),
        },
      ],
      settledThrough: streamId(1),
      outcomes: [],
    };
    const events: TraceEvent[] = [
      { kind: "manifest", manifest },
      { kind: "stored", pg: pgId(0), stream: streamId(1), scl: Number.POSITIVE_INFINITY as never },
      {
        kind: "learned",
        pg: pgId(0),
        stream: streamId(2),
        decisions: { from: lsn(3), through: lsn(9), aborts: [lsn(4)], earlyAborts: [lsn(12)] },
        source: "close",
      },
      { kind: "died" },
    ];
    for (const event of events) expect(carried(event)).toStrictEqual(event);
  });
});
