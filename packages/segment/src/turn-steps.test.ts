/** What a segment says of its steps to whoever listens: the right facts, once durable, what frees before what claims. */
import { describe, expect, test } from "vitest";
import { NONE } from "@sixfold/model";
import { BenchSegment, decided, point, slice, v } from "./testing/bench-segment.ts";

const P = 5;
const first = (stream: number) => slice({ stream, lsn: 1, writes: [[P, NONE]] });

/** What was said since the last look, in short. */
function steps(s: BenchSegment): string[] {
  return s.steps.splice(0).map((e) => {
    switch (e.kind) {
      case "voted":
        return `voted ${e.stream}:${e.lsn} ${e.vote}`;
      case "stored":
        return `stored ${e.stream}:${e.scl}`;
      case "learned":
        return `learned ${e.stream} (${e.decisions.from},${e.decisions.through}] -${e.decisions.aborts.join()} early ${e.decisions.earlyAborts.join()} of ${e.source}`;
      case "chained":
        return `chained ${e.page} ${e.version.stream}:${e.version.lsn} on ${e.base.stream}:${e.base.lsn}`;
      case "answered":
        return `answered ${e.page} ${e.version.stream}:${e.version.lsn}`;
      case "copied":
        return `copied ${e.stream}:${e.through}`;
      case "fenced":
        return `fenced ${e.stream}`;
    }
  });
}

describe("trace events of a segment", () => {
  test("nothing is said before its sync", () => {
    const s = new BenchSegment();
    s.autoSync = false;
    s.append([first(1)]);
    expect(steps(s)).toEqual([]);
    s.sync();
    expect(steps(s)).toEqual(["voted 1:1 accept", "stored 1:1"]);
    s.append([slice({ stream: 1, lsn: 2, writes: [[P, v(1, 1)]] })]);
    s.crash();
    s.autoSync = true;
    s.tick();
    expect(steps(s)).toEqual(["voted 1:1 accept", "stored 1:1"]);
  });

  test("a restart says again what is in the log: it may have been durable and never told", () => {
    const s = new BenchSegment();
    s.append([first(1), slice({ stream: 1, lsn: 2, writes: [[P, v(1, 1)]] })]);
    s.append([first(2)]);
    s.decide(1, decided(0, 1));
    s.fence(2);
    steps(s);
    s.crash();
    s.tick();
    expect(steps(s)).toEqual([
      "learned 1 (0,1] - early  of log",
      "voted 2:1 reject",
      "voted 1:2 accept",
      "fenced 2",
      "stored 1:2",
      "stored 2:1",
    ]);
    s.close(1, 1, 1, decided(1, 1));
    steps(s);
    s.crash();
    s.tick();
    expect(steps(s).slice(0, 2)).toEqual([
      "learned 1 (0,2] -2 early  of log",
      "learned 1 (2,2] - early  of close",
    ]);
  });

  test("a decision comes before the votes that it changes, and these before the chain", () => {
    const s = new BenchSegment();
    s.append([first(1)]);
    s.append([first(2)]);
    expect(steps(s)).toEqual(["voted 1:1 accept", "stored 1:1", "voted 2:1 wait", "stored 2:1"]);
    s.decide(1, decided(0, 1));
    expect(steps(s)).toEqual([
      "learned 1 (0,1] - early  of writer",
      "voted 2:1 reject",
      `chained ${P} 1:1 on 0:0`,
    ]);
  });

  test("an abort frees the page for the one that waits; a base of another stream is a commit learned", () => {
    const s = new BenchSegment();
    s.append([first(1)]);
    s.append([first(2)]);
    s.decide(1, decided(0, 1, [1]));
    steps(s);
    s.append([slice({ stream: 3, lsn: 1, writes: [[P, v(2, 1)]] })]);
    expect(steps(s)).toEqual([
      "learned 2 (0,1] - early  of base",
      "voted 3:1 accept",
      "stored 3:1",
      `chained ${P} 2:1 on 0:0`,
    ]);
  });

  test("a fence, then the close with what lies beyond its end; an exclusive stream is stored, not voted on", () => {
    const s = new BenchSegment();
    s.append([first(1), slice({ stream: 1, lsn: 2, writes: [[P, v(1, 1)]] })], { exclusive: true });
    expect(steps(s)).toEqual(["stored 1:2"]);
    s.fence(1);
    s.close(1, 1, 1, decided(0, 1));
    s.tick();
    expect(steps(s)).toEqual(["fenced 1", "learned 1 (0,1] - early 2 of close", `chained ${P} 1:1 on 0:0`]);
    s.close(2, 0, 0, decided(0, 0));
    expect(steps(s)).toEqual(["learned 2 (0,0] - early  of close", "fenced 2"]);
  });

  test("reads say what they showed; silence costs nothing to say", () => {
    const s = new BenchSegment();
    s.append([first(1)]);
    s.decide(1, decided(0, 1));
    steps(s);
    s.read(P, point([1, 1]), [[1, 1]]);
    s.read(P + 1, point([1, 1]), [[1, 1]]);
    s.read(P, point([1, 2]), [[1, 2]]);
    expect(steps(s)).toEqual([`answered ${P} 1:1`, `answered ${P + 1} 0:0`]);
  });
});
