/**
 * What the connected nodes say of the cluster, as one picture.
 *
 * Each node tells at its welcome and at every change who there is and which streams are open (`topology`). A node knows best
 * about itself; of the others, who knows of the youngest stream knows most, for streams are numbered in the order in which
 * they were opened.
 *
 *     writer-1 (alone in its part of the network)   "I write stream 3"
 *     writer-2, replica-1                           "writer-2 writes stream 4; stream 3 is not open"      -> writer-1 is deposed
 *
 * A writer that a recovery has fenced may not know it yet, if it only lost its network to the others. It cannot commit any more,
 * so whoever waits for it there waits in vain. Somebody who knows of a younger stream, and not of this one as open, knows of its close.
 */
import type { TopologyNode } from "@sixfold/wire";
import type { NodeConnection } from "./node-connection.ts";

export class ClusterView {
  /** By name. */
  private known = new Map<string, TopologyNode>();
  private writers: readonly string[] = [];

  /** Takes in what the connections say now. O(connections times nodes). */
  update(up: readonly NodeConnection[]): void {
    let best: readonly TopologyNode[] | undefined;
    for (const { nodes } of up)
      if (best === undefined || youngest(nodes) >= youngest(best)) best = nodes.length > 0 ? nodes : best;
    // With nobody connected the last picture is needed more than ever: it says whom to dial.
    if (best === undefined) return;
    const known = new Map(best.map((node) => [node.name, node]));
    for (const { welcome, nodes } of up) {
      const own = nodes.find((node) => node.name === welcome.node);
      if (own !== undefined) known.set(own.name, own);
    }
    this.known = known;
    this.writers = [...known.values()]
      .filter((n) => n.role === "writer" || n.stream !== 0)
      .map((n) => n.name);
  }

  node(name: string): TopologyNode | undefined {
    return this.known.get(name);
  }

  get nodes(): Iterable<TopologyNode> {
    return this.known.values();
  }

  /** Those that write, or may: hints are placed on them. */
  get writerNames(): readonly string[] {
    return this.writers;
  }

  /** Somebody knows that the stream this node believes to write is closed. */
  static isDeposed(connection: NodeConnection, up: readonly NodeConnection[]): boolean {
    const { stream } = connection.welcome;
    if (stream === 0) return false;
    // Not by what it told itself: that may be of before it opened the stream, and is followed by what is so now.
    return up.some(
      (other) =>
        other !== connection &&
        youngest(other.nodes) > stream &&
        !other.nodes.some((node) => node.stream === stream),
    );
  }
}

function youngest(nodes: readonly TopologyNode[]): number {
  let stream = 0;
  for (const node of nodes) if (node.stream > stream) stream = node.stream;
  return stream;
}
