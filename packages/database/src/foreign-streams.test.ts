import {
  epoch,
  lsn,
  NONE,
  nodeName,
  pageId,
  pgId,
  ReadPoint,
  streamId,
  transactionId,
  type Manifest,
  type Outcome,
  type StreamState,
} from "@sixfold/model";
import { encodeSlice, type Append } from "@sixfold/wire";
import { describe, expect, test } from "vitest";
import { ForeignStreams } from "./foreign-streams.ts";

const B = streamId(2);
const C = streamId(3);
const NODES = new Map([
  [B, nodeName("writer-b")],
  [C, nodeName("writer-c")],
]);

function manifest(closed: ReadonlyMap<number, number> = new Map(), settledThrough = 1): Manifest {
  const streams = [B, C]
    .filter((id) => id > settledThrough)
    .map((id): StreamState => {
      const node = NODES.get(id)!;
      const final = closed.get(id);
      if (final === undefined) return { state: "open", id, node, exclusive: false, epoch: epoch(1) };
      return { state: "closed", id, node, exclusive: false, final: lsn(final), tails: new Map() };
    });
  const geometry = { pageBytes: 8192, segmentBytes: 1 << 20 };
  return {
    volume: "v",
    revision: 1,
    epoch: epoch(1),
    mode: "multi",
    nextMode: "multi",
    geometry,
    servers: [],
    seats: [],
    nodes: [],
    nextSeats: [],
    pgs: [],
    changes: [],
    nextStream: streamId(4),
    streams,
    settledThrough: streamId(settledThrough),
    outcomes: [],
  };
}

function entry(
  stream: number,
  at: number,
  builtOn: readonly (readonly [number, number])[],
  decided = at,
): Append {
  const slice = encodeSlice({
    stream: streamId(stream),
    lsn: lsn(at),
    pg: pgId(0),
    back: lsn(at - 1),
    supersedes: lsn(0),
    owned: true,
    epoch: epoch(1),
    pgs: [pgId(0)],
    ownBases: [],
    transaction: transactionId(`${stream}-x`),
    deltas: [{ page: pageId(9), base: NONE, ops: new Uint8Array(0) }],
    checks: [],
  });
  const vector = new ReadPoint(
    streamId(1),
    builtOn.map(([s, l]) => [streamId(s), lsn(l)] as const),
  );
  const decisions = { from: lsn(0), through: lsn(decided), aborts: [], earlyAborts: [] };
  return {
    type: "append",
    pg: pgId(0),
    stream: streamId(stream),
    exclusive: false,
    decisions,
    lowWater: vector,
    builtOn: vector,
    slices: [slice],
  };
}

function world() {
  const shown: string[] = [];
  const asked: { node: string; request: number }[] = [];
  const applied = new ReadPoint(streamId(1));
  const confirmations: (() => void)[] = [];
  let request = 0;
  const streams = new ForeignStreams({
    applied,
    applyForeign: (stream, e) => shown.push(`${stream}:${e.lsn}`),
    advance: (stream, to) => applied.advance(stream, to),
    dropCleanPages: () => shown.push("drop"),
    askDurable: (node) => {
      asked.push({ node, request: ++request });
      return request;
    },
    followAgain: (node) => shown.push(`follow ${node}`),
    confirm: (then) => confirmations.push(then),
  });
  /** The round that looks at the manifest has come back. */
  const confirm = (): void => confirmations.splice(0).forEach((then) => then());
  const start = (stream: number, durable: number): void =>
    streams.feedStart(NODES.get(streamId(stream))!, {
      type: "feedStart",
      stream: streamId(stream),
      durable: lsn(durable),
      tails: new Map(),
    });
  return { streams, shown, asked, applied, start, confirm };
}

/** A world that follows both streams from their beginning. */
function joined() {
  const w = world();
  w.streams.learnManifest(manifest(), streamId(9));
  w.start(2, 0);
  w.start(3, 0);
  w.streams.apply();
  expect(w.streams.isClosed).toBe(true);
  return w;
}

