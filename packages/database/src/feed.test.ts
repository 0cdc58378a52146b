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
  type Lsn,
} from "@sixfold/model";
import { encodeSlice, type Append } from "@sixfold/wire";
import { describe, expect, test } from "vitest";
import { FeedReceiver } from "./feed-receiver.ts";
import { FeedSender } from "./feed-sender.ts";

const STREAM = streamId(1);
const NOTHING = new ReadPoint(streamId(0));

function frame(
  pg: number,
  lsns: readonly number[],
  decided: { from: number; through: number; aborts?: number[]; early?: number[] },
  pgs = [pg],
): Append {
  const slices = lsns.map((at) =>
    encodeSlice({
      stream: STREAM,
      lsn: lsn(at),
      pg: pgId(pg),
      back: lsn(at - 1),
      supersedes: lsn(0),
      owned: true,
      epoch: epoch(1),
      pgs: pgs.map(pgId),
      ownBases: [],
      transaction: transactionId(pg === pgs[0] ? `1-t${at}` : ""),
      deltas: [{ page: pageId(pg * 64 + 5), base: NONE, ops: new Uint8Array([1, 0, 0, 1, 0, 7]) }],
      checks: [],
    }),
  );
  const decisions = {
    from: lsn(decided.from),
    through: lsn(decided.through),
    aborts: (decided.aborts ?? []).map(lsn),
    earlyAborts: (decided.early ?? []).map(lsn),
  };
  return {
    type: "append",
    pg: pgId(pg),
    stream: STREAM,
    exclusive: false,
    decisions,
    lowWater: NOTHING,
    builtOn: NOTHING,
    slices,
  };
}

const receiver = (from = 0): FeedReceiver => new FeedReceiver(nodeName("writer-2"), STREAM, lsn(from));

/** Takes everything that is ready: `3` for an entry, `-4` for an aborted one. */
function drain(feed: FeedReceiver): number[] {
  const out: number[] = [];
  for (;;) {
    const next = feed.next();
    if (next.kind === "none" || next.kind === "missing") return out;
    out.push(next.kind === "entry" ? next.entry.lsn : -next.lsn);
    feed.release();
  }
}

describe("a feed's receiver", () => {
  test("releases entries in LSN order once they are decided, and skips aborted ones", () => {
    const feed = receiver();
    feed.take(frame(0, [1, 2, 3], { from: 0, through: 0 }));
    expect(drain(feed)).toEqual([]);
    feed.take(frame(0, [], { from: 0, through: 2, aborts: [2] }));
    expect(drain(feed)).toEqual([1, -2]);
    feed.take(frame(0, [], { from: 0, through: 3, aborts: [2] }));
    expect(drain(feed)).toEqual([3]);
  });

  test("an abort told early holds when the durable point gets there", () => {
    const feed = receiver();
    feed.take(frame(0, [1, 2], { from: 0, through: 0, early: [2] }));
    feed.take(frame(0, [], { from: 0, through: 2, aborts: [2] }));
    expect(drain(feed)).toEqual([1, -2]);
  });

  test("I4: an entry over two PGs is released only when both slices are here", () => {
    const feed = receiver();
    feed.take(frame(0, [1], { from: 0, through: 0 }, [0, 1]));
    feed.take(frame(0, [], { from: 0, through: 1 }));
    expect(feed.next()).toEqual({ kind: "missing", lsn: 1 });
    feed.take(frame(1, [1], { from: 0, through: 1 }, [0, 1]));
    const next = feed.next();
    expect(next.kind === "entry" && next.entry.slices.map((s) => s.pg)).toEqual([0, 1]);
  });

  test("does not guess decisions that it missed: a range that leaves a hole is a gap", () => {
    const feed = receiver();
    feed.take(frame(0, [1, 2, 3], { from: 0, through: 0 }));
    feed.take(frame(0, [], { from: 2, through: 3 }));
    expect(drain(feed)).toEqual([]);
    expect(feed.gapTo).toBe(3);
    feed.take(frame(0, [], { from: 0, through: 3, aborts: [1] }));
    expect(feed.gapTo).toBe(0);
    expect(drain(feed)).toEqual([-1, 2, 3]);
  });
});

describe("a feed's sender", () => {
  const lsnsOf = (frames: readonly Append[]): Lsn[] => frames.flatMap((f) => f.slices.map((s) => s.lsn));

  test("owes a newcomer what is undecided, and tells where everything before ends", () => {
    const sender = new FeedSender(STREAM);
    sender.sent(frame(0, [1, 2], { from: 0, through: 0 }));
    sender.sent(frame(1, [3], { from: 0, through: 0 }));
    sender.sent(frame(0, [4], { from: 0, through: 0 }));
    sender.advance(lsn(3));
    const { start, frames } = sender.start();
    expect(start).toEqual({
      type: "feedStart",
      stream: 1,
      durable: 3,
      tails: new Map([
        [0, 2],
        [1, 3],
      ]),
    });
    expect(lsnsOf(frames)).toEqual([4]);
  });

  test("a frame that straddles the durable point is owed, and its decided part counts in the tails", () => {
    const sender = new FeedSender(STREAM);
    sender.sent(frame(0, [1, 2, 3], { from: 0, through: 0 }));
    sender.advance(lsn(2));
    const { start, frames } = sender.start();
    expect(start.tails).toEqual(new Map([[0, 2]]));
    expect(lsnsOf(frames)).toEqual([1, 2, 3]);
  });

  test("a newcomer that starts in the middle shows everything after, exactly once", () => {
    const sender = new FeedSender(STREAM);
    sender.sent(frame(0, [1, 2, 3], { from: 0, through: 0 }));
    sender.advance(lsn(2));
    const { start, frames } = sender.start();
    const feed = receiver(start.durable);
    for (const each of frames) feed.take(each);
    feed.take(frame(0, [4], { from: 0, through: 3 }));
    feed.take(frame(0, [], { from: 2, through: 4 }));
    expect(drain(feed)).toEqual([3, 4]);
  });
});
