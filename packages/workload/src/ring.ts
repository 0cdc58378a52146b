/**
 * The ring of `cycle`: rows that each name their successor, and the transactions that rewire them.
 *
 *     stretch        a -> b -> c -> d -> e          what is walked: two ends and what lies between them
 *     reverse        a -> d -> c -> b -> e
 *     swap           a -> d -> c -> b -> e          of the first and the last in between
 *     rotate         a -> c -> d -> b -> e          move within the stretch
 *     insert         a -> n -> b -> c -> d -> e
 *     remove         a -> c -> d -> e               b's row is deleted
 *     transplant     a -> c …   x -> b -> y         b moves behind x, anywhere in the ring
 *
 * A row stands for the edge that leaves it. Every transaction writes the rows of all edges that it relies on, so
 * concurrent ones that would tear the ring meet on a row: snapshot isolation is enough.
 *
 * What the walk finds is checked on the way: within one snapshot each successor is there.
 */
import type { RowKey, RowWriter } from "./database-face.ts";
import { get, type Rows, scan, type Steps } from "./transaction-steps.ts";

export interface RingNode {
  readonly next: number;
}

export type RingChange = "reverse" | "swap" | "rotate" | "insert" | "remove" | "transplant";

export interface RewirePlan {
  readonly table: string;
  /** The ring's name: the first element of its keys. */
  readonly ring: string;
  readonly change: RingChange;
  /** The walk begins at the first node from here on; `target` likewise is where a transplant goes. */
  readonly start: number;
  readonly target: number;
  /** Nodes between the ends of the stretch. */
  readonly between: number;
  /** The node that an insert adds. */
  readonly fresh: number;
}

export interface RewireResult {
  /** The plan did not fit this ring: nothing was written. */
  readonly skipped: boolean;
  readonly removed?: number;
  /** What must not be. */
  readonly violation?: string;
}

const SKIPPED: RewireResult = { skipped: true };

export function ringKey(ring: string, node: number): RowKey {
  return [ring, node];
}

export function* rewire(tx: RowWriter, plan: RewirePlan): Steps<RewireResult> {
  const walked = yield* walk(plan);
  if (typeof walked === "string") return { skipped: true, violation: walked };
  const [first, ...rest] = walked as [number, ...number[]];
  if (plan.change === "insert") {
    // Alone in its ring, a node is its own successor.
    link(tx, plan, [first, plan.fresh, rest[0] ?? first]);
    return { skipped: false };
  }
  // The walk may have met its own beginning. Removals leave a ring of three.
  if (walked.length < (plan.change === "remove" ? 4 : 3)) return SKIPPED;
  const between = rest.slice(0, -1);
  if (plan.change === "transplant") return yield* transplant(tx, plan, [first, between[0]!, rest[1]!]);
  link(tx, plan, [first, ...rearranged(plan.change, between), rest.at(-1)!]);
  if (plan.change !== "remove") return { skipped: false };
  tx.delete(plan.table, ringKey(plan.ring, between[0]!));
  return { skipped: false, removed: between[0]! };
}

/** The order in which what lies between the ends comes afterwards. */
function rearranged(change: "reverse" | "swap" | "rotate" | "remove", between: readonly number[]): number[] {
  switch (change) {
    case "reverse":
      return between.toReversed();
    case "swap":
      return between.length < 2 ? [...between] : [between.at(-1)!, ...between.slice(1, -1), between[0]!];
    case "rotate":
      return [...between.slice(1), between[0]!];
    case "remove":
      return between.slice(1);
  }
}

/** Takes the middle one of three neighbours out and puts it behind `target`. */
function* transplant(
  tx: RowWriter,
  plan: RewirePlan,
  [before, moved, after]: readonly [number, number, number],
): Steps<RewireResult> {
  const found = yield* nodeFrom(plan, plan.target);
  if (found === undefined) return { skipped: true, violation: `ring ${plan.ring} is empty` };
  const [target, { next }] = found;
  if (target === before || target === moved) return SKIPPED;
  link(tx, plan, [before, after]);
  link(tx, plan, [target, moved, next]);
  return { skipped: false };
}

/** Writes each node's edge to the one after it. */
function link(tx: RowWriter, plan: RewirePlan, nodes: readonly number[]): void {
  for (let i = 0; i + 1 < nodes.length; i++) {
    const row: RingNode = { next: nodes[i + 1]! };
    tx.put(plan.table, ringKey(plan.ring, nodes[i]!), row);
  }
}

/** Nodes of the stretch, all different: one end, up to `between` nodes, the other end. Or what is wrong. */
function* walk(plan: RewirePlan): Steps<number[] | string> {
  const found = yield* nodeFrom(plan, plan.start);
  if (found === undefined) return `ring ${plan.ring} is empty`;
  const path = [found[0]];
  let { next } = found[1];
  while (next !== path[0]) {
    if (path.includes(next)) return `ring ${plan.ring} comes back to ${next}, which is not where it began`;
    path.push(next);
    if (path.length === plan.between + 2) break;
    const node = yield* get<RingNode>(plan.table, ringKey(plan.ring, next));
    if (node === undefined) return `ring ${plan.ring}: ${path.at(-2)} leads to ${next}, which is not there`;
    next = node.next;
  }
  return path;
}

/** The first node from `start` on, around the end. */
function* nodeFrom(plan: RewirePlan, start: number): Steps<readonly [number, RingNode] | undefined> {
  const { table, ring } = plan;
  const end = ringKey(ring, Number.MAX_SAFE_INTEGER);
  let rows = yield* scan<RingNode>(table, { gte: ringKey(ring, start), lt: end, limit: 1 });
  if (rows.length === 0) rows = yield* scan<RingNode>(table, { gte: ringKey(ring, 0), lt: end, limit: 1 });
  const row = rows[0];
  return row === undefined ? undefined : [row[0][1] as number, row[1]];
}

/** All of a ring by one scan, by node. */
export function* ringNodes(table: string, ring: string, reverse = false): Steps<Map<number, number>> {
  const range = { gte: ringKey(ring, 0), lt: ringKey(ring, Number.MAX_SAFE_INTEGER), reverse };
  const rows: Rows<RingNode> = yield* scan<RingNode>(table, range);
  return new Map(rows.map(([key, { next }]) => [key[1] as number, next]));
}

/** The same by following it, each node by a get of its own. Ends where it comes back or breaks. */
export function* ringFollowed(table: string, ring: string, from: number): Steps<Map<number, number>> {
  const nodes = new Map<number, number>();
  for (let at = from; !nodes.has(at);) {
    const node = yield* get<RingNode>(table, ringKey(ring, at));
    if (node === undefined) break;
    nodes.set(at, node.next);
    at = node.next;
  }
  return nodes;
}

/** Is it exactly one ring over all its rows? */
export function judgeRing(ring: string, nodes: ReadonlyMap<number, number>): string | undefined {
  const [first] = nodes.keys();
  if (first === undefined) return `ring ${ring} is empty`;
  const seen = new Set<number>();
  let at = first;
  while (!seen.has(at)) {
    seen.add(at);
    const next = nodes.get(at);
    if (next === undefined) return `ring ${ring} leads to ${at}, which is not there`;
    at = next;
  }
  if (at !== first) return `ring ${ring} comes back to ${at} and not to its beginning ${first}`;
  return seen.size === nodes.size
    ? undefined
    : `ring ${ring} reaches ${seen.size} of its ${nodes.size} nodes`;
}
