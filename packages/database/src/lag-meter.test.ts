import { lsn, nodeName, ReadPoint, streamId } from "@sixfold/model";
import { expect, test } from "vitest";
import { LagMeter } from "./lag-meter.ts";

const S = streamId(3);
/** The writer's clock against this node's. */
const AHEAD_MS = 5000;

/** A node that follows one stream, with a meter on it. */
function following() {
  const applied = new ReadPoint(streamId(0));
  const questions: number[] = [];
  let heard = 0;
  let now = 0;
  const meter = new LagMeter({
    applied,
    feeds: () => [{ stream: S, node: nodeName("writer-1"), heard: lsn(heard) }],
    askDurable: () => questions.push(now),
  });
  return {
    meter,
    questions,
    tick: (at: number) => meter.tick((now = at)),
    hears: (at: number) => void (heard = at),
    /** The entry is shown now. */
    shows: (at: number, now: number) => {
      applied.advance(S, lsn(at));
      meter.advance(now);
    },
    /** `given`: when the writer did so, by this node's clock; half-way unless said otherwise. */
    answers: (at: number, now: number, given = (questions.at(-1)! + now) / 2, request = questions.length) => {
      meter.durable({ stream: S, durable: lsn(at), request, atUs: 1000 * (given + AHEAD_MS) }, now);
      meter.advance(now);
    },
    lag: (now: number) => meter.perStream(now).get(S)!,
  };
}

test("a position that the writer names is shown so much later than it was named, as far as the round trip tells", () => {
  const node = following();
  node.tick(1000);
  node.answers(7, 1004); // named at about 1002
  expect(node.lag(1005).ms).toBe(3);
  node.shows(7, 1009);
  expect(node.lag(1050)).toMatchObject({ ms: 7, entries: 0, p50Ms: 7, p99Ms: 7, maxMs: 7 });
});

test("the fastest echo tells when slow ones were answered, whatever the two clocks show", () => {
  const node = following();
  node.tick(1000);
  node.answers(7, 1001);
  node.shows(7, 1001);
  node.tick(1250);
  node.shows(9, 1254);
  // It had waited here for 38 ms, and not on its way to the writer.
  node.answers(9, 1290, 1252);
  expect(node.lag(1290).ms).toBe(2);
  node.tick(1500);
  node.shows(11, 1536);
  node.answers(11, 1540, 1539);
  expect(node.lag(1540).ms, "it waited at the writer, and was shown before it was named").toBe(0);
});

test("a stream that rests has no lag, however long the way is", () => {
  const node = following();
  node.tick(900);
  node.shows(7, 950);
  node.answers(7, 990);
  node.tick(1150);
  node.answers(7, 1190);
  expect(node.lag(1190)).toMatchObject({ ms: 0, entries: 0 });
});

test("what is shown while the answer is under way counts from the writer's word, and not what is shown after it", () => {
  const node = following();
  node.tick(1000);
  node.shows(7, 1006);
  node.shows(8, 1007);
  node.answers(7, 1008);
  expect(node.lag(1008).ms).toBe(2);
});

test("a writer that does not answer is seen to lag more and more, and so is a node that does not catch up", () => {
  const node = following();
  node.tick(1000);
  node.tick(1200);
  expect(node.questions).toHaveLength(1);
  expect(node.lag(1500).ms).toBe(500);
  expect(node.meter.ms(1500)).toBe(500);
  node.answers(9, 1600);
  expect(node.lag(2300).ms).toBe(1000);
  node.shows(9, 2400);
  expect(node.lag(2400).ms).toBe(1100);
});

test("entries are those decided, as far as they were heard of, and not shown", () => {
  const node = following();
  node.tick(1000);
  node.shows(7, 1000);
  node.hears(12);
  expect(node.lag(1000).entries).toBe(5);
  node.answers(20, 1001);
  expect(node.lag(1001).entries).toBe(13);
  node.shows(20, 1002);
  expect(node.lag(1002).entries).toBe(0);
});

test("a feed that begins anew is asked anew; one that ends is forgotten", () => {
  const node = following();
  node.tick(1000);
  node.meter.restarted(S);
  node.tick(1250);
  expect(node.questions).toHaveLength(2);
  node.answers(7, 1251, 1000, 1); // the old link's answer after all
  node.shows(7, 1252);
  expect(node.lag(1260).ms).toBe(10);
});

test("percentiles are of the last samples", () => {
  const node = following();
  for (let i = 1; i <= 700; i++) {
    const at = i * 250;
    node.tick(at);
    node.answers(i, at);
    node.shows(i, at + (i <= 100 ? 50 : i % 200 === 0 ? 9 : 1));
  }
  expect(node.lag(180_000)).toMatchObject({ p50Ms: 1, p99Ms: 1, maxMs: 9 });
});
