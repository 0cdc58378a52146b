import { transactionId } from "@sixfold/model";
import { describe, expect, test } from "vitest";
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
