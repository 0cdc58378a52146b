/** All nodes of a local cluster in this process: the same hosts, the same WebSockets, the same files. */
import { DEFAULT_NODE_SETTINGS } from "@sixfold/database";
import type { Geometry, NodeInfo, SegmentServerInfo } from "@sixfold/model";
import { NodeHost as NodeJsHost } from "@sixfold/node-ports";
import { clusterNodes } from "./cluster-nodes.ts";
import type { ClusterEvent, ClusterOptions, ProcessCluster } from "./cluster-api.ts";
import type { ProtocolWatch } from "./monitor/protocol-watch.ts";
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
  watch: ProtocolWatch | undefined,
): Promise<ProcessCluster> {
  const procedures = await loadProcedures(options.procedures);
  const context: Context = { options, topology, geometry, on, watch };
  const running: (RunningSegment | RunningNode)[] = [];
  const stop = async (): Promise<void> => {
    for (const one of running.reverse()) await one.stop();
  };
  try {
    for (const server of topology.servers) running.push(await startSegment(context, server));
    for (const node of topology.nodes) running.push(await startNode(context, node, procedures));
    await untilReady(running);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    nodes: clusterNodes(topology, () => process.pid),
    endpoints: topology.nodes.map((node) => node.url),
    stop,
    kill: () => {
      throw new Error("nodes of an in-process cluster cannot be killed one by one");
    },
    start: async () => undefined,
  };
}

interface Context {
  readonly options: ClusterOptions;
  readonly topology: Topology;
  readonly geometry: Geometry;
  readonly on: (event: ClusterEvent) => void;
  readonly watch: ProtocolWatch | undefined;
}

/** What a segment server's host and a database node's are told alike. */
function common(context: Context, { az, url }: SegmentServerInfo | NodeInfo) {
  const { options, topology } = context;
  return {
    volume: topology.volume,
    token: "",
    listen: { host: new URL(url).hostname, port: Number(new URL(url).port) },
    servers: topology.servers,
    latencyMsTo: latencyBetween(az, options.azLatencyMs),
    liveness: options.liveness,
  };
}

function journal(on: Context["on"], name: string): Journal {
  return new Journal((level, message, fields) => on({ event: "log", level, name, message, fields }));
}

function startSegment(context: Context, server: SegmentServerInfo): Promise<RunningSegment> {
  const { options, on, watch } = context;
  const { name } = server;
  return startSegmentHost(
    new NodeJsHost(name, `${options.dataDir}/${name}`),
    { ...common(context, server), name, trace: watch?.trace(name) },
    journal(on, name),
  );
}

function startNode(
  context: Context,
  node: NodeInfo,
  procedures: Awaited<ReturnType<typeof loadProcedures>>,
): Promise<RunningNode> {
  const { options, topology, geometry, on, watch } = context;
  const { name, role } = node;
  return startNodeHost(
    new NodeJsHost(name, `${options.dataDir}/${name}`),
    {
      ...common(context, node),
      ...{ name, role, geometry, procedures },
      mode: options.mode,
      conflicts: options.conflicts,
      nodes: topology.nodes,
      poolPages: options.poolPages ?? DEFAULT_POOL_PAGES,
      injectConflicts: options.injectConflicts,
      settings: { suspectAfterMs: options.suspectAfterMs ?? DEFAULT_NODE_SETTINGS.suspectAfterMs },
      trace: watch?.trace(name),
    },
    journal(on, name),
  );
}

async function untilReady(running: readonly (RunningSegment | RunningNode)[]): Promise<void> {
  while (!running.every((one) => one.status()["ready"] === true))
    await new Promise((resolve) => setTimeout(resolve, 5));
}
