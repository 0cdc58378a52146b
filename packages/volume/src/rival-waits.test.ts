import { lsn, NONE, pageId, streamId, transactionId, type Entry } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { RivalWaits } from "./rival-waits.ts";

const entryOn = (...pages: number[]): Entry => ({
  stream: streamId(1),
  lsn: lsn(7),
  supersedes: lsn(0),
  transaction: transactionId(""),
  ownBases: [],
  deltas: pages.map((page) => ({ page: pageId(page), base: NONE, ops: new Uint8Array(0) })),
  checks: [],
});
const waitOn = (page: number) => ({ stream: streamId(2), lsn: lsn(3), page: pageId(page) });

describe("decisions that rivals wait for", () => {
  test("are those on the pages that they wait for, and on no others", () => {
    const rivals = new RivalWaits();
    rivals.heard([waitOn(4)], 50, false);
    rivals.decided(entryOn(3, 5), 10);
    expect(rivals.isOwed).toBe(false);
    rivals.decided(entryOn(3, 4), 10);
    expect(rivals.isOwed).toBe(true);
  });

  test("are owed until they are sent; a rival that still waits says so again", () => {
    const rivals = new RivalWaits();
    rivals.heard([waitOn(4)], 50, false);
    rivals.decided(entryOn(4), 10);
    rivals.sent();
    rivals.decided(entryOn(4), 11);
    expect(rivals.isOwed).toBe(false);
  });

  test("may have been taken before the wait was heard of", () => {
    const rivals = new RivalWaits();
    rivals.heard([waitOn(4)], 50, true);
    expect(rivals.isOwed).toBe(true);
  });

  test("are no longer waited for after a while", () => {
    const rivals = new RivalWaits();
    rivals.heard([waitOn(4)], 50, false);
    rivals.decided(entryOn(4), 50);
    expect(rivals.isOwed).toBe(false);
  });
});
