/**
 * The benchmark's transactions as procedures, loaded by the nodes with `--procedures`. Each does exactly what its
 * interactive twin in `transactions.ts` does.
 */

/** What is used of a procedure's transaction. */
export interface BenchTx {
  get<T>(table: string, key: BenchKey): T | undefined;
  put(table: string, key: BenchKey, value: unknown): void;
  scan<T>(table: string, range: { readonly gte: BenchKey; readonly lt: BenchKey }): (readonly [unknown, T])[];
}

export type BenchKey = readonly number[];

export interface BenchRow {
  /** The number in the row's own key: a row that is not the one asked for shows it. */
  readonly id: number;
  /** Updates so far. */
  readonly n: number;
  readonly pad: string;
}

/** With key, id and counter a row has about 100 bytes. */
const PAD = "x".repeat(80);

export function firstRow(id: number): BenchRow {
  return { id, n: 0, pad: PAD };
}

export function nextRow(row: BenchRow | undefined): BenchRow {
  if (row === undefined) throw new Error("a row is missing");
  return { id: row.id, n: row.n + 1, pad: row.pad };
}

/** Rows `from` to `to` - 1. */
export function load(tx: BenchTx, table: string, from: number, to: number): void {
  for (let id = from; id < to; id++) tx.put(table, [id], firstRow(id));
}

export function update(tx: BenchTx, table: string, keys: readonly BenchKey[]): void {
  for (const key of keys) tx.put(table, key, nextRow(tx.get(table, key)));
}

export function rmw(tx: BenchTx, table: string, first: BenchKey, second: BenchKey): void {
  const a = tx.get<BenchRow>(table, first);
  const b = tx.get<BenchRow>(table, second);
  tx.put(table, first, nextRow(a));
  tx.put(table, second, nextRow(b));
}

export function insert(tx: BenchTx, table: string, key: BenchKey, id: number): void {
  tx.put(table, key, firstRow(id));
}

export function read(tx: BenchTx, table: string, key: BenchKey): BenchRow | undefined {
  return tx.get(table, key);
}

export function scan(tx: BenchTx, table: string, gte: BenchKey, lt: BenchKey): BenchRow[] {
  return tx.scan<BenchRow>(table, { gte, lt }).map(([, row]) => row);
}

/** How many rows there are from `gte` to before `lt`, and how many updates they count. */
export function tally(
  tx: BenchTx,
  table: string,
  gte: BenchKey,
  lt: BenchKey,
): [rows: number, updates: number] {
  const rows = tx.scan<BenchRow>(table, { gte, lt });
  return [rows.length, rows.reduce((sum, [, row]) => sum + row.n, 0)];
}
