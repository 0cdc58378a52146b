/** What a segment can tell of transactions whose slices have left it. */
import { lsn, NONE, pgId, ReadPoint, streamId, transactionId } from "@sixfold/model";
import type { StorageMessage } from "@sixfold/wire";
import { describe, expect, test } from "vitest";
import { BenchSegment, decided, point, slice, v } from "./testing/bench-segment.ts";

const MERGES = { mergeAboveBytes: 0, retainBytesMax: 0, logFilesKept: 1 };

/** Entries of stream 1 up to `n`, each of a transaction, every fifth aborted; merged and gone. */
function merged(settings: object = {}, n = 40): BenchSegment {
  const s = new BenchSegment({ settings: { ...MERGES, ...settings } });
  let base = NONE;
  const aborts: number[] = [];
  for (let at = 1; at <= n; at++) {
    s.append([
      slice({ stream: 1, lsn: at, writes: [[1, base]], transaction: `1.${(at - 1).toString(36)}-t${at}` }),
    ]);
    if (at % 5 === 0) aborts.push(at);
    else base = v(1, at);
    s.decide(1, decided(at - 1, at, at % 5 === 0 ? [at] : []), { lowWater: point([1, at]) });
  }
  for (let i = 0; i < 6; i++) s.tick();
  expect(s.server.status()["keptCost"]).toBe(0);
  return s;
}

const found = (s: BenchSegment, id: string, pg = 0): Extract<StorageMessage, { type: "transactionFound" }> =>
  s.say(9, {
    type: "findTransaction",
    request: 1,
    pg: pgId(pg),
    stream: streamId(1),
    transaction: transactionId(id),
  })[0] as Extract<StorageMessage, { type: "transactionFound" }>;

describe("a transaction whose slice has left", () => {
  test("is remembered if it was committed, and an aborted one is none", () => {
    const s = merged();
    expect(found(s, "1.b-t12")).toMatchObject({
      attempts: [{ lsn: 12, decision: "commit" }],
      forgottenThrough: 0,
    });
    expect(found(s, "1.9-t10")).toMatchObject({ attempts: [], forgottenThrough: 0 });
    expect(found(s, "1.9-never")).toMatchObject({ attempts: [], forgottenThrough: 0 });
    // It cannot come before the LSN that its id names.
    expect(found(s, "1.z-t12")).toMatchObject({ attempts: [] });
  });

  test("is forgotten when there are too many, and the segment says up to where", () => {
    const s = merged({ outcomesKept: 8 });
    expect(found(s, "1.0-t1")).toMatchObject({ attempts: [], forgottenThrough: 29 });
    expect(found(s, "1.u-t31")).toMatchObject({ attempts: [{ lsn: 31, decision: "commit" }] });
  });

  test("is remembered after a restart as far as the checkpoint states it", () => {
    const s = merged({ outcomesCheckpointed: 8 });
    s.rotate();
    s.tick();
    s.rotate();
    s.tick();
    s.crash();
    expect(s.blocks.every(({ file }) => file > 1)).toBe(true);
    expect(found(s, "1.0-t1")).toMatchObject({ attempts: [], forgottenThrough: 29 });
    expect(found(s, "1.u-t31")).toMatchObject({ attempts: [{ lsn: 31, decision: "commit" }] });
    // What comes later is added to it.
    s.append([slice({ stream: 1, lsn: 41, writes: [[1, v(1, 39)]], transaction: "1.14-t41" })]);
    s.decide(1, decided(40, 41), { lowWater: point([1, 41]) });
    for (let i = 0; i < 4; i++) s.tick();
    expect(s.server.status()["keptCost"]).toBe(0);
    expect(found(s, "1.14-t41")).toMatchObject({ attempts: [{ lsn: 41, decision: "commit" }] });
  });

  test("is remembered when its stream has settled", () => {
    const s = merged();
    s.fence(1);
    s.close(1, 40, 39, decided(40, 40));
    s.append([], { lowWater: point([2, 0]) });
    expect(found(s, "1.b-t12")).toMatchObject({ attempts: [{ lsn: 12, decision: "commit" }] });
    expect(found(s, "1.b-never")).toMatchObject({ attempts: [], forgottenThrough: lsn(0) });
  });

  test("was not in a group that was made after its stream had settled, also after a restart", () => {
    const s = merged();
    s.fence(1);
    s.close(1, 40, 39, decided(40, 40));
    s.append([], { lowWater: new ReadPoint(streamId(1), [[streamId(2), lsn(0)]]), of: 2 });
    s.append([slice({ stream: 2, lsn: 1, pg: 1, writes: [[300, NONE]] })], {
      pg: pgId(1),
      lowWater: new ReadPoint(streamId(1), [[streamId(2), lsn(0)]]),
    });
    expect(found(s, "1.b-never", 1)).toMatchObject({ attempts: [], forgottenThrough: 0 });
    s.crash();
    expect(found(s, "1.b-never", 1)).toMatchObject({ attempts: [], forgottenThrough: 0 });
  });
});
