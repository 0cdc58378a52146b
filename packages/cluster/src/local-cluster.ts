/**
 * A whole cluster on this machine: one process each, or all in this one (`inProcess`).
 *
 *     <data>/cluster.json    what the volume was made with; a later run must agree
 *     <data>/<process>/      a segment server's log and pages
 *     <data>/logs/           what the processes said
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import {
  checkGeometry,
  DEFAULT_PAGE_BYTES,
  DEFAULT_SEGMENT_BYTES,
  LIMITS,
  limitExceeded,
  REPLICAS,
  SixfoldError,
  type Geometry,
} from "@sixfold/model";
import { clusterNodes } from "./cluster-nodes.ts";
import type {
  ClusterEvent,
  ClusterNode,
  ClusterOptions,
  ProcessCluster,
  RunningCluster,
} from "./cluster-api.ts";
import { startInProcess } from "./in-process.ts";
import { ProtocolWatch } from "./monitor/protocol-watch.ts";
import { nodeArguments, segmentArguments } from "./process-arguments.ts";
import { lockDirectory } from "./process-lock.ts";
import { freePorts, untilFree } from "./process-ports.ts";
import { Processes } from "./processes.ts";
import { localTopology, portsFrom, type Topology } from "./topology.ts";

/** How long a cluster may take to become ready before starting it has failed. */
const READY_LIMIT_MS = 60_000;
const POLL_MS = 25;
/** A killed supervisor's processes notice, close their streams and end within so long. */
const ORPHANS_END_MS = 20_000;

/** What a data directory was made with. */
interface ClusterFile {
  readonly volume: string;
  readonly geometry: Geometry;
}

/** Starts the cluster and resolves when every process is healthy. */
export async function startCluster(
  options: ClusterOptions,
  on: (event: ClusterEvent) => void = () => undefined,
): Promise<RunningCluster> {
  checkOptions(options);
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
  mkdirSync(options.dataDir, { recursive: true });
  const { unlock, isOrphaned } = lockDirectory(options.dataDir);
  const watch =
    options.monitor === true ? new ProtocolWatch(options.inProcess ? "true" : "rough", on) : undefined;
  try {
    const file = clusterFile(options);
    const topology = await layOut(options, file.volume, isOrphaned ? ORPHANS_END_MS : 0);
    const cluster = options.inProcess
      ? await startInProcess(options, topology, file.geometry, on, watch)
      : await startProcesses(options, topology, file.geometry, on, watch);
    const end = async (): Promise<void> => {
      await cluster.stop();
      watch?.finish();
      unlock();
    };
    let ending: Promise<void> | undefined;
    on({ event: "ready", mode: options.mode, endpoints: cluster.endpoints, nodes: cluster.nodes });
    return {
      ...cluster,
      get nodes() {
        return cluster.nodes;
      },
      violations: () => watch?.violations() ?? [],
      get stepsJudged() {
        return watch?.events ?? 0;
      },
      stop: () => (ending ??= end()),
    };
  } catch (error) {
    watch?.finish();
    unlock();
    throw error;
  }
}

/** Names and addresses. `patienceMs`: how long ports that were asked for may still be taken. */
async function layOut(options: ClusterOptions, volume: string, patienceMs: number): Promise<Topology> {
  const { writers, replicas, port, spares = 0 } = options;
  if (port === 0) {
    const ports = await freePorts(writers + replicas + REPLICAS + spares);
    const nodePort = (index: number): number => ports[index]!;
    const segmentPort = (index: number): number => ports[writers + replicas + index]!;
    return localTopology({ volume, writers, replicas, spares, nodePort, segmentPort });
  }
  const topology = localTopology({ volume, writers, replicas, spares, ...portsFrom(port) });
  const ports = [...topology.servers, ...topology.nodes].map(({ url }) => Number(new URL(url).port));
  await untilFree(ports, patienceMs);
  return topology;
}

