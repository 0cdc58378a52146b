/**
 * The transactions of each session in their order, and whether the history can be one: ids unique, sessions one transaction at a
 * time. What has no answer may still be running when its session goes on.
 */
import type { History, HistoryTransaction } from "./history.ts";
import { MalformedHistory } from "./versions.ts";

/** The client knows how it ended and when: what comes later, in its session or in time, may rely on it. */
export function hasReturned(transaction: HistoryTransaction): boolean {
  return transaction.outcome !== "unknown" && transaction.returnedAt !== Infinity;
}

/** Positions in the history, session by session, in the order in which they ran. */
export function sessionsOf(history: History): number[][] {
  const sessions = new Map<number, number[]>();
  const ids = new Set<number>();
  history.forEach((transaction, index) => {
    const { id, session, invokedAt, returnedAt } = transaction;
    if (ids.has(id)) throw new MalformedHistory(`two transactions have the id ${id}`);
    ids.add(id);
    if (!(invokedAt <= returnedAt)) throw new MalformedHistory(`T${id} returned before it began`);
    const mates = sessions.get(session);
    if (mates === undefined) sessions.set(session, [index]);
    else mates.push(index);
  });
  for (const mates of sessions.values()) {
    mates.sort(
      (a, b) =>
        history[a]!.invokedAt - history[b]!.invokedAt ||
        history[a]!.returnedAt - history[b]!.returnedAt ||
        a - b,
    );
    checkOneByOne(history, mates);
  }
  return [...sessions.values()];
}

function checkOneByOne(history: History, mates: readonly number[]): void {
  let last: HistoryTransaction | undefined;
  for (const index of mates) {
    const transaction = history[index]!;
    if (last !== undefined && last.returnedAt > transaction.invokedAt)
      throw new MalformedHistory(
        `session ${transaction.session} ran T${last.id} and T${transaction.id} at the same time`,
      );
    if (hasReturned(transaction)) last = transaction;
  }
}
