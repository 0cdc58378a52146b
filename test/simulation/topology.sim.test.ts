/** Database nodes that join and leave while others serve. */
import { ERRORS, LIMITS, type ErrorCode } from "@sixfold/model";
import { makePlan, simulate } from "@sixfold/simulation";
import { describe, expect, test } from "vitest";
import { LoadedCluster, type LoadOptions } from "./loaded-cluster.ts";

const GUEST = "guest-1";
const options: LoadOptions = {
  mode: "multi",
  writers: 2,
  clients: 6,
  workload: "transfer",
  as: "interactive",
  sharedPct: 50,
  records: 120,
};
/** Some commits' time, and far less than anybody's patience with a dead one. */
const UNDISTURBED_MS = 50;

async function started(seed: number, changes: Partial<LoadOptions> = {}): Promise<LoadedCluster> {
  const cluster = new LoadedCluster(seed, { ...options, ...changes }, { guests: [GUEST] });
  await cluster.start();
  await cluster.progress(30);
  return cluster;
}

/** Nodes as one of them lists them. */
function listed(cluster: LoadedCluster, by: string): string[] {
  const { nodes = [] } = cluster.statusOf(by) as { readonly nodes?: readonly { readonly name: string }[] };
  return nodes.map(({ name }) => name).sort();
}

/** A client that is told so cannot try again. */
const isFinal = (code: string): boolean => ERRORS[code as ErrorCode].retryable === "no";

/** Runs until `holds`; the longest time in which nobody committed anything. */
async function longestPauseUntil(cluster: LoadedCluster, holds: () => boolean): Promise<number> {
  const { world } = cluster;
  let [longest, last, committed] = [0, world.nowMs, cluster.committed];
  await world.run(() => {
    if (cluster.committed > committed) {
      longest = Math.max(longest, world.nowMs - last);
      [last, committed] = [world.nowMs, cluster.committed];
    }
    return holds();
  });
  return Math.max(longest, world.nowMs - last);
}

describe("a writer that joins and leaves", () => {
  test.each([1, 2, 3])("serves, disturbs nobody, and leaves nothing open: seed %i", async (seed) => {
    const cluster = await started(seed);
    const everybody = (): boolean =>
      ["writer-1", "writer-2", GUEST].every((name) => listed(cluster, name).length === 3);
    cluster.world.restart(GUEST);
    const joining = await longestPauseUntil(
      cluster,
      () => cluster.statusOf(GUEST)["ready"] === true && everybody(),
    );
    expect(joining).toBeLessThan(UNDISTURBED_MS);
    expect(listed(cluster, "writer-1")).toEqual([GUEST, "writer-1", "writer-2"]);
    const { state, peers } = cluster.statusOf(GUEST);
    expect([state, [...(peers as string[])].sort()]).toEqual(["writing", ["writer-1", "writer-2"]]);
    await cluster.progress(30);

    let hasLeft = false;
    void cluster.retire(GUEST).then(() => {
      hasLeft = true;
      cluster.world.kill(GUEST);
    });
    const isForgotten = (): boolean =>
      hasLeft && ["writer-1", "writer-2"].every((name) => listed(cluster, name).length === 2);
    expect(await longestPauseUntil(cluster, isForgotten)).toBeLessThan(UNDISTURBED_MS);
    await cluster.progress(30);
    expect(await cluster.finish()).toBe("ok");
    // Its stream was closed by itself: nobody had to recover it.
    expect(cluster.times("recovery begins")).toBe(0);
    expect([...cluster.abortedBy].filter(isFinal)).toEqual([]);
  });

  test("leaves though it was an original one, and whoever was with it goes on with the others", async () => {
    const cluster = await started(4);
    let hasLeft = false;
    void cluster.retire("writer-1").then(() => {
      hasLeft = true;
      cluster.world.kill("writer-1");
    });
    await cluster.world.run(() => hasLeft);
    await cluster.progress(60);
    expect(listed(cluster, "writer-2")).toEqual(["writer-2"]);
    // One of its name comes back as a new one.
    cluster.world.restart("writer-1");
    await cluster.world.run(() => listed(cluster, "writer-2").length === 2);
    await cluster.progress(30);
    expect(await cluster.finish()).toBe("ok");
    expect([...cluster.abortedBy].filter(isFinal)).toEqual([]);
  });

  test("is struck off while it was cut off, and ends when it learns of it", async () => {
    const cluster = await started(5);
    const others = cluster.world.nodes.map(({ name }) => name).filter((name) => name !== "writer-1");
    cluster.world.fabric.partition(["writer-1"], others);
    let hasEnded = false;
    void cluster.strikeOff("writer-1").then(() => (hasEnded = true));
    await cluster.progress(30);
    expect([hasEnded, listed(cluster, "writer-2")]).toEqual([false, ["writer-2"]]);
    cluster.world.fabric.unpartition(["writer-1"], others);
    await cluster.world.run(() => hasEnded);
    expect(cluster.times("struck-off", "writer-1")).toBe(1);
    await cluster.progress(30);
    expect(await cluster.finish()).toBe("ok");
  });

  test("is refused where there is no room, and ends", async () => {
    const full = { ...options, mode: "single", writers: LIMITS.writers } as const;
    const cluster = new LoadedCluster(6, full, { guests: [GUEST] });
    await cluster.ready();
    cluster.world.restart(GUEST);
    await cluster.world.run(() => cluster.times("no-room", GUEST) === 1);
    expect(cluster.statusOf(GUEST)["state"]).toBe("stopped");
    await cluster.world.run(() => listed(cluster, "writer-1").length === LIMITS.writers);
    expect(listed(cluster, "writer-1")).not.toContain(GUEST);
  });
});

describe("joins and leaves among other faults", () => {
  const crowd = ["join", "leave", "kill", "crash", "minority", "isolate", "pause", "zombie"];
  test.each([
    [["join", "leave"], 8],
    [["join", "leave"], 10],
    [["join", "leave"], 12],
    [crowd, 100],
    [crowd, 101],
    [crowd, 102],
  ] as const)("%j: seed %i", async (faults, seed) => {
    const { violations, counts } = await simulate(makePlan(seed, { faults }));
    expect(violations).toEqual([]);
    expect(counts.committed).toBeGreaterThan(0);
  });
});
