/**
 * A database that is right by inspection: rows with their versions in memory, one transaction after another.
 *
 * Interactive transactions let others in between their reads and their commit, as on a real cluster. They read at
 * one snapshot, and at the commit every row read and written must be the one that was read; when serializable, whatever was read.
 *
 * It is what workloads are tested on: they must pass where they must. Its `fault` shows that they break where they must, and
 * `losesRepliesEvery` that they bear what a network does.
 */
import { SixfoldError, type TransactionOutcome } from "@sixfold/model";
import type {
  ProcedureTransaction,
  RowKey,
  ScanRange,
  WorkloadDatabase,
  WorkloadOperations,
  WorkloadTransaction,
  WorkloadTransactionOptions,
} from "./database-face.ts";
import * as procedures from "./procedures.ts";
import { ReferenceAttempt } from "./reference-attempt.ts";
import { FaultStriker, type ReferenceFault, spoilOutcome, spoilScan, spoilValue } from "./reference-fault.ts";
import { asAsked, type ReferenceRow, ReferenceTables } from "./reference-tables.ts";

type Procedure = (tx: ProcedureTransaction, ...args: unknown[]) => unknown;
interface Procedures {
  readonly [name: string]: Procedure | undefined;
}

export interface ReferenceOptions {
  /** Every so many commits that change something the answer is lost; every second of these was not carried out. */
  readonly losesRepliesEvery?: number;
}

// The arguments are whatever the caller sends, as on a node.
const PROCEDURES = { ...procedures } as unknown as Procedures;
/** How far back a stale snapshot lies. */
const STALE_COMMITS = 15;

export class ReferenceDatabase implements WorkloadDatabase {
  private readonly tables = new ReferenceTables();
  private readonly striker: FaultStriker;
  private readonly procedures: Procedures;
  private readonly losesRepliesEvery: number;
  private readonly running = new Set<ReferenceAttempt>();
  private readonly outcomes = new Map<string, TransactionOutcome>();
  private readonly asked = new Set<string>();
  private version = 0;
  private ids = 0;
  private commits = 0;

  /** `procedures`: further ones, as a module's exports. */
  constructor(fault?: ReferenceFault, moreProcedures: object = {}, options: ReferenceOptions = {}) {
    this.striker = new FaultStriker(fault);
    this.procedures = { ...PROCEDURES, ...(moreProcedures as Procedures) };
    this.losesRepliesEvery = options.losesRepliesEvery ?? Infinity;
  }

  session(): WorkloadOperations {
    return this;
  }

  async createTable(table: string): Promise<boolean> {
    if (this.tables.has(table)) return false;
    return this.answered(this.begin("snapshot"), true, () => {
      this.tables.create(table, this.striker.at("create") !== undefined);
      return true;
    });
  }

  async dropTable(table: string): Promise<boolean> {
    if (!this.tables.has(table)) return false;
    return this.answered(this.begin("snapshot"), true, () => {
      this.tables.drop(table);
      return true;
    });
  }

  async listTables(): Promise<readonly string[]> {
    return this.tables.names();
  }

  get<T>(table: string, key: RowKey): Promise<T | undefined> {
    return this.transaction((tx) => tx.get<T>(table, key));
  }

  async transaction<R>(
    body: (tx: WorkloadTransaction) => Promise<R>,
    options: WorkloadTransactionOptions = {},
  ): Promise<R> {
    for (;;) {
      const attempt = this.begin(options.isolation ?? "snapshot", options.signal);
      try {
        const result = await body(this.interactive(attempt));
        // A signal in the same turn still comes in time.
        await Promise.resolve();
        attempt.checkPatience("aborted");
        if (this.isValid(attempt)) {
          this.answered(attempt, attempt.writes.length > 0, () => this.apply(attempt));
          await Promise.resolve();
          attempt.checkPatience("unknown");
          return result;
        }
      } finally {
        this.running.delete(attempt);
      }
      this.outcomes.set(attempt.id, "aborted");
      if (this.striker.at("abort") !== undefined) this.apply(attempt);
      options.onRetry?.(new SixfoldError("row-conflict", "another transaction was faster"));
    }
  }

  async call(procedure: string, ...args: unknown[]): Promise<unknown> {
    const run = this.procedures[procedure];
    if (run === undefined) throw new SixfoldError("unknown-procedure", `no procedure ${procedure}`);
    const attempt = this.begin("snapshot");
    try {
      const result: unknown = run(
        {
          get: <T>(table: string, key: RowKey) => this.read(attempt, table, key) as T | undefined,
          put: (table, key, value) => attempt.write(table, key, value),
          delete: (table, key) => attempt.write(table, key, undefined),
          scan: <T>(table: string, range: ScanRange = {}) =>
            this.scan(attempt, table, range) as readonly (readonly [RowKey, T])[],
        },
        ...args,
      );
      this.answered(attempt, attempt.writes.length > 0, () => this.apply(attempt));
      return result;
    } finally {
      this.running.delete(attempt);
    }
  }

