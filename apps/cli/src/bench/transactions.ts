/**
 * The benchmark's transactions as its clients run them, each as a procedure (one message) and interactively.
 *
 * Interactive reads that can be in flight together are; reading one row without a transaction is what a user would write, so
 * `read` does that. What lost a race is run again, interactive transactions by the SDK, calls here; each lost attempt is counted.
 */
import { isRetryable, type Random, SixfoldError } from "@sixfold/model";
import type { WorkloadDatabase, WorkloadTransactionOptions } from "@sixfold/workload";
import type { KeyDraw } from "./keys.ts";
import type { Ledger } from "./ledger.ts";
import type { Meter } from "./measure.ts";
import { type BenchPoint, SCAN_ROWS } from "./points.ts";
import { type BenchKey, type BenchRow, firstRow, nextRow } from "./procedures.ts";

export const ROWS_TABLE = "rows";
export const INSERTED_TABLE = "inserted";

/** What one client draws from and reports to. */
export interface ClientContext {
  readonly db: WorkloadDatabase;
  readonly writer: number;
  readonly random: Random;
  readonly keys: KeyDraw;
  readonly rows: number;
  /** How many rows an update changes. */
  readonly updateRows: number;
  readonly ledger: Ledger;
  readonly meter: Meter;
  readonly options: WorkloadTransactionOptions;
  /** Number of writers: their own parts of the inserted rows are 0 …, the common one follows. */
  readonly writers: number;
  /** A number that no other insert has. */
  readonly serial: () => number;
}

/** One transaction, drawn anew, to its commit. */
export type Transact = (client: ClientContext) => Promise<void>;

/** Changes that a transaction makes to the ledger's table if it commits. */
export function changesOf(tx: BenchPoint["tx"], updateRows: number): number {
  return { update: updateRows, rmw: 2, insert: 1, read: 0, scan: 0 }[tx];
}

export function transactOf(point: Pick<BenchPoint, "tx" | "as">): Transact {
  return TRANSACTIONS[point.tx][point.as];
}

const TRANSACTIONS: Readonly<Record<BenchPoint["tx"], Readonly<Record<BenchPoint["as"], Transact>>>> = {
  update: {
    procedure: async (client) => {
      await call(client, "update", ROWS_TABLE, drawSome(client, client.updateRows));
    },
    interactive: async (client) => {
      const keys = drawSome(client, client.updateRows);
      await client.db.transaction(async (tx) => {
        const rows = await Promise.all(keys.map((key) => tx.get<BenchRow>(ROWS_TABLE, key)));
        for (const [i, key] of keys.entries()) tx.put(ROWS_TABLE, key, nextRow(rows[i]));
      }, client.options);
    },
  },
  rmw: {
    procedure: async (client) => {
      await call(client, "rmw", ROWS_TABLE, ...drawSome(client, 2));
    },
    interactive: async (client) => {
      const [first, second] = drawSome(client, 2) as [BenchKey, BenchKey];
      await client.db.transaction(async (tx) => {
        const [a, b] = await Promise.all([
          tx.get<BenchRow>(ROWS_TABLE, first),
          tx.get<BenchRow>(ROWS_TABLE, second),
        ]);
        tx.put(ROWS_TABLE, first, nextRow(a));
        tx.put(ROWS_TABLE, second, nextRow(b));
      }, client.options);
    },
  },
  insert: {
    procedure: async (client) => {
      const key = drawInsert(client);
      await call(client, "insert", INSERTED_TABLE, key, key[2]);
    },
    interactive: async (client) => {
      const key = drawInsert(client);
      await client.db.transaction(async (tx) => {
        tx.put(INSERTED_TABLE, key, firstRow(key[2]));
      }, client.options);
    },
  },
  read: {
    procedure: async (client) => {
      const id = drawOne(client);
      checkRow(client, id, (await call(client, "read", ROWS_TABLE, [id])) as BenchRow | undefined);
    },
    interactive: async (client) => {
      const id = drawOne(client);
      checkRow(client, id, await client.db.get<BenchRow>(ROWS_TABLE, [id]));
    },
  },
  scan: {
    procedure: async (client) => {
      const from = drawScan(client);
      const rows = await call(client, "scan", ROWS_TABLE, [from], [from + SCAN_ROWS]);
      checkScan(client, from, rows as BenchRow[]);
    },
    interactive: async (client) => {
      const from = drawScan(client);
      const rows = await client.db.transaction(async (tx) => {
        const found: BenchRow[] = [];
        const range = { gte: [from], lt: [from + SCAN_ROWS] };
        for await (const [, row] of tx.scan<BenchRow>(ROWS_TABLE, range)) found.push(row);
        return found;
      }, client.options);
      checkScan(client, from, rows);
    },
  },
};

/** Time is the only limit: a conflict shows as aborts and latency, not as a transaction that was dropped. */
const ATTEMPTS = 100_000;
const GIVE_UP_MS = 10_000;

export function transactionOptions(meter: Meter): WorkloadTransactionOptions {
  return { retry: { attempts: ATTEMPTS, timeoutMs: GIVE_UP_MS }, onRetry: () => meter.abort() };
}

async function call(client: ClientContext, procedure: string, ...args: unknown[]): Promise<unknown> {
  const beganMs = performance.now();
  for (;;) {
    try {
      return await client.db.call(procedure, ...args);
    } catch (error) {
      const again = isRetryable(error) && error instanceof SixfoldError && error.outcome !== "unknown";
      if (!again || performance.now() - beganMs > GIVE_UP_MS) throw error;
      client.meter.abort();
    }
  }
}

function drawOne(client: ClientContext): number {
  return client.keys.one(client.writer, client.random);
}

function drawSome(client: ClientContext, count: number): BenchKey[] {
  return client.keys.some(count, client.writer, client.random).map((id) => [id]);
}

/** The first row of a scan that ends within the table. */
function drawScan(client: ClientContext): number {
  return Math.min(drawOne(client), client.rows - SCAN_ROWS);
}

/** A random place in the writer's own part of the table, or in the common one. */
function drawInsert(client: ClientContext): [part: number, place: number, serial: number] {
  const part = client.keys.isShared(client.random) ? client.writers : client.writer;
  return [part, client.random.u32(), client.serial()];
}

function checkRow(client: ClientContext, id: number, row: BenchRow | undefined): void {
  if (row?.id !== id) client.ledger.observe(`row ${id} was read as ${row === undefined ? "absent" : row.id}`);
}

function checkScan(client: ClientContext, from: number, rows: readonly BenchRow[]): void {
  if (rows.length === SCAN_ROWS && rows.every((row, i) => row.id === from + i)) return;
  client.ledger.observe(
    `a scan from row ${from} got ${rows.length} rows, of which some are missing or wrong`,
  );
}