async function startProcesses(
  options: ClusterOptions,
  topology: Topology,
  geometry: Geometry,
  on: (event: ClusterEvent) => void,
  watch: ProtocolWatch | undefined,
): Promise<ProcessCluster> {
  const { dataDir, restart } = options;
  const main = fileURLToPath(new URL("../../../apps/server/dist/main.js", import.meta.url));
  const processes = new Processes({ main, dataDir, restart, environment: process.env, on, watch });
  const segments = topology.servers.map((server) => server.name as string);
  const nodes = topology.nodes.map((node) => node.name as string);
  const stop = async (): Promise<void> => {
    await processes.stop(nodes);
    await processes.stop(segments);
  };
  try {
    const { view = async (_process, seen) => seen } = options;
    for (const server of topology.servers) {
      const seen = await view(server.name, topology);
      processes.launch({ name: server.name, args: segmentArguments(server, seen, dataDir, options) });
    }
    for (const node of topology.nodes) {
      const seen = await view(node.name, topology);
      processes.launch({ name: node.name, args: nodeArguments(node, seen, geometry, options) });
    }
    await allReady(topology, dataDir);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    get nodes(): ClusterNode[] {
      return clusterNodes(topology, (name) => processes.pid(name));
    },
    endpoints: topology.nodes.map((node) => node.url),
    stop,
    kill: (name, signal = "SIGKILL") => processes.kill(name, signal),
    start: async (name) => {
      await processes.start(name);
      const url = [...topology.servers, ...topology.nodes].find((process) => process.name === name)!.url;
      await ready(url, name, dataDir);
    },
  };
}

async function allReady(topology: Topology, dataDir: string): Promise<void> {
  await Promise.all(
    [...topology.servers, ...topology.nodes].map(({ name, url }) => ready(url, name, dataDir)),
  );
}

/** Resolves when the process answers that it is healthy. */
async function ready(url: string, name: string, dataDir: string): Promise<void> {
  const health = `${url.replace(/^ws/, "http")}/health`;
  for (const deadline = Date.now() + READY_LIMIT_MS; Date.now() < deadline;) {
    try {
      const answer = await fetch(health, { signal: AbortSignal.timeout(2000) });
      await answer.arrayBuffer();
      if (answer.ok) return;
    } catch {
      // not listening yet
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw new SixfoldError(
    "unavailable",
    `${name} did not become ready within ${READY_LIMIT_MS / 1000} s; see ${path.join(dataDir, "logs", `${name}.log`)}`,
  );
}

function checkOptions(options: ClusterOptions): void {
  const bad = (what: string): never => {
    throw new SixfoldError("bad-request", what);
  };
  if (options.writers > LIMITS.writers)
    throw limitExceeded("writers", options.writers, "the number of writers");
  if (options.replicas > LIMITS.replicas)
    throw limitExceeded("replicas", options.replicas, "the number of replicas");
  if (options.mode === "single" && options.writers > 1)
    bad(`mode single has one writer, not ${options.writers}`);
  if (options.writers < 1) bad("a cluster needs a writer");
  if (options.writers + options.replicas > 20 && options.port !== 0)
    bad("at most 20 database nodes fit below the segment servers' ports");
}

/** Reads what the directory was made with, or makes it so. */
function clusterFile(options: ClusterOptions): ClusterFile {
  const file = path.join(options.dataDir, "cluster.json");
  const geometry: Geometry = {
    pageBytes: options.pageBytes ?? DEFAULT_PAGE_BYTES,
    segmentBytes: options.segmentBytes ?? DEFAULT_SEGMENT_BYTES,
  };
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8")) as ClusterFile;
  const fault = checkGeometry(geometry);
  if (fault !== undefined) throw new SixfoldError("bad-request", fault);
  const made: ClusterFile = { volume: "volume", geometry };
  writeFileSync(file, `${JSON.stringify(made, null, 2)}\n`);
  return made;
}