  /** The first who asks is told nothing, as if a recovery were still under way. */
  async outcome(transaction?: string): Promise<TransactionOutcome> {
    if (transaction === undefined) return "unknown";
    const known = this.outcomes.get(transaction);
    if (known === undefined) this.outcomes.set(transaction, "aborted");
    if (!this.asked.has(transaction)) {
      this.asked.add(transaction);
      return "unknown";
    }
    return spoilOutcome(this.striker.at("outcome"), known ?? "aborted");
  }

  private begin(isolation: "snapshot" | "serializable", signal?: AbortSignal): ReferenceAttempt {
    const isStale = this.striker.at("begin") !== undefined;
    const snapshot = isStale ? Math.max(0, this.version - STALE_COMMITS) : this.version;
    const attempt = new ReferenceAttempt(`1-${++this.ids}`, snapshot, isolation, signal);
    this.running.add(attempt);
    return attempt;
  }

  private interactive(attempt: ReferenceAttempt): WorkloadTransaction {
    const read = (table: string, key: RowKey): unknown => this.read(attempt, table, key);
    const rows = (table: string, range: ScanRange): readonly ReferenceRow[] =>
      this.scan(attempt, table, range);
    return {
      id: attempt.id,
      async get<T>(table: string, key: RowKey): Promise<T | undefined> {
        attempt.checkPatience("aborted");
        const value = read(table, key) as T | undefined;
        // Others get a turn between a read and what is built on it, as they do with a network in between.
        await Promise.resolve();
        return value;
      },
      put: (table, key, value) => attempt.write(table, key, value),
      delete: (table, key) => attempt.write(table, key, undefined),
      async *scan<T>(table: string, range: ScanRange = {}): AsyncGenerator<readonly [unknown, T]> {
        attempt.checkPatience("aborted");
        for (const [key, value] of rows(table, range)) yield [key, value as T];
      },
    };
  }

  private read(attempt: ReferenceAttempt, table: string, key: RowKey): unknown {
    const rows = this.tables.find(table);
    const own = attempt.written(table, key);
    attempt.noteRead(table, key);
    if (own !== undefined) return own.value;
    const fault = this.striker.at("read");
    return spoilValue(fault, rows.get(key, fault === "torn-snapshot" ? this.version : attempt.snapshot));
  }

  private scan(attempt: ReferenceAttempt, table: string, range: ScanRange): readonly ReferenceRow[] {
    attempt.noteRange(table, range);
    const all = asAsked(attempt.overlaid(table, range, this.tables.find(table)), {
      ...range,
      limit: Infinity,
    });
    const rows = spoilScan(this.striker.at("scan"), all.slice(0, range.limit), all);
    if (this.striker.fault !== "truncated-value") return rows;
    return rows.map(([key, value]) => [key, spoilValue(this.striker.at("read"), value)] as const);
  }

  private isValid(attempt: ReferenceAttempt): boolean {
    if (attempt.writes.length === 0 && attempt.isolation === "snapshot") return true;
    const isSpoiled = this.striker.fault === "lost-update" && this.striker.at("commit") !== undefined;
    return isSpoiled || attempt.isUnchanged(this.tables);
  }

  private apply(attempt: ReferenceAttempt): void {
    const { writes } = attempt;
    for (const { table } of writes) this.tables.find(table);
    if (writes.length === 0) return;
    const fault = this.striker.fault === "lost-update" ? undefined : this.striker.at("commit");
    if (fault === "lost-commit") return;
    const oldest = Math.min(this.version, ...[...this.running].map((other) => other.snapshot));
    this.version++;
    for (const { table, key, value } of fault === "torn-commit" ? writes.slice(0, 1) : writes) {
      if (value === undefined && this.striker.at("delete") !== undefined) continue;
      this.tables.find(table).write(key, value, this.version, oldest);
    }
  }

  /** Carries out a commit and answers, or loses the answer. */
  private answered<R>(attempt: ReferenceAttempt, changes: boolean, carryOut: () => R): R {
    const { id } = attempt;
    const number = changes ? ++this.commits : 1;
    const isLost = number % this.losesRepliesEvery === 0;
    const isDone = !isLost || (number / this.losesRepliesEvery) % 2 === 0;
    this.outcomes.set(id, isDone ? "committed" : "aborted");
    this.running.delete(attempt);
    if (!isLost) return carryOut();
    if (isDone) carryOut();
    throw new SixfoldError("outcome-unknown", "the reply was lost", { details: { transaction: id } });
  }
}
