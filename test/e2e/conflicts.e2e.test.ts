/**
 * Two masters that meet on the same rows and pages: results are right row by row in both conflict settings, and with
 * row conflicts no lost page race ever reaches a client.
 */
import { describe, expect, test } from "vitest";
import { LiveLoad } from "./live-load.ts";
import { withFolder } from "./real-cluster.ts";

const TIMEOUT_MS = 120_000;

for (const conflicts of ["row", "page"] as const)
  describe(`two writers, conflicts: ${conflicts}`, () => {
    for (const as of ["procedure", "interactive"] as const)
      test(
        `I9: one hot counter equals the acknowledged increments (${as}s)`,
        () =>
          withFolder(async (start) => {
            const { cluster } = await start({ conflicts, injectConflicts: 0 });
            const load = await LiveLoad.start(cluster.endpoints, {
              workload: "hot",
              as,
              writers: 2,
              sharedPct: 100,
              clients: 6,
              records: 64,
            });
            await load.progress(150);
            expect(await load.finish()).toBe("ok");
          }),
        TIMEOUT_MS,
      );

    test(
      "different rows of the same pages",
      () =>
        withFolder(async (start) => {
          const { cluster } = await start({ conflicts, injectConflicts: 0.05 });
          const load = await LiveLoad.start(cluster.endpoints, {
            workload: "transfer",
            as: "interactive",
            writers: 2,
            sharedPct: 50,
            clients: 8,
            records: 300,
          });
          await load.progress(200);
          expect(await load.finish()).toBe("ok");
          if (conflicts === "row") expect(load.abortedBy.has("page-conflict")).toBe(false);
          else expect(load.abortedBy.get("page-conflict")).toBeGreaterThan(0);
        }),
      TIMEOUT_MS,
    );
  });
