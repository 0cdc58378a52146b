/**
 * Segment servers that are lost for good: replaced unasked, over several PGs, between transfers; a newcomer that is lost in its turn is
 * given up, and the next takes its place (DESIGN section 7, "Membership").
 */
import { describe, expect, test } from "vitest";
import { LoadedCluster, type LoadOptions } from "./loaded-cluster.ts";

const OPTIONS: LoadOptions = {
  mode: "multi",
  writers: 2,
  clients: 2,
  workload: "transfer",
  as: "procedure",
  sharedPct: 30,
  records: 2000,
};
const SOME = 40;

interface Standing {
  readonly segments: number;
  readonly joining: number;
  readonly seat: boolean;
}

function standing(cluster: LoadedCluster, server: string): Standing {
  const { volume } = cluster.statusOf("writer-1") as unknown as {
    readonly volume: { readonly servers: Readonly<Record<string, Standing>> };
  };
  return volume.servers[server]!;
}

describe.each(["single", "multi"] as const)("%s", (mode) => {
  const options = { ...OPTIONS, mode, writers: mode === "single" ? 1 : 2 };

  test("I1, I7: two servers that are silent for long are replaced, with their seats; then two others may go", async () => {
    const cluster = new LoadedCluster(1, options, { spares: 3, replaceAfterMs: 2000 });
    await cluster.start();
    // The next extents are claimed ahead, and with them PGs, a moment after the rows are there.
    await cluster.world.run(() => standing(cluster, "segment-a1").segments > 1);
    for (const name of ["segment-a1", "segment-b2"]) cluster.world.crash(name);
    await cluster.progress(SOME);
    await cluster.quiet();
    await cluster.world.run(
      () => ["segment-a1", "segment-b2"].every((name) => standing(cluster, name).segments === 0),
      60_000,
    );
    await cluster.world.run(
      () => standing(cluster, "segment-a3").seat && standing(cluster, "segment-b3").seat,
      60_000,
    );
    expect(cluster.times("server-replaced-unasked")).toBe(2);
    cluster.busy();
    for (const name of ["segment-a2", "segment-c1"]) cluster.world.crash(name);
    await cluster.progress(SOME);
    expect(await cluster.finish()).toBe("ok");
  });

  test("a newcomer that is lost is given up: the old six stand, and one that is there takes its place", async () => {
    const cluster = new LoadedCluster(2, options, { spares: 6, replaceAfterMs: 2000 });
    await cluster.start();
    // It will never answer, and the change waits for it.
    cluster.world.fabric.isolate("segment-a3");
    cluster.replaceServer("segment-a1");
    await cluster.progress(SOME);
    await cluster.quiet();
    cluster.world.crash("segment-a1");
    await cluster.world.run(() => standing(cluster, "segment-a1").segments === 0, 60_000);
    cluster.busy();
    expect(standing(cluster, "segment-a4").segments).toBeGreaterThan(0);
    await cluster.progress(SOME);
    expect(await cluster.finish()).toBe("ok");
  });
});
