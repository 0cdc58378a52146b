/**
 * Isolation by its axioms, tried out on every order: slow, short, and with nothing in common with the checker.
 *
 * An abstract execution (Cerone, Bernardi and Gotsman, "A Framework for Transactional Consistency Models with Atomic Visibility",
 * CONCUR 2015) is a total order of commits (arbitration) and, for each transaction, the set of earlier ones visible to it. The
 * history is allowed iff some execution gives every read what it read, where
 *
 *     every option         sees its session's past; closed: sees all that the visible ones see or wrote over;
 *                          sees all earlier writers of a key that it writes, unless blindly
 *     cluster              sees what had returned before it began
 *     snapshot + cluster   sees a beginning of the order
 *     serializable         sees all that is before it
 *
 * Transactions of unknown outcome may be in or out.
 */
import type { HistoryTransaction } from "../history.ts";

interface Searched {
  readonly transaction: HistoryTransaction;
  /** Must be visible, as bits. */
  readonly before: number;
  readonly writes: ReadonlyMap<string, { readonly blind: boolean }>;
}

/** Whether some execution explains the history. For up to seven transactions or so. */
export function isExplicable(history: readonly HistoryTransaction[]): boolean {
  const certain = history.filter(({ outcome }) => outcome === "committed");
  const unknown = history.filter(({ outcome }) => outcome === "unknown");
  for (let chosen = 0; chosen < 1 << unknown.length; chosen++) {
    const happened = unknown.filter((_, i) => (chosen & (1 << i)) !== 0);
    if (new Search([...certain, ...happened]).run()) return true;
  }
  return false;
}

class Search {
  private readonly all: readonly Searched[];
  /** Positions in `all`, in the order of commits. */
  private readonly order: number[] = [];
  /** By position in `all`: who is visible, as bits. */
  private readonly visible: number[] = [];

  constructor(transactions: readonly HistoryTransaction[]) {
    this.all = transactions.map((transaction) => ({
      transaction,
      before: transactions.reduce(
        (bits, other, i) => (precedes(other, transaction) ? bits | (1 << i) : bits),
        0,
      ),
      writes: writesOf(transaction),
    }));
  }

  run(): boolean {
    if (this.order.length === this.all.length) return true;
    const placed = this.order.reduce((bits, i) => bits | (1 << i), 0);
    for (let next = 0; next < this.all.length; next++) {
      const { before } = this.all[next]!;
      if ((placed & (1 << next)) !== 0 || (before & ~placed) !== 0) continue;
      for (const visible of this.viewsOf(next, placed)) {
        if (!this.isClosed(visible) || !this.readsRight(next, visible)) continue;
        this.order.push(next);
        this.visible[next] = visible;
        if (this.run()) return true;
        this.order.pop();
      }
    }
    return false;
  }

  /** The sets of visible transactions that the options of `next` leave open. */
  private viewsOf(next: number, placed: number): number[] {
    const { transaction, before, writes } = this.all[next]!;
    let must = before;
    for (const i of this.order)
      for (const [key, { blind }] of writes) if (!blind && this.all[i]!.writes.has(key)) must |= 1 << i;
    if (transaction.isolation === "serializable") return [placed];
    const views: number[] = [];
    if (transaction.consistency === "cluster") {
      let view = 0;
      if ((must & ~view) === 0) views.push(view);
      for (const i of this.order) {
        view |= 1 << i;
        if ((must & ~view) === 0) views.push(view);
      }
      return views;
    }
    const free = placed & ~must;
    for (let some = free; ; some = (some - 1) & free) {
      views.push(some | must);
      if (some === 0) return views;
    }
  }

  private isClosed(view: number): boolean {
    return this.order.every((i, position) => {
      if ((view & (1 << i)) === 0) return true;
      if ((this.visible[i]! & ~view) !== 0) return false;
      return this.order.slice(0, position).every((earlier) => {
        const overwritten = [...this.all[i]!.writes.keys()].some((key) => this.all[earlier]!.writes.has(key));
        return !overwritten || (view & (1 << earlier)) !== 0;
      });
    });
  }

  /** Runs the transaction on what it sees. */
  private readsRight(next: number, view: number): boolean {
    const registers = new Map<string, number>();
    const lists = new Map<string, number[]>();
    const apply = (transaction: HistoryTransaction): boolean =>
      transaction.operations.every((operation) => {
        const { key } = operation;
        if (operation.kind === "write") registers.set(key, operation.value);
        else if (operation.kind === "append") lists.set(key, [...(lists.get(key) ?? []), operation.value]);
        else if (operation.kind === "read") return registers.get(key) === operation.value;
        else return (lists.get(key) ?? []).join(" ") === operation.values.join(" ");
        return true;
      });
    for (const i of this.order)
      if ((view & (1 << i)) !== 0)
        apply({
          ...this.all[i]!.transaction,
          operations: this.all[i]!.transaction.operations.filter(
            ({ kind }) => kind === "write" || kind === "append",
          ),
        });
    return apply(this.all[next]!.transaction);
  }
}

function precedes(a: HistoryTransaction, b: HistoryTransaction): boolean {
  if (a === b || a.outcome === "unknown" || a.returnedAt === Infinity) return false;
  if (a.session === b.session) return a.invokedAt < b.invokedAt;
  return b.consistency === "cluster" && a.returnedAt < b.invokedAt;
}

function writesOf({ operations }: HistoryTransaction): Map<string, { readonly blind: boolean }> {
  const writes = new Map<string, { readonly blind: boolean }>();
  const read = new Set<string>();
  for (const { kind, key } of operations) {
    if (kind === "read") read.add(key);
    else if (kind !== "list" && !writes.has(key))
      writes.set(key, { blind: kind === "write" && !read.has(key) });
  }
  return writes;
}
