/**
 * Shortest paths within a part of the graph: breadth first, where steps cost nothing and all other edges one. What costs
 * nothing is followed at once, so nodes are met in the order of their distance.
 */
import { STEP } from "./edges.ts";
import type { View } from "./view.ts";

export class PathFinder {
  private readonly view: View;
  private readonly metAt: Int32Array;
  private readonly arrivedBy: Int32Array;
  private search = 0;

  constructor(view: View) {
    this.view = view;
    this.metAt = new Int32Array(view.nodes);
    this.arrivedBy = new Int32Array(view.nodes);
  }

  /**
   * The edges of a shortest path over kinds in `mask` through nodes that `within` admits, or undefined. Empty if
   * `from` is `to`.
   */
  find(
    from: number,
    to: number,
    mask: number,
    within: (node: number) => boolean,
  ): readonly number[] | undefined {
    this.search++;
    this.metAt[from] = this.search;
    this.arrivedBy[from] = -1;
    let level = [from];
    while (level.length > 0) {
      const next: number[] = [];
      // Grows while it is walked: what a step leads to is at the same distance.
      for (let i = 0; i < level.length; i++) {
        if (level[i] === to) return this.trace(to);
        this.leave(level[i]!, mask, within, level, next);
      }
      level = next.filter((node) => this.claim(node));
    }
    return undefined;
  }

  private leave(
    node: number,
    mask: number,
    within: (node: number) => boolean,
    level: number[],
    next: number[],
  ): void {
    const { view } = this;
    const end = view.end(node);
    for (let at = view.start(node); at < end; at++) {
      const edge = view.edgeAt(at);
      const kind = view.edges.kind(edge);
      if ((mask & (1 << kind)) === 0) continue;
      const to = view.edges.to(edge);
      const met = this.metAt[to]!;
      // Met finally, or (negative) already waiting in the next level.
      if (met === this.search || (met === -this.search && kind !== STEP) || !within(to)) continue;
      this.arrivedBy[to] = edge;
      if (kind === STEP) {
        this.metAt[to] = this.search;
        level.push(to);
      } else {
        this.metAt[to] = -this.search;
        next.push(to);
      }
    }
  }

  /** Whether a node that waited for this level was not met by a step meanwhile. */
  private claim(node: number): boolean {
    if (this.metAt[node] === this.search) return false;
    this.metAt[node] = this.search;
    return true;
  }

  private trace(to: number): number[] {
    const path: number[] = [];
    for (let node = to; this.arrivedBy[node]! >= 0;) {
      const edge = this.arrivedBy[node]!;
      path.push(edge);
      node = this.view.fromOf(edge);
    }
    return path.reverse();
  }
}
