/**
 * Planted bugs of a segment that rarely show in a whole cluster: that each does what its line in the table says. The left
 * value is the rule's, the right one the bug's.
 */
import { describe, expect, test } from "vitest";
import { lsn, nodeName, NONE, pageId, streamId, type PlantedBug } from "@sixfold/model";
import type { StorageMessage } from "@sixfold/wire";
import { encodePage } from "./page-image.ts";
import {
  BenchSegment,
  decided,
  GEOMETRY,
  KEEP,
  KEEP_AND_COPY,
  MANIFEST,
  point,
  slice,
  v,
} from "./testing/bench-segment.ts";

const P = 1;
const first = (stream: number) => slice({ stream, lsn: 1, writes: [[P, NONE]] });
const next = (stream: number, lsn: number) => slice({ stream, lsn, writes: [[P, v(stream, lsn - 1)]] });

type Script = (s: BenchSegment) => unknown;

/** The same script on a segment without and with the bug. */
function bothWays(bug: PlantedBug, settings: typeof KEEP | object, script: Script): [unknown, unknown] {
  return [script(new BenchSegment({ settings })), script(new BenchSegment({ settings, planted: [bug] }))];
}

const peer = (s: BenchSegment): void =>
  s.server.peerUp({ link: 12, role: "segment", name: nodeName("segment-b1") }, s.now);

/** What a peer knows of stream 1 comes by gossip: two rounds until the lag is noticed, a pull, its answer. */
function hear(s: BenchSegment, answer: Partial<Extract<StorageMessage, { type: "pulledSlices" }>>): void {
  const positions = {
    type: "positions",
    pg: first(1).pg,
    streams: [{ stream: first(1).stream, scl: 9, decidedThrough: 9, closed: false }],
  } as unknown as StorageMessage;
  for (let i = 0; i < 6; i++) {
    s.say(12, positions);
    for (const { message: pull } of s.heard.splice(0)) {
      if (pull.type !== "pullSlices") continue;
      s.say(12, {
        type: "pulledSlices",
        request: pull.request,
        pg: pull.pg,
        stream: pull.stream,
        slices: [],
        decisions: decided(0, 0),
        mergedThrough: 0,
        closed: undefined,
        ...answer,
      } as StorageMessage);
    }
    s.tick(250);
  }
}

const CASES: readonly (readonly [bug: PlantedBug, kept: unknown, broken: unknown, script: Script])[] = [
  ["back-link-unchecked", 0, 3, (s) => s.append([slice({ stream: 1, lsn: 3, writes: [[P, NONE]] })])[0]?.scl],
  [
    "vote-not-persisted",
    "wait 1:1",
    "accept",
    (s) => {
      s.append([first(1)]);
      s.append([first(2)]);
      s.crash();
      return s.vote(2, 1);
    },
  ],
  [
    "decisions-not-persisted",
    1,
    0,
    (s) => {
      s.append([first(1)]);
      s.decide(1, decided(0, 1));
      s.crash();
      return s.fence(1).decidedThrough;
    },
  ],
  [
    "fence-not-persisted",
    "fenced",
    "ok",
    (s) => {
      s.fence(1);
      s.crash();
      return s.append([first(1)])[0]?.state;
    },
  ],
  [
    "fenced-aborts-unlisted",
    "1",
    "",
    (s) => {
      s.append([first(1)]);
      s.decide(1, decided(0, 1, [1]));
      return s.fence(1).aborts.join();
    },
  ],
  [
    "close-does-not-fence",
    "fenced",
    "ok",
    (s) => {
      s.close(1, 0, 0, decided(0, 0));
      return s.append([first(1)])[0]?.state;
    },
  ],
  [
    "manifest-word-ignored",
    "page",
    "empty",
    (s) => {
      s.append([first(1)], { decisions: decided(0, 1, [1]) });
      s.close(1, 1, 1, decided(0, 1));
      return s.read(P, point([1, 1]), [[1, 1]]).kind;
    },
  ],
  [
    "log-trimmed-early",
    "page",
    "empty",
    (s) => {
      s.append([first(1)], { decisions: decided(0, 1) });
      s.rotate();
      s.tick();
      s.crash();
      return s.read(P, point([1, 1])).kind;
    },
  ],
  [
    "zombie-gossip",
    0,
    1,
    (s) => {
      s.append([first(1)]);
      s.fence(1);
      peer(s);
      hear(s, { decisions: decided(0, 1) });
      return s.fence(1).decidedThrough;
    },
  ],
  [
    "gossip-makes-votes",
    1,
    2,
    (s) => {
      s.append([first(1)]);
      s.server.peerDown(1, s.now);
      peer(s);
      hear(s, { slices: [next(1, 2)] });
      return s.fence(1).scl;
    },
  ],
];

describe("planted bugs of a segment", () => {
  test.each(CASES)("%s", (bug, kept, broken, script) => {
    expect(bothWays(bug, KEEP, script)).toEqual([kept, broken]);
  });

  test("page-checksum-ignored", () => {
    const script: Script = (s) => {
      s.append([first(1)], { decisions: decided(0, 1), lowWater: point([1, 1]) });
      s.tick();
      s.rotate();
      s.tick();
      s.crash();
      const stored = s.pages.get(pageId(P))!;
      stored[stored.length - 1]! ^= 1;
      return s.read(P, point([1, 1])).kind;
    };
    expect(bothWays("page-checksum-ignored", {}, script)).toEqual(["corrupt", "page"]);
  });

  const ballot = (round: number) => ({ round, proposer: "n" });
  test("copy-half-counts", () => {
    const script: Script = (s) => {
      peer(s);
      hear(s, { decisions: decided(9, 9), mergedThrough: lsn(9) });
      const pull = s.heard.splice(0).find(({ message }) => message.type === "pullPages")?.message;
      if (pull?.type !== "pullPages") return "no copy";
      const stored = encodePage(pageId(1), {
        version: v(1, 8),
        base: NONE,
        merged: new Map([[first(1).stream, 8]]),
        image: new Uint8Array(GEOMETRY.pageBytes),
      });
      s.server.receive(
        12,
        {
          type: "pulledPages",
          request: pull.request,
          pg: pull.pg,
          pages: [{ page: pageId(1), stored }],
          next: pageId(2),
          merged: [{ stream: first(1).stream, through: lsn(9), tail: lsn(9) }],
          settledThrough: streamId(0),
        },
        s.now,
      );
      s.drain();
      return s.read(2, point([1, 9]), [[1, 9]]).kind;
    };
    expect(bothWays("copy-half-counts", KEEP_AND_COPY, script)).toEqual(["behind", "empty"]);
  });

  test("seat-forgets-promise", () => {
    const script: Script = (s) => {
      s.say(1, { type: "manifestPrepare", request: 1, ballot: ballot(5) });
      s.crash();
      const [answer] = s.say(1, { type: "manifestPrepare", request: 2, ballot: ballot(3) });
      return answer?.type === "manifestPromise" && answer.granted;
    };
    expect(bothWays("seat-forgets-promise", KEEP, script)).toEqual([false, true]);
  });

  test("seat-takes-older-ballot", () => {
    const script: Script = (s) => {
      s.say(1, { type: "manifestPrepare", request: 1, ballot: ballot(5) });
      const [answer] = s.say(1, { type: "manifestAccept", request: 2, ballot: ballot(3), value: MANIFEST });
      return answer?.type === "manifestAccepted" && answer.granted;
    };
    expect(bothWays("seat-takes-older-ballot", KEEP, script)).toEqual([false, true]);
  });
});
