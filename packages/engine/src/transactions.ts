/**
 * Interactive transactions: begun by their first read, ended by commit, rollback, failure or age.
 *
 * What is remembered is what validation needs: the view, the rows read, the ranges
 * scanned. An ended transaction stays as a tombstone until its client has heard of it, so that a
 * later commit is refused instead of being taken for a blind write (I9).
 */
import { LIMITS, type Isolation, type SixfoldError, type TransactionId, YoungMap } from "@sixfold/model";
import type { ScanRange, TxHandle } from "./engine-api.ts";
import type { ReadView } from "./read-view.ts";
import type { LockOwner } from "./row-locks.ts";
import { compareBytes } from "./slotted-page.ts";

export interface RowRead {
  readonly table: string;
  readonly key: Uint8Array;
}

export interface RangeRead {
  readonly table: string;
  /** What was really seen: cut where the scan stopped. */
  readonly range: ScanRange;
  /** Rows seen in it. */
  readonly count: number;
}

/** A serializable transaction reads no more rows and ranges than this; a snapshot one that does is taken to have read every row it writes. */
export const MAX_READS_NOTED = 65_536;

export class Transaction implements LockOwner {
  readonly id: TransactionId;
  readonly isolation: Isolation;
  readonly order: number;
  readonly begunAt: number;
  view: ReadView | undefined = undefined;
  readonly rows = new Map<string, RowRead>();
  readonly ranges: RangeRead[] = [];
  /** Too many rows were read to note them all. */
  readEverything = false;
  waitsFor: string | undefined = undefined;
  locks: Set<string> | undefined = undefined;
  /** Reads that wait for something. */
  waitingReads = 0;
  /** Why it has ended; it is a tombstone then. */
  ended: SixfoldError | undefined = undefined;
  /** Its commit was asked for: age no longer ends it, the commit job does. */
  committing = false;

  constructor(handle: TxHandle, order: number, now: number) {
    this.id = handle.id;
    this.isolation = handle.isolation;
    this.order = order;
    this.begunAt = now;
  }

  /** True if one more read may be noted; false if a serializable transaction has read too much to be validated. */
  noteRow(name: string, table: string, key: Uint8Array): boolean {
    if (this.readEverything || this.rows.has(name)) return true;
    if (this.noted >= MAX_READS_NOTED) return this.tooMany();
    this.rows.set(name, { table, key });
    return true;
  }

  noteRange(read: RangeRead): boolean {
    if (this.readEverything) return true;
    if (this.noted >= MAX_READS_NOTED) return this.tooMany();
    this.ranges.push(read);
    return true;
  }

  /** Did it read this row, by itself or in a range? */
  hasRead(name: string, table: string, key: Uint8Array): boolean {
    if (this.readEverything || this.rows.has(name)) return true;
    return this.ranges.some((r) => r.table === table && inRange(r.range, key));
  }

  get noted(): number {
    return this.rows.size + this.ranges.length;
  }

  private tooMany(): boolean {
    if (this.isolation === "serializable") return false;
    this.readEverything = true;
    this.rows.clear();
    this.ranges.length = 0;
    return true;
  }
}

function inRange(r: ScanRange, key: Uint8Array): boolean {
  if (r.gte !== undefined && compareBytes(key, r.gte) < 0) return false;
  if (r.gt !== undefined && compareBytes(key, r.gt) <= 0) return false;
  if (r.lte !== undefined && compareBytes(key, r.lte) > 0) return false;
  return !(r.lt !== undefined && compareBytes(key, r.lt) >= 0);
}

export class TransactionTable {
  private readonly table = new YoungMap<TransactionId, Transaction>();
  private orders = 0;

  get size(): number {
    return this.table.size;
  }

  get(id: TransactionId): Transaction | undefined {
    return this.table.get(id);
  }

  begin(handle: TxHandle, now: number): Transaction {
    const tx = new Transaction(handle, ++this.orders, now);
    this.table.set(handle.id, tx);
    return tx;
  }

  /** An order for an owner of locks that is no transaction. */
  nextOrder(): number {
    return ++this.orders;
  }

  forget(id: TransactionId): void {
    this.table.delete(id);
  }

  /** In the order they began: the oldest first. */
  all(): Iterable<Transaction> {
    return this.table.values();
  }
}

/** Tombstones are kept this long beyond the age limit. */
export const TOMBSTONE_MS = LIMITS.transactionAgeMs;
