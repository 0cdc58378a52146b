/** A page that passes between masters while a zone is lost: given by its owner, or by way of the manifest (DESIGN section 6; docs/notes/page-gifts.md). */
import { describe, expect, test } from "vitest";
import { lsn, type PlantedBug } from "@sixfold/model";
import { at, delta, entry, openCluster, SERVERS, type TestCluster } from "./test-kit/test-cluster.ts";

const ZONE_C = SERVERS.filter((s) => s.az === "c").map((s) => s.name);
const PAGE = 3;

/** Masters w1 and w2, and w1's first version of the page; then zone c is lost to both. */
function withoutZone(planted: readonly PlantedBug[] = []): TestCluster {
  const c = openCluster("multi", ["w1", "w2"], { planted });
  submit(c, "w1", 1, [delta(PAGE)]);
  // It has heard of the other's stream.
  c.nodes.get("w1")!.volume.refresh(c.now);
  c.run(3);
  for (const node of ["w1", "w2"]) for (const server of ZONE_C) c.disconnect(node, server);
  return c;
}

function submit(
  c: TestCluster,
  node: "w1" | "w2",
  n: number,
  deltas: Parameters<typeof entry>[2],
  own: number[] = [],
): void {
  const stream = node === "w1" ? 1 : 2;
  c.nodes.get(node)!.volume.submit(entry(stream, n, deltas, { ownBases: own }), c.now);
  c.flush(node);
}

const statusOf = (c: TestCluster, node: string): Record<string, number> => {
  const status = c.nodes.get(node)!.volume.status();
  return { ...(status["own"] as Record<string, number>), byManifest: status["manifestCommits"] as number };
};

/** What the node calls owned of the slices on their way to a segment. */
function ownedOnTheWay(c: TestCluster, node: string): boolean[] {
  const queue = c.links.get(`${node}>${SERVERS[0]!.name}`) ?? [];
  return queue.flatMap(({ message: m }) => (m.type === "append" ? m.slices.map((s) => s.owned) : []));
}

describe("a page that another master wrote, with five segments out of reach", () => {
  test("is asked for, given, and changed with four votes", () => {
    const c = withoutZone();
    submit(c, "w2", 1, [delta(PAGE, at(1, 1))]);
    c.run(2);
    expect(c.nodes.get("w2")!.decisions()).toEqual(new Map([[1, "commit"]]));
    expect(statusOf(c, "w2")).toMatchObject({ byManifest: 0, pagesReceived: 1 });
    expect(statusOf(c, "w1")).toMatchObject({ pagesGiven: 1 });
  });

  test("is not given while an own entry on it is in flight: then the manifest decides", () => {
    const c = withoutZone();
    submit(c, "w1", 2, [delta(PAGE, at(1, 1))], []);
    submit(c, "w2", 1, [delta(PAGE, at(1, 1))]);
    c.run(100);
    expect(statusOf(c, "w1")["pagesGiven"]).toBe(0);
    const [first, second] = ["w1", "w2"].map((node) => c.nodes.get(node)!.decisions());
    // One of the two, never both.
    const both = `${first!.get(lsn(2))} ${second!.get(lsn(1))}`;
    expect(["commit abort", "abort commit"]).toContain(both);
  });

  test("is nobody's own for who gave it", () => {
    const c = withoutZone();
    submit(c, "w2", 1, [delta(PAGE, at(1, 1))]);
    // The question and the answer; what follows is still on its way.
    expect(c.deliver("w2>w1")).toBe(true);
    submit(c, "w1", 2, [delta(PAGE, at(1, 1))]);
    expect(ownedOnTheWay(c, "w1")).toEqual([false]);
  });

  test("is not taken for given at the version that has come since it was asked for", () => {
    const c = withoutZone();
    submit(c, "w1", 2, [delta(PAGE + 1)]);
    c.run(2);
    submit(c, "w2", 1, [delta(PAGE, at(1, 1))]);
    expect(c.deliver("w2>w1")).toBe(true);
    // The answer is on its way; the attempt is given up, and built anew on a version that w1 makes meanwhile.
    c.nodes.get("w2")!.volume.giveUp(lsn(1), at(1, 3), c.now);
    submit(c, "w1", 3, [delta(PAGE, at(1, 1))]);
    submit(c, "w2", 2, [delta(PAGE, at(1, 3))]);
    expect(c.deliver("w1>w2")).toBe(true);
    expect(ownedOnTheWay(c, "w2")).toEqual([]);
  });

  test("goes on without it if no answer comes", () => {
    const c = withoutZone();
    submit(c, "w2", 1, [delta(PAGE, at(1, 1))]);
    expect(ownedOnTheWay(c, "w2")).toEqual([]);
    c.links.delete("w2>w1");
    c.tick(60);
    expect(ownedOnTheWay(c, "w2")).toEqual([false]);
    c.run(100);
    expect(c.nodes.get("w2")!.decisions()).toEqual(new Map([[1, "commit"]]));
    expect(statusOf(c, "w2")["byManifest"]).toBe(1);
  });

  test("is not asked for while five can be had", () => {
    const c = openCluster("multi", ["w1", "w2"]);
    submit(c, "w1", 1, [delta(PAGE)]);
    c.run(3);
    submit(c, "w2", 1, [delta(PAGE, at(1, 1))]);
    expect(c.links.get("w2>w1")).toBeUndefined();
    c.run(2);
    expect(c.nodes.get("w2")!.decisions()).toEqual(new Map([[1, "commit"]]));
  });

  test("changes hands again and again", () => {
    const c = withoutZone();
    let base = at(1, 1);
    for (let i = 1; i <= 10; i++) {
      const node = i % 2 === 1 ? "w2" : "w1";
      const n = i % 2 === 1 ? (i + 1) / 2 : i / 2 + 1;
      submit(c, node, n, [delta(PAGE, base)]);
      c.run(2);
      base = at(node === "w1" ? 1 : 2, n);
    }
    expect(statusOf(c, "w1")).toMatchObject({ pagesGiven: 5, pagesReceived: 5, byManifest: 0, commits: 6 });
    expect(statusOf(c, "w2")).toMatchObject({ pagesGiven: 5, pagesReceived: 5, byManifest: 0, commits: 5 });
  });
});
