/**
 * The database nodes of a volume, as its manifest lists them: who dials whom, and where clients may go.
 *
 *     a node starts ──> is it listed as it is? ──no──> compare-and-set "here I am" ──> listed
 *     a node leaves for good: its stream is closed ──> compare-and-set "not here any more"
 *
 * A node that crashes, or is stopped in order to be started again, stays in the list. Nothing in the list decides who may
 * write: streams do (DESIGN section 7). A node that finds itself struck off, though, was retired, and ends.
 */
import { LIMITS, type LimitName } from "./limits.ts";
import type { NodeName } from "./ids.ts";
import type { Manifest, NodeInfo } from "./manifest.ts";

export function nodeInfo(m: Manifest, name: NodeName): NodeInfo | undefined {
  return m.nodes.find((node) => node.name === name);
}

/** The limit that `node` would break, were it listed among these. */
export function nodeLimit(nodes: readonly NodeInfo[], node: NodeInfo): LimitName | undefined {
  const others = nodes.filter((n) => n.role === node.role && n.name !== node.name).length;
  const limit = node.role === "writer" ? "writers" : "replicas";
  return others >= LIMITS[limit] ? limit : undefined;
}

/** The manifest that lists the node as it is, in the place that it had; undefined if it does already, or is one too many. */
export function withNode(m: Manifest, node: NodeInfo): Manifest | undefined {
  const listed = nodeInfo(m, node.name);
  if (listed !== undefined && isSameNode(listed, node)) return undefined;
  if (nodeLimit(m.nodes, node) !== undefined) return undefined;
  if (listed === undefined) return { ...m, nodes: [...m.nodes, node] };
  return { ...m, nodes: m.nodes.map((n) => (n.name === node.name ? node : n)) };
}

/** The manifest without the node; undefined if it is not listed. */
export function withoutNode(m: Manifest, name: NodeName): Manifest | undefined {
  if (nodeInfo(m, name) === undefined) return undefined;
  return { ...m, nodes: m.nodes.filter((node) => node.name !== name) };
}

export function isSameNode(a: NodeInfo, b: NodeInfo): boolean {
  return a.name === b.name && a.role === b.role && a.az === b.az && a.url === b.url;
}
