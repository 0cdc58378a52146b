/**
 * Read replicas as processes: they are stopped, killed and left behind while clients read there, and what all clients saw is judged by
 * the checker. As many as asked for:
 *
 *     SIXFOLD_WRITERS=4 SIXFOLD_REPLICAS=15 npx vitest run test/e2e/replicas.e2e.test.ts
 */
import { check, formatReport } from "@sixfold/checker";
import { connect } from "@sixfold/client";
import { expect, test } from "vitest";
import { LiveLoads, type LoadOptions } from "./live-load.ts";
import { drawSeed, report } from "./ordeal.ts";
import { counted, IMPATIENT, killed, statusOf, until, withFolder } from "./real-cluster.ts";

const TIMEOUT_MS = 240_000;
const WRITERS = Number(process.env["SIXFOLD_WRITERS"] ?? 2);
const REPLICAS = Number(process.env["SIXFOLD_REPLICAS"] ?? 2);
const SOME = 60;

test(
  `${WRITERS} writers and ${REPLICAS} replicas that stop and die: the checker finds nothing that was not allowed`,
  () =>
    withFolder(async (start) => {
      // A crowd on few processors is slow to answer, and nobody is to be given up for that.
      const patience = WRITERS + REPLICAS > 8 ? {} : IMPATIENT;
      const { cluster } = await start({ writers: WRITERS, replicas: REPLICAS, ...patience });
      const seed = drawSeed();
      const urlsOf = (wanted: string): string[] =>
        cluster.nodes.filter(({ role }) => role === wanted).map(({ url }) => url);
      const options = (
        [
          ["append", "session"],
          ["register", "cluster"],
        ] as const
      ).map(([workload, consistency]): LoadOptions => ({
        ...{ workload, consistency, seed, readers: urlsOf("replica"), as: "interactive" },
        ...{ writers: WRITERS, clients: 2 * WRITERS, sharedPct: 50, records: 18 * WRITERS },
      }));
      const load = await LiveLoads.start(urlsOf("writer"), options);
      await load.progress(SOME);
      cluster.kill("replica-1", "SIGSTOP");
      await load.progress(SOME);
      await killed(cluster, `replica-${REPLICAS}`, () => load.progress(SOME));
      cluster.kill("replica-1", "SIGCONT");
      await load.progress(SOME);
      await killed(cluster, "writer-1", () => load.progress(SOME));
      await load.progress(SOME);
      const loads: number[] = [];
      for (const { name } of cluster.nodes.filter(({ role }) => role === "replica")) {
        const { engine } = (await statusOf(cluster, name)) as unknown as { engine: { loads: number } };
        loads.push(engine.loads);
      }
      // One that was started again may have had no reader yet.
      const readers = loads.filter((pages) => pages > 0).length;
      expect(readers, "most replicas have read pages for somebody").toBeGreaterThan(REPLICAS / 2);
      const verdicts = await load.finish();
      report(`seed ${seed}: ${JSON.stringify(verdicts)}; committed/aborted/unknown: ${load.counts}`);
      expect(verdicts, `seed ${seed}`).toEqual({ append: "ok", register: "ok" });
      for (const each of load.loads) {
        const found = check(each.history());
        report(`seed ${seed}: ${each.name}: ${formatReport(found).split("\n")[0]}`);
        expect(found, `seed ${seed}: ${formatReport(found)}`).toMatchObject({
          violations: [],
          complete: true,
        });
      }
    }),
  TIMEOUT_MS,
);

test(
  "one that does not read its feed costs its writer a bound, and catches up from storage",
  () =>
    withFolder(async (start) => {
      // Nobody is given up for silence here: what waits for the replica is all that there is to notice it by.
      const liveness = { heartbeatMs: 250, deadAfterMs: 120_000 };
      const { cluster } = await start({ mode: "single", writers: 1, replicas: 1, liveness, monitor: false });
      const [writer, replica] = await Promise.all(cluster.endpoints.map((url) => connect([url])));
      await writer!.createTable("rows");
      const value = "x".repeat(200_000);
      const session = writer!.session();
      const put = async (from: number, to: number): Promise<void> => {
        for (let i = from; i < to; i++) await session.put("rows", i, `${i} ${value}`);
      };
      await put(0, 5);
      expect(await replica!.session(session.token).get("rows", 4)).toBe(`4 ${value}`);
      cluster.kill("replica-1", "SIGSTOP");
      await put(5, 205); // 40 MB: more than all buffers on the way
      await until(
        "the feed breaks off",
        async () => (await counted(cluster, "writer-1", "slowFollowers")) > 0,
      );
      cluster.kill("replica-1", "SIGCONT");
      await put(205, 210);
      const reader = replica!.session(session.token);
      for (const i of [3, 100, 209]) expect(await reader.get("rows", i)).toBe(`${i} ${value}`);
      const status = (await statusOf(cluster, "replica-1")) as unknown as { jumps: number };
      expect(status.jumps).toBeGreaterThan(0);
      await put(210, 212);
      expect(await replica!.session(session.token).get("rows", 211)).toBe(`211 ${value}`);
      await Promise.all([writer!.close(), replica!.close()]);
    }),
  TIMEOUT_MS,
);
