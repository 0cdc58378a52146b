/**
 * The addresses of a local cluster's processes, all on loopback (INTERFACES: database nodes at BASE, BASE+1 …, segment servers
 * at BASE+20 …; nodes beyond the twentieth at BASE+100 …).
 */
import { nodeName, type NodeInfo, type SegmentServerInfo } from "@sixfold/model";
import { planNodes, planServers, type PlannedNode, type PlannedServer } from "./layout.ts";

const SEGMENT_PORT_OFFSET = 20;
const LATER_NODES_OFFSET = 100;
const HOST = "127.0.0.1";

export interface Topology {
  readonly volume: string;
  readonly servers: readonly SegmentServerInfo[];
  readonly nodes: readonly NodeInfo[];
}

/** A port for each place. */
export interface Ports {
  readonly nodePort: (place: number) => number;
  readonly segmentPort: (place: number) => number;
}

export interface TopologyOptions extends Ports {
  readonly volume: string;
  readonly writers: number;
  readonly replicas: number;
  /** Segment servers beyond the six, a zone each in turn. */
  readonly spares?: number;
}

export function portsFrom(base: number): Ports {
  return {
    nodePort: (place) =>
      base + place + (place < SEGMENT_PORT_OFFSET ? 0 : LATER_NODES_OFFSET - SEGMENT_PORT_OFFSET),
    segmentPort: (place) => base + SEGMENT_PORT_OFFSET + place,
  };
}

/** A new cluster of so many processes. */
export function localTopology(options: TopologyOptions): Topology {
  const servers = planServers([], options).map((server) => serverInfo(server, options));
  const nodes = planNodes([], options).map((node) => nodeInfoOf(node, options));
  return { volume: options.volume, servers, nodes };
}

export function serverInfo({ name, az, place }: PlannedServer, { segmentPort }: Ports): SegmentServerInfo {
  return { name: nodeName(name), az, url: `ws://${HOST}:${segmentPort(place)}` };
}

export function nodeInfoOf({ name, role, az, place }: PlannedNode, { nodePort }: Ports): NodeInfo {
  return { name: nodeName(name), role, az, url: `ws://${HOST}:${nodePort(place)}` };
}

/** One-way delay from a process in `az` to every other: none within the zone. */
export function latencyBetween(az: string, latencyMs: number): (process: { readonly az: string }) => number {
  return (process) => (process.az === az ? 0 : latencyMs);
}
