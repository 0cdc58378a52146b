import {
  epoch,
  lsn,
  pageId,
  pgId,
  NONE,
  ReadPoint,
  streamId,
  transactionId,
  type TraceEvent,
} from "@sixfold/model";
import { describe, expect, test } from "vitest";
import type { ClusterEvent } from "../cluster-api.ts";
import { ProtocolWatch } from "./protocol-watch.ts";
import { sharedClock } from "./step-reporter.ts";
import { plain } from "./traced-codec.ts";

const [pg, stream, at] = [pgId(0), streamId(1), lsn(1)];
const entry = { stream, lsn: at };
const opened: TraceEvent = { kind: "opened", stream, exclusive: false };
const sent: TraceEvent = {
  kind: "sent",
  ...entry,
  slices: [
    {
      pg,
      epoch: epoch(1),
      owned: true,
      supersedes: lsn(0),
      ownBases: [],
      transaction: transactionId("1-a"),
      deltas: [{ page: pageId(1), base: NONE }],
      checks: [],
    },
  ],
  builtOn: new ReadPoint(streamId(0)),
};
const decided: TraceEvent = { kind: "decided", ...entry, decision: "commit", by: "votes" };
const accepted: TraceEvent = { kind: "voted", pg, ...entry, vote: "accept" };
const SEGMENTS = ["segment-a1", "segment-a2", "segment-b1", "segment-b2"];

function watch(order: "true" | "rough") {
  const events: ClusterEvent[] = [];
  const watched = new ProtocolWatch(order, (event) => events.push(event));
  const now = sharedClock();
  const process = (name: string) => {
    const source = watched.started(name);
    const say = (ms: number, ...steps: TraceEvent[]): void => {
      const times = steps.map(() => now + ms);
      source.take({ steps: steps.map(plain), at: times, through: now + ms, isCutShort: false });
    };
    return { say, source };
  };
  return { watched, events, process };
}

describe("the monitor of a local cluster", () => {
  test("in one process a step is judged at once, and a violation is told once", () => {
    const { watched, events } = watch("true");
    const writer = watched.trace("writer-1");
    for (const step of [opened, sent, decided]) writer(step);
    expect(events).toEqual([
      {
        event: "violation",
        condition: "votes-decide",
        rule: "6 commit, I1",
        process: "writer-1",
        text: expect.stringMatching(/PG 0: 0 accept/),
      },
    ]);
    watched.finish();
    expect(watched.violations()).toHaveLength(1);
  });

  test("votes that come later from other processes support a commit; time decides, not arrival", () => {
    const { watched, events, process } = watch("rough");
    const writer = process("writer-1");
    const segments = SEGMENTS.map(process);
    writer.say(9_000, opened, sent, decided);
    for (const { say } of segments) say(9_001, accepted);
    for (const { say } of [writer, ...segments]) say(20_000);
    watched.finish();
    expect(watched.violations()).toEqual([]);
    expect(events).toEqual([]);
    expect(watched.events).toBe(7);
  });

  test("without them the commit is a violation, though those that are silent live", () => {
    const { watched, process } = watch("rough");
    const writer = process("writer-1");
    const segments = SEGMENTS.map(process);
    writer.say(9_000, opened, sent, decided);
    for (const { say } of segments.slice(1)) say(9_001, accepted);
    for (const { source } of [writer, ...segments]) source.end(sharedClock() + 20_000, false);
    watched.finish();
    expect(watched.violations()).toEqual([expect.stringMatching(/^votes-decide/)]);
  });

  test("a segment server that was killed may have taken its vote with it", () => {
    const { watched, process } = watch("rough");
    const writer = process("writer-1");
    const segments = SEGMENTS.map(process);
    writer.say(9_000, opened, sent, decided);
    segments[0]!.say(9_001, { kind: "stored", pg, stream, scl: lsn(0) });
    for (const { say } of segments.slice(1)) say(9_001, accepted);
    for (const [i, { source }] of segments.entries()) source.end(sharedClock() + 10_000, i === 0);
    writer.source.end(sharedClock() + 20_000, false);
    watched.finish();
    expect(watched.violations()).toEqual([]);
  });
});
