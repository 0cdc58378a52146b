import { lsn, transactionId, type TransactionId } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { delta, entry, openCluster, SERVERS } from "./test-kit/test-cluster.ts";

/** Ten entries of the first stream, which is closed; segments have forgotten so much. The answer to each question. */
function answers(forgotten: readonly number[], ids: readonly TransactionId[], silent = 0): string[] {
  const c = openCluster("single", ["w1"]);
  const w = c.nodes.get("w1")!;
  for (let at = 1; at <= 10; at++) w.volume.submit(entry(1, at, [delta(2 + at)]), c.now);
  w.volume.closeOwn(c.now);
  c.flush("w1");
  c.run(20, 100);
  SERVERS.forEach(({ name }, i) => {
    c.segments.get(name)!.forgottenThrough = lsn(forgotten[i] ?? 0);
    if (i >= SERVERS.length - silent) c.disconnect("w1", name);
  });
  for (const id of ids) {
    w.volume.findTransaction(id, c.now);
    c.drain("w1");
    c.run(20, 300);
  }
  return w.of("outcome").map(({ outcome }) => outcome);
}

const idOf = (at: number): TransactionId => entry(1, at, []).transaction;
const never = (after: number): TransactionId => transactionId(`1.${after}-never`);

describe("what became of a transaction of a closed stream", () => {
  test("committed if it is found, aborted if it was never there, and unknown where that may be forgotten", () => {
    const ids = [idOf(7), never(0), never(6), never(5)];
    expect(answers([], ids)).toEqual(["committed", "aborted", "aborted", "aborted"]);
    // What came after the LSN that the id names is remembered.
    expect(answers([6, 6, 6, 6, 6, 6], ids)).toEqual(["committed", "unknown", "aborted", "unknown"]);
    expect(answers([8, 8, 8, 8, 8, 8], ids)).toEqual(["unknown", "unknown", "unknown", "unknown"]);
  });

  test("one of six that remembers is enough, for it had everything that was committed", () => {
    const ids = [idOf(7), never(0)];
    expect(answers([8, 8, 8], ids)).toEqual(["committed", "aborted"]);
    expect(answers([8, 8, 8, 8, 8], [never(0)])).toEqual(["aborted"]);
    // Two are silent: perhaps they remember, but nobody can ask them.
    expect(answers([8, 8, 8, 0], ids, 2)).toEqual(["committed", "aborted"]);
    expect(answers([8, 8, 8, 8], [never(0)], 2)).toEqual(["unknown"]);
  });
});
