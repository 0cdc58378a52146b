/** At least one message of every type, with every branch of its format taken: for golden vectors and mutations. */
import {
  ACCEPT,
  epoch,
  HOLD,
  lsn,
  nodeName,
  NONE,
  OpsWriter,
  pageId,
  pgId,
  ReadPoint,
  streamId,
  transactionId,
  version,
  type Manifest,
  type Slice,
} from "@sixfold/model";
import type { Message } from "../frame.ts";
import type { LogRecord } from "../log-records.ts";
import { encodeSlice } from "../slice-codec.ts";

const [one, two, three] = [streamId(1), streamId(2), streamId(3)];
const pg = pgId(1);
const id = transactionId("1-V1StGXR8_Z5jdHi6");

function ops(offset: number, text: string): Uint8Array {
  const w = new OpsWriter();
  w.set(offset, new TextEncoder().encode(text));
  w.move(200, 100, 50);
  return w.finish();
}

export const slice: Slice = encodeSlice({
  stream: two,
  lsn: lsn(300),
  pg,
  back: lsn(298),
  supersedes: lsn(290),
  owned: true,
  epoch: epoch(4),
  pgs: [pg, pgId(3)],
  ownBases: [lsn(291), lsn(299)],
  transaction: id,
  deltas: [
    { page: pageId(64), base: NONE, ops: ops(0, "hello") },
    { page: pageId(70), base: version(one, lsn(2 ** 33)), ops: ops(4000, "world") },
  ],
  checks: [{ page: pageId(65), base: version(two, lsn(299)) }],
});
export const plainSlice: Slice = encodeSlice({
  ...slice,
  lsn: lsn(301),
  back: lsn(300),
  supersedes: lsn(0),
  owned: false,
  pgs: [pg],
  ownBases: [],
  transaction: transactionId(""),
  deltas: [{ page: pageId(66), base: version(one, lsn(7)), ops: new Uint8Array(0) }],
  checks: [],
});

const decisions = { from: lsn(10), through: lsn(20), aborts: [lsn(12), lsn(20)], earlyAborts: [lsn(25)] };
const readPoint = new ReadPoint(one, [
  [two, lsn(300)],
  [three, lsn(2 ** 40)],
]);
const votes = [
  { lsn: lsn(300), vote: { kind: "wait", page: pageId(64), blocker: { stream: one, lsn: lsn(9) } } },
  { lsn: lsn(301), vote: { kind: "reject", page: pageId(70), winner: { stream: three, lsn: lsn(8) } } },
  { lsn: lsn(302), vote: { kind: "void", base: lsn(299) } },
  { lsn: lsn(303), vote: HOLD },
  { lsn: lsn(304), vote: ACCEPT },
] as const;

export const manifest: Manifest = {
  volume: "main",
  revision: 7,
  epoch: epoch(4),
  mode: "multi",
  nextMode: "multi",
  geometry: { pageBytes: 8192, segmentBytes: 1 << 20 },
  servers: [{ name: nodeName("segment-a1"), az: "a", url: "ws://127.0.0.1:7420" }],
  nodes: [
    { name: nodeName("writer-1"), role: "writer", az: "a", url: "ws://127.0.0.1:7400" },
    { name: nodeName("replica-1"), role: "replica", az: "b", url: "ws://127.0.0.1:7402" },
  ],
  seats: ["a1", "a2", "b1", "b2", "c1", "c2"].map((n) => nodeName(`segment-${n}`)),
  nextSeats: ["a3", "a2", "b1", "b2", "c1", "c2"].map((n) => nodeName(`segment-${n}`)),
  pgs: [["a1", "a2", "b1", "b2", "c1", "c2"].map((n) => nodeName(`segment-${n}`))],
  changes: [
    {
      pg: pgId(0),
      to: ["a3", "a2", "b1", "b2", "c1", "c2"].map((n) => nodeName(`segment-${n}`)),
      since: epoch(4),
    },
  ],
  nextStream: streamId(4),
  streams: [
    {
      state: "closed",
      id: two,
      node: nodeName("writer-1"),
      exclusive: true,
      final: lsn(99),
      tails: new Map([[pg, lsn(98)]]),
    },
    { state: "open", id: three, node: nodeName("writer-2"), exclusive: false, epoch: epoch(2) },
  ],
  settledThrough: one,
  outcomes: [
    {
      stream: three,
      lsn: lsn(5),
      decision: "commit",
      pgs: [pgId(0), pg],
      changes: [{ page: pageId(64), base: NONE }],
      checks: [{ page: pageId(65), base: version(two, lsn(98)) }],
    },
  ],
};

const ballot = { round: 3, proposer: "writer-1" };
const ofStream = { request: 17, pg, stream: two } as const;
const bytes = (...from: number[]): Uint8Array => Uint8Array.from(from);
const session = bytes(1, 0, 1, 2, 3);
const begin = { isolation: "serializable", consistency: "cluster" } as const;

