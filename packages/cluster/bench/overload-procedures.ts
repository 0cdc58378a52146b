/** What `overload.ts` has the nodes run, loaded by them with `--procedures`. */
export const PAD = "x".repeat(80);

export interface Row {
  readonly n: number;
  readonly pad: string;
}

export interface BenchTx {
  get<T>(table: string, key: number): T | undefined;
  put(table: string, key: number, value: unknown): void;
  scan<T>(table: string, range: { readonly gte: number; readonly limit: number }): (readonly [number, T])[];
}

/** Counts up two rows. */
export function rmw(tx: BenchTx, table: string, first: number, second: number): void {
  for (const key of first === second ? [first] : [first, second])
    tx.put(table, key, { n: (tx.get<Row>(table, key)?.n ?? 0) + 1, pad: PAD });
}

/** How many of these rows there are. */
export function sweep(tx: BenchTx, table: string, from: number, rows: number): number {
  return tx.scan<Row>(table, { gte: from, limit: rows }).length;
}
