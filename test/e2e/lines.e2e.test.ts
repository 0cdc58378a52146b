/**
 * Connections that drop, in all the ways in which real ones do, between processes that live: every link of the cluster, the
 * clients' included, leads through a line that is cut, half-open, one-way, slow or reset.
 */
import { describe, expect, test } from "vitest";
import { withLines, IMPATIENT } from "./real-cluster.ts";
import { LiveLoad } from "./live-load.ts";
import { drawSeed, lineMishaps, report, suffer } from "./ordeal.ts";

const TIMEOUT_MS = 240_000;

for (const mode of ["single", "multi"] as const)
  describe(`dropped connections, ${mode}`, () => {
    test(
      "I1, I2, I7, I9: every kind of broken line, one after the other, under transfer",
      () =>
        withLines({ mode, writers: mode === "single" ? 1 : 2, ...IMPATIENT }, async (running) => {
          const seed = drawSeed();
          const load = await LiveLoad.start(running.endpoints, {
            workload: "transfer",
            as: seed % 2 === 0 ? "procedure" : "interactive",
            writers: mode === "single" ? 1 : 2,
            sharedPct: 30,
            clients: 6,
            records: 300,
          });
          const scene = { ...running, mode, load };
          await suffer(seed, scene, lineMishaps(seed, scene));
          const verdict = await load.finish();
          report(`seed ${seed}, ${mode}: ${verdict}, ${load.committed} committed, ${load.unknown} unknown`);
          expect(verdict, `seed ${seed}`).toBe("ok");
        }),
      TIMEOUT_MS,
    );
  });
