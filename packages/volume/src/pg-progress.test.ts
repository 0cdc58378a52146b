/** Progress of a protection group, segment by segment. */
import { describe, expect, test } from "vitest";
import { lsn, nodeName, pgId } from "@sixfold/model";
import { PgProgress } from "./pg-progress.ts";

const members = ["a1", "a2", "b1", "b2", "c1", "c2"].map(nodeName);

describe("progress", () => {
  test("I3: a decision that came before its slice does not make a holder: that segment sees no conflict", () => {
    const pg = new PgProgress(pgId(0), [members]);
    // After a lost link an empty append brings decisions first, the slices come with the resend.
    for (let i = 0; i < 4; i++) pg.acked(i, lsn(0), lsn(1), 0);
    expect([pg.known, pg.holdersOf(lsn(1))]).toEqual([1, 0]);
    for (let i = 0; i < 3; i++) pg.acked(i, lsn(1), lsn(1), 0);
    // This one has the slice, and has not heard.
    pg.acked(4, lsn(1), lsn(0), 0);
    expect(pg.holdersOf(lsn(1))).toBe(3);
    pg.acked(4, lsn(1), lsn(2), 0);
    expect([pg.holdersOf(lsn(1)), pg.holdersOf(lsn(2))]).toEqual([4, 0]);
  });
});
