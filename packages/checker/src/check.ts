/**
 * The checker: a history in, a report out. In the manner of Elle (Kingsbury and Alvaro, VLDB 2020):
 *
 *     history ─> footprints ─> which transactions count ─> order of versions, key by key ─> edges
 *                                        │                                                   │
 *                             values that were never there                 sessions, time ───┤
 *                                        │                                                   v
 *                                        └──────────> report <── names <── cycles <──── views of the graph
 *
 * What it says is certain: an edge stands only for what no explanation of the history can do without, so a cycle means that there is
 * none. For lists the edges are all there are; for registers some orders cannot be known, and violations may be missed.
 */
import { findAllowed } from "./allowed.ts";
import { orderBlocks } from "./block-order.ts";
import { positionsOf } from "./commit-order.ts";
import { componentsOf } from "./components.ts";
import { countTransactions } from "./counted.ts";
import { ALL_KINDS, CycleSearch } from "./cycle-search.ts";
import { commitOf, Edges, RW, SESSION, snapshotOf, TIME, WR, WW } from "./edges.ts";
import { nowhere, promised } from "./exits.ts";
import { Faults } from "./faults.ts";
import { Findings } from "./findings.ts";
import { takeFootprint } from "./footprint.ts";
import type { History, Outcome } from "./history.ts";
import { ListOrder } from "./list-order.ts";
import { usersOf, type Observations } from "./observations.ts";
import { addSessionEdges, addTimeEdges, chainsOf } from "./order-edges.ts";
import { ParallelSnapshotCheck } from "./parallel-snapshot.ts";
import { RegisterOrder, type UnorderedKey } from "./register-order.ts";
import {
  ANOMALIES,
  PROMISES,
  promiseOf,
  type Anomaly,
  type AnomalyName,
  type EdgeName,
  type Report,
} from "./report.ts";
import { hasReturned, sessionsOf } from "./sessions.ts";
import { Versions } from "./versions.ts";
import { View } from "./view.ts";

/**
 * Judges a history by what DESIGN section 8 promises for the options of each transaction. Throws `MalformedHistory` for what
 * no client can have recorded. O(operations) and a little more; a hundred thousand transactions take seconds.
 */
export function check(history: History): Report {
  const sessions = sessionsOf(history);
  const versions = new Versions();
  const footprints = history.map((transaction, index) => takeFootprint(transaction, index, versions));
  const { isCounted, longest } = countTransactions(history, footprints, versions);
  const observations: Observations = { history, footprints, isCounted, versions };
  const faults = new Faults(history, versions);
  const edges = new Edges(history.length);
  footprints.forEach((footprint, index) => {
    edges.step(snapshotOf(index), commitOf(index));
    if (isCounted[index] === 1) faults.inconsistencies(index, footprint);
  });
  const unordered = addVersionEdges(observations, longest, edges, faults);
  addSessionEdges(edges, history, sessions, isCounted);
  const moments = addTimeEdges(edges, history, isCounted);
  orderBlocks(unordered, edges, promised(history), { versions, chains: chainsOf(observations, sessions) });
  const findings = new Findings(observations);
  for (const fault of faults.report()) findings.add(fault);
  const complete = findCycles(edges, history, moments, findings);
  return makeReport(observations, edges, findings, complete);
}

/** Edges of all keys. Returns the registers whose order is not known yet. */
function addVersionEdges(
  observations: Observations,
  longest: readonly (readonly number[] | undefined)[],
  edges: Edges,
  faults: Faults,
): UnorderedKey[] {
  const unordered: UnorderedKey[] = [];
  usersOf(observations).forEach((users, key) => {
    if (observations.versions.kindOf(key) === "register") {
      const rest = new RegisterOrder(observations, key, users, edges, faults).addEdges();
      if (rest !== undefined) unordered.push(rest);
      return;
    }
    const known = longest[key];
    if (known !== undefined)
      new ListOrder(observations, key, { users, longest: known }, edges, faults).addEdges();
  });
  return unordered;
}

/** Returns whether all cycles that break a promise would have been found. */
function findCycles(
  edges: Edges,
  history: History,
  moments: ReadonlyMap<number, number>,
  findings: Findings,
): boolean {
  const exits = promised(history);
  const view = new View(edges, nowhere);
  const components = componentsOf(view, ALL_KINDS);
  if (components.knots.length > 0) new CycleSearch(view, findings).findWithoutAntiDependencies();
  const promisedView = new View(edges, exits);
  const promisedComponents = componentsOf(promisedView, ALL_KINDS);
  if (promisedComponents.knots.length > 0)
    new CycleSearch(promisedView, findings).findWithAntiDependencies(promisedComponents);
  const positions = positionsOf(view, components, (node) => {
    const index = edges.transactionAt(node);
    if (index === undefined) return moments.get(node) ?? -Infinity;
    const transaction = history[index]!;
    const isEnd = node === commitOf(index) && hasReturned(transaction);
    return isEnd ? transaction.returnedAt : transaction.invokedAt;
  });
  const complete = new ParallelSnapshotCheck(view, positions, exits, findings).run();
  findAllowed(edges, history, findings);
  return complete;
}

function makeReport(
  { history, isCounted, versions }: Observations,
  edges: Edges,
  { violations, allowed }: Findings,
  complete: boolean,
): Report {
  const bySeverity = (a: Anomaly, b: Anomaly): number =>
    ANOMALIES.indexOf(a.name) - ANOMALIES.indexOf(b.name);
  const counts: { [name in AnomalyName]?: number } = {};
  for (const { name } of [...violations, ...allowed]) counts[name] = (counts[name] ?? 0) + 1;
  const counted = history.filter((_, index) => isCounted[index] === 1);
  const number = (outcome: Outcome): number => history.filter((t) => t.outcome === outcome).length;
  const unknownObserved = counted.filter(({ outcome }) => outcome === "unknown").length;
  return {
    valid: violations.length === 0,
    violations: [...violations].sort(bySeverity),
    allowed: [...allowed].sort(bySeverity),
    promises: PROMISES.map((promise) => {
      const broken = violations.filter(({ breaks }) => breaks.includes(promise)).length;
      const transactions = counted.filter((transaction) => promiseOf(transaction) === promise).length;
      return { promise, transactions, kept: broken === 0, violations: broken };
    }),
    counts,
    transactions: {
      committed: number("committed"),
      aborted: number("aborted"),
      unknownObserved,
      unknownUnseen: number("unknown") - unknownObserved,
    },
    graph: {
      transactions: counted.length,
      keys: versions.keyCount,
      versions: versions.count,
      edges: countEdges(edges),
    },
    complete,
  };
}

function countEdges(edges: Edges): { [kind in EdgeName]: number } {
  const byKind = new Float64Array(6);
  for (let edge = 0; edge < edges.count; edge++) byKind[edges.kind(edge)]!++;
  return {
    "write-write": byKind[WW]!,
    "write-read": byKind[WR]!,
    "read-write": byKind[RW]!,
    session: byKind[SESSION]!,
    "real-time": byKind[TIME]!,
  };
}
