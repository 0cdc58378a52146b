/**
 * Nodes come and go while transfers go on: whoever is added serves, whoever is stopped leaves nothing behind but what it had committed,
 * and clients are told of nothing that they could not try again (I1, I2).
 */
import { connect } from "@sixfold/client";
import type { RunningCluster } from "@sixfold/cluster";
import { ERRORS, type ErrorCode } from "@sixfold/model";
import { expect, test } from "vitest";
import { LiveLoad } from "./live-load.ts";
import { statusOf, until, withFolder } from "./real-cluster.ts";

const TIMEOUT_MS = 240_000;
const SOME = 40;
const TRANSFERS = { workload: "transfer", sharedPct: 40, records: 400 } as const;

/** What a node says of the cluster. */
async function seenBy(cluster: RunningCluster, name: string): Promise<{ listed: string[]; peers: string[] }> {
  const status = (await statusOf(cluster, name)) as unknown as {
    readonly nodes: readonly { readonly name: string }[];
    readonly peers: readonly string[];
  };
  return { listed: status.nodes.map((node) => node.name).sort(), peers: [...status.peers].sort() };
}

const databaseNodes = (cluster: RunningCluster): string[] =>
  cluster.nodes.flatMap(({ name, role }) => (role === "segment" ? [] : [name]));

/** Every node lists the cluster's nodes, and no others, and has a link to each. */
async function agreed(cluster: RunningCluster): Promise<void> {
  const names = databaseNodes(cluster).sort();
  for (const name of names)
    await until(`${name} knows who is there`, async () => {
      const { listed, peers } = await seenBy(cluster, name);
      const others = names.filter((other) => other !== name);
      return listed.join() === names.join() && peers.join() === others.join();
    });
}

/** What clients were told that they could not try again. */
function finalErrors(load: LiveLoad): string[] {
  return [...load.abortedBy.keys()].filter((code) => ERRORS[code as ErrorCode].retryable === "no");
}

test(
  "two writers are added under load, one of the first is stopped, and a restart finds them so",
  () =>
    withFolder(async (start) => {
      const { cluster, events } = await start();
      const first = await LiveLoad.start(cluster.endpoints, {
        ...{ ...TRANSFERS, as: "interactive", writers: 2, clients: 4, table: "first" },
      });
      await first.progress(SOME);
      const added = await cluster.addNode("writer");
      await cluster.addNode("writer");
      expect(added).toMatchObject({ name: "writer-3", role: "writer", az: "c" });
      await agreed(cluster);
      await first.progress(SOME);
      // The new ones take their share.
      const all = await LiveLoad.start(cluster.endpoints, {
        ...{ ...TRANSFERS, as: "procedure", writers: 4, clients: 4, table: "all" },
      });
      await all.progress(SOME);
      for (const name of ["writer-3", "writer-4"])
        expect((await statusOf(cluster, name)) as unknown).toMatchObject({ state: "writing" });
      await cluster.stopNode("writer-1");
      await agreed(cluster);
      await Promise.all([first.progress(2 * SOME), all.progress(2 * SOME)]);
      for (const load of [first, all]) {
        expect(await load.finish()).toBe("ok");
        expect(finalErrors(load)).toEqual([]);
      }
      expect(events.filter(({ event }) => event === "exit" || event === "restart")).toEqual([]);
      await cluster.stop();

      const again = (await start({ writers: undefined, monitor: false })).cluster;
      expect(databaseNodes(again).sort()).toEqual(["writer-2", "writer-3", "writer-4"]);
      await agreed(again);
      await again.stop();
      // Whoever asks for fewer has fewer, and the list forgets the others.
      const one = (await start({ writers: 1, monitor: false })).cluster;
      expect(databaseNodes(one)).toEqual(["writer-2"]);
      await agreed(one);
    }),
  TIMEOUT_MS,
);

test(
  "a replica is added and read from, and stopped; one that had died is struck off by the others",
  () =>
    withFolder(async (start) => {
      const { cluster } = await start({ restart: false });
      const load = await LiveLoad.start(cluster.endpoints, {
        ...{ ...TRANSFERS, as: "procedure", writers: 2, clients: 4 },
      });
      const writer = await connect(cluster.endpoints);
      const session = writer.session();
      await session.createTable("notes");
      await session.put("notes", "key", "written before it came");
      const { token } = session;
      const replica = await cluster.addNode("replica", "b");
      expect(replica).toMatchObject({ name: "replica-1", role: "replica", az: "b" });
      const reader = await connect([replica.url]);
      const note = await reader.session(token).get("notes", "key");
      expect(note).toBe("written before it came");
      await load.progress(SOME);
      await cluster.stopNode("replica-1");
      await agreed(cluster);
      // Its client finds the others, which it was told of.
      expect(await reader.session(token).get("notes", "key")).toBe("written before it came");

      cluster.kill("writer-2");
      await until("writer-2 is gone", () => cluster.nodes.find(({ name }) => name === "writer-2")!.pid === 0);
      await cluster.stopNode("writer-2");
      await agreed(cluster);
      await load.progress(SOME);
      await expect(cluster.stopNode("writer-1")).rejects.toThrow(/only writer.*--force/);
      await expect(cluster.stopNode("segment-a1")).rejects.toThrow(/sixfold replace segment-a1/);
      await expect(cluster.stopNode("writer-2")).rejects.toThrow(/no database node "writer-2": writer-1/);
      expect(await load.finish()).toBe("ok");
      expect(finalErrors(load)).toEqual([]);
      await Promise.all([reader.close(), writer.close()]);
    }),
  TIMEOUT_MS,
);

test(
  "a segment server that is added while the cluster runs takes what another kept",
  () =>
    withFolder(async (start) => {
      const { cluster } = await start();
      const load = await LiveLoad.start(cluster.endpoints, {
        ...{ ...TRANSFERS, as: "procedure", writers: 2, clients: 4 },
      });
      const spare = await cluster.addServer("b");
      expect(spare).toMatchObject({ name: "segment-b3", role: "segment", az: "b" });
      const ask = async (): Promise<boolean> => {
        const url = cluster.endpoints[0]!.replace(/^ws/, "http");
        const body = JSON.stringify({ leaving: "segment-b1", joining: "segment-b3" });
        return (await fetch(`${url}/replace`, { method: "POST", body })).ok;
      };
      await until("it is known, and the other is being replaced", ask);
      await until("the other keeps nothing any more", async () => {
        const { volume } = (await statusOf(cluster, "writer-1")) as unknown as {
          readonly volume: { readonly servers: Readonly<Record<string, { readonly segments: number }>> };
        };
        return volume.servers["segment-b1"]!.segments === 0 && volume.servers["segment-b3"]!.segments > 0;
      });
      await load.progress(SOME);
      expect(await load.finish()).toBe("ok");
      await cluster.stop();
      const again = (await start({ monitor: false })).cluster;
      expect(again.nodes.map(({ name }) => name)).toContain("segment-b3");
    }),
  TIMEOUT_MS,
);
