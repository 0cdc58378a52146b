/**
 * The layout of a local cluster: six segment servers in zones a, b, c, spare ones, and the database nodes,
 * all on loopback (INTERFACES: nodes at BASE, BASE+1 …, segment servers at BASE+20 …).
 */
import { nodeName, REPLICAS, ZONES, type NodeInfo, type SegmentServerInfo } from "@sixfold/model";

const SEGMENT_PORT_OFFSET = 20;
const HOST = "127.0.0.1";
const AZS = ["a", "b", "c"] as const;

export interface Topology {
  readonly volume: string;
  readonly servers: readonly SegmentServerInfo[];
  readonly nodes: readonly NodeInfo[];
}

export interface TopologyOptions {
  readonly volume: string;
  readonly writers: number;
  readonly replicas: number;
  /** Segment servers beyond the six, a zone each in turn. */
  readonly spares?: number;
  /** A port for the i-th database node and the i-th segment server. */
  readonly nodePort: (index: number) => number;
  readonly segmentPort: (index: number) => number;
}

export function portsFrom(base: number): Pick<TopologyOptions, "nodePort" | "segmentPort"> {
  return { nodePort: (index) => base + index, segmentPort: (index) => base + SEGMENT_PORT_OFFSET + index };
}

export function localTopology(options: TopologyOptions): Topology {
  const servers: SegmentServerInfo[] = [];
  for (let i = 0; i < REPLICAS + (options.spares ?? 0); i++) {
    const { az, number } = i < REPLICAS ? firstSix(i) : spare(i - REPLICAS);
    const name = nodeName(`segment-${az}${number}`);
    servers.push({ name, az, url: `ws://${HOST}:${options.segmentPort(i)}` });
  }
  const nodes: NodeInfo[] = [];
  for (let i = 0; i < options.writers + options.replicas; i++) {
    const isWriter = i < options.writers;
    const name = nodeName(isWriter ? `writer-${i + 1}` : `replica-${i - options.writers + 1}`);
    const az = AZS[i % ZONES]!;
    nodes.push({
      name,
      role: isWriter ? "writer" : "replica",
      az,
      url: `ws://${HOST}:${options.nodePort(i)}`,
    });
  }
  return { volume: options.volume, servers, nodes };
}

const PER_ZONE = REPLICAS / ZONES;

/** a1 a2 b1 b2 c1 c2 */
function firstSix(index: number): { az: string; number: number } {
  return { az: AZS[Math.floor(index / PER_ZONE)]!, number: (index % PER_ZONE) + 1 };
}

/** a3 b3 c3 a4 … */
function spare(index: number): { az: string; number: number } {
  return { az: AZS[index % ZONES]!, number: PER_ZONE + 1 + Math.floor(index / ZONES) };
}

/** One-way delay from a process in `az` to every other: none within the zone. */
export function latencyBetween(az: string, latencyMs: number): (process: { readonly az: string }) => number {
  return (process) => (process.az === az ? 0 : latencyMs);
}
