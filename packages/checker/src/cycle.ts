/**
 * A cycle as people read it: one link from each transaction to the next. What it is called, and whom it was promised not to
 * happen to.
 */
import { commitOf, RW, SESSION, STEP, TIME, WR, WW, NO_VERSION, type EdgeKind, type Edges } from "./edges.ts";
import type { History } from "./history.ts";
import type { Observations } from "./observations.ts";
import { promiseOf, type AnomalyName, type PromiseName } from "./report.ts";
import type { Versions } from "./versions.ts";

export interface Link {
  readonly from: number;
  readonly to: number;
  readonly kind: EdgeKind;
  /** What was read or overwritten, and what came after; -1 for links of sessions and time. */
  readonly older: number;
  readonly newer: number;
  /** A write over what the writer's snapshot need not have shown. */
  readonly blind: boolean;
}

/** The links of a cycle, given its edges in order. Helper nodes and steps disappear. */
export function linksOf(edges: Edges, cycle: readonly number[]): Link[] {
  const first = cycle.findIndex((edge) => edges.transactionAt(edges.from(edge)) !== undefined);
  const links: Link[] = [];
  let from = -1;
  let kind: EdgeKind = STEP;
  let older = NO_VERSION;
  let newer = NO_VERSION;
  for (let i = 0; i < cycle.length; i++) {
    const edge = cycle[(first + i) % cycle.length]!;
    const left = edges.transactionAt(edges.from(edge));
    if (left !== undefined) {
      from = left;
      kind = STEP;
      newer = NO_VERSION;
    }
    if (edges.kind(edge) !== STEP) {
      kind = edges.kind(edge);
      older = edges.older(edge);
    }
    if (edges.newer(edge) !== NO_VERSION) newer = edges.newer(edge);
    const to = edges.transactionAt(edges.to(edge));
    if (to === undefined || kind === STEP) continue;
    links.push({ from, to, kind, older, newer, blind: kind === WW && edges.to(edge) === commitOf(to) });
  }
  return links;
}

/** Of a cycle with one anti-dependency: the links from its writer back to its reader. */
function wayBack(links: readonly Link[]): { antiDependency: Link; path: Link[] } {
  const at = links.findIndex(({ kind }) => kind === RW);
  return { antiDependency: links[at]!, path: [...links.slice(at + 1), ...links.slice(0, at)] };
}

function linkBefore(links: readonly Link[], at: number): Link {
  return links[(at + links.length - 1) % links.length]!;
}

/**
 * Whether the options of its transactions forbid the cycle. Without anti-dependencies: always. With one: its reader did not see a
 * write that was visible to it, which every option forbids (unless it came to be behind that write by a blind one). With more: if each of
 * their readers has a snapshot, or a commit, in an order that all agree on, and the cycle goes round through that.
 */
export function isForbidden(links: readonly Link[], history: History): boolean {
  const single = links.filter(({ kind }) => kind === RW).length === 1;
  return links.every((link, at) => {
    if (link.kind !== RW) return true;
    const { isolation, consistency } = history[link.from]!;
    if (isolation === "serializable") return true;
    const { kind, blind } = linkBefore(links, at);
    return !blind && kind !== RW && (single || consistency === "cluster");
  });
}

/** The options that the cycle breaks, given that it is forbidden: of those who read what they should not have, or too late. */
export function promisesBroken(links: readonly Link[], history: History): PromiseName[] {
  const obliged = links.flatMap(({ kind, from, to }) => (kind === RW ? [from] : kind === TIME ? [to] : []));
  const all = obliged.length > 0 ? obliged : links.map(({ from }) => from);
  return [...new Set(all.map((transaction) => promiseOf(history[transaction]!)))];
}

export function nameOf(links: readonly Link[], { versions, footprints }: Observations): AnomalyName {
  const has = (kind: EdgeKind): boolean => links.some((link) => link.kind === kind);
  const antiDependencies = links.filter(({ kind }) => kind === RW).length;
  if (antiDependencies === 0) {
    if (has(WR)) return "G1c";
    // A register's writer stands right behind what it read because updates are not lost. Where that cannot be, one was.
    const readFirst = ({ from, kind, older }: Link): boolean =>
      kind === WW && isRegister(older, versions) && footprints[from]!.reads.has(versions.keyOf(older));
    if (links.some(readFirst)) return "lost update";
    return has(SESSION) && !has(TIME) ? "monotonic writes" : "G0";
  }
  if (antiDependencies === 1) return nameOfSingle(links, versions);
  const adjacent = links.some(({ kind }, at) => kind === RW && linkBefore(links, at).kind === RW);
  if (!adjacent) return "long fork";
  return links.length === 2 ? "write skew" : "G2-item";
}

function isRegister(version: number, versions: Versions): boolean {
  return versions.kindOf(versions.keyOf(version)) === "register";
}

function nameOfSingle(links: readonly Link[], versions: Versions): AnomalyName {
  const { antiDependency, path } = wayBack(links);
  const last = path.at(-1)!;
  // Behind the write only by a blind one: sessions and time may have a part in it, but broke no guarantee.
  if (last.blind) return "G-single";
  if (path.some(({ kind }) => kind === TIME)) return "stale read";
  if (path.some(({ kind }) => kind === SESSION)) {
    if (last.kind === SESSION)
      return path.some(({ kind }) => kind === WR) ? "monotonic reads" : "read your writes";
    return path[0]!.kind === SESSION ? "monotonic writes" : "writes follow reads";
  }
  const key = versions.keyOf(antiDependency.older);
  const overwrites = path.every(({ kind, newer }) => kind === WW && versions.keyOf(newer) === key);
  return overwrites ? "lost update" : "G-single";
}
