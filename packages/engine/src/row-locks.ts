/**
 * Row locks of one writer: exclusive, first come first served, with deadlock detection.
 *
 * They order transactions of this node only; other writers are met at the pages. Owners are
 * interactive transactions (`forUpdate`), which hold until they end, and commits or procedures
 * that had to queue for a row, which hold until their entry is built.
 *
 * Whoever begins to wait looks along "waits for" (the holder and those ahead in the queue)
 * for a way back to itself. If there is one, the youngest on it is the victim.
 */
import { assert, YoungMap } from "@sixfold/model";

export interface LockOwner {
  /** Later is younger. */
  readonly order: number;
  /** The row this owner waits for. */
  waitsFor: string | undefined;
  /** Rows it holds; undefined before the first, as for nearly everyone. */
  locks: Set<string> | undefined;
}

interface Lock<Waiter> {
  owner: LockOwner;
  queue: { readonly owner: LockOwner; readonly waiter: Waiter }[];
}

/** Names a row among all tables. Bytes become one character each. */
export function rowName(table: string, key: Uint8Array): string {
  return `${table}\0${String.fromCharCode.apply(null, key as unknown as number[])}`;
}

export class RowLocks<Waiter> {
  private readonly locks = new YoungMap<string, Lock<Waiter>>();

  get size(): number {
    return this.locks.size;
  }

  /** Takes the lock, or finds it taken by `owner` before. False if another holds it. */
  take(row: string, owner: LockOwner): boolean {
    const lock = this.locks.get(row);
    if (lock !== undefined) return lock.owner === owner;
    this.locks.set(row, { owner, queue: [] });
    hold(owner, row);
    return true;
  }

  /** Is the row locked by another? */
  inTheWay(row: string, owner: LockOwner | undefined): boolean {
    const lock = this.locks.get(row);
    return lock !== undefined && lock.owner !== owner;
  }

  /** Queues for a row that another holds. Returns the victim of a deadlock that arises, if any; it must then be ended. */
  wait(row: string, owner: LockOwner, waiter: Waiter): LockOwner | undefined {
    assert(owner.waitsFor === undefined, "an owner waits for one row at a time");
    owner.waitsFor = row;
    this.locks.get(row)!.queue.push({ owner, waiter });
    return this.victim(owner);
  }

  /** Stops waiting, for whatever reason. */
  stopWaiting(owner: LockOwner): void {
    if (owner.waitsFor === undefined) return;
    const lock = this.locks.get(owner.waitsFor);
    owner.waitsFor = undefined;
    if (lock !== undefined) lock.queue = lock.queue.filter((q) => q.owner !== owner);
  }

  /** Gives all locks of `owner` to the next in line; returns whom to wake. */
  release(owner: LockOwner): Waiter[] {
    const woken: Waiter[] = [];
    for (const row of owner.locks ?? []) {
      const lock = this.locks.get(row)!;
      const next = lock.queue.shift();
      if (next === undefined) {
        this.locks.delete(row);
        continue;
      }
      lock.owner = next.owner;
      next.owner.waitsFor = undefined;
      hold(next.owner, row);
      woken.push(next.waiter);
    }
    owner.locks = undefined;
    return woken;
  }

  /** Searches for a way from `start` back to itself, without recursion; O(owners and queues on the way). */
  private victim(start: LockOwner): LockOwner | undefined {
    const cameFrom = new Map<LockOwner, LockOwner>();
    const open: LockOwner[] = [start];
    while (open.length > 0) {
      const at = open.pop()!;
      if (at.waitsFor === undefined) continue;
      const lock = this.locks.get(at.waitsFor)!;
      for (const ahead of this.ahead(lock, at)) {
        if (ahead === start) return youngest(cameFrom, start, at);
        if (cameFrom.has(ahead)) continue;
        cameFrom.set(ahead, at);
        open.push(ahead);
      }
    }
    return undefined;
  }

  private ahead(lock: Lock<Waiter>, waiting: LockOwner): LockOwner[] {
    const out = [lock.owner];
    for (const q of lock.queue) {
      if (q.owner === waiting) break;
      out.push(q.owner);
    }
    return out;
  }
}

function hold(owner: LockOwner, row: string): void {
  (owner.locks ??= new Set()).add(row);
}

/** The youngest on the cycle start … last. */
function youngest(cameFrom: ReadonlyMap<LockOwner, LockOwner>, start: LockOwner, last: LockOwner): LockOwner {
  let victim = start;
  for (let at: LockOwner | undefined = last; at !== undefined && at !== start; at = cameFrom.get(at))
    if (at.order > victim.order) victim = at;
  return victim;
}
