import { lsn, ReadPoint, streamId, type StreamId } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { ClusterReads } from "./cluster-reads.ts";

const B = streamId(2);

function world() {
  const applied = new ReadPoint(streamId(0));
  let question = 0;
  let checks = 0;
  let now = 0;
  const reads = new ClusterReads({
    get now() {
      return now;
    },
    askAll: () => new Map<StreamId, number>([[B, ++question]]),
    checkManifest: () => void checks++,
  });
  const ran: string[] = [];
  return {
    reads,
    applied,
    ran,
    begin: (name: string) => reads.begin(() => ran.push(name)),
    passes: (ms: number) => void (now += ms),
    get question() {
      return question;
    },
    get checks() {
      return checks;
    },
  };
}

describe("cluster reads", () => {
  test("wait until the writers' durable points are shown and the seats agree", () => {
    const w = world();
    w.begin("a");
    w.reads.durable(B, lsn(7), w.question);
    w.reads.advance(w.applied);
    expect(w.ran).toEqual([]);
    w.reads.manifestChecked(true);
    w.reads.advance(w.applied);
    expect(w.ran).toEqual([]);
    w.applied.advance(B, lsn(7));
    w.reads.advance(w.applied);
    expect(w.ran).toEqual(["a"]);
  });

  test("a finished round has shown what was committed before it began; one in vain has shown nothing", () => {
    const w = world();
    w.passes(100);
    w.begin("a");
    w.passes(7);
    expect(w.reads.freshAt).toBe(Number.NEGATIVE_INFINITY);
    w.reads.durable(B, lsn(0), w.question);
    w.reads.manifestChecked(false);
    w.reads.advance(w.applied);
    expect(w.reads.freshAt).toBe(Number.NEGATIVE_INFINITY);
    w.reads.restart();
    w.passes(5);
    w.reads.durable(B, lsn(0), w.question);
    w.reads.manifestChecked(true);
    w.reads.advance(w.applied);
    expect(w.reads.freshAt).toBe(107);
  });

  test("those that begin while a round is under way share the next one, not this one", () => {
    const w = world();
    w.begin("a");
    w.begin("b");
    w.begin("c");
    const first = w.question;
    w.reads.durable(B, lsn(0), first);
    w.reads.manifestChecked(true);
    w.reads.advance(w.applied);
    expect(w.ran).toEqual(["a"]);
    w.reads.durable(B, lsn(0), first); // late answer to the first question
    w.reads.manifestChecked(true);
    w.reads.advance(w.applied);
    expect(w.ran).toEqual(["a"]);
    w.reads.durable(B, lsn(0), w.question);
    w.reads.advance(w.applied);
    expect(w.ran).toEqual(["a", "b", "c"]);
  });

  test("a manifest that changed starts the round over, at the next tick if it does not come by itself", () => {
    const w = world();
    w.begin("a");
    w.reads.durable(B, lsn(0), w.question);
    w.reads.manifestChecked(false);
    w.reads.advance(w.applied);
    expect(w.ran).toEqual([]);
    expect(w.checks, "asked at once, the seats would say the same, as fast as they can").toBe(1);
    w.reads.tick();
    expect(w.checks).toBe(2);
    w.reads.durable(B, lsn(0), w.question);
    w.reads.manifestChecked(true);
    w.reads.advance(w.applied);
    expect(w.ran).toEqual(["a"]);
  });
});
