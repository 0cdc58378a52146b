/**
 * Whole clusters in the simulated world, under the faults that a data centre has. Every line of the
 * production path runs but sockets and files; a failing seed fails again.
 */
import { DiskFullError } from "@sixfold/ports";
import { describe, expect, test } from "vitest";
import { LoadedCluster, type LoadOptions } from "./loaded-cluster.ts";

const single: LoadOptions = {
  mode: "single",
  writers: 1,
  clients: 6,
  workload: "transfer",
  as: "interactive",
  sharedPct: 50,
  records: 120,
};
const multi: LoadOptions = { ...single, mode: "multi", writers: 2 };

for (const [name, options] of [
  ["single", single],
  ["multi", multi],
  ["multi, procedures", { ...multi, as: "procedure" as const }],
] as const)
  describe(`a simulated cluster, ${name}`, () => {
    test("the same seed gives the same run", async () => {
      const hashes = [];
      for (let run = 0; run < 2; run++) {
        const cluster = new LoadedCluster(11, options);
        await cluster.start();
        await cluster.progress(60);
        expect(await cluster.finish()).toBe("ok");
        hashes.push(cluster.world.traceHash);
      }
      expect(hashes[0]).toBe(hashes[1]);
    });

    test("I1: power fails everywhere at once; unsynced bytes are torn, nothing acknowledged is lost", async () => {
      for (const seed of [1, 2, 3]) {
        const cluster = new LoadedCluster(seed, options);
        await cluster.start();
        await cluster.progress(50);
        for (const name of cluster.processes) cluster.world.crash(name);
        await cluster.world.run(cluster.world.nowMs + 100);
        for (const name of cluster.processes) cluster.world.restart(name);
        await cluster.progress(50);
        expect(await cluster.finish(), `seed ${seed}`).toBe("ok");
      }
    });

    test("I7: a segment server whose disk is full falls silent, and the cluster goes on", async () => {
      const cluster = new LoadedCluster(5, options);
      await cluster.start();
      await cluster.progress(20);
      cluster.world.find("segment-b1").disk("log").failNext(new DiskFullError("no space left"));
      await cluster.progress(100);
      expect(await cluster.finish()).toBe("ok");
    });

    test("I1, I2, I7: processes die and come back, one after the other", async () => {
      for (const seed of [21, 22]) {
        const cluster = new LoadedCluster(seed, options);
        await cluster.start();
        for (let i = 0; i < 6; i++) {
          await cluster.progress(15);
          const victim = cluster.world.random.pick(cluster.processes);
          cluster.world.kill(victim);
          await cluster.world.run(cluster.world.nowMs + cluster.world.random.int(400));
          cluster.world.restart(victim);
        }
        await cluster.progress(30);
        expect(await cluster.finish(), `seed ${seed}`).toBe("ok");
      }
    });
  });
