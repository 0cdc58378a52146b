/**
 * Who writes, and how soon another does: standbys, planned failovers, switches of modes, and masters that die beside others. Bounds
 * are in virtual time.
 */
import { DEFAULT_LIVENESS } from "@sixfold/cluster";
import { DEFAULT_NODE_SETTINGS } from "@sixfold/database";
import { describe, expect, test } from "vitest";
import { LoadedCluster, type LoadOptions } from "./loaded-cluster.ts";

const SINGLE: LoadOptions = {
  mode: "single",
  writers: 3,
  clients: 3,
  workload: "transfer",
  as: "interactive",
  sharedPct: 50,
  records: 120,
};
const MULTI: LoadOptions = { ...SINGLE, mode: "multi" };
const { endedAfterMs, suspectAfterMs } = DEFAULT_NODE_SETTINGS;
/** From the suspicion to a stream of its own; near machines sync in half a millisecond. */
const RECOVERY_MS = 100;
/** Of this machine's time, for the longest. */
const TIMEOUT_MS = 120_000;

async function loaded(seed: number, options: LoadOptions, replicas = 0): Promise<LoadedCluster> {
  const cluster = new LoadedCluster(seed, options, { replicas });
  await cluster.start();
  await cluster.ready();
  await cluster.progress(30);
  return cluster;
}

const stateOf = (cluster: LoadedCluster, name: string): unknown => cluster.statusOf(name)["state"];

/** Of those that live. */
const writersOf = (cluster: LoadedCluster): string[] =>
  cluster.topology.nodes
    .map(({ name }) => name)
    .filter((name) => cluster.world.find(name).isUp && stateOf(cluster, name) === "writing");

/** The node that writes, once one does that is none of those. */
async function writerBut(cluster: LoadedCluster, ...not: string[]): Promise<string> {
  const isThere = (): boolean => writersOf(cluster).some((name) => !not.includes(name));
  await cluster.world.run(isThere);
  return writersOf(cluster).find((name) => !not.includes(name))!;
}

describe("an exclusive volume", () => {
  test("one node writes; when it dies a standby does, soon, with what it had in its pool", async () => {
    const cluster = await loaded(71, SINGLE);
    const first = writersOf(cluster);
    expect(first).toHaveLength(1);
    const standbys = cluster.topology.nodes.map(({ name }): string => name).filter((n) => n !== first[0]);
    expect(standbys.map((name) => stateOf(cluster, name))).toEqual(["standby", "standby"]);
    const jumps = standbys.map((name) => cluster.statusOf(name)["jumps"]);
    const died = cluster.world.nowMs;
    cluster.world.kill(first[0]!);
    const next = await writerBut(cluster, ...first);
    expect(cluster.world.nowMs - died).toBeLessThan(1.5 * endedAfterMs + RECOVERY_MS);
    // Nothing was a gap, so no page was forgotten.
    expect(standbys.map((name) => cluster.statusOf(name)["jumps"])).toEqual(jumps);
    await cluster.progress(30);
    // It comes back, and stands by.
    cluster.world.restart(first[0]!);
    await cluster.world.run(() => stateOf(cluster, first[0]!) === "standby");
    await cluster.progress(30);
    expect(writersOf(cluster)).toEqual([next]);
    expect(await cluster.finish()).toBe("ok");
  });

  test("a writer that only lost its network to the other nodes is fenced, says so, and stands by", async () => {
    const cluster = await loaded(72, SINGLE);
    const [writer = ""] = writersOf(cluster);
    const others = cluster.topology.nodes.map(({ name }): string => name).filter((name) => name !== writer);
    cluster.world.fabric.partition([writer], others);
    const cut = cluster.world.nowMs;
    await cluster.world.run(() => cluster.times("stream-fenced", writer) === 1);
    expect(cluster.world.nowMs - cut).toBeLessThan(suspectAfterMs + DEFAULT_LIVENESS.deadAfterMs);
    expect(stateOf(cluster, writer)).toBe("standby");
    expect([...cluster.abortedBy].filter((code) => code === "fenced")).toEqual([]);
    await cluster.progress(30);
    expect(writersOf(cluster)).toHaveLength(1);
    cluster.world.fabric.unpartition([writer], others);
    await cluster.progress(30);
    expect(await cluster.finish()).toBe("ok");
  });

  test(
    "two candidates at once: one writes, the other goes on standing by",
    async () => {
      for (const seed of [73, 74]) {
        const cluster = await loaded(seed, SINGLE);
        const [writer = ""] = writersOf(cluster);
        const others = cluster.topology.nodes
          .map(({ name }): string => name)
          .filter((name) => name !== writer);
        // Neither sees the other, so each believes that it is the only one.
        cluster.world.fabric.partition([others[0]!], [others[1]!]);
        await cluster.world.run(cluster.world.nowMs + DEFAULT_LIVENESS.deadAfterMs + 500);
        cluster.world.kill(writer);
        await cluster.world.run(cluster.world.nowMs + 1000);
        expect(cluster.times("writer-suspected"), `seed ${seed}`).toBeGreaterThanOrEqual(2);
        expect(writersOf(cluster), `seed ${seed}`).toHaveLength(1);
        cluster.world.fabric.unpartition([others[0]!], [others[1]!]);
        await cluster.progress(30);
        cluster.world.restart(writer);
        expect(await cluster.finish(), `seed ${seed}`).toBe("ok");
      }
    },
    TIMEOUT_MS,
  );

  test("a replica takes over where no writer is left, and gives way to nobody who comes later", async () => {
    const cluster = await loaded(76, { ...SINGLE, writers: 1 }, 2);
    const died = cluster.world.nowMs;
    cluster.world.kill("writer-1");
    const next = await writerBut(cluster, "writer-1");
    expect(next).toMatch(/^replica/);
    expect(cluster.world.nowMs - died).toBeLessThan(1.5 * endedAfterMs + RECOVERY_MS);
    await cluster.progress(30);
    cluster.world.restart("writer-1");
    await cluster.world.run(() => stateOf(cluster, "writer-1") === "standby");
    await cluster.progress(30);
    expect(writersOf(cluster)).toEqual([next]);
    expect(await cluster.finish()).toBe("ok");
  });

  test("a planned failover: the node that is named writes next, and no client hears of more than a new try", async () => {
    const cluster = await loaded(77, SINGLE, 1);
    for (const to of ["writer-2", "writer-3", "replica-1", "writer-1"]) {
      const before = cluster.world.nowMs;
      cluster.failOver(to);
      await cluster.world.run(() => stateOf(cluster, to) === "writing");
      expect(cluster.world.nowMs - before).toBeLessThan(RECOVERY_MS);
      await cluster.progress(20);
      expect(writersOf(cluster)).toEqual([to]);
    }
    expect(cluster.times("writer-suspected")).toBe(0);
    expect(cluster.times("stream-fenced")).toBe(0);
    expect(await cluster.finish()).toBe("ok");
  });

  test("a writer that is stopped names its successor", async () => {
    const cluster = await loaded(78, SINGLE);
    const [writer = ""] = writersOf(cluster);
    const before = cluster.world.nowMs;
    await cluster.settled(cluster.stopCleanly(writer));
    cluster.world.kill(writer);
    await writerBut(cluster, writer);
    expect(cluster.world.nowMs - before).toBeLessThan(RECOVERY_MS);
    await cluster.progress(20);
    cluster.world.restart(writer);
    expect(await cluster.finish()).toBe("ok");
  });
});

