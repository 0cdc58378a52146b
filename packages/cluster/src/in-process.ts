/** All nodes of a local cluster in this process: the same hosts, the same WebSockets, the same files. */
import { DEFAULT_NODE_SETTINGS } from "@sixfold/database";
import type { Geometry } from "@sixfold/model";
import { NodeHost as NodeJsHost } from "@sixfold/node-ports";
import { clusterNodes } from "./cluster-nodes.ts";
import type { ClusterEvent, ClusterOptions, RunningCluster } from "./cluster-api.ts";
import { Journal } from "./journal.ts";
import { startNodeHost, type RunningNode } from "./node-host.ts";
import { loadProcedures } from "./procedure-modules.ts";
import { startSegmentHost, type RunningSegment } from "./segment-host.ts";
import { latencyBetween, type Topology } from "./topology.ts";

/** Pages of a buffer pool unless said otherwise: 256 MiB of 8 KiB pages. */
export const DEFAULT_POOL_PAGES = 32_768;

export async function startInProcess(
  options: ClusterOptions,
  topology: Topology,
  geometry: Geometry,
  on: (event: ClusterEvent) => void,
): Promise<RunningCluster> {
  const procedures = await loadProcedures(options.procedures);
  const journal = (name: string): Journal =>
    new Journal((level, message, fields) => on({ event: "log", level, name, message, fields }));
  const host = (name: string): NodeJsHost => new NodeJsHost(name, `${options.dataDir}/${name}`);
  const listen = (url: string): { host: string; port: number } => ({
    host: new URL(url).hostname,
    port: Number(new URL(url).port),
  });
  const running: (RunningSegment | RunningNode)[] = [];
  const { liveness } = options;
  for (const server of topology.servers)
    running.push(
      await startSegmentHost(
        host(server.name),
        {
          name: server.name,
          volume: topology.volume,
          token: "",
          listen: listen(server.url),
          servers: topology.servers,
          latencyMsTo: latencyBetween(topology, server.az, options.azLatencyMs),
          liveness,
        },
        journal(server.name),
      ),
    );
  for (const node of topology.nodes)
    running.push(
      await startNodeHost(
        host(node.name),
        {
          name: node.name,
          role: node.role,
          volume: topology.volume,
          mode: options.mode,
          geometry,
          conflicts: options.conflicts,
          servers: topology.servers,
          nodes: topology.nodes,
          procedures,
          poolPages: options.poolPages ?? DEFAULT_POOL_PAGES,
          injectConflicts: options.injectConflicts,
          settings: { suspectAfterMs: options.suspectAfterMs ?? DEFAULT_NODE_SETTINGS.suspectAfterMs },
          token: "",
          listen: listen(node.url),
          latencyMsTo: latencyBetween(topology, node.az, options.azLatencyMs),
          liveness,
        },
        journal(node.name),
      ),
    );
  await untilReady(running);
  return {
    nodes: clusterNodes(topology, () => process.pid),
    endpoints: topology.nodes.map((node) => node.url),
    stop: async () => {
      for (const one of running.reverse()) await one.stop();
    },
    kill: () => {
      throw new Error("nodes of an in-process cluster cannot be killed one by one");
    },
    start: async () => undefined,
  };
}

async function untilReady(running: readonly (RunningSegment | RunningNode)[]): Promise<void> {
  while (!running.every((one) => one.status()["ready"] === true))
    await new Promise((resolve) => setTimeout(resolve, 5));
}
