import { streamId, transactionId } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { Suspicion } from "./suspicion.ts";
import { TransactionLog } from "./transaction-log.ts";

const id = (n: number) => transactionId(`1-${n}`);

describe("the transaction log", () => {
  test("knows what ended and what is under way", () => {
    const log = new TransactionLog(10);
    log.started(id(1));
    expect(log.outcome(id(1))).toBe("unknown");
    log.ended(id(1), "committed");
    expect(log.outcome(id(1))).toBe("committed");
    expect(log.outcome(id(2))).toBeUndefined();
  });

  test("I2: an id that was called aborted stays so", () => {
    const log = new TransactionLog(10);
    log.bar(id(1));
    expect(log.outcome(id(1))).toBe("aborted");
    expect(log.isBarred(id(1))).toBe(true);
  });

  test("is bounded: two generations, the oldest forgotten whole", () => {
    const log = new TransactionLog(100);
    for (let n = 0; n < 250; n++) log.ended(id(n), "committed");
    expect(log.outcome(id(0))).toBeUndefined();
    expect(log.outcome(id(249))).toBe("committed");
    expect(log.outcome(id(150))).toBe("committed");
  });
});

describe("suspicion", () => {
  const unfollowed = [{ stream: streamId(4), node: "writer-2" as never }];

  test("names a stream that had no feed for long enough, once in that time", () => {
    const suspicion = new Suspicion(1000, 0);
    expect(suspicion.check(unfollowed, 0)).toEqual([]);
    expect(suspicion.check(unfollowed, 999)).toEqual([]);
    expect(suspicion.check(unfollowed, 1000)).toEqual([4]);
    expect(suspicion.check(unfollowed, 1500)).toEqual([]);
    expect(suspicion.check(unfollowed, 2000)).toEqual([4]);
  });

  test("a feed in between clears it", () => {
    const suspicion = new Suspicion(1000, 0);
    suspicion.check(unfollowed, 0);
    suspicion.check([], 500);
    expect(suspicion.check(unfollowed, 1200)).toEqual([]);
  });
});
