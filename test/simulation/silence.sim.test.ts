/**
 * Silence in the simulated world: peers that hang, are cut off, or hear but are not heard. Nobody is told; heartbeats find out.
 * A quiet second of the world costs milliseconds, so these wait as long as production would.
 */
import { DEFAULT_LIVENESS } from "@sixfold/cluster";
import { describe, expect, test } from "vitest";
import { LoadedCluster, type LoadOptions } from "./loaded-cluster.ts";

const OPTIONS: LoadOptions = {
  mode: "multi",
  writers: 2,
  clients: 2,
  workload: "transfer",
  as: "interactive",
  sharedPct: 50,
  records: 120,
};
const WRITERS = ["writer-1", "writer-2"] as const;

/** A cluster that has worked and is quiet now. */
async function idle(seed: number): Promise<LoadedCluster> {
  const cluster = new LoadedCluster(seed, OPTIONS);
  await cluster.start();
  await cluster.progress(20);
  await cluster.quiet();
  return cluster;
}

async function work(cluster: LoadedCluster, commits: number): Promise<void> {
  cluster.busy();
  await cluster.progress(commits);
  await cluster.quiet();
}

const rest = (cluster: LoadedCluster, ms: number): Promise<void> =>
  cluster.world.run(cluster.world.nowMs + ms);

describe("silence", () => {
  test("a quiet cluster hears itself: nobody is given up in a minute, and nobody suspected", async () => {
    const cluster = await idle(31);
    await rest(cluster, 60_000);
    expect(cluster.times("peer-dead")).toBe(0);
    expect(cluster.times("writer-suspected")).toBe(0);
    expect(await cluster.finish()).toBe("ok");
  });

  test("a writer that hangs is recovered by the other, once, and opens another stream when it wakes", async () => {
    for (const [seed, zombie, other] of [
      [32, ...WRITERS],
      [33, WRITERS[1], WRITERS[0]],
    ] as const) {
      const cluster = await idle(seed);
      cluster.world.pause(zombie);
      await cluster.world.run(() => cluster.times("writer-suspected", other) === 1);
      await work(cluster, 20);
      cluster.world.resume(zombie);
      await cluster.world.run(() => cluster.times("stream-opened", zombie) === 2);
      await work(cluster, 20);
      expect(await cluster.finish(), `seed ${seed}`).toBe("ok");
      expect(cluster.times("writer-suspected", zombie), `seed ${seed}`).toBe(0);
    }
  });

  test("a process that stood still for a minute blames nobody for the silence", async () => {
    const cluster = await idle(34);
    cluster.world.pause("segment-a1");
    await rest(cluster, 60_000);
    cluster.world.resume("segment-a1");
    await work(cluster, 20);
    expect(cluster.times("peer-dead", "segment-a1")).toBe(0);
    expect(await cluster.finish()).toBe("ok");
  });

  test("of two masters cut from each other one keeps its stream, for as long as it lasts", async () => {
    for (const seed of [35, 36, 37]) {
      const cluster = await idle(seed);
      cluster.world.fabric.partition(["writer-1"], ["writer-2"]);
      await rest(cluster, 30_000);
      const losses = WRITERS.map((name) => cluster.times("stream-fenced", name));
      expect(Math.min(...losses), `seed ${seed}`).toBe(0);
      expect(Math.max(...losses), `seed ${seed}`).toBeGreaterThan(0);
      cluster.world.fabric.heal();
      await work(cluster, 20);
      expect(await cluster.finish(), `seed ${seed}`).toBe("ok");
    }
  });

  test("a direction that is cut is noticed by who hears nothing, and told to the other", async () => {
    const cluster = await idle(38);
    cluster.world.fabric.block("segment-b1", "writer-1");
    await rest(cluster, 2 * DEFAULT_LIVENESS.deadAfterMs);
    expect(cluster.times("peer-dead", "writer-1")).toBe(1);
    expect(cluster.times("peer-dead", "segment-b1")).toBe(0);
    cluster.world.fabric.heal();
    await work(cluster, 20);
    expect(await cluster.finish()).toBe("ok");
  });
});
