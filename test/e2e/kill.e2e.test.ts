/**
 * Real processes, `kill -9`, and what clients were told (I1, I2): nothing acknowledged is lost,
 * nothing reported as aborted comes back, whichever process dies while `transfer` runs.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { LiveLoad, type LoadOptions } from "./live-load.ts";
import { withFolder } from "./real-cluster.ts";

const TIMEOUT_MS = 240_000;

const load = (writers: number, as: LoadOptions["as"]): LoadOptions => ({
  workload: "transfer",
  as,
  writers,
  sharedPct: 20,
  clients: 8,
  records: 600,
});

for (const mode of ["single", "multi"] as const) {
  const writers = mode === "single" ? 1 : 2;

  describe(`kill -9 under transfer, ${mode}`, () => {
    test(
      "I1, I2: each kind of process in turn, then every writer at once",
      () =>
        withFolder(async (start) => {
          const { cluster } = await start({ mode, writers });
          const running = await LiveLoad.start(cluster.endpoints, load(writers, "procedure"));
          await running.progress(100);
          for (const victim of ["segment-a1", "writer-1", "segment-c2"]) {
            cluster.kill(victim);
            await running.progress(100);
          }
          for (let i = 1; i <= writers; i++) cluster.kill(`writer-${i}`);
          await running.progress(100);
          expect(await running.finish()).toBe("ok");
        }),
      TIMEOUT_MS,
    );

    test(
      "I7: commits go on with a whole zone dead, and nothing is lost when it comes back",
      () =>
        withFolder(async (start) => {
          const { cluster } = await start({ mode, writers, restart: false });
          const running = await LiveLoad.start(cluster.endpoints, load(writers, "interactive"));
          await running.progress(100);
          cluster.kill("segment-b1");
          cluster.kill("segment-b2");
          await running.progress(150);
          await cluster.start("segment-b1");
          await cluster.start("segment-b2");
          await running.progress(100);
          // The returned zone must be of use: with two others gone, four of six need it.
          cluster.kill("segment-a1");
          cluster.kill("segment-c1");
          await running.progress(100);
          expect(await running.finish()).toBe("ok");
        }),
      TIMEOUT_MS,
    );

    test(
      "I1: everything at once, and the same folder again",
      () =>
        withFolder(async (start) => {
          const { cluster } = await start({ mode, writers, restart: false });
          const running = await LiveLoad.start(cluster.endpoints, load(writers, "procedure"));
          await running.progress(150);
          for (const { name } of cluster.nodes) cluster.kill(name);
          await cluster.stop();
          await start({ mode, writers });
          await running.progress(100);
          expect(await running.finish()).toBe("ok");
        }),
      TIMEOUT_MS,
    );

    test(
      "I1, I2: a clean stop under load, and the same folder again",
      () =>
        withFolder(async (start) => {
          const { cluster, dataDir } = await start({ mode, writers });
          const running = await LiveLoad.start(cluster.endpoints, load(writers, "procedure"));
          await running.progress(150);
          await cluster.stop();
          // What is queued at that moment must not reach a stream that is being closed: a failed assertion is a process's last words.
          for (const { name } of cluster.nodes)
            expect(readFileSync(path.join(dataDir, "logs", `${name}.log`), "utf8")).not.toMatch(
              /Failure|Error/,
            );
          await start({ mode, writers });
          await running.progress(100);
          expect(await running.finish()).toBe("ok");
        }),
      TIMEOUT_MS,
    );
  });
}
