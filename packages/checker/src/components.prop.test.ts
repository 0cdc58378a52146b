/** Components, paths, orders and clocks on random small graphs, against reachability by closure. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Clocks, topologicalOrder } from "./clocks.ts";
import { positionsOf } from "./commit-order.ts";
import { componentsOf } from "./components.ts";
import { ALL_KINDS } from "./cycle-search.ts";
import { commitOf, Edges, snapshotOf, STEP } from "./edges.ts";
import { serial } from "./exits.ts";
import { PathFinder } from "./paths.ts";
import { View } from "./view.ts";

const TRANSACTIONS = 5;

/** Links (from, to, kind): 0 a write-read edge, 1 a session edge, 2 a blind overwrite. */
const graphs = fc.array(
  fc.tuple(fc.nat({ max: TRANSACTIONS - 1 }), fc.nat({ max: TRANSACTIONS - 1 }), fc.nat({ max: 2 })),
  { maxLength: 12 },
);

function makeView(links: readonly (readonly [number, number, number])[]): View {
  const edges = new Edges(TRANSACTIONS);
  for (let t = 0; t < TRANSACTIONS; t++) edges.step(snapshotOf(t), commitOf(t));
  for (const [from, to, kind] of links) {
    if (from === to) continue;
    if (kind === 0) edges.read(from, to, 0);
    else if (kind === 1) edges.session(from, to);
    else edges.overwritten(to, from, { older: 0, newer: 1, blind: true });
  }
  return new View(edges, serial);
}

/** distance[a][b]: fewest edges that are no steps; Infinity if there is no way (Floyd and Warshall). */
function distances(view: View): number[][] {
  const nodes = Array.from({ length: view.nodes }, (_, node) => node);
  const distance = nodes.map((a) => nodes.map((b) => (a === b ? 0 : Infinity)));
  for (let edge = 0; edge < view.edges.count; edge++) {
    const row = distance[view.fromOf(edge)]!;
    const to = view.edges.to(edge);
    row[to] = Math.min(row[to]!, view.edges.kind(edge) === STEP ? 0 : 1);
  }
  for (const via of nodes)
    for (const a of nodes)
      for (const b of nodes)
        distance[a]![b] = Math.min(distance[a]![b]!, distance[a]![via]! + distance[via]![b]!);
  return distance;
}

describe("graphs", () => {
  test("nodes share a component iff each reaches the other, and knots are the components of several", () => {
    fc.assert(
      fc.property(graphs, (links) => {
        const view = makeView(links);
        const { of, sizes, knots } = componentsOf(view, ALL_KINDS);
        const distance = distances(view);
        for (let a = 0; a < view.nodes; a++)
          for (let b = 0; b < view.nodes; b++)
            expect(of[a] === of[b]).toBe(distance[a]![b]! < Infinity && distance[b]![a]! < Infinity);
        expect(knots.length).toBe(sizes.filter((size) => size > 1).length);
      }),
    );
  });

  test("paths are shortest, connected, and found iff there is one", () => {
    fc.assert(
      fc.property(graphs, (links) => {
        const view = makeView(links);
        const distance = distances(view);
        const paths = new PathFinder(view);
        for (let a = 0; a < view.nodes; a++) {
          for (let b = 0; b < view.nodes; b++) {
            const path = paths.find(a, b, ALL_KINDS, () => true);
            const length = path?.filter((edge) => view.edges.kind(edge) !== STEP).length ?? Infinity;
            expect(length).toBe(distance[a]![b]!);
            let at = a;
            for (const edge of path ?? []) {
              expect(view.fromOf(edge)).toBe(at);
              at = view.edges.to(edge);
            }
            if (path !== undefined) expect(at).toBe(b);
          }
        }
      }),
    );
  });

  test("positions grow along edges between components", () => {
    fc.assert(
      fc.property(graphs, fc.array(fc.nat({ max: 9 }), { minLength: 10, maxLength: 10 }), (links, times) => {
        const view = makeView(links);
        const components = componentsOf(view, ALL_KINDS);
        const positions = positionsOf(view, components, (node) => times[node]!);
        for (let edge = 0; edge < view.edges.count; edge++) {
          const [from, to] = [view.fromOf(edge), view.edges.to(edge)];
          if (components.of[from] === components.of[to]) expect(positions[from]).toBe(positions[to]);
          else expect(positions[from]).toBeLessThan(positions[to]!);
        }
      }),
    );
  });

  test("clocks say who reaches whom; there is an order iff there is no cycle", () => {
    fc.assert(
      fc.property(graphs, (links) => {
        const view = makeView(links);
        const order = topologicalOrder(view);
        expect(order === undefined).toBe(componentsOf(view, ALL_KINDS).knots.length > 0);
        if (order === undefined) return;
        const chains = Array.from({ length: TRANSACTIONS }, (_, t) => [t]);
        const clocks = new Clocks(view, order, chains);
        const distance = distances(view);
        for (let t = 0; t < TRANSACTIONS; t++)
          for (let node = 0; node < view.nodes; node++)
            expect(clocks.reaches(t, node)).toBe(distance[commitOf(t)]![node]! < Infinity);
      }),
    );
  });
});
