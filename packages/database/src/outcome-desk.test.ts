import { transactionId, type TransactionOutcome } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { OutcomeDesk } from "./outcome-desk.ts";
import { TransactionLog } from "./transaction-log.ts";

const [a, b] = [transactionId("1.0-a"), transactionId("1.0-b")];
const WAIT_MS = 100;

function world() {
  const asked: string[] = [];
  const told: [link: number, request: number, outcome: TransactionOutcome][] = [];
  const log = new TransactionLog(10);
  const io = {
    findOutcome: (id: string) => void asked.push(id),
    answer: (link: number, request: number, outcome: TransactionOutcome) =>
      void told.push([link, request, outcome]),
  };
  return { desk: new OutcomeDesk(io, log, WAIT_MS, undefined), log, asked, told };
}

describe("questions for outcomes", () => {
  test("what the node knows is told at once, the rest is asked of storage, once for all who ask", () => {
    const { desk, log, asked, told } = world();
    log.ended(a, "committed");
    desk.ask(1, 1, a, 0);
    desk.ask(1, 2, b, 0);
    desk.ask(2, 1, b, 0);
    expect([asked, told]).toEqual([[b], [[1, 1, "committed"]]]);
    desk.found(b, "aborted");
    expect(told.slice(1)).toEqual([
      [1, 2, "aborted"],
      [2, 1, "aborted"],
    ]);
    expect(desk.waiting).toBe(0);
  });

  test("nobody waits for ever, nor for a client that has gone", () => {
    const { desk, asked, told } = world();
    desk.ask(1, 1, a, 0);
    desk.ask(2, 1, a, 50);
    desk.ask(2, 2, b, 50);
    desk.expire(WAIT_MS - 1);
    expect(told).toEqual([]);
    desk.expire(WAIT_MS);
    expect(told).toEqual([[1, 1, "unknown"]]);
    desk.linkClosed(2);
    expect(desk.waiting).toBe(0);
    desk.found(a, "committed");
    expect(told.length).toBe(1);
    // It may be asked again, and then storage is.
    desk.ask(1, 2, a, 200);
    expect(asked).toEqual([a, b, a]);
  });
});
