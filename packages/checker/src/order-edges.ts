/**
 * Edges that need no value to be read: sessions and real time. Both are kept reduced, linear in the history; what
 * they leave out follows by transitivity.
 *
 * Sessions: each transaction after the last of its session that had returned.
 *
 * Real time: a transaction that reads at `cluster` consistency began after all that had returned. Whoever returned in a
 * quiet moment, before the next of them begins, shares a barrier; barriers form a chain:
 *
 *      T1 ─┐      T3 ─┐                         T1, T2, T3 … returned
 *      T2 ─┴> b1 ─────┴> b2 ──> …               b1 ─> T4, b2 ─> T5: cluster transactions that began
 *              └─> T4     └─> T5
 *
 * Equal moments count as concurrent.
 */
import { commitOf, type Edges } from "./edges.ts";
import type { History } from "./history.ts";
import type { Observations } from "./observations.ts";
import { hasReturned } from "./sessions.ts";

export function addSessionEdges(
  edges: Edges,
  history: History,
  sessions: readonly (readonly number[])[],
  isCounted: Uint8Array,
): void {
  for (const mates of sessions) {
    let last: number | undefined;
    for (const transaction of mates) {
      if (isCounted[transaction] === 0) continue;
      if (last !== undefined) edges.session(last, transaction);
      if (hasReturned(history[transaction]!)) last = transaction;
    }
  }
}

/** Counted transactions as chains of session edges: each session's that returned, and each of the others by itself. */
export function chainsOf(
  { history, isCounted }: Observations,
  sessions: readonly (readonly number[])[],
): number[][] {
  const chains: number[][] = [];
  for (const mates of sessions) {
    const returned: number[] = [];
    for (const transaction of mates) {
      if (isCounted[transaction] === 0) continue;
      if (hasReturned(history[transaction]!)) returned.push(transaction);
      else chains.push([transaction]);
    }
    if (returned.length > 0) chains.push(returned);
  }
  return chains;
}

/** Returns the moment of each helper node that was made, by node. */
export function addTimeEdges(edges: Edges, history: History, isCounted: Uint8Array): Map<number, number> {
  const begun: number[] = [];
  const returned: number[] = [];
  history.forEach((transaction, index) => {
    if (isCounted[index] === 0) return;
    if (transaction.consistency === "cluster") begun.push(index);
    if (hasReturned(transaction)) returned.push(index);
  });
  begun.sort((a, b) => history[a]!.invokedAt - history[b]!.invokedAt);
  returned.sort((a, b) => history[a]!.returnedAt - history[b]!.returnedAt);
  const moments = new Map<number, number>();
  let barrier: number | undefined;
  let next = 0;
  for (const transaction of begun) {
    const { invokedAt } = history[transaction]!;
    const first = next;
    while (next < returned.length && history[returned[next]!]!.returnedAt < invokedAt) next++;
    if (next > first) {
      const previous = barrier;
      barrier = edges.helper();
      moments.set(barrier, invokedAt);
      if (previous !== undefined) edges.step(previous, barrier);
      for (let i = first; i < next; i++) edges.step(commitOf(returned[i]!), barrier);
    }
    if (barrier !== undefined) edges.time(barrier, transaction);
  }
  return moments;
}
