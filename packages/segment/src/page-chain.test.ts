/**
 * How many pages have changes that are not merged: a server that counted one too many for ever would refuse appends for ever. And when a page is
 * read to be known.
 */
import { lsn, NO_BUGS, NONE, pageId, pgId, streamId } from "@sixfold/model";
import { expect, test } from "vitest";
import { Merged } from "./merged.ts";
import { ChainCount, PageChain, PageTable } from "./page-chain.ts";
import { encodePage } from "./page-image.ts";
import { StreamLog, Taken } from "./stream-log.ts";
import { slice, v } from "./testing/bench-segment.ts";

const PAGE = pageId(1);
const log = new StreamLog(pgId(0), streamId(1));

/** A version that builds on the one before. */
function change(at: number) {
  const made = slice({ stream: 1, lsn: at, writes: [[1, at === 1 ? NONE : v(1, at - 1)]] });
  const taken = new Taken(made, log, at, 1, { kind: "accept" });
  return { taken, delta: made.deltas[0]! };
}

const sumOf = (page: Uint8Array): number => Buffer.from(page).readInt32LE(page.length - 4);

const stored = (at: number) => ({
  version: v(1, at),
  base: at === 1 ? NONE : v(1, at - 1),
  merged: Merged.NOTHING.with(streamId(1), lsn(at)),
  sum: 0,
  patched: 0,
});

test("a page is counted as changed from its first change until none is left, whatever becomes of them", () => {
  const count = new ChainCount(Number.POSITIVE_INFINITY);
  const chain = new PageChain(PAGE, count);
  const counted: number[] = [];
  const then = (step: () => unknown): void => {
    step();
    counted.push(count.changed);
    expect(count.changed).toBe(chain.changes.length > 0 ? 1 : 0);
  };
  then(() => chain.read(undefined));
  then(() => chain.commit(change(1)));
  then(() => chain.commit(change(2)));
  then(() => chain.dropMerged(1, stored(1)));
  then(() => chain.dropMerged(1, stored(2)));
  then(() => chain.dropMerged(0, stored(2)));
  then(() => chain.commit(change(3)));
  then(() => chain.commit(change(4)));
  // A copy that has the one and not the other; then one that has both.
  then(() => chain.restore(stored(3)));
  then(() => chain.restore(stored(4)));
  then(() => chain.commit(change(5)));
  then(() => chain.clear());
  then(() => chain.clear());
  expect(counted).toEqual([0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 1, 0, 0]);
  expect(count.cost).toBe(0);
});

test("a page is read once, however often its chain is swept away, until its PG is forgotten", () => {
  const count = new ChainCount(Number.POSITIVE_INFINITY);
  const image = new Uint8Array(64).fill(1);
  let there = encodePage(PAGE, { ...stored(3), image });
  let reads = 0;
  const tail = (): Uint8Array => {
    reads += 1;
    return there;
  };
  const pages = new PageTable(
    { get: () => there, tail, pages: () => [PAGE], count: () => 1 },
    NO_BUGS,
    count,
  );
  const met: unknown[] = [];
  const then = (step: () => unknown): void => {
    step();
    pages.sweep();
    expect(count.chains).toBe(0);
    const { stored: version, storedBase, merged, sum } = pages.at(PAGE);
    expect([sum, storedBase]).toEqual([sumOf(there), v(1, version.lsn - 1)]);
    expect(merged.get(streamId(1))).toBe(version.lsn);
    met.push([version.lsn, reads]);
  };
  then(() => undefined);
  then(() => undefined);
  then(() => {
    const chain = pages.at(PAGE);
    chain.commit(change(4));
    there = encodePage(PAGE, { ...stored(4), image });
    chain.dropMerged(1, { ...stored(4), sum: sumOf(there) });
  });
  then(() => pages.clear());
  expect(met).toEqual([
    [3, 1],
    [3, 1],
    [4, 1],
    [4, 2],
  ]);
});
