/**
 * Transactions written once and run in both styles.
 *
 *     function* addOne(tx: RowWriter, key: RowKey): Steps<void> {
 *       const counter = yield* get<Counter>(TABLE, key);
 *       tx.put(TABLE, key, { count: counter.count + 1 });
 *     }
 *
 * Writes are the same interactively and in a procedure; only reads differ, which one has to wait for in the first and not in
 * the second. So a transaction is a generator that yields what it wants to read and is resumed with the answer.
 */
import type { ProcedureTransaction, RowKey, ScanRange, WorkloadTransaction } from "./database-face.ts";

export type Step =
  | { readonly kind: "get"; readonly table: string; readonly key: RowKey; readonly forUpdate: boolean }
  | { readonly kind: "scan"; readonly table: string; readonly range: ScanRange };

export type Steps<R> = Generator<Step, R, unknown>;

export type Rows<T> = readonly (readonly [key: RowKey, value: T])[];

export function* get<T>(table: string, key: RowKey, forUpdate = false): Steps<T | undefined> {
  return (yield { kind: "get", table, key, forUpdate }) as T | undefined;
}

export function* scan<T>(table: string, range: ScanRange = {}): Steps<Rows<T>> {
  return (yield { kind: "scan", table, range }) as Rows<T>;
}

export async function runInteractively<R>(tx: WorkloadTransaction, steps: Steps<R>): Promise<R> {
  for (let next = steps.next(); ;) {
    if (next.done === true) return next.value;
    const step = next.value;
    if (step.kind === "get") {
      next = steps.next(await tx.get(step.table, step.key, { forUpdate: step.forUpdate }));
    } else {
      const rows: (readonly [unknown, unknown])[] = [];
      for await (const row of tx.scan(step.table, step.range)) rows.push(row);
      next = steps.next(rows);
    }
  }
}

export function runAtWriter<R>(tx: ProcedureTransaction, steps: Steps<R>): R {
  for (let next = steps.next(); ;) {
    if (next.done === true) return next.value;
    const step = next.value;
    next = steps.next(step.kind === "get" ? tx.get(step.table, step.key) : tx.scan(step.table, step.range));
  }
}
