/**
 * A segment server that was away while its peers merged, and trimmed what they had merged, catches up from them alone: slices where they are
 * still kept, pages where they are not; many PGs; with all writers dead. With load going on writers help (DESIGN section 4, "Gossip").
 */
import type { ClusterShape } from "@sixfold/simulation";
import { describe, expect, test } from "vitest";
import { LoadedCluster, type LoadOptions } from "./loaded-cluster.ts";

const OPTIONS: LoadOptions = {
  mode: "multi",
  writers: 2,
  clients: 4,
  workload: "transfer",
  as: "procedure",
  sharedPct: 30,
  records: 16_000,
};
/** What was merged is soon forgotten. */
const FORGETFUL = { mergeAboveBytes: 0, retainBytesMax: 16 << 10, logFileBytes: 512 << 10 };
const AWAY = "segment-c2";
const PEERS = ["segment-a1", "segment-a2", "segment-b1", "segment-b2", "segment-c1"];
const WRITERS = ["writer-1", "writer-2"];
/** Peers forget by work, not by the clock: a quiet minute is as good as an hour. */
const QUIET_MS = 60_000;

interface Position {
  readonly scl: number;
  readonly decidedThrough: number;
  readonly mergedThrough: number;
}

interface SegmentStatus {
  readonly segments?: readonly {
    readonly pg: number;
    readonly streams: readonly (Position & { readonly stream: number })[];
  }[];
  readonly machine: { readonly slicesPulled: number; readonly pagesCopied: number };
}

const statusOf = (cluster: LoadedCluster, name: string): SegmentStatus =>
  cluster.statusOf(name) as unknown as SegmentStatus;

/** Position by PG and stream; none while it starts. */
function positions(cluster: LoadedCluster, name: string): Map<string, Position> {
  const found = new Map<string, Position>();
  for (const { pg, streams } of statusOf(cluster, name).segments ?? [])
    for (const position of streams) found.set(`pg ${pg}, stream ${position.stream}`, position);
  return found;
}

/**
 * Streams of PGs in which it does not know what any peer knows, or lacks what one has merged. Peers merge all that is decided; the last slices
 * of a writer that has died are not, and so nobody's to take.
 */
function lacking(cluster: LoadedCluster): string[] {
  const here = positions(cluster, AWAY);
  const found = new Set<string>();
  for (const peer of PEERS)
    for (const [where, { decidedThrough, mergedThrough }] of positions(cluster, peer)) {
      const mine = here.get(where) ?? { scl: 0, decidedThrough: 0 };
      if (mine.scl < mergedThrough || mine.decidedThrough < decidedThrough) found.add(where);
    }
  return [...found];
}

/** Loaded, with the server away from early on. Returns where it stood. */
async function gone(
  seed: number,
  shape: Partial<ClusterShape>,
): Promise<[LoadedCluster, Map<string, Position>]> {
  const cluster = new LoadedCluster(seed, OPTIONS, shape);
  await cluster.start();
  await cluster.progress(30);
  const before = positions(cluster, AWAY);
  expect(new Set([...before.keys()].map((where) => where.split(",")[0])).size).toBeGreaterThan(3);
  cluster.world.kill(AWAY);
  await cluster.progress(150);
  return [cluster, before];
}

/** Long after, most of it quiet, its peers have merged beyond where it stood, and forgotten that. */
async function away(seed: number): Promise<LoadedCluster> {
  const [cluster, before] = await gone(seed, FORGETFUL);
  await cluster.quiet();
  await cluster.world.run(cluster.world.nowMs + QUIET_MS);
  cluster.busy();
  await cluster.progress(80);
  const beyond = PEERS.flatMap((peer) => [...positions(cluster, peer)]).filter(
    ([where, { mergedThrough }]) => mergedThrough > (before.get(where)?.scl ?? Infinity),
  );
  expect(beyond.length).toBeGreaterThan(0);
  return cluster;
}

/** Comes back with nobody there but its peers. */
async function backAlone(cluster: LoadedCluster): Promise<SegmentStatus["machine"]> {
  await cluster.quiet();
  for (const writer of WRITERS) cluster.world.kill(writer);
  expect(lacking(cluster).length).toBeGreaterThan(3);
  cluster.world.restart(AWAY);
  await cluster.world.run(() => lacking(cluster).length === 0, 60_000);
  const { machine } = statusOf(cluster, AWAY);
  for (const writer of WRITERS) cluster.world.restart(writer);
  return machine;
}

/** It is needed: with two others gone there are only four. */
async function expectOfUse(cluster: LoadedCluster): Promise<void> {
  cluster.world.kill("segment-a1");
  cluster.world.kill("segment-b1");
  cluster.busy();
  await cluster.progress(40);
  expect(await cluster.finish()).toBe("ok");
}

describe("a segment server that was away", () => {
  test("a short while: copies slices from its peers, with every writer dead", async () => {
    const [cluster] = await gone(50, {});
    const { slicesPulled, pagesCopied } = await backAlone(cluster);
    expect(slicesPulled).toBeGreaterThan(100);
    expect(pagesCopied).toBe(0);
    await expectOfUse(cluster);
  });

  test.each([51, 52])(
    "for long: copies pages from its peers, with every writer dead (seed %i)",
    async (seed) => {
      const cluster = await away(seed);
      expect((await backAlone(cluster)).pagesCopied).toBeGreaterThan(0);
      await expectOfUse(cluster);
    },
  );

  test("for long: catches up while load goes on", async () => {
    const cluster = await away(53);
    cluster.world.restart(AWAY);
    await cluster.progress(100);
    await cluster.quiet();
    await cluster.world.run(() => lacking(cluster).length === 0, 60_000);
    await expectOfUse(cluster);
  });
});
