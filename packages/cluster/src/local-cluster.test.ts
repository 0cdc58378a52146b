import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ClusterOptions } from "./cluster-api.ts";
import { startCluster } from "./local-cluster.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(path.join(tmpdir(), "sixfold-cluster-"));
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const options = (port: number, changes: Partial<ClusterOptions> = {}): ClusterOptions => ({
  ...{ mode: "single", writers: 1, replicas: 0, dataDir, port, conflicts: "row", injectConflicts: 0 },
  ...{ inProcess: true, azLatencyMs: 0, restart: false },
  ...changes,
});

/** Somebody else, on a port of his own choice. */
async function stranger(): Promise<{ readonly port: number; readonly leave: () => Promise<void> }> {
  const server: Server = createServer();
  // Below those that the clusters of other test files begin at.
  const wanted = 10_000 + Math.floor(Math.random() * 9_000);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(wanted, "127.0.0.1", resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    leave: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

describe("starting a local cluster", () => {
  test.each([true, false])(
    "a port in use is named, and nothing is started (in one process: %s)",
    async (inProcess) => {
      const { port, leave } = await stranger();
      // A segment server's port: the cluster's own begin 20 below.
      await expect(startCluster(options(port - 20, { inProcess }))).rejects.toThrow(`port ${port} is in use`);
      expect(existsSync(path.join(dataDir, "cluster.pid"))).toBe(false);
      expect(existsSync(path.join(dataDir, "logs"))).toBe(false);
      await leave();
    },
  );

  test("after a supervisor that was killed, its processes are given time to leave their ports", async () => {
    const { port, leave } = await stranger();
    // No process has this number.
    writeFileSync(path.join(dataDir, "cluster.pid"), `${2 ** 30}\n`);
    const starting = startCluster(options(port - 20));
    await leave();
    const cluster = await starting;
    expect(cluster.endpoints).toEqual([`ws://127.0.0.1:${port - 20}`]);
    await cluster.stop();
  });

  test.each([true, false])(
    "a further node whose port is taken is not kept (in one process: %s)",
    async (inProcess) => {
      const { port, leave } = await stranger();
      const cluster = await startCluster(options(port - 1, { inProcess }));
      await expect(cluster.addNode("replica")).rejects.toThrow(`port ${port} is in use`);
      expect(cluster.endpoints).toHaveLength(1);
      await leave();
      expect(await cluster.addNode("replica")).toMatchObject({
        name: "replica-1",
        url: `ws://127.0.0.1:${port}`,
      });
      await expect(cluster.stopNode("writer-1")).rejects.toThrow(/only writer/);
      await cluster.stopNode("replica-1");
      expect(cluster.endpoints).toEqual([`ws://127.0.0.1:${port - 1}`]);
      await cluster.stop();
    },
  );

  test("what was started before one of them failed is stopped, so that it can be tried again", async () => {
    const { port, leave } = await stranger();
    await leave();
    // The third server finds a file where its folder should be.
    const obstacle = path.join(dataDir, "segment-b1");
    writeFileSync(obstacle, "");
    await expect(startCluster(options(port))).rejects.toThrow(/segment-b1/);
    rmSync(obstacle);
    const cluster = await startCluster(options(port));
    expect(cluster.nodes).toHaveLength(7);
    await cluster.stop();
  });
});
