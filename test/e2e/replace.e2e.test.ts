/**
 * Segment servers are replaced while transfers go on: dead ones and a living one, over several PGs. Then others may be lost instead of
 * them: nothing acknowledged is gone (I1), and nobody had to stop.
 */
import { expect, test } from "vitest";
import { LiveLoad } from "./live-load.ts";
import { statusOf, until, withFolder, type RealCluster } from "./real-cluster.ts";

const TIMEOUT_MS = 120_000;
const SOME = 60;

interface Standing {
  readonly revision: number;
  readonly servers: Readonly<Record<string, { readonly segments: number; readonly seat: boolean }>>;
}

async function standing(cluster: RealCluster["cluster"]): Promise<Standing> {
  const { volume } = (await statusOf(cluster, "writer-1")) as unknown as { readonly volume: Standing };
  return volume;
}

async function replace(cluster: RealCluster["cluster"], leaving: string): Promise<number> {
  const url = cluster.nodes.find((node) => node.name === "writer-2")!.url.replace(/^ws/, "http");
  let pgs = 0;
  await until(`${leaving} is being replaced`, async () => {
    const response = await fetch(`${url}/replace`, { method: "POST", body: JSON.stringify({ leaving }) });
    const answer = (await response.json()) as { readonly pgs?: readonly number[]; readonly refused?: string };
    // The step before may still be under way.
    pgs = answer.pgs?.length ?? 0;
    return pgs > 0;
  });
  await until(
    `${leaving} keeps nothing any more`,
    async () => (await standing(cluster)).servers[leaving]!.segments === 0,
  );
  return pgs;
}

test(
  "I1, I7: three segment servers of three zones are replaced under load, two of them dead; then the next two may die",
  () =>
    withFolder(async (start) => {
      // Small PGs: there are several before long.
      const { cluster } = await start({ spares: 3, restart: false, segmentBytes: 1 << 20 });
      const running = await LiveLoad.start(cluster.endpoints, {
        ...{ workload: "transfer", as: "procedure", writers: 2, sharedPct: 20, clients: 8, records: 4000 },
      });
      await running.progress(SOME);
      for (const dead of ["segment-a1", "segment-b2"]) {
        cluster.kill(dead);
        await running.progress(SOME / 2);
        expect(await replace(cluster, dead)).toBeGreaterThan(0);
        await running.progress(SOME / 2);
      }
      await replace(cluster, "segment-c1");
      await until("the seats have gone along", async () => {
        const { servers } = await standing(cluster);
        return ["segment-a3", "segment-b3", "segment-c3"].every((name) => servers[name]!.seat);
      });
      // Two more than the two that are dead already: without the newcomers three of six would be left.
      for (const name of ["segment-a2", "segment-c2"]) cluster.kill(name);
      await running.progress(2 * SOME);
      expect(await running.finish()).toBe("ok");
    }),
  TIMEOUT_MS,
);
