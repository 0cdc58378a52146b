/** A transaction of `churn` or `long-values`: what it shall do, what it saw, and how it does it in either style. */
import type { RowKey, RowWriter, ScanRange } from "./database-face.ts";
import type { OwnedRow } from "./owned-row.ts";
import type { OwnChanges } from "./owned-rows.ts";
import { get, type Rows, scan, type Steps } from "./transaction-steps.ts";

/** One transaction as drawn. */
export interface OwnedPlan {
  readonly puts: readonly { readonly key: RowKey; readonly size: number }[];
  readonly deletes: readonly RowKey[];
  readonly gets: readonly RowKey[];
  readonly range: ScanRange | undefined;
  /** Whether it reads before it writes, or sees what it wrote. */
  readonly readsFirst: boolean;
}

export interface OwnedReads {
  readonly gets: readonly (OwnedRow | undefined)[];
  readonly rows: Rows<OwnedRow>;
}

export function* changeOwnedRows(
  tx: RowWriter,
  table: string,
  plan: OwnedPlan,
  changes: OwnChanges,
): Steps<OwnedReads> {
  const change = (): void => {
    for (const key of changes.deletes) tx.delete(table, key);
    for (const row of changes.puts) tx.put(table, row.key, row);
  };
  if (!plan.readsFirst) change();
  const gets: (OwnedRow | undefined)[] = [];
  for (const key of plan.gets) gets.push(yield* get<OwnedRow>(table, key));
  const rows = plan.range === undefined ? [] : yield* scan<OwnedRow>(table, plan.range);
  if (plan.readsFirst) change();
  return { gets, rows };
}
