/** Writes a workload's first rows: transactions of bounded size, a few of them at once. */
import type { RowKey, WorkloadDatabase } from "./database-face.ts";

/** Large enough to amortise the round trip, small enough to stay far below the entry limit with 1,000-byte rows. */
const ROWS_PER_TRANSACTION = 100;
const TRANSACTIONS_AT_ONCE = 4;

export async function loadRows(
  db: WorkloadDatabase,
  table: string,
  rows: Iterable<readonly [key: RowKey, value: unknown]>,
): Promise<void> {
  await db.createTable(table);
  const source = rows[Symbol.iterator]();
  const loader = async (): Promise<void> => {
    for (let batch = take(source); batch.length > 0; batch = take(source)) {
      const rowsNow = batch;
      await db.transaction(async (tx) => {
        for (const [key, value] of rowsNow) tx.put(table, key, value);
      });
    }
  };
  await Promise.all(Array.from({ length: TRANSACTIONS_AT_ONCE }, loader));
}

function take<T>(source: Iterator<T>): T[] {
  const batch: T[] = [];
  while (batch.length < ROWS_PER_TRANSACTION) {
    const next = source.next();
    if (next.done === true) break;
    batch.push(next.value);
  }
  return batch;
}
