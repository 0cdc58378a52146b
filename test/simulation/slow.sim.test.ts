/**
 * Slow segment servers in the simulated world, under load: one or two of six hold up nobody who needs four (I7), one holds up
 * nobody at all, and two make pages that pass between masters take the way through the manifest. Measured in the world's own time, which
 * knows no cost but distance, disks, and the crawling of those that are slow: differences are greater than on machines.
 */
import { describe, expect, test } from "vitest";
import { LoadedCluster, type LoadOptions } from "./loaded-cluster.ts";

const OPTIONS: LoadOptions = {
  mode: "multi",
  writers: 2,
  clients: 6,
  workload: "transfer",
  as: "interactive",
  sharedPct: 0,
  records: 600,
};
const SOME = 150;
/** Each event takes a slow one so long: many times what comes in meanwhile. */
const CRAWL_MS = 12;
const ONE = ["segment-b1"];
const TWO = ["segment-b1", "segment-c2"];

/** Virtual milliseconds that so many commits take. */
async function msFor(cluster: LoadedCluster, commits: number): Promise<number> {
  const begun = cluster.world.nowMs;
  await cluster.progress(commits);
  return cluster.world.nowMs - begun;
}

/** How many times as long commits take while these crawl. */
async function slowdown(options: LoadOptions, slow: readonly string[]): Promise<number> {
  const cluster = new LoadedCluster(41, options);
  await cluster.start();
  // By then each master has written its own pages.
  await cluster.progress(400);
  const before = await msFor(cluster, SOME);
  for (const name of slow) cluster.world.setEventCost(name, CRAWL_MS);
  const during = await msFor(cluster, SOME);
  for (const name of slow) cluster.world.setEventCost(name, 0);
  await cluster.progress(SOME);
  expect(await cluster.finish()).toBe("ok");
  return during / before;
}

describe("segment servers that crawl", () => {
  test.each([
    ["one, a single master", { ...OPTIONS, mode: "single", writers: 1 }, ONE, 1.3],
    ["two, a single master", { ...OPTIONS, mode: "single", writers: 1 }, TWO, 1.3],
    ["two, masters on pages of their own (but where parts meet)", { ...OPTIONS, records: 6000 }, TWO, 1.8],
    ["one, masters that share pages", { ...OPTIONS, sharedPct: 50 }, ONE, 2],
    ["two, masters that share pages", { ...OPTIONS, sharedPct: 20 }, TWO, 12],
  ] as const)("%s", async (_what, options, slow, most) => {
    expect(await slowdown(options, slow)).toBeLessThan(most);
  });
});