export const messages: readonly Message[] = [
  { type: "hello", protocol: 1, role: "node", name: "writer-1", volume: "main", token: "geheim-é" },
  { type: "welcome", protocol: 1, role: "segment", name: "segment-a1", volume: "main" },
  { type: "goodbye", code: "unauthorized", reason: "the token is missing or wrong" },
  {
    type: "append",
    pg,
    stream: two,
    exclusive: true,
    decisions,
    lowWater: readPoint,
    builtOn: readPoint,
    slices: [slice, plainSlice],
  },
  {
    type: "ack",
    pg,
    stream: two,
    scl: lsn(304),
    acceptedFrom: lsn(299),
    votes,
    decidedThrough: lsn(20),
    abortsKnown: [lsn(25)],
    waiting: [{ stream: three, lsn: lsn(8), page: pageId(70) }],
    state: "fenced",
  },
  { type: "askVotes", ...ofStream, lsns: [lsn(300), lsn(304)] },
  { type: "votes", ...ofStream, votes },
  {
    type: "fence",
    ...ofStream,
    uses: [
      { page: pageId(69), base: version(two, lsn(3)) },
      { page: pageId(70), base: NONE },
    ],
  },
  {
    type: "fenced",
    ...ofStream,
    scl: lsn(301),
    decidedThrough: lsn(299),
    tail: lsn(298),
    aborts: [lsn(290)],
    earlyAborts: [lsn(305)],
    slices: [
      { slice, vote: ACCEPT, decision: "abort" },
      { slice: plainSlice, vote: votes[0].vote, decision: undefined },
    ],
    committed: [{ page: pageId(64), base: NONE, version: version(one, lsn(9)) }],
  },
  { type: "close", ...ofStream, final: lsn(301), tail: lsn(300), decisions },
  { type: "closed", ...ofStream, complete: true },
  { type: "outcomes", request: 17, pg, outcomes: [{ stream: two, lsn: lsn(300), decision: "commit" }] },
  { type: "outcomesKnown", request: 17, pg },
  { type: "readPage", request: 17, pg, page: pageId(64), readPoint, need: [[two, lsn(300)]], closed: [two] },
  {
    type: "pageRead",
    request: 17,
    pg,
    page: pageId(64),
    answer: { kind: "page", version: version(two, lsn(300)), image: bytes(1, 2, 3, 4) },
  },
  { type: "pageRead", request: 18, pg, page: pageId(64), answer: { kind: "too-old" } },
  { type: "pullSlices", ...ofStream, after: lsn(1), through: lsn(9) },
  {
    type: "pulledSlices",
    ...ofStream,
    slices: [slice],
    decisions,
    mergedThrough: lsn(0),
    closed: { final: lsn(301), tail: lsn(300) },
  },
  { type: "pulledSlices", ...ofStream, slices: [], decisions, mergedThrough: lsn(4), closed: undefined },
  {
    type: "positions",
    pg,
    streams: [{ stream: two, scl: lsn(300), decidedThrough: lsn(299), closed: false }],
  },
  { type: "pullPages", request: 17, pg, from: pageId(64), limit: 100, mends: undefined },
  {
    type: "pullPages",
    request: 18,
    pg,
    from: pageId(66),
    limit: 1,
    mends: { settledThrough: streamId(1), streams: [{ stream: three, through: lsn(7) }] },
  },
  {
    type: "pulledPages",
    request: 17,
    pg,
    pages: [
      { page: pageId(64), stored: bytes(1, 2, 3) },
      { page: pageId(66), stored: bytes(4) },
    ],
    next: pageId(67),
    merged: [{ stream: two, through: lsn(300), tail: lsn(298) }],
    settledThrough: one,
  },
  {
    type: "cargo",
    request: 17,
    pg,
    pages: [{ page: pageId(64), at: 16, bytes: 3 }],
    bytes: 19,
    next: pageId(67),
    merged: [{ stream: two, through: lsn(300), tail: lsn(298) }],
    settledThrough: one,
  },
  { type: "findTransaction", ...ofStream, transaction: id },
  {
    type: "transactionFound",
    ...ofStream,
    attempts: [
      { lsn: lsn(290), decision: "abort" },
      { lsn: lsn(300), decision: undefined },
    ],
    forgottenThrough: lsn(4),
    scl: lsn(301),
    isClosed: true,
  },
  { type: "manifestPrepare", request: 17, ballot },
  {
    type: "manifestPromise",
    request: 17,
    granted: true,
    promised: ballot,
    accepted: { ballot, value: manifest },
  },
  { type: "manifestAccept", request: 17, ballot, value: manifest },
  { type: "manifestAccepted", request: 17, granted: false, promised: ballot },
  { type: "manifestPeek", request: 17 },
  { type: "manifestPeeked", request: 17, promised: undefined, value: manifest },
  { type: "manifestTold", value: manifest },
  { type: "manifestNews", value: manifest, successor: "writer-2" },
  { type: "readers", stream: two, lowWater: readPoint, shown: readPoint },
  { type: "readers", stream: undefined, lowWater: readPoint, shown: readPoint },
  { type: "askCopied", request: 17, pg },
  { type: "copied", request: 17, pg, isWhole: true },
  { type: "follow", node: nodeName("writer-1") },
  { type: "feedStart", stream: two, durable: lsn(300), tails: new Map([[pg, lsn(300)]]) },
  { type: "askDurable", request: 17 },
  { type: "durable", request: 17, stream: two, durable: lsn(300), atUs: 5_000_001, epoch: epoch(4) },
  { type: "askSnapshot", request: 17 },
  { type: "snapshot", request: 17, point: readPoint },
  {
    type: "askPages",
    request: 17,
    owner: one,
    stream: two,
    pages: [
      { page: pageId(3), at: lsn(300) },
      { page: pageId(700), at: lsn(299) },
    ],
  },
  { type: "pagesGiven", request: 17, pages: [pageId(3)] },
  { type: "askStatus", request: 17 },
  {
    type: "status",
    request: 17,
    status: { role: "writer", lagMs: 1.5, streams: [1, 2], since: new Date(0) },
  },
  {
    type: "clientWelcome",
    node: "writer-1",
    role: "writer",
    az: "a",
    mode: "single",
    stream: 2,
    nodes: [{ name: "replica-1", role: "replica", az: "b", url: "ws://127.0.0.1:7401" }],
  },
  {
    type: "topology",
    nodes: [
      {
        name: "writer-1",
        role: "writer",
        az: "a",
        url: "ws://127.0.0.1:7400",
        stream: 300,
        ready: true,
        lagMs: 0,
      },
      { name: "replica-1", role: "replica", az: "b", url: "", stream: 0, ready: false, lagMs: 1500 },
    ],
  },
  {
    type: "requests",
    requests: [
      {
        request: 1,
        body: {
          op: "get",
          tx: { id, begin },
          table: "t",
          keys: [bytes(0x60, 97), bytes(0x10)],
          forUpdate: true,
        },
      },
      {
        request: 2,
        body: {
          op: "get",
          alone: { isolation: "snapshot", consistency: "session", maxLagMs: 250 },
          table: "t",
          keys: [bytes(0x10)],
          forUpdate: false,
        },
      },
      {
        request: 3,
        body: { op: "scan", tx: { id }, table: "t", gt: bytes(1), lte: bytes(2), limit: 100, reverse: true },
      },
      { request: 4, body: { op: "scan", table: "t", gte: bytes(1), lt: bytes(2), limit: 1, reverse: false } },
      {
        request: 5,
        body: {
          op: "commit",
          tx: { id },
          writes: [
            { table: "t", key: bytes(0x10), value: bytes(1) },
            { table: "t", key: bytes(0x20) },
          ],
        },
      },
      { request: 6, body: { op: "rollback", tx: { id } } },
      { request: 7, body: { op: "call", tx: { id, begin }, procedure: "transfer", args: bytes(0x90) } },
      { request: 8, body: { op: "outcome", id } },
      { request: 9, body: { op: "createTable", tx: { id }, table: "t" } },
      { request: 10, body: { op: "dropTable", tx: { id }, table: "t" } },
      { request: 11, body: { op: "listTables" } },
      { request: 12, body: { op: "status" } },
      { request: 13, body: { op: "listTables", alone: begin } },
    ],
  },
  {
    type: "responses",
    session,
    responses: [
      { request: 1, result: { op: "get", values: [bytes(1), undefined] } },
      { request: 2, result: { op: "scan", rows: [[bytes(0x10), bytes(1)]], more: true } },
      { request: 3, result: { op: "commit", attempts: 2 } },
      { request: 4, result: { op: "rollback" } },
      { request: 5, result: { op: "call", value: bytes(0xc0), attempts: 1 } },
      { request: 6, result: { op: "outcome", outcome: "unknown" } },
      { request: 7, result: { op: "createTable", changed: true } },
      { request: 8, result: { op: "dropTable", changed: false } },
      { request: 9, result: { op: "listTables", tables: ["t", "u"] } },
      { request: 10, result: { op: "status", status: { node: "writer-1" } } },
      {
        request: 11,
        result: {
          op: "error",
          error: {
            code: "row-conflict",
            message: "another was faster",
            retryable: "new-transaction",
            outcome: "aborted",
            details: { transaction: id, conflict: { phase: "delta", attempts: 1, row: bytes(0x10) } },
          },
        },
      },
    ],
  },
  { type: "ping" },
];

export const records: readonly LogRecord[] = [
  { kind: "slices", pg, stream: two, exclusive: false, slices: [slice, plainSlice], votes },
  { kind: "votes", pg, stream: two, votes },
  { kind: "decisions", pg, stream: two, decisions },
  { kind: "outcomes", pg, outcomes: [{ stream: two, lsn: lsn(300), decision: "abort" }] },
  { kind: "fence", pg, stream: two },
  { kind: "close", pg, stream: two, final: lsn(301), tail: lsn(300), decisions },
  { kind: "seat", promised: ballot, accepted: { ballot, value: manifest } },
  { kind: "seat", promised: ballot, accepted: undefined },
  { kind: "newcomer", pg, since: epoch(4), isWhole: false },
  { kind: "left", pg },
  { kind: "checkpoint", state: bytes(9, 8, 7) },
];
