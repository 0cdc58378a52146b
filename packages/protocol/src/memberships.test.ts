import { epoch, nodeName, pgId, streamId, type Manifest } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { Memberships } from "./memberships.ts";

const OLD = ["a1", "a2", "b1", "b2", "c1", "c2"].map(nodeName);
const NEW = ["a3", "a2", "b1", "b2", "c1", "c2"].map(nodeName);
const PG = pgId(0);
const manifest = (at: number, pgs: Manifest["pgs"], changes: Manifest["changes"] = []): Manifest => ({
  ...{
    volume: "v",
    revision: at,
    epoch: epoch(at),
    mode: "multi",
    nextMode: "multi",
    servers: [],
    nodes: [],
    seats: OLD,
    nextSeats: [],
  },
  ...{
    geometry: { pageBytes: 4096, segmentBytes: 1 << 20 },
    pgs,
    changes,
    nextStream: streamId(1),
    streams: [],
  },
  ...{ settledThrough: streamId(0), outcomes: [] },
});
const some = (...names: string[]): ReadonlySet<ReturnType<typeof nodeName>> => new Set(names.map(nodeName));

describe("who had to agree on an entry", () => {
  const memberships = new Memberships();
  // Told late, and again.
  memberships.learn(manifest(2, [OLD], [{ pg: PG, to: NEW, since: epoch(2) }]));
  memberships.learn(manifest(1, [OLD]));
  memberships.learn(manifest(2, [OLD], [{ pg: PG, to: NEW, since: epoch(2) }]));

  test("of an epoch with two sets, that which has fewest", () => {
    expect(memberships.count(PG, epoch(2), some("a1", "a2", "b1", "b2"))).toBe(3);
    expect(memberships.count(PG, epoch(2), some("a2", "b1", "b2", "c1"))).toBe(4);
  });

  test("of an earlier epoch the old set, or both if its writer knew of them by then", () => {
    expect(memberships.count(PG, epoch(1), some("a1", "a2", "b1", "b2"))).toBe(4);
    expect(memberships.count(PG, epoch(1), some("a3", "a2", "b1", "b2"))).toBe(3);
  });

  test("once the change is over, the new set will do for what is undecided", () => {
    memberships.learn(manifest(3, [NEW]));
    expect(memberships.count(PG, epoch(2), some("a3", "a2", "b1", "b2"))).toBe(4);
    expect(memberships.count(PG, epoch(3), some("a1", "a2", "b1", "b2"))).toBe(3);
  });

  test("of a PG that no manifest was told of, everybody counts", () => {
    expect(memberships.count(pgId(1), epoch(1), some("a1", "x", "y"))).toBe(3);
  });
});