describe("foreign streams", () => {
  test("I5: an entry waits for what it was built on, whichever feed is faster", () => {
    const w = joined();
    w.streams.append(entry(3, 1, [[2, 1]]));
    w.streams.apply();
    expect(w.shown).toEqual([]);
    expect(w.streams.stalled).toBe(true);
    w.streams.append(entry(2, 1, []));
    w.streams.apply();
    expect(w.shown).toEqual(["2:1", "3:1"]);
    expect(w.applied.entries()).toEqual([
      [2, 1],
      [3, 1],
    ]);
  });

  test("a point beyond a closed stream's end is shown: there are only aborts", () => {
    const w = joined();
    w.streams.append(entry(3, 1, [[2, 5]]));
    w.streams.learnManifest(manifest(new Map([[2, 4]])), streamId(9));
    expect(w.shown.at(-1)).toBe("3:1");
    expect(w.streams.shows(new ReadPoint(streamId(1), [[streamId(2), lsn(7)]]))).toBe(true);
    expect(w.streams.shows(new ReadPoint(streamId(1), [[streamId(3), lsn(2)]]))).toBe(false);
  });

  test("nobody reads before every open stream was followed once", () => {
    const w = world();
    w.streams.learnManifest(manifest(), streamId(9));
    w.start(2, 0);
    w.streams.apply();
    expect(w.streams.isClosed).toBe(false);
    w.start(3, 0);
    w.streams.apply();
    expect(w.streams.isClosed).toBe(true);
  });

  test("I5: after a jump the vector counts as closed only when the others' later durable points are shown", () => {
    const w = joined();
    w.streams.linkLost(NODES.get(B)!);
    w.start(2, 5); // missed 1 to 5, which may have been built on C's entries
    expect(w.shown).toEqual(["drop"]);
    expect(w.streams.isClosed).toBe(false);
    w.streams.durable(C, lsn(2), w.asked.at(-1)!.request);
    expect(w.streams.isClosed).toBe(false);
    w.streams.append(entry(3, 1, []));
    w.streams.append(entry(3, 2, []));
    w.streams.apply();
    expect(w.streams.isClosed, "the own stream may have been closed by a recovery").toBe(false);
    w.confirm();
    expect(w.streams.isClosed).toBe(true);
  });

  test("I5: so for a replica: the streams that it knows may not be all that the skipped entries rest on", () => {
    const w = world();
    // C is open, too, but not in the manifest that the node knows.
    const one = { ...manifest(), streams: manifest().streams.filter(({ id }) => id === B) };
    w.streams.learnManifest(one, streamId(0));
    w.start(3, 0);
    w.start(2, 5);
    expect(w.asked).toEqual([]);
    w.streams.apply();
    expect(w.streams.isClosed).toBe(false);
    w.streams.learnManifest(manifest(), streamId(0));
    expect(w.streams.isClosed, "nobody has asked C's writer since").toBe(false);
    w.confirm();
    expect(w.streams.isClosed).toBe(true);
  });

  test("an answer to a question from before the jump does not count", () => {
    const w = joined();
    w.streams.linkLost(NODES.get(B)!);
    w.start(2, 5);
    w.confirm();
    const { request } = w.asked.at(-1)!;
    w.streams.durable(C, lsn(0), request - 1);
    expect(w.streams.isClosed).toBe(false);
    w.streams.durable(C, lsn(0), request);
    expect(w.streams.isClosed).toBe(true);
  });

  test("a closed stream is shown to its end, from storage if its feed did not bring it", () => {
    const w = joined();
    w.streams.append(entry(2, 1, []));
    w.streams.apply();
    w.streams.learnManifest(manifest(new Map([[2, 4]])), streamId(9));
    expect(w.applied.get(B)).toBe(4);
    expect(w.shown).toEqual(["2:1", "drop"]);
    w.streams.durable(C, lsn(0), w.asked.at(-1)!.request);
    expect(w.streams.isClosed).toBe(true);
  });

  test("a stream that was closed and settled behind the node's back is a gap too", () => {
    const w = joined();
    w.streams.learnManifest(manifest(new Map(), 2), streamId(9));
    expect(w.shown).toEqual(["drop"]);
    expect(w.streams.isClosed).toBe(false);
    w.streams.durable(C, lsn(0), w.asked.at(-1)!.request);
    expect(w.streams.isClosed).toBe(true);
  });

  test.each(["decisions", "slices"])(
    "I8: where frames with %s are lost, the feed is asked for anew, tails and all, before anything more is shown",
    (lost) => {
      const w = joined();
      const late = entry(2, 3, [], 3);
      const from = lsn(lost === "decisions" ? 2 : 0);
      w.streams.append({ ...late, decisions: { ...late.decisions, from } });
      w.streams.apply();
      w.streams.tick(0);
      w.streams.tick(100);
      expect(w.shown).toEqual([]);
      w.streams.tick(200);
      w.streams.tick(201);
      expect(w.shown).toEqual([`follow ${NODES.get(B)!}`]);
      expect(w.applied.get(B)).toBe(0);
      w.start(2, 3);
      expect(w.applied.get(B)).toBe(3);
      expect(w.shown.slice(1)).toEqual(["drop"]);
    },
  );
});

