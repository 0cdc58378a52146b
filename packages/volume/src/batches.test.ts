/** When a batch goes: see the header of `batches.ts`. */
import { lsn } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { Batches } from "./batches.ts";
import { DEFAULT_VOLUME_SETTINGS } from "./settings.ts";
import { delta, entry, openCluster, SERVERS, type TestCluster } from "./test-kit/test-cluster.ts";

const { batchBytes, gatherMs } = DEFAULT_VOLUME_SETTINGS;
const SMALL = 200;

/** After a batch of so many entries, all of which are decided. */
function after(entries: number, exclusive = false): Batches {
  const batches = new Batches(DEFAULT_VOLUME_SETTINGS, exclusive);
  batches.sent([], entries);
  batches.complete();
  return batches;
}

describe("what is queued", () => {
  test("goes at once after few, and before anything was sent", () => {
    expect(new Batches(DEFAULT_VOLUME_SETTINGS, false).leavesAt(1, SMALL, 7)).toBe(7);
    for (let entries = 1; entries <= 5; entries++) expect(after(entries).leavesAt(1, SMALL, 7)).toBe(7);
    expect(after(6).leavesAt(1, SMALL, 7)).toBe(7 + gatherMs);
  });

  test("waits for most of what was on its way at once", () => {
    const batches = after(32);
    expect(batches.leavesAt(1, SMALL, 10)).toBe(10 + gatherMs);
    expect(batches.leavesAt(23, SMALL, 10.5)).toBe(10 + gatherMs);
    expect(batches.leavesAt(24, SMALL, 10.5)).toBe(10.5);
  });

  test("waits anew after each batch", () => {
    const batches = after(32);
    expect(batches.leavesAt(1, SMALL, 10)).toBe(10 + gatherMs);
    batches.sent([], 2);
    expect(batches.leavesAt(1, SMALL, 20)).toBe(20 + gatherMs);
  });

  test("does not wait in an exclusive volume", () => {
    expect(after(32, true).leavesAt(1, SMALL, 10)).toBe(10);
  });

  test("does not wait if it is much", () => {
    expect(after(32).leavesAt(1, batchBytes, 10)).toBe(10);
  });

  test("waits while as many batches are on their way as may be, for what is no time", () => {
    const batches = new Batches({ ...DEFAULT_VOLUME_SETTINGS, batchesInFlightMax: 0 }, false);
    expect(batches.leavesAt(1, SMALL, 10)).toBeUndefined();
    expect(batches.leavesAt(1, batchBytes, 10)).toBe(10);
  });

  test("is waited for less and less if it stays few", () => {
    const batches = after(128);
    let waits = 0;
    for (; waits < 1000 && batches.leavesAt(1, SMALL, 0) !== 0; waits++) {
      batches.sent([], 1);
      batches.complete();
    }
    expect(waits).toBeGreaterThan(10);
    expect(waits).toBeLessThan(40);
  });
});

describe("a writer", () => {
  const frames = (c: TestCluster): number => c.links.get(`w1>${SERVERS[0]!.name}`)?.length ?? 0;
  const submit = (c: TestCluster, from: number, n: number): void => {
    for (let i = from; i < from + n; i++) c.nodes.get("w1")!.volume.submit(entry(1, i, [delta(i)]), c.now);
    c.flush("w1");
  };

  /** Sixteen were on their way at once, and are committed. */
  const opened = (): TestCluster => {
    const c = openCluster("multi", ["w1"]);
    submit(c, 1, 16);
    for (const { name } of SERVERS) while (c.deliver(`w1>${name}`));
    for (const { name } of SERVERS) while (c.deliver(`${name}>w1`));
    return c;
  };

  test("sends those together that were answered together, and asks for a turn only while it waits", () => {
    const c = opened();
    const { volume } = c.nodes.get("w1")!;
    expect(volume.durable).toBe(lsn(16));
    expect(volume.dueAt).toBeUndefined();

    const before = frames(c);
    submit(c, 17, 5);
    expect(frames(c)).toBe(before);
    expect(volume.dueAt).toBe(c.now + gatherMs);
    submit(c, 22, 11);
    expect(frames(c)).toBe(before + 1);
    expect(volume.dueAt).toBeUndefined();
  });

  test("sends what it has once they do not come", () => {
    const c = opened();
    const before = frames(c);
    submit(c, 17, 1);
    c.tick(gatherMs - 0.5);
    expect(frames(c)).toBe(before);
    c.tick(0.5);
    expect(frames(c)).toBe(before + 1);
  });

  test("asks for no more turns once what it gathered was aborted", () => {
    const c = opened();
    const { volume } = c.nodes.get("w1")!;
    submit(c, 17, 1);
    expect(volume.dueAt).toBe(c.now + gatherMs);
    volume.giveUp(lsn(17), { stream: entry(2, 1, []).stream, lsn: lsn(1) }, c.now);
    c.tick(gatherMs);
    c.flush("w1");
    expect(volume.dueAt).toBeUndefined();
    expect(volume.durable).toBe(lsn(17));
  });
});
