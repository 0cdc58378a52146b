import { lsn, pgId, streamId, transactionId, type Lsn } from "@sixfold/model";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EndedTransactions, EVERYTHING } from "./ended.ts";

const PG = pgId(3);
const name = (stream: number, at: number) => transactionId(`${stream}.${at - 1}-t${at}`);

describe("transactions that have ended", () => {
  /** Of each stream: what was committed, and what may have been forgotten; the dumb way. */
  class Dumb {
    readonly order: { stream: number; at: number }[] = [];
    readonly lost = new Map<number, number>();
    readonly capacity: number;

    constructor(capacity: number) {
      this.capacity = capacity;
    }

    keepNewest(count: number): void {
      for (const { stream, at } of this.order.splice(0, Math.max(0, this.order.length - count)))
        this.lose(stream, at);
    }

    lose(stream: number, through: number): void {
      this.lost.set(stream, Math.max(through, this.lost.get(stream) ?? 0));
    }
  }

  const step = fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        kind: fc.constant("add" as const),
        stream: fc.integer({ min: 1, max: 4 }),
        gap: fc.integer({ min: 0, max: 70 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("lost" as const), stream: fc.integer({ min: 1, max: 4 }) }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const) }) },
  );

  test("are remembered as one who notes everything and forgets the oldest would", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 1, max: 40 }), (steps, capacity) => {
        const checkpointed = Math.ceil(capacity / 2);
        let ended = new EndedTransactions(capacity, checkpointed);
        const dumb = new Dumb(capacity);
        const last = new Map<number, number>();
        for (let s = 1; s <= 4; s++) ended.begin(PG, streamId(s), false);
        for (const it of steps) {
          if (it.kind === "add") {
            const at = (last.get(it.stream) ?? 0) + 1 + it.gap * it.gap * it.gap;
            last.set(it.stream, at);
            dumb.keepNewest(capacity - 1);
            dumb.order.push({ stream: it.stream, at });
            ended.add(PG, streamId(it.stream), lsn(at), name(it.stream, at));
          } else if (it.kind === "lost") {
            const through = (last.get(it.stream) ?? 0) + 5;
            last.set(it.stream, through);
            dumb.lose(it.stream, through);
            ended.lost(PG, streamId(it.stream), lsn(through));
          } else {
            const saved = JSON.parse(JSON.stringify(ended.save())) as ReturnType<typeof ended.save>;
            ended = new EndedTransactions(capacity, checkpointed);
            ended.load(saved);
            dumb.keepNewest(checkpointed);
            // What is left is in the order of its streams then.
            dumb.order.sort((a, b) => a.stream - b.stream || a.at - b.at);
          }
        }
        expect(ended.count).toBe(dumb.order.length);
        for (let s = 1; s <= 4; s++) {
          expect(ended.forgottenThrough(PG, streamId(s), false)).toBe(dumb.lost.get(s) ?? 0);
          for (let at = 1; at <= Math.min(400, last.get(s) ?? 0); at++) {
            const isThere = dumb.order.some((o) => o.stream === s && o.at === at);
            expect(ended.find(PG, streamId(s), name(s, at), lsn(at - 1))).toBe(isThere ? at : undefined);
            expect(ended.find(PG, streamId(s), name(s, at), lsn(at))).toBeUndefined();
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  test("of a stream that had settled, or of a segment that has left, nothing is known", () => {
    const ended = new EndedTransactions();
    ended.begin(PG, streamId(7), true);
    ended.begin(PG, streamId(8), false);
    ended.add(PG, streamId(8), lsn(1), name(8, 1));
    const forgotten = (stream: number, hasSettled: boolean): Lsn =>
      ended.forgottenThrough(PG, streamId(stream), hasSettled);
    expect([forgotten(7, true), forgotten(8, true), forgotten(9, false), forgotten(9, true)]).toEqual([
      ...[EVERYTHING, 0, 0, EVERYTHING],
    ]);
    ended.forgetPg(PG);
    expect(ended.find(PG, streamId(8), name(8, 1), lsn(0))).toBeUndefined();
    expect(forgotten(8, true)).toBe(EVERYTHING);
    // It comes back, and what was is not taken for its own.
    ended.begin(PG, streamId(8), false);
    expect(ended.find(PG, streamId(8), name(8, 1), lsn(0))).toBeUndefined();
  });

  test("beyond the last committed slice of a closed stream nothing was forgotten", () => {
    const ended = new EndedTransactions();
    ended.begin(PG, streamId(8), false);
    ended.lost(PG, streamId(8), lsn(43));
    expect(ended.forgottenThrough(PG, streamId(8), false)).toBe(43);
    ended.closed(PG, streamId(8), lsn(42));
    ended.closed(PG, streamId(9), lsn(1));
    expect(ended.forgottenThrough(PG, streamId(8), true)).toBe(42);
    expect(ended.forgottenThrough(PG, streamId(9), true)).toBe(EVERYTHING);
  });

  test("streams that settled long ago without anything remembered leave no trace", () => {
    const ended = new EndedTransactions();
    for (let s = 1; s <= 200; s++) ended.begin(PG, streamId(s), false);
    ended.add(PG, streamId(2), lsn(9), name(2, 9));
    ended.settled(PG, streamId(190));
    const known = (s: number): boolean => ended.forgottenThrough(PG, streamId(s), true) === 0;
    expect([1, 2, 100, 158, 159, 190, 200].filter(known)).toEqual([2, 159, 190, 200]);
  });
});
