/**
 * Connections that drop, in all the ways in which real ones do, between processes that live: every link of the cluster, the
 * clients' included, leads through a line that is cut, half-open, one-way, slow or reset. Workloads of several kinds run meanwhile.
 */
import { Random } from "@sixfold/model";
import type { WorkloadName } from "@sixfold/workload";
import { describe, expect, test } from "vitest";
import { LiveLoads, type LoadOptions } from "./live-load.ts";
import { drawSeed, lineMishaps, report, suffer } from "./ordeal.ts";
import { IMPATIENT, withLines } from "./real-cluster.ts";

const TIMEOUT_MS = 240_000;
/** Of these a seed draws some: all at once would leave each too little. */
const WORKLOADS: readonly WorkloadName[] = [
  "transfer",
  "hot",
  "bank",
  "cycle",
  "churn",
  "long-values",
  "tables",
  "outcomes",
];
const AT_ONCE = 3;

for (const mode of ["single", "multi"] as const) {
  const writers = mode === "single" ? 1 : 2;

  describe(`dropped connections, ${mode}`, () => {
    test(
      "I1, I2, I7, I9: every kind of broken line, one after the other",
      () =>
        withLines({ mode, writers, ...IMPATIENT }, async (running) => {
          const seed = drawSeed();
          const random = new Random(seed);
          const drawn = random.shuffle([...WORKLOADS]).slice(0, AT_ONCE);
          const options = drawn.map((workload): LoadOptions => {
            const as = random.pick(["procedure", "interactive"] as const);
            return { workload, as, seed, writers, sharedPct: 30, clients: 3, records: 60 };
          });
          const load = await LiveLoads.start(running.endpoints, options);
          const scene = { ...running, mode, load };
          await suffer(seed, scene, lineMishaps(seed, scene));
          const verdicts = await load.finish();
          report(
            `seed ${seed}, ${mode}: ${JSON.stringify(verdicts)}; committed/aborted/unknown: ${load.counts}`,
          );
          expect(Object.values(verdicts), `seed ${seed}`).toEqual(drawn.map(() => "ok"));
        }),
      TIMEOUT_MS,
    );
  });
}
