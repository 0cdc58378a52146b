/** A local process's command line, from the topology: what `apps/server` parses. */
import path from "node:path";
import type { Geometry, NodeInfo, SegmentServerInfo } from "@sixfold/model";
import type { ClusterOptions } from "./cluster-api.ts";
import type { Topology } from "./topology.ts";

const listen = (url: string): string => new URL(url).host;

const serverList = (topology: Topology): string =>
  topology.servers.map(({ name, az, url }) => `${name}@${az}=${url}`).join(",");

const nodeList = (topology: Topology): string =>
  topology.nodes
    .map(({ name, role, az, url }) => `${name}@${az}${role === "replica" ? "/replica" : ""}=${url}`)
    .join(",");

const liveness = ({ liveness: settings = {} }: ClusterOptions): string[] =>
  Object.entries(settings).flatMap(([name, ms]) => [`--${kebab(name)}`, String(ms)]);

const monitor = (options: ClusterOptions): string[] => (options.monitor === true ? ["--monitor"] : []);

/** "deadAfterMs" -> "dead-after-ms" */
const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** `topology`: as the server is to see it. */
export function segmentArguments(
  server: SegmentServerInfo,
  topology: Topology,
  dataDir: string,
  options: ClusterOptions,
): string[] {
  return [
    "segment",
    ...["--name", server.name, "--az", server.az, "--listen", listen(server.url)],
    ...["--data", path.join(dataDir, server.name), "--volume", topology.volume],
    ...["--peers", serverList(topology)],
    ...["--az-latency-ms", String(options.azLatencyMs), "--supervised", ...liveness(options)],
    ...monitor(options),
  ];
}

/** `topology`: as the node is to see it. */
export function nodeArguments(
  node: NodeInfo,
  topology: Topology,
  geometry: Geometry,
  options: ClusterOptions,
): string[] {
  return [
    "node",
    ...["--name", node.name, "--role", node.role, "--mode", options.mode, "--listen", listen(node.url)],
    ...["--volume", topology.volume, "--segments", serverList(topology), "--nodes", nodeList(topology)],
    ...["--conflicts", options.conflicts, "--inject-conflicts", String(options.injectConflicts)],
    ...["--page-bytes", String(geometry.pageBytes), "--segment-bytes", String(geometry.segmentBytes)],
    ...(options.poolPages === undefined ? [] : ["--pool-pages", String(options.poolPages)]),
    ...(options.suspectAfterMs === undefined ? [] : ["--suspect-after-ms", String(options.suspectAfterMs)]),
    ...(options.endedAfterMs === undefined ? [] : ["--ended-after-ms", String(options.endedAfterMs)]),
    ...(options.procedures === undefined ? [] : ["--procedures", path.resolve(options.procedures)]),
    ...["--az-latency-ms", String(options.azLatencyMs), "--supervised", ...liveness(options)],
    ...monitor(options),
  ];
}
