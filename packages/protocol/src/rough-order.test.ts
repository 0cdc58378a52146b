/** Events of real processes: nearly in order, some lost with those who died, and some from before anybody listened. */
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
  type PageVersion,
  type TraceEvent,
} from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { Monitor } from "./monitor.ts";

const [pg, page] = [pgId(0), pageId(3)];
const SEGMENTS = ["a1", "a2", "b1", "b2", "c1"].map((name) => `segment-${name}`);

const opened = (stream: number): TraceEvent => ({
  kind: "opened",
  stream: streamId(stream),
  exclusive: false,
});
const sent = (
  stream: number,
  at: number,
  base: PageVersion,
  checks: readonly number[] = [],
  owned = false,
): TraceEvent => ({
  kind: "sent",
  stream: streamId(stream),
  lsn: lsn(at),
  slices: [
    {
      pg,
      epoch: epoch(1),
      owned,
      supersedes: lsn(0),
      ownBases: [],
      transaction: transactionId(""),
      deltas: [{ page, base }],
      checks: checks.map((n) => ({ page: pageId(n), base: NONE })),
    },
  ],
  builtOn: new ReadPoint(streamId(0)),
});
const decided = (stream: number, at: number): TraceEvent => ({
  kind: "decided",
  stream: streamId(stream),
  lsn: lsn(at),
  decision: "commit",
  by: "votes",
});
/** The manifest, with the commit of 1:1 in it. */
const ruled = (revision: number): TraceEvent => ({
  kind: "manifest",
  manifest: {
    volume: "v",
    revision,
    epoch: epoch(1),
    mode: "multi",
    nextMode: "multi",
    geometry: { pageBytes: 8192, segmentBytes: 1 << 26 },
    servers: [],
    seats: [],
    nodes: [],
    nextSeats: [],
    pgs: [],
    changes: [],
    nextStream: streamId(2),
    streams: [
      { state: "open", id: streamId(1), node: nodeName("writer-1"), exclusive: false, epoch: epoch(1) },
    ],
    settledThrough: streamId(0),
    outcomes: [
      {
        stream: streamId(1),
        lsn: lsn(1),
        decision: "commit",
        pgs: [pg],
        changes: [{ page, base: NONE }],
        checks: [],
      },
    ],
  },
});
const accepted = (stream: number, at: number): TraceEvent => ({
  kind: "voted",
  pg,
  stream: streamId(stream),
  lsn: lsn(at),
  vote: "accept",
});
const learned = (stream: number, through: number): TraceEvent => ({
  kind: "learned",
  pg,
  stream: streamId(stream),
  decisions: { from: lsn(through - 1), through: lsn(through), aborts: [], earlyAborts: [] },
  source: "writer",
});

/** Tells a monitor what happens. */
class Told {
  private readonly monitor = new Monitor({ order: "rough" });

  readonly say = (process: string, ...events: TraceEvent[]): void => {
    for (const event of events) this.monitor.observe({ process: nodeName(process), event });
  };

  tick(now: number): void {
    this.monitor.tick(now);
  }

  /** At the end: the conditions that it found broken. */
  found(): string[] {
    return this.monitor.finish().map(({ condition }) => condition);
  }
}

/** Tells a monitor these events in this order, and returns the conditions that it found broken. */
function found(tell: (say: Told["say"]) => void): string[] {
  const told = new Told();
  tell(told.say);
  return told.found();
}

