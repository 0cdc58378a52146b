/** When a writer may say that it is past an epoch. */
import { epoch, lsn, nodeName, pgId, type PlantedBug } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { EpochMark } from "./epoch-mark.ts";
import { PgProgress } from "./pg-progress.ts";

const OLD = ["a1", "a2", "b1", "b2", "c1", "c2"].map(nodeName);
const NEW = ["a3", "a2", "b1", "b2", "c1", "c2"].map(nodeName);

function begun(planted: readonly PlantedBug[] = []): { mark: EpochMark; pg: PgProgress } {
  const pg = new PgProgress(pgId(0), [OLD]);
  pg.lastSlice = lsn(5);
  const mark = new EpochMark(new Map([[pg.pg, pg]]), new Set(planted));
  mark.began(epoch(2), lsn(5));
  pg.takeMembers([OLD, NEW]);
  return { mark, pg };
}

describe("a writer that learned of an epoch", () => {
  test("is past it once all it sent before is decided, on four of each set", () => {
    const { mark, pg } = begun();
    const ack = (server: string): void =>
      void pg.acked(pg.members.indexOf(nodeName(server)), lsn(5), lsn(5), 0);
    for (const server of ["a1", "a2", "b1", "b2"]) ack(server);
    expect(mark.isPast(epoch(2), lsn(4)), "an entry is undecided").toBe(false);
    expect(mark.isPast(epoch(2), lsn(5)), "three of the new six").toBe(false);
    ack("a3");
    expect(mark.isPast(epoch(2), lsn(5))).toBe(true);
    expect(mark.isPast(epoch(3), lsn(5)), "one that it has not learned of").toBe(false);
  });

  test("planted: says so at once", () => {
    expect(begun(["epoch-said-early"]).mark.isPast(epoch(2), lsn(0))).toBe(true);
  });
});

describe("votes and positions while the members change", () => {
  test("stay with who gave them; who leaves is not counted, and newcomers begin with nothing", () => {
    const { pg } = begun();
    pg.acked(0, lsn(5), lsn(5), 0);
    expect([pg.count(pg.maskOf(["a1", "a2", "b1", "b2"].map(nodeName))), pg.scl]).toEqual([
      3,
      [5, 0, 0, 0, 0, 0, 0],
    ]);
    pg.takeMembers([NEW]);
    expect([pg.members, pg.scl]).toEqual([NEW, [0, 0, 0, 0, 0, 0]]);
    expect(pg.count(pg.maskOf(["a3", "a2", "b1", "b2"].map(nodeName)))).toBe(4);
  });
});
