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
import { NO_VERSION, RW, TIME, type Edges } from "./edges.ts";
import { serial, snapshots } from "./exits.ts";
import type { Findings } from "./findings.ts";
import type { History } from "./history.ts";
import { hasReturned } from "./sessions.ts";
import { View } from "./view.ts";

export function findAllowed(edges: Edges, history: History, findings: Findings): void {
  findWriteSkews(edges, history, findings);
  findStaleReads(edges, history, findings);
  for (const exits of [snapshots, serial]) {
    const view = new View(edges, exits);
    const components = componentsOf(view, ALL_KINDS);
    if (components.knots.length > 0) new CycleSearch(view, findings).findExamples(components);
  }
}

/** Anti-dependencies between transactions; those through helpers are left out. */
function* antiDependencies(edges: Edges): Generator<Link> {
  for (let edge = 0; edge < edges.count; edge++) {
    if (edges.kind(edge) !== RW) continue;
    const to = edges.transactionAt(edges.to(edge));
    if (to === undefined) continue;
    const older = edges.older(edge);
    const newer = edges.newer(edge);
    yield { from: edges.from(edge) >> 1, to, kind: RW, older, newer, blind: false };
  }
}

function findWriteSkews(edges: Edges, history: History, findings: Findings): void {
  const between = new Map<number, Link>();
  for (const link of antiDependencies(edges)) {
    const back = between.get(link.to * history.length + link.from);
    if (back !== undefined) findings.addCycle([link, back]);
    if (findings.isFull("write skew", false)) return;
    between.set(link.from * history.length + link.to, link);
  }
}

function findStaleReads(edges: Edges, history: History, findings: Findings): void {
  for (const link of antiDependencies(edges)) {
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