describe("events that come roughly in order", () => {
  test("support may come later", () => {
    const late = (segments: readonly string[]): string[] =>
      found((say) => {
        say("writer-1", opened(1), sent(1, 1, NONE), decided(1, 1));
        for (const segment of segments) say(segment, accepted(1, 1));
      });
    expect(late(SEGMENTS)).toEqual([]);
    expect(late(SEGMENTS.slice(1))).toEqual(["votes-decide"]);
  });

  test("so it is with pages that were given, again and again; what a giver that died may have said is not asked for", () => {
    const gave = (stream: number, at: number, to: number): TraceEvent => ({
      ...{ kind: "gave", stream: streamId(stream), page, lsn: lsn(at), to: streamId(to) },
    });
    const v = (stream: number, at: number): PageVersion => ({ stream: streamId(stream), lsn: lsn(at) });
    const conditions = (tell: Parameters<typeof found>[0]): string[] =>
      found(tell).filter((name) => name.includes("owned") || name.includes("gi"));
    const lives = (...last: readonly [string, TraceEvent][]): string[] =>
      conditions((say) => {
        say("writer-1", opened(1), sent(1, 1, NONE, [], true));
        say("writer-2", opened(2), sent(2, 1, v(1, 1), [], true));
        for (const [process, event] of last) say(process, event);
      });
    expect(lives()).toEqual(["owned-is-owned"]);
    expect(lives(["writer-1", gave(1, 1, 2)])).toEqual([]);
    const again: [string, TraceEvent][] = [
      ["writer-1", gave(1, 1, 2)],
      ["writer-1", sent(1, 2, v(2, 1))],
      ["writer-1", gave(1, 2, 2)],
    ];
    expect(lives(...again)).toEqual([]);
    expect(lives(["writer-1", { kind: "died" }])).toEqual([]);
    // Its own word stands, at once: given is given, and not while it is changed.
    const kept = lives(["writer-1", gave(1, 1, 2)], ["writer-1", sent(1, 2, v(1, 1), [], true)]);
    expect(kept).toEqual(["given-is-given"]);
    expect(lives(["writer-1", sent(1, 2, v(1, 1))], ["writer-1", gave(1, 1, 2)])).toEqual(["gift-unclaimed"]);
  });

  test("so it is with the durable point, and with what the manifest commits", () => {
    const durable: TraceEvent = { kind: "durable", stream: streamId(1), through: lsn(1) };
    const stored: TraceEvent = { kind: "stored", pg, stream: streamId(1), scl: lsn(1) };
    const late = (segments: readonly string[], ...steps: TraceEvent[]): string[] =>
      found((say) => {
        say("writer-1", opened(1), sent(1, 1, NONE), ...steps);
        for (const segment of segments) say(segment, accepted(1, 1), stored);
      });
    expect(late(SEGMENTS, decided(1, 1), durable)).toEqual([]);
    expect(late(SEGMENTS.slice(2), decided(1, 1), durable)).toEqual(["votes-decide", "durable-on-four"]);
    const byManifest: TraceEvent = { ...decided(1, 1), by: "manifest" } as TraceEvent;
    expect(late(SEGMENTS.slice(1), ruled(2), byManifest)).toEqual([]);
    expect(late(SEGMENTS.slice(2), ruled(2), byManifest)).toEqual(["manifest-commit-accepted"]);
  });

  test("what a writer says of its own is judged at once, whatever else of the entry must wait", () => {
    const own = { stream: streamId(2), lsn: lsn(1) };
    const foreign = { stream: streamId(1), lsn: lsn(1) };
    const aborted = {
      kind: "decided",
      stream: own.stream,
      lsn: own.lsn,
      decision: "abort",
      by: "yield",
    } as const;
    const { slices, ...rest } = sent(2, 2, own) as Extract<TraceEvent, { kind: "sent" }>;
    const deltas = [...slices[0]!.deltas, { page: pageId(4), base: foreign }];
    const onBoth: TraceEvent = { ...rest, slices: [{ ...slices[0]!, ownBases: [own.lsn], deltas }] };
    const story = (...steps: TraceEvent[]): string[] =>
      found((say) => {
        say("writer-1", opened(1), { ...sent(1, 1, NONE) });
        say("writer-2", opened(2), sent(2, 1, NONE), ...steps);
        say("writer-1", decided(1, 1));
        for (const segment of SEGMENTS) say(segment, accepted(1, 1));
      });
    expect(story(onBoth, aborted)).toEqual([]);
    expect(story(aborted, onBoth)).toEqual(["built-on-own"]);
  });

  test("what a writer may have done before it died and not told is not asked for; the same of one that lives is", () => {
    const version = { stream: streamId(1), lsn: lsn(2) };
    const rest = (died: boolean): string[] =>
      found((say) => {
        say("writer-1", opened(1), sent(1, 1, NONE));
        if (died) say("writer-1", { kind: "died" });
        // It had decided 1, and sent 2: segments know, and another writer builds on it.
        say("segment-a1", learned(1, 1), learned(1, 2));
        say("segment-a1", { kind: "chained", pg, page, version, base: { stream: streamId(1), lsn: lsn(1) } });
        say("writer-2", opened(2), sent(2, 1, version));
      });
    expect(rest(true)).toEqual([]);
    expect(new Set(rest(false))).toEqual(new Set(["commits-are-true", "one-chain", "built-on-committed"]));
  });

  test("a died writer's next stream is judged like any other", () => {
    expect(
      found((say) => {
        say("writer-1", opened(1), { kind: "died" });
        say("writer-1", opened(3), sent(3, 1, NONE), decided(3, 1));
      }),
    ).toEqual(["votes-decide"]);
  });

  describe("segments that died and came back", () => {
    const GRACE_MS = 2_000;
    const DIED: TraceEvent = { kind: "died" };
    const stored = (stream: number, scl: number): TraceEvent => ({
      kind: "stored",
      pg,
      stream: streamId(stream),
      scl: lsn(scl),
    });

    /** Five segments die, and take with them what they had not told of what was sent `before`; they come back, and some time passes. */
    const lives = (backMs: number, before: TraceEvent[], after: (c: Told) => void): string[] => {
      const told = new Told();
      for (const segment of SEGMENTS) told.say(segment, stored(1, 0));
      told.say("writer-1", opened(1), ...before);
      for (const segment of SEGMENTS) told.say(segment, DIED);
      told.tick(10_000);
      for (const segment of SEGMENTS) told.say(segment, stored(1, 1));
      told.tick(10_000 + backMs);
      after(told);
      return told.found();
    };

    test("are judged by their words again, once all that came before has been judged", () => {
      const next = (c: Told): void => c.say("writer-1", sent(1, 1, NONE), decided(1, 1));
      expect(lives(GRACE_MS - 1, [], next)).toEqual([]);
      expect(lives(GRACE_MS, [], next)).toEqual(["votes-decide"]);
    });

    test("may have accepted what was sent before: of what is decided they do not say it again", () => {
      expect(lives(GRACE_MS, [sent(1, 1, NONE), decided(1, 1)], () => undefined)).toEqual([]);
      const byManifest: TraceEvent = { ...decided(1, 1), by: "manifest" } as TraceEvent;
      const late = (c: Told): void => c.say("writer-1", ruled(2), byManifest);
      expect(lives(GRACE_MS, [sent(1, 1, NONE)], late)).toEqual([]);
    });

    test("have not accepted what nobody told of, where that would speak against a recovery", () => {
      const ended = ruled(3) as Extract<TraceEvent, { kind: "manifest" }>;
      const node = nodeName("writer-1");
      const closed = { state: "closed", id: streamId(1), node, exclusive: false, final: lsn(0) } as const;
      const manifest = { ...ended.manifest, streams: [{ ...closed, tails: new Map() }], outcomes: [] };
      const recovered = (accepting: readonly string[]): string[] =>
        lives(0, [sent(1, 1, NONE)], (c) => {
          for (const segment of accepting) c.say(segment, accepted(1, 1));
          for (const segment of SEGMENTS) c.say(segment, { kind: "fenced", pg, stream: streamId(1) });
          c.say("writer-2", { kind: "manifest", manifest });
        });
      expect(recovered([])).toEqual([]);
      expect(recovered(SEGMENTS)).toEqual(["recovery-keeps"]);
    });
  });

  test("of streams opened before anybody listened nothing is demanded", () => {
    const version = { stream: streamId(1), lsn: lsn(5) };
    const base = { stream: streamId(1), lsn: lsn(4) };
    const old = (say: (process: string, ...events: TraceEvent[]) => void): void => {
      say("segment-a1", learned(1, 5), { kind: "chained", pg, page, version, base });
      const readPoint = new ReadPoint(streamId(1));
      say("segment-a1", { kind: "answered", pg, page, version, readPoint });
      say("writer-2", opened(2), sent(2, 1, version));
    };
    expect(found(old)).toEqual([]);
    expect(
      found((say) => {
        say("writer-1", opened(1));
        old(say);
      }),
    ).not.toEqual([]);
  });
});
