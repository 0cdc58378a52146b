/**
 * What a cluster may lose and go on, on real processes under load: the power everywhere with half-written log ends, every segment server in
 * turn, a whole zone with its writer. Nothing acknowledged is lost (I1), nothing told is taken back (I2), two of six stop nobody (I7).
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { LiveLoad, type LoadOptions } from "./live-load.ts";
import { statusOf, until, withFolder, type RealCluster } from "./real-cluster.ts";
import { tearLog } from "./torn-tail.ts";

const TIMEOUT_MS = 120_000;
const SOME = 60;

const load = (writers: number): LoadOptions => ({
  workload: "transfer",
  as: "procedure",
  writers,
  sharedPct: 20,
  clients: 8,
  records: 600,
});

const logOf = (dataDir: string, name: string): string =>
  readFileSync(path.join(dataDir, "logs", `${name}.log`), "utf8");

/** The process is in touch with a quorum of the others. */
function isBack(cluster: RealCluster["cluster"], name: string): Promise<void> {
  return until(`${name} comes back`, async () => {
    const status = await statusOf(cluster, name).catch(() => undefined);
    return status !== undefined && status.links.length >= 4;
  });
}

for (const mode of ["single", "multi"] as const) {
  const writers = mode === "single" ? 1 : 2;

  describe(`losses under transfer, ${mode}`, () => {
    test(
      "I1: the power fails everywhere, and two logs end in a block that was half written",
      () =>
        withFolder(async (start) => {
          const { cluster, dataDir } = await start({ mode, writers, restart: false });
          const running = await LiveLoad.start(cluster.endpoints, load(writers));
          await running.progress(2 * SOME);
          for (const { name } of cluster.nodes) cluster.kill(name);
          await cluster.stop();
          await tearLog(path.join(dataDir, "segment-a2"), "head");
          await tearLog(path.join(dataDir, "segment-b1"), "tail");
          await start({ mode, writers });
          for (const name of ["segment-a2", "segment-b1"])
            expect(logOf(dataDir, name)).toContain("log-tail-cut");
          await running.progress(2 * SOME);
          expect(await running.finish()).toBe("ok");
        }),
      TIMEOUT_MS,
    );

    test(
      "I1, I7: every segment server is restarted, one after the other",
      () =>
        withFolder(async (start) => {
          const { cluster } = await start({ mode, writers, restart: false });
          const running = await LiveLoad.start(cluster.endpoints, load(writers));
          await running.progress(SOME);
          const pid = (name: string): number => cluster.nodes.find((node) => node.name === name)!.pid;
          for (const { name } of cluster.nodes.filter((node) => node.role === "segment")) {
            cluster.kill(name, "SIGTERM");
            await until(`${name} ends`, () => pid(name) === 0);
            await running.progress(SOME / 4);
            await cluster.start(name);
            await isBack(cluster, name);
            await running.progress(SOME / 4);
          }
          expect(await running.finish()).toBe("ok");
        }),
      TIMEOUT_MS,
    );
  });
}

describe("a zone with its writer", () => {
  test(
    "I1, I2, I7: dies under load, comes back, and carries the cluster when the next one dies",
    () =>
      withFolder(async (start) => {
        const { cluster } = await start({ restart: false });
        const running = await LiveLoad.start(cluster.endpoints, load(2));
        await running.progress(SOME);
        for (const zone of ["a", "b"]) {
          const lost = cluster.nodes.filter((node) => node.az === zone).map((node) => node.name);
          expect(lost).toHaveLength(3);
          for (const name of lost) cluster.kill(name);
          await running.progress(SOME);
          await Promise.all(lost.map((name) => cluster.start(name)));
          for (const name of lost) await isBack(cluster, name);
          await running.progress(SOME);
        }
        expect(await running.finish()).toBe("ok");
      }),
    TIMEOUT_MS,
  );
});