describe("a switch of modes", () => {
  test("moves a volume to one master and back under load", async () => {
    const cluster = await loaded(79, MULTI);
    expect(writersOf(cluster)).toHaveLength(3);
    for (const [mode, writers] of [
      ["single", 1],
      ["multi", 3],
      ["single", 1],
    ] as const) {
      const before = cluster.world.nowMs;
      cluster.switchMode(mode);
      const isDone = (): boolean =>
        writersOf(cluster).length === writers &&
        cluster.topology.nodes.every(({ name }) => cluster.statusOf(name)["mode"] === mode);
      await cluster.world.run(isDone);
      expect(cluster.world.nowMs - before).toBeLessThan(5 * RECOVERY_MS);
      await cluster.progress(30);
    }
    expect(cluster.times("stream-fenced")).toBe(0);
    expect(await cluster.finish()).toBe("ok");
  });

  test("is not held up by a writer that hangs: its stream is recovered", async () => {
    const cluster = await loaded(80, MULTI);
    cluster.world.pause("writer-2");
    const before = cluster.world.nowMs;
    cluster.switchMode("single");
    await cluster.world.run(() => cluster.statusOf("writer-1")["mode"] === "single");
    expect(cluster.world.nowMs - before).toBeLessThan(suspectAfterMs + 5 * RECOVERY_MS);
    await cluster.progress(30);
    cluster.world.resume("writer-2");
    await cluster.world.run(() => stateOf(cluster, "writer-2") === "standby");
    expect(await cluster.finish()).toBe("ok");
  });
});

describe("a master that dies beside others", () => {
  test("is recovered within the time of detection, while the others commit on their own pages without a pause", async () => {
    // Each client keeps to the rows of its own writer; and in this life nobody meets a claim of the dead one on a page that holds rows of both.
    const cluster = await loaded(82, { ...MULTI, sharedPct: 0 });
    const stream = cluster.statusOf("writer-3")["stream"];
    const died = cluster.world.nowMs;
    cluster.world.kill("writer-3");
    const isClosed = (): boolean => cluster.times("stream closed") > 0;
    const { commits, longestMs } = await paceOf(cluster, "writer-1", isClosed);
    expect(stream).not.toBe(0);
    expect(cluster.world.nowMs - died).toBeLessThan(2 * 1.5 * endedAfterMs + RECOVERY_MS);
    // As long as before it died, or nearly: a commit takes some milliseconds.
    expect(commits).toBeGreaterThan(20);
    expect(longestMs).toBeLessThan(50);
    cluster.world.restart("writer-3");
    await cluster.progress(30);
    expect(await cluster.finish()).toBe("ok");
  });
});

/** Commits at this writer until then, and the longest time between two. */
async function paceOf(
  cluster: LoadedCluster,
  writer: string,
  until: () => boolean,
): Promise<{ commits: number; longestMs: number }> {
  const committed = (): number => (cluster.statusOf(writer)["engine"] as { commits: number }).commits;
  const first = committed();
  let [count, since, longestMs] = [first, cluster.world.nowMs, 0];
  while (!until()) {
    await cluster.world.run(cluster.world.nowMs + 1);
    const now = committed();
    if (now === count) longestMs = Math.max(longestMs, cluster.world.nowMs - since);
    else [count, since] = [now, cluster.world.nowMs];
  }
  return { commits: count - first, longestMs };
}
