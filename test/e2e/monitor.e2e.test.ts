/** The runtime monitor where no other end-to-end test has it: in one process, and not at all. With processes all of them have it. */
import { describe, expect, test } from "vitest";
import { LiveLoad, type LoadOptions } from "./live-load.ts";
import { withFolder } from "./real-cluster.ts";

const TIMEOUT_MS = 120_000;
const LOAD: LoadOptions = {
  workload: "transfer",
  as: "interactive",
  writers: 2,
  sharedPct: 50,
  clients: 6,
  records: 200,
};

describe("the monitor", () => {
  test(
    "judges a cluster in one process in true order, from its first step and on a folder that others wrote",
    () =>
      withFolder(async (start) => {
        for (let run = 0; run < 2; run++) {
          const { cluster } = await start({ inProcess: true });
          const load = await LiveLoad.start(cluster.endpoints, { ...LOAD, table: `run-${run}` });
          await load.progress(150);
          expect(await load.finish()).toBe("ok");
          await cluster.stop();
          // Each commit is sent, decided, told and shown, and a step or more at six segments.
          expect(cluster.stepsJudged).toBeGreaterThan(150 * 10);
        }
      }),
    TIMEOUT_MS,
  );

  test(
    "hears nothing of processes that were not asked to speak",
    () =>
      withFolder(async (start) => {
        const { cluster } = await start({ monitor: false });
        const load = await LiveLoad.start(cluster.endpoints, LOAD);
        await load.progress(50);
        expect(await load.finish()).toBe("ok");
        await cluster.stop();
        expect(cluster.stepsJudged).toBe(0);
        expect(cluster.violations()).toEqual([]);
      }),
    TIMEOUT_MS,
  );
});
