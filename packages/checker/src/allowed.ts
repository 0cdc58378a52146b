/**
 * Anomalies that the options allow: what a user of them must reckon with. Examples only, the plain patterns first:
 *
 *     write skew   R and S each read what the other overwrote
 *     stale read   a `session` transaction missed what had ended, elsewhere, before it began
 *     long fork    a cycle with anti-dependencies, no two of them next to each other
 *     G2-item      any other cycle with several
 *
 * Cycles that turn out to be forbidden are reported as such; they were found before.
 */
import { componentsOf } from "./components.ts";
import { ALL_KINDS, CycleSearch } from "./cycle-search.ts";
import type { Link } from "./cycle.ts";
import { NO_VERSION, RW, STEP, TIME, type Edges } from "./edges.ts";
import { serial, snapshots } from "./exits.ts";
import type { Findings } from "./findings.ts";
import type { History } from "./history.ts";
import { hasReturned } from "./sessions.ts";
import { View } from "./view.ts";

export function findAllowed(edges: Edges, history: History, findings: Findings): void {
  const links = antiDependencies(edges);
  findWriteSkews(links, history, findings);
  findStaleReads(links, history, findings);
  for (const exits of [snapshots, serial]) {
    const view = new View(edges, exits);
    const components = componentsOf(view, ALL_KINDS);
    if (components.knots.length > 0) new CycleSearch(view, findings).findExamples(components);
  }
}

/** Of those that a helper stands for. */
const WRITERS_MAX = 4;

/** Anti-dependencies from transaction to transaction; where a helper stands for many writers, to some of them. */
function antiDependencies(edges: Edges): Link[] {
  const laterWriters = new Map<number, { readonly to: number; readonly newer: number }[]>();
  for (let edge = 0; edge < edges.count; edge++) {
    const to = edges.transactionAt(edges.to(edge));
    if (edges.kind(edge) !== STEP || edges.newer(edge) === NO_VERSION || to === undefined) continue;
    const helper = edges.from(edge);
    const writers = laterWriters.get(helper) ?? [];
    if (writers.length < WRITERS_MAX) writers.push({ to, newer: edges.newer(edge) });
    laterWriters.set(helper, writers);
  }
  const links: Link[] = [];
  for (let edge = 0; edge < edges.count; edge++) {
    if (edges.kind(edge) !== RW) continue;
    const to = edges.transactionAt(edges.to(edge));
    const targets = to === undefined ? laterWriters.get(edges.to(edge)) : [{ to, newer: edges.newer(edge) }];
    const from = edges.from(edge) >> 1;
    for (const target of targets ?? [])
      links.push({ ...target, from, kind: RW, older: edges.older(edge), blind: false });
  }
  return links;
}

function findWriteSkews(links: readonly Link[], history: History, findings: Findings): void {
  const between = new Map<number, Link>();
  for (const link of links) {
    const back = between.get(link.to * history.length + link.from);
    if (back !== undefined) findings.addCycle([link, back]);
    if (findings.isFull("write skew", false)) return;
    between.set(link.from * history.length + link.to, link);
  }
}

function findStaleReads(links: readonly Link[], history: History, findings: Findings): void {
  for (const link of links) {
    const reader = history[link.from]!;
    const writer = history[link.to]!;
    if (reader.consistency === "cluster" || reader.session === writer.session) continue;
    if (!hasReturned(writer) || writer.returnedAt >= reader.invokedAt) continue;
    const time: Link = {
      ...link,
      from: link.to,
      to: link.from,
      kind: TIME,
      older: NO_VERSION,
      newer: NO_VERSION,
    };
    findings.addAllowed([link, time]);
    if (findings.isFull("stale read", false)) return;
  }
}
