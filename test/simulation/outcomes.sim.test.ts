/**
 * `outcome(id)` long after: the node that ran the transactions is gone for good, its stream closed and settled, its slices merged away,
 * and the segment servers restarted since. What was committed is said to be, and what never came to a commit that it was aborted.
 */
import type { SimulatedDatabase } from "@sixfold/simulation";
import { describe, expect, test } from "vitest";
import { LoadedCluster, type LoadOptions } from "./loaded-cluster.ts";

const OPTIONS: LoadOptions = {
  mode: "multi",
  writers: 2,
  clients: 2,
  workload: "transfer",
  as: "procedure",
  sharedPct: 30,
  records: 100,
};
const FORGETFUL = { mergeAboveBytes: 0, retainBytesMax: 16 << 10, logFileBytes: 2 << 20 };
const TRANSACTIONS = 12;
const TABLE = "asked";

interface Ids {
  readonly committed: string[];
  readonly aborted: string[];
}

/** Some transactions at one writer that are committed, and as many that end before they ask for it. */
async function someTransactions(cluster: LoadedCluster, db: SimulatedDatabase): Promise<Ids> {
  const ids: Ids = { committed: [], aborted: [] };
  for (let i = 0; i < TRANSACTIONS; i++) {
    const put = db.transaction((tx) => {
      tx.put(TABLE, i, i);
      return tx.id;
    });
    ids.committed.push(await cluster.settled(put));
    let id = "";
    const given = db.transaction(async (tx) => {
      await tx.get(TABLE, i);
      id = tx.id;
      tx.put(TABLE, i, "never");
      tx.abort("changed its mind");
    });
    await cluster.settled(given.catch(() => undefined));
    ids.aborted.push(id);
  }
  return ids;
}

/** All slices of the stream have left this server: they are merged, or the stream has settled. */
function isGone(cluster: LoadedCluster, server: string, stream: number): boolean {
  const { segments = [] } = cluster.statusOf(server) as {
    segments?: { streams: { stream: number; slicesKept: number }[] }[];
  };
  return segments.every(({ streams }) => streams.every((s) => s.stream !== stream || s.slicesKept === 0));
}

describe("outcomes, long after", () => {
  test.each([70, 71])(
    "are known when everything else of the transactions is gone (seed %i)",
    async (seed) => {
      const cluster = new LoadedCluster(seed, OPTIONS, FORGETFUL);
      await cluster.start();
      await cluster.ready();
      const db = await cluster.settled(cluster.connect(0));
      await cluster.settled(db.createTable(TABLE));
      const ids = await someTransactions(cluster, db);
      const stream = Number.parseInt(ids.committed[0]!, 36);
      await cluster.progress(100);
      const writers = cluster.topology.nodes.map(({ name }) => name);
      const victim = writers.find((name) => cluster.statusOf(name)["stream"] === stream)!;
      cluster.world.kill(victim);
      const servers = cluster.topology.servers.map(({ name }) => name);
      await cluster.progress(30);
      // What the dead node last said that it reads would hold merging up for minutes.
      cluster.world.restart(victim);
      for (let tries = 0; !servers.every((server) => isGone(cluster, server, stream)); tries++) {
        expect(tries).toBeLessThan(100);
        await cluster.progress(10);
      }
      for (const server of servers) {
        cluster.world.kill(server);
        await cluster.progress(10);
        cluster.world.restart(server);
        await cluster.progress(30);
      }
      const other = await cluster.settled(cluster.connect(1 - writers.indexOf(victim)));
      for (const id of ids.committed) expect(await cluster.settled(other.outcome(id))).toBe("committed");
      for (const id of ids.aborted) expect(await cluster.settled(other.outcome(id))).toBe("aborted");
      expect(await cluster.settled(other.outcome(`${ids.committed[0]!}x`))).toBe("aborted");
      // A stream that there has never been.
      expect(await cluster.settled(other.outcome("zzz.0-x"))).toBe("unknown");
      expect(await cluster.finish()).toBe("ok");
    },
  );
});
