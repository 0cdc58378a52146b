/**
 * A database that is right by inspection: one map in one process, one version number a row, and a
 * transaction that commits only if no row it read has changed meanwhile.
 *
 * It shows that a workload's invariants hold where they must. Its `faults` show that they
 * break where they must: each stands for a class of real defects.
 */
import { SixfoldError, type TransactionOutcome } from "@sixfold/model";
import type {
  ProcedureTransaction,
  RowKey,
  ScanRange,
  WorkloadDatabase,
  WorkloadTransaction,
  WorkloadTransactionOptions,
} from "./database-face.ts";
import * as procedures from "./procedures.ts";

/**
 * `lost-update`: some commits do not look whether what they read has changed. `lost-commit`: some acknowledged
 * commits do nothing. `torn-commit`: some commits keep only their first write. `torn-row`: some rows read mix two texts.
 */
export type ReferenceFault = "lost-update" | "lost-commit" | "torn-commit" | "torn-row";

interface Row {
  readonly value: unknown;
  readonly version: number;
}

type Procedure = (tx: ProcedureTransaction, ...args: unknown[]) => unknown;
interface Procedures {
  readonly [name: string]: Procedure | undefined;
}

// The arguments are whatever the caller sends, as on a node.
const PROCEDURES = { ...procedures } as unknown as Procedures;

/** Every how many commits (or reads) the fault strikes. */
const FAULT_PERIOD = 5;

export class ReferenceDatabase implements WorkloadDatabase {
  private readonly tables = new Map<string, Map<string, Row>>();
  private readonly fault: ReferenceFault | undefined;
  private readonly procedures: Procedures;
  private version = 0;
  private strikes = 0;

  /** `procedures`: further ones, as a module's exports. */
  constructor(fault?: ReferenceFault, procedures: object = {}) {
    this.fault = fault;
    this.procedures = { ...PROCEDURES, ...(procedures as Procedures) };
  }

  async createTable(table: string): Promise<void> {
    if (!this.tables.has(table)) this.tables.set(table, new Map());
  }

  get<T>(table: string, key: RowKey): Promise<T | undefined> {
    return this.transaction((tx) => tx.get<T>(table, key));
  }

  async transaction<R>(
    body: (tx: WorkloadTransaction) => Promise<R>,
    options: WorkloadTransactionOptions = {},
  ): Promise<R> {
    for (;;) {
      const attempt = new Attempt();
      const result = await body(this.interactive(attempt));
      if (this.commit(attempt)) return result;
      options.onRetry?.(new SixfoldError("row-conflict", "another transaction was faster"));
    }
  }

  async call(procedure: string, ...args: unknown[]): Promise<unknown> {
    const run = this.procedures[procedure];
    if (run === undefined) throw new SixfoldError("unknown-procedure", `no procedure ${procedure}`);
    const attempt = new Attempt();
    const tx: ProcedureTransaction & { scan(table: string, range: ScanRange): unknown } = {
      get: <T>(table: string, key: RowKey) => this.read(attempt, table, key) as T | undefined,
      put: (table, key, value) => attempt.write(table, key, value),
      scan: (table, range) => this.rowsOf(table, range),
    };
    const result: unknown = run(tx, ...args);
    this.commit(attempt);
    return result;
  }

  async outcome(): Promise<TransactionOutcome> {
    return "unknown";
  }

  private interactive(attempt: Attempt): WorkloadTransaction {
    const read = (table: string, key: RowKey): unknown => this.read(attempt, table, key);
    const rows = (table: string, range: ScanRange): Iterable<readonly [RowKey, unknown]> =>
      this.rowsOf(table, range);
    return {
      async get<T>(table: string, key: RowKey): Promise<T | undefined> {
        const value = read(table, key) as T | undefined;
        // Others get a turn between a read and what is built on it, as they do with a network in between.
        await Promise.resolve();
        return value;
      },
      put: (table, key, value) => attempt.write(table, key, value),
      async *scan<T>(table: string, range: ScanRange = {}): AsyncGenerator<readonly [unknown, T]> {
        for (const [key, value] of rows(table, range)) yield [key, value as T];
      },
    };
  }

  private read(attempt: Attempt, table: string, key: RowKey): unknown {
    const name = encode(key);
    const row = this.rowsIn(table).get(name);
    attempt.reads.push({ table, name, version: row?.version ?? 0 });
    return this.fault === "torn-row" && this.strikesNow() ? tear(row?.value) : row?.value;
  }

  /** At once and whole, so every scan is a snapshot. */
  private rowsOf(table: string, range: ScanRange): (readonly [RowKey, unknown])[] {
    const from = range.gte;
    const to = range.lt;
    return [...this.rowsIn(table)]
      .map(([name, row]) => [JSON.parse(name) as RowKey, row.value] as const)
      .filter(
        ([key]) => (from === undefined || order(key, from) >= 0) && (to === undefined || order(key, to) < 0),
      )
      .sort(([a], [b]) => order(a, b));
  }

  private commit(attempt: Attempt): boolean {
    const strikes = attempt.writes.length > 0 && this.fault !== "torn-row" && this.strikesNow();
    const changed = attempt.reads.some(
      (read) => (this.rowsIn(read.table).get(read.name)?.version ?? 0) !== read.version,
    );
    if (changed && attempt.writes.length > 0 && !(strikes && this.fault === "lost-update")) return false;
    if (strikes && this.fault === "lost-commit") return true;
    const writes = strikes && this.fault === "torn-commit" ? attempt.writes.slice(0, 1) : attempt.writes;
    this.version++;
    for (const write of writes)
      this.rowsIn(write.table).set(write.name, { value: write.value, version: this.version });
    return true;
  }

  private rowsIn(table: string): Map<string, Row> {
    const rows = this.tables.get(table);
    if (rows === undefined) throw new SixfoldError("unknown-table", `no table ${table}`);
    return rows;
  }

  private strikesNow(): boolean {
    return this.fault !== undefined && ++this.strikes % FAULT_PERIOD === 0;
  }
}

class Attempt {
  readonly reads: { readonly table: string; readonly name: string; readonly version: number }[] = [];
  readonly writes: { readonly table: string; readonly name: string; readonly value: unknown }[] = [];

  write(table: string, key: RowKey, value: unknown): void {
    this.writes.push({ table, name: encode(key), value });
  }
}

function encode(key: RowKey): string {
  return JSON.stringify(key);
}

/** Elements in turn, numbers before strings, a prefix before what it begins. */
function order(a: RowKey, b: RowKey): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const x = a[i]!;
    const y = b[i]!;
    if (x === y) continue;
    if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return a.length - b.length;
}

/** The last field of a record, exchanged for its first. */
function tear(value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("fields" in value)) return value;
  const fields = [...(value.fields as readonly string[])];
  fields[fields.length - 1] = fields[0]!;
  return { ...value, fields };
}
