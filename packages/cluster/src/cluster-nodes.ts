import type { ClusterNode } from "./cluster-api.ts";
import type { Topology } from "./topology.ts";

/** The processes as a user sees them. */
export function clusterNodes(topology: Topology, pidOf: (name: string) => number): ClusterNode[] {
  const nodes = topology.nodes.map(({ name, role, az, url }) => ({ name, role, az, pid: pidOf(name), url }));
  const segments = topology.servers.map(({ name, az, url }) => ({
    name,
    role: "segment" as const,
    az,
    pid: pidOf(name),
    url,
  }));
  return [...nodes, ...segments];
}
