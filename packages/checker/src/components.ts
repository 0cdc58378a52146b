/**
 * Strongly connected components (Tarjan, SIAM Journal on Computing 1972), without recursion: histories are deeper than stacks.
 * Two nodes share a component iff there is a cycle through both; so there is a cycle iff a component has two nodes. O(nodes + edges).
 */
import type { View } from "./view.ts";

export interface Components {
  /** By node. Numbers start at 0. */
  readonly of: Int32Array;
  /** By component: how many nodes it has. */
  readonly sizes: Int32Array;
  /** The nodes of each component that has several. */
  readonly knots: readonly (readonly number[])[];
}

/** The components of the graph that has only the kinds of `mask`. */
export function componentsOf(view: View, mask: number): Components {
  return new Search(view, mask).run();
}

class Search {
  private readonly view: View;
  private readonly mask: number;
  private readonly component: Int32Array;
  /** 0: not met yet. */
  private readonly order: Int32Array;
  private readonly low: Int32Array;
  private readonly position: Int32Array;
  private readonly open: number[] = [];
  private readonly path: number[] = [];
  private readonly sizes: number[] = [];
  private readonly knots: number[][] = [];
  private met = 0;

  constructor(view: View, mask: number) {
    this.view = view;
    this.mask = mask;
    this.component = new Int32Array(view.nodes).fill(-1);
    this.order = new Int32Array(view.nodes);
    this.low = new Int32Array(view.nodes);
    this.position = new Int32Array(view.nodes);
  }

  run(): Components {
    for (let node = 0; node < this.view.nodes; node++) if (this.order[node] === 0) this.visitFrom(node);
    return { of: this.component, sizes: Int32Array.from(this.sizes), knots: this.knots };
  }

  private visitFrom(root: number): void {
    this.enter(root);
    while (this.path.length > 0) {
      const node = this.path.at(-1)!;
      const next = this.nextChild(node);
      if (next >= 0) {
        this.enter(next);
        continue;
      }
      this.path.pop();
      const parent = this.path.at(-1);
      if (parent !== undefined) this.low[parent] = Math.min(this.low[parent]!, this.low[node]!);
      if (this.low[node] === this.order[node]) this.close(node);
    }
  }

  private enter(node: number): void {
    this.order[node] = this.low[node] = ++this.met;
    this.position[node] = this.view.start(node);
    this.open.push(node);
    this.path.push(node);
  }

  /** The next node not met yet, or -1 when all edges have been looked at. */
  private nextChild(node: number): number {
    const { view, mask, component, order, low } = this;
    const end = view.end(node);
    for (let at = this.position[node]!; at < end; at++) {
      const edge = view.edgeAt(at);
      if ((mask & (1 << view.edges.kind(edge))) === 0) continue;
      const to = view.edges.to(edge);
      if (order[to] === 0) {
        this.position[node] = at + 1;
        return to;
      }
      if (component[to] === -1) low[node] = Math.min(low[node]!, order[to]!);
    }
    this.position[node] = end;
    return -1;
  }

  private close(root: number): void {
    const members: number[] = [];
    for (;;) {
      const node = this.open.pop()!;
      this.component[node] = this.sizes.length;
      members.push(node);
      if (node === root) break;
    }
    this.sizes.push(members.length);
    if (members.length > 1) this.knots.push(members);
  }
}
