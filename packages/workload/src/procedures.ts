/**
 * The workloads' transactions as procedures, given to the nodes with `--procedures`.
 *
 * Each does exactly what its interactive twin does; a workload runs one or the other. They may run
 * more than once for one commit, so they have no state of their own.
 */
import type { ProcedureTransaction, RowKey } from "./database-face.ts";
import type { HistoryOperation } from "./history.ts";
import type { OwnChanges } from "./owned-rows.ts";
import { changeOwnedRows, type OwnedPlan, type OwnedReads } from "./owned-transaction.ts";
import { isIntact, type Record, withField } from "./record.ts";
import { rewire, type RewirePlan, type RewireResult } from "./ring.ts";
import { operate, type RowOperation } from "./row-operations.ts";
import { runAtWriter } from "./transaction-steps.ts";

export interface Account {
  readonly balance: number;
  /** Transfers that touched this account. */
  readonly moves: number;
}

export interface Counter {
  readonly count: number;
}

/** Moves up to `amount`; less if there is less. */
export function transfer(
  tx: ProcedureTransaction,
  table: string,
  from: RowKey,
  to: RowKey,
  amount: number,
): void {
  const source = tx.get<Account>(table, from);
  const target = tx.get<Account>(table, to);
  if (source === undefined || target === undefined) throw new Error("an account is missing");
  const moved = Math.min(amount, source.balance);
  tx.put(table, from, { balance: source.balance - moved, moves: source.moves + 1 });
  tx.put(table, to, { balance: target.balance + moved, moves: target.moves + 1 });
}

/** Adds one to a counter. */
export function increment(tx: ProcedureTransaction, table: string, key: RowKey): void {
  const counter = tx.get<Counter>(table, key);
  if (counter === undefined) throw new Error("the counter is missing");
  tx.put(table, key, { count: counter.count + 1 });
}

/** Overwrites a record blindly. */
export function recordUpdate(tx: ProcedureTransaction, table: string, key: RowKey, record: Record): void {
  tx.put(table, key, record);
}

/** Reads a record, changes one field, writes it back; false if what it read was not intact. */
export function recordReadModifyWrite(
  tx: ProcedureTransaction,
  table: string,
  key: RowKey,
  change: { readonly author: number; readonly serial: number; readonly field: number; readonly text: string },
): boolean {
  const record = tx.get<Record>(table, key);
  if (!isIntact(record)) return false;
  tx.put(table, key, withField(record, change));
  return true;
}

/** A transaction of `append` or `register`; returns what it did and saw. */
export function operateRows(
  tx: ProcedureTransaction,
  table: string,
  operations: readonly RowOperation[],
): HistoryOperation[] {
  return runAtWriter(tx, operate(tx, table, operations, []));
}

/** A transaction of `cycle`. */
export function rewireRing(tx: ProcedureTransaction, plan: RewirePlan): RewireResult {
  return runAtWriter(tx, rewire(tx, plan));
}

/** A transaction of `churn` or `long-values`. */
export function changeRows(
  tx: ProcedureTransaction,
  table: string,
  plan: OwnedPlan,
  changes: OwnChanges,
): OwnedReads {
  return runAtWriter(tx, changeOwnedRows(tx, table, plan, changes));
}