describe("a stream that is closed", () => {
  const outcome = (at: number, decision: "commit" | "abort"): Outcome => ({
    ...{ stream: B, lsn: lsn(at), decision },
    ...{ pgs: [], changes: [], checks: [] },
  });
  /** Closed at 3 with its last entries' outcomes, as a recovery leaves it. */
  const closedAt3 = (...outcomes: readonly Outcome[]): Manifest => ({
    ...manifest(new Map([[2, 3]])),
    outcomes,
  });

  test("ends without a gap where its feed has brought all, and the close says what became of it", () => {
    const w = joined();
    for (const at of [1, 2, 3]) w.streams.append(entry(2, at, [], 1));
    w.streams.learnManifest(closedAt3(outcome(2, "abort"), outcome(3, "commit")), streamId(9));
    expect(w.shown).toEqual(["2:1", "2:3"]);
    expect(w.applied.get(B)).toBe(3);
    expect(w.streams.jumps).toBe(0);
    expect(w.streams.isClosed).toBe(true);
  });

  test("so it does where the link has ended with its writer", () => {
    const w = joined();
    for (const at of [1, 2, 3]) w.streams.append(entry(2, at, [], 1));
    w.streams.linkLost(NODES.get(B)!);
    expect(w.streams.unfollowed()).toMatchObject([{ stream: B, hasEnded: true }]);
    w.streams.learnManifest(closedAt3(outcome(2, "commit"), outcome(3, "commit")), streamId(9));
    expect(w.shown).toEqual(["2:1", "2:2", "2:3"]);
    expect([w.streams.jumps, w.streams.feeds().length]).toEqual([0, 1]);
  });

  test("shows what its recovery committed although the writer had aborted it, and told no segment", () => {
    const w = joined();
    for (const at of [1, 2]) w.streams.append(entry(2, at, [], 1));
    const last = entry(2, 3, [], 1);
    w.streams.append({ ...last, decisions: { ...last.decisions, earlyAborts: [lsn(2)] } });
    w.streams.learnManifest(closedAt3(outcome(2, "commit"), outcome(3, "commit")), streamId(9));
    expect(w.shown).toEqual(["2:1", "2:2", "2:3"]);
  });

  test("is a gap where an entry is missing, or the outcomes have left the manifest", () => {
    for (const m of [closedAt3(outcome(2, "commit"), outcome(3, "commit")), closedAt3()]) {
      const w = joined();
      w.streams.append(entry(2, 1, []));
      if (m.outcomes.length === 0) w.streams.append(entry(2, 2, [], 1));
      w.streams.append(entry(2, 3, [], 1));
      w.streams.learnManifest(m, streamId(9));
      expect(w.shown.at(-1)).toBe("drop");
      expect(w.applied.get(B)).toBe(3);
      expect(w.streams.jumps).toBe(1);
    }
  });

  test("is not followed again: its writer may not know yet, and what it feeds was shown", () => {
    const w = joined();
    for (const at of [1, 2, 3]) w.streams.append(entry(2, at, []));
    w.streams.learnManifest(closedAt3(), streamId(9));
    w.start(2, 1);
    for (const at of [2, 3]) w.streams.append(entry(2, at, []));
    w.streams.apply();
    expect(w.shown).toEqual(["2:1", "2:2", "2:3"]);
    expect(w.streams.feeds().map((feed) => feed.stream)).toEqual([C]);
  });
});
