/**
 * Processes that are killed and that hang, and what all clients did and saw meanwhile, judged by the checker: for the isolation and
 * consistency asked for, nothing that DESIGN section 8 rules out.
 */
import { check, formatReport } from "@sixfold/checker";
import { Random } from "@sixfold/model";
import { describe, expect, test } from "vitest";
import { LiveLoads, type LoadOptions } from "./live-load.ts";
import { drawSeed, processMishaps, report, suffer } from "./ordeal.ts";
import { IMPATIENT, withLines } from "./real-cluster.ts";

const TIMEOUT_MS = 240_000;
const ISOLATIONS = ["snapshot", "serializable"] as const;
const CONSISTENCIES = ["session", "cluster"] as const;

for (const mode of ["single", "multi"] as const) {
  const writers = mode === "single" ? 1 : 2;

  describe(`kill -9, SIGSTOP and dropped connections, ${mode}`, () => {
    test(
      "the checker finds nothing that was not allowed, in lists nor in registers",
      () =>
        withLines({ mode, writers, ...IMPATIENT }, async (running) => {
          const seed = drawSeed();
          const random = new Random(seed);
          const options = (["append", "register"] as const).map((workload): LoadOptions => {
            const [isolation, consistency] = [random.pick(ISOLATIONS), random.pick(CONSISTENCIES)];
            return {
              workload,
              as: "interactive",
              seed,
              writers,
              sharedPct: 50,
              clients: 4,
              records: 36,
              isolation,
              consistency,
            };
          });
          const load = await LiveLoads.start(running.endpoints, options);
          const scene = { ...running, mode, load };
          await suffer(seed, scene, processMishaps(seed, scene));
          const verdicts = await load.finish();
          report(
            `seed ${seed}, ${mode}: ${JSON.stringify(verdicts)}; committed/aborted/unknown: ${load.counts}`,
          );
          expect(verdicts, `seed ${seed}`).toEqual({ append: "ok", register: "ok" });
          for (const [i, each] of load.loads.entries()) {
            const found = check(each.history());
            const { isolation, consistency } = options[i]!;
            const [verdict, counts] = formatReport(found).split("\n");
            report(
              `seed ${seed}, ${mode}: ${each.name}, ${isolation}, ${consistency}: ${verdict}; ${counts?.trim()}`,
            );
            expect(found.transactions.committed, `seed ${seed}`).toBeGreaterThan(100);
            expect(found, `seed ${seed}: ${formatReport(found)}`).toMatchObject({
              violations: [],
              complete: true,
            });
          }
        }),
      TIMEOUT_MS,
    );
  });
}
