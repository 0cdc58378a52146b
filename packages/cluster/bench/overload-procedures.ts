/** What `overload.ts` has the nodes run, loaded by them with `--procedures`. */
export const PAD = "x".repeat(80);
/** Rows that one `scan` of a procedure gives at most. */
const PAGE_ROWS = 10_000;

export interface Row {
  readonly n: number;
  readonly pad: string;
}

export interface BenchTx {
  get<T>(table: string, key: number): T | undefined;
  put(table: string, key: number, value: unknown): void;
  scan<T>(table: string, range: { readonly gt: number; readonly limit: number }): (readonly [number, T])[];
}

/** Counts up two rows. */
export function rmw(tx: BenchTx, table: string, first: number, second: number): void {
  for (const key of first === second ? [first] : [first, second])
    tx.put(table, key, { n: (tx.get<Row>(table, key)?.n ?? 0) + 1, pad: PAD });
}

/** Reads so many rows, in as many scans as that takes. */
export function sweep(tx: BenchTx, table: string, rows: number): number {
  let seen = 0;
  let gt = -1;
  while (seen < rows) {
    const page = tx.scan<Row>(table, { gt, limit: Math.min(PAGE_ROWS, rows - seen) });
    if (page.length === 0) break;
    seen += page.length;
    gt = page[page.length - 1][0];
  }
  return seen;
}
