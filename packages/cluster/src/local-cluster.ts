/**
 * A whole cluster on this machine: one process each, or all in this one (`inProcess`).
 *
 *     <data>/cluster.json    what the volume was made with, and which processes there are
 *     <data>/<process>/      a segment server's log and pages
 *     <data>/logs/           what the processes said
 */
import { mkdirSync } from "node:fs";
import { SixfoldError } from "@sixfold/model";
import type { ClusterEvent, ClusterOptions, RunningCluster } from "./cluster-api.ts";
import { newVolume, readClusterFile, writeClusterFile } from "./cluster-file.ts";
import { InProcessBackend } from "./in-process.ts";
import { planNodes, planServers } from "./layout.ts";
import { ProtocolWatch } from "./monitor/protocol-watch.ts";
import { ProcessBackend } from "./process-backend.ts";
import { lockDirectory } from "./process-lock.ts";
import { freePorts, untilFree } from "./process-ports.ts";
import { LocalCluster, type Layout, type PortSource } from "./running-cluster.ts";
import { portsFrom } from "./topology.ts";

/** A killed supervisor's processes notice, close their streams and end within so long. */
const ORPHANS_END_MS = 20_000;

/** Starts the cluster and resolves when every process is healthy. */
export async function startCluster(
  options: ClusterOptions,
  on: (event: ClusterEvent) => void = () => undefined,
): Promise<RunningCluster> {
  if (options.writers === 0) throw new SixfoldError("bad-request", "a cluster needs a writer");
  return startOn(options, on);
}

/** The six segment servers alone, a process each, on free ports: storage for a writer that is no database node. */
export function startSegmentServers(
  dataDir: string,
  on: (event: ClusterEvent) => void = () => undefined,
): Promise<RunningCluster> {
  const none = { writers: 0, replicas: 0, injectConflicts: 0, azLatencyMs: 0 };
  const alone = { mode: "single", conflicts: "row", port: 0, inProcess: false, restart: false } as const;
  return startOn({ ...none, ...alone, dataDir }, on);
}

/** Holds the directory from the start to the end of the cluster. */
async function startOn(options: ClusterOptions, on: (event: ClusterEvent) => void): Promise<RunningCluster> {
  const { dataDir, inProcess, monitor } = options;
  mkdirSync(dataDir, { recursive: true });
  const { unlock, isOrphaned } = lockDirectory(dataDir);
  const watch = monitor === true ? new ProtocolWatch(inProcess ? "true" : "rough", on) : undefined;
  try {
    const file = readClusterFile(dataDir);
    const { volume, geometry } = file ?? newVolume(options);
    const layout = layOut(options, file);
    const ports = await claimPorts(options.port, layout, isOrphaned ? ORPHANS_END_MS : 0);
    const Kind = inProcess ? InProcessBackend : ProcessBackend;
    const keep = (kept: Layout): void => writeClusterFile(dataDir, { volume, geometry, ...kept });
    keep(layout);
    const backend = new Kind(options, geometry, on, watch);
    const cluster = new LocalCluster({ backend, volume, layout, ports, keep, on });
    await cluster.start(options.mode);
    on({ event: "ready", mode: options.mode, endpoints: cluster.endpoints, nodes: cluster.nodes });
    const end = async (): Promise<void> => {
      await cluster.stop();
      watch?.finish();
      unlock();
    };
    return running(cluster, watch, end);
  } catch (error) {
    watch?.finish();
    unlock();
    throw error;
  }
}

function running(
  cluster: LocalCluster,
  watch: ProtocolWatch | undefined,
  end: () => Promise<void>,
): RunningCluster {
  let ending: Promise<void> | undefined;
  return {
    get nodes() {
      return cluster.nodes;
    },
    get endpoints() {
      return cluster.endpoints;
    },
    kill: (name, signal) => cluster.kill(name, signal),
    start: (name) => cluster.restart(name),
    addNode: (role, az) => cluster.addNode(role, az),
    addServer: (az) => cluster.addServer(az),
    stopNode: (name, force) => cluster.stopNode(name, force),
    violations: () => watch?.violations() ?? [],
    get stepsJudged() {
      return watch?.events ?? 0;
    },
    stop: () => (ending ??= end()),
  };
}

/** What there was, brought to what is asked for. */
function layOut(options: ClusterOptions, left: Layout | undefined): Layout {
  const { mode, spares } = options;
  const isNew = left === undefined || left.nodes.length === 0;
  const writers = options.writers ?? (isNew ? (mode === "single" ? 1 : 2) : undefined);
  return {
    nodes: planNodes(left?.nodes ?? [], { writers, replicas: options.replicas }),
    servers: planServers(left?.servers ?? [], { spares }),
  };
}

/** `patienceMs`: how long ports that were asked for may still be taken. */
async function claimPorts(base: number, { nodes, servers }: Layout, patienceMs: number): Promise<PortSource> {
  if (base === 0) return anyPorts({ nodes, servers });
  const ports = portsFrom(base);
  const portOf = (kind: "node" | "segment", place: number): number =>
    kind === "node" ? ports.nodePort(place) : ports.segmentPort(place);
  const wanted = [
    ...servers.map(({ place }) => portOf("segment", place)),
    ...nodes.map(({ place }) => portOf("node", place)),
  ];
  await untilFree(wanted, patienceMs);
  return { ...ports, claim: (kind, place) => untilFree([portOf(kind, place)], 0) };
}

async function anyPorts({ nodes, servers }: Layout): Promise<PortSource> {
  const taken = new Map<string, number>();
  const claim = async (...places: readonly string[]): Promise<void> => {
    const free = await freePorts(places.length);
    for (const [i, place] of places.entries()) taken.set(place, free[i]!);
  };
  await claim(
    ...nodes.map(({ place }) => `node ${place}`),
    ...servers.map(({ place }) => `segment ${place}`),
  );
  const portOf = (place: string): number => taken.get(place) ?? 0;
  return {
    nodePort: (place) => portOf(`node ${place}`),
    segmentPort: (place) => portOf(`segment ${place}`),
    claim: (kind, place) => claim(`${kind} ${place}`),
  };
}
