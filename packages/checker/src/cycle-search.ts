/**
 * Cycles in one view of the graph, the plainest kinds first: a lost update is also a cycle through five
 * transactions, and nobody wants to read that.
 *
 * There is a cycle iff a component has several nodes (components.ts), so "none" is certain, and costs one walk over the
 * graph. Only then is it worth looking for short ones: from some edges of the component, the shortest way back.
 */
import { componentsOf, type Components } from "./components.ts";
import { linksOf } from "./cycle.ts";
import { kinds, RW, SESSION, STEP, TIME, WR, WW } from "./edges.ts";
import type { Findings } from "./findings.ts";
import { PathFinder } from "./paths.ts";
import type { View } from "./view.ts";

/** Ever more kinds of edges: a cycle is told by the first mask that has it. */
const WITHOUT_ANTI_DEPENDENCIES = [
  kinds(WW),
  kinds(WW, WR),
  kinds(WW, WR, SESSION),
  kinds(WW, WR, SESSION, TIME),
] as const;
export const WAYS_BACK = WITHOUT_ANTI_DEPENDENCIES.slice(1);
export const ALL_KINDS = kinds(WW, WR, SESSION, TIME, RW);

/** Work for one component: nodes visited by all its searches, and how many of them there are. */
const VISITS = 5_000_000;
const SEARCHES_MIN = 4;
const SEARCHES_MAX = 64;
/** Searches where one cycle, or a few, will do. */
const EXAMPLES = 16;
/** Components looked into. More tell nothing new. */
const KNOTS_MAX = 1_000;

export class CycleSearch {
  private readonly view: View;
  private readonly findings: Findings;
  private readonly paths: PathFinder;

  constructor(view: View, findings: Findings) {
    this.view = view;
    this.findings = findings;
    this.paths = new PathFinder(view);
  }

  /** G0 and G1c: one cycle for each component that has one, of the first kinds that make one. */
  findWithoutAntiDependencies(): void {
    const covered = new Uint8Array(this.view.nodes);
    for (const mask of WITHOUT_ANTI_DEPENDENCIES) {
      const components = componentsOf(this.view, mask);
      for (const knot of components.knots.slice(0, KNOTS_MAX)) {
        if (knot.some((node) => covered[node] === 1)) continue;
        for (const node of knot) covered[node] = 1;
        const cycle = this.shortest(
          this.edgesWithin(components, knot, mask & ~1, EXAMPLES),
          components,
          mask,
        );
        if (cycle !== undefined) this.findings.addCycle(linksOf(this.view.edges, cycle));
      }
    }
  }

  /** Cycles with a single anti-dependency, and where a component has none, some with more. */
  findWithAntiDependencies(components: Components): void {
    for (const knot of components.knots.slice(0, KNOTS_MAX)) {
      const starts = this.edgesWithin(components, knot, 1 << RW, SEARCHES_MAX);
      let found = 0;
      for (const edge of starts)
        if (WAYS_BACK.some((mask) => this.addClosed(edge, components, mask))) found++;
      if (found === 0) for (const edge of starts) this.addClosed(edge, components, ALL_KINDS);
    }
  }

  /** A few of the shortest cycles through anti-dependencies, whatever they are. */
  findExamples(components: Components): void {
    for (const knot of components.knots.slice(0, KNOTS_MAX))
      for (const edge of this.edgesWithin(components, knot, 1 << RW, EXAMPLES))
        this.addClosed(edge, components, ALL_KINDS);
  }

  private addClosed(edge: number, components: Components, mask: number): boolean {
    const cycle = this.close(edge, components, mask);
    if (cycle !== undefined) this.findings.addCycle(linksOf(this.view.edges, cycle));
    return cycle !== undefined;
  }

  /** Some edges of these kinds (a mask of bits) between nodes of the component, spread over it. */
  private edgesWithin(
    { of }: Components,
    knot: readonly number[],
    mask: number,
    searchesMax: number,
  ): number[] {
    const { view } = this;
    const all: number[] = [];
    for (const node of knot) {
      for (let at = view.start(node); at < view.end(node); at++) {
        const edge = view.edgeAt(at);
        if ((mask & (1 << view.edges.kind(edge))) !== 0 && of[view.edges.to(edge)] === of[node])
          all.push(edge);
      }
    }
    const searches = Math.min(searchesMax, Math.max(SEARCHES_MIN, Math.floor(VISITS / knot.length)));
    const stride = Math.max(1, all.length / searches);
    return Array.from({ length: Math.min(searches, all.length) }, (_, i) => all[Math.floor(i * stride)]!);
  }

  private shortest(starts: readonly number[], components: Components, mask: number): number[] | undefined {
    let best: number[] | undefined;
    const length = (cycle: readonly number[]): number =>
      cycle.filter((edge) => this.view.edges.kind(edge) !== STEP).length;
    for (const edge of starts) {
      const cycle = this.close(edge, components, mask);
      if (cycle !== undefined && (best === undefined || length(cycle) < length(best))) best = cycle;
    }
    return best;
  }

  /** The edge and a shortest way back from its end to its start. */
  private close(edge: number, { of }: Components, mask: number): number[] | undefined {
    const from = this.view.fromOf(edge);
    const component = of[from];
    const path = this.paths.find(this.view.edges.to(edge), from, mask, (node) => of[node] === component);
    return path === undefined ? undefined : [edge, ...path];
  }
}
