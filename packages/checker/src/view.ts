/**
 * One way of looking at the edges (edges.ts): for each node the edges that leave it, as ranges of one array.
 */
import { commitOf, RW, type Edges } from "./edges.ts";
import type { Exits } from "./exits.ts";

export class View {
  readonly edges: Edges;
  private readonly exitOf: Exits;
  private readonly starts: Int32Array;
  private readonly outgoing: Int32Array;

  constructor(edges: Edges, exitOf: Exits) {
    this.edges = edges;
    this.exitOf = exitOf;
    const starts = new Int32Array(edges.nodes + 1);
    for (let edge = 0; edge < edges.count; edge++) {
      const from = this.fromOf(edge);
      if (from >= 0) starts[from + 1]!++;
    }
    for (let node = 0; node < edges.nodes; node++) starts[node + 1]! += starts[node]!;
    const filled = starts.slice();
    this.outgoing = new Int32Array(starts[edges.nodes]!);
    for (let edge = 0; edge < edges.count; edge++) {
      const from = this.fromOf(edge);
      if (from >= 0) this.outgoing[filled[from]!++] = edge;
    }
    this.starts = starts;
  }

  get nodes(): number {
    return this.starts.length - 1;
  }

  /** The edges that leave `node` are those at `start(node)` … `end(node) - 1`. */
  start(node: number): number {
    return this.starts[node]!;
  }

  end(node: number): number {
    return this.starts[node + 1]!;
  }

  edgeAt(position: number): number {
    return this.outgoing[position]!;
  }

  /** The node that an edge leaves in this view; -1 if the view lacks it. */
  fromOf(edge: number): number {
    const from = this.edges.from(edge);
    if (this.edges.kind(edge) !== RW) return from;
    const exit = this.exitOf(from >> 1);
    if (exit === "nowhere") return -1;
    return exit === "snapshot" ? from : commitOf(from >> 1);
  }
}
