import { describe, expect, test } from "vitest";
import { checkStored, type DataReport } from "@sixfold/cluster";
import { SimulatedCluster } from "./simulated-cluster.ts";
import { storedImages } from "./stored-images.ts";

const ROWS = 600;

/** A cluster that merges what it can, with rows in a table. */
async function withRows(): Promise<SimulatedCluster> {
  const cluster = new SimulatedCluster({
    ...{ seed: 1, mode: "multi", writers: 2, distance: "near", poolPages: 64, planted: [] },
    ...{ logFileBytes: 128 << 10, mergeAboveBytes: 0, retainBytesMax: 0 },
  });
  await cluster.ready();
  await cluster.settled(
    cluster.connect(0).then(async (db) => {
      await db.createTable("rows");
      for (let row = 0; row < ROWS; row++) await db.put("rows", row, { text: String(row).repeat(200) });
      await db.close();
    }),
  );
  await cluster.world.run(cluster.world.nowMs + 2_000);
  return cluster;
}

function check({ world, topology }: SimulatedCluster): Promise<DataReport> {
  return checkStored({
    data: new Map(topology.servers.map(({ name }) => [name, storedImages(world.find(name))])),
  });
}

describe("the disks of a simulated cluster", () => {
  test("hold what was committed, while it runs, and looking at them changes nothing", async () => {
    const cluster = await withRows();
    const { traceHash } = cluster.world;
    const report = await check(cluster);
    expect(report.findings.filter(({ severity }) => severity !== "note")).toEqual([]);
    expect(report.volume).toMatchObject({ tables: 1, rows: ROWS });
    expect(report.volume!.pgs).toBeGreaterThanOrEqual(1);
    expect(report.servers.map(({ pagesStored }) => pagesStored > 0)).toEqual(Array(6).fill(true));
    expect(cluster.world.traceHash).toBe(traceHash);
    expect(await check(cluster)).toEqual(report);
  });

  test("that lost a page, or hold a damaged one, are told from those that did not", async () => {
    const cluster = await withRows();
    const lost = cluster.world.find("segment-b1").pageStore("pages");
    const damaged = cluster.world.find("segment-c2").pageStore("pages");
    const [, page] = lost.ids();
    lost.pages.delete(page!);
    damaged.corrupt(damaged.ids()[0]!);
    const report = await check(cluster);
    const wrong = report.findings.filter(({ severity }) => severity !== "note");
    expect(wrong.map(({ kind, server, pages }) => [kind, server, pages])).toEqual(
      expect.arrayContaining([
        ["page-damaged", "segment-c2", [damaged.ids()[0]]],
        ["pages-differ", undefined, [page]],
      ]),
    );
    expect(wrong).toHaveLength(2);
  });
});
