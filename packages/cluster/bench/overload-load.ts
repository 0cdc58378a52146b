/**
 * The clients of `overload.ts`, each kind in a process of its own: so none of them waits for another's processor time in one event loop.
 *
 *     bystanders   small read-modify-write calls at a fixed rate; latency counts from when a call was due
 *     flood        the same at a rate that the cluster cannot keep up with, and without retries
 *     sweep, scan  large scans, one after the other: by calls of a procedure of 10,000 rows each, in a transaction
 *     entries      transactions close to the limit of an entry, one after the other
 */
import { connect, SixfoldError, type Database } from "@sixfold/client";
import type * as procedures from "./overload-procedures.ts";
import { PAD } from "./overload-procedures.ts";

export const ROWS = "rows";
export const BULK = "bulk";
const CONNECTIONS = 16;
/** So many milliseconds' calls of a flood are made at once at most. */
const FLOOD_STEP_MS = 20;
/** As many rows as a procedure may scan. */
const SWEEP_ROWS = 10_000;
const VALUE_BYTES = (1 << 20) - 1024;

export type Kind = "bystanders" | "flood" | "sweep" | "scan" | "entries";

export interface LoadTerms {
  readonly kind: Kind;
  readonly urls: readonly string[];
  readonly rows: number;
  /** Calls a second. */
  readonly rate: number;
  /** Of an entry. */
  readonly mib: number;
  /** So many at once of what comes one after the other. */
  readonly loops: number;
}

/** What was done since the last report. */
export interface LoadReport {
  /** When it was due, and how long it took: of what was done. */
  readonly done: readonly (readonly [dueMs: number, ms: number])[];
  /** By code. */
  readonly failed: Readonly<Record<string, number>>;
  /** How long refusals took to come. */
  readonly refusedMs: readonly number[];
  readonly underWay: number;
}

type Procedures = typeof procedures;

/** Of all processes alike. */
export const nowMs = (): number => performance.timeOrigin + performance.now();

export class Load {
  private readonly terms: LoadTerms;
  private readonly dbs: Database<Procedures>[] = [];
  private done: (readonly [number, number])[] = [];
  private failed: Record<string, number> = {};
  private refusedMs: number[] = [];
  private underWay = 0;
  private isOn = false;
  private turn = 0;
  private due = 0;

  constructor(terms: LoadTerms) {
    this.terms = terms;
  }

  async open(): Promise<void> {
    const { kind, urls, loops } = this.terms;
    // Refusals are to be seen, not run again.
    const retry = kind === "flood" ? { attempts: 1 } : { timeoutMs: 60_000, attempts: 1_000 };
    const connections = kind === "bystanders" || kind === "flood" ? CONNECTIONS : loops;
    for (let i = 0; i < connections; i++) this.dbs.push(await connect<Procedures>(urls, { retry }));
  }

  start(): void {
    const { kind } = this.terms;
    this.isOn = true;
    this.due = nowMs();
    if (kind === "bystanders" || kind === "flood") this.openLoop();
    else for (const db of this.dbs) void this.closedLoop(db);
  }

  stop(): void {
    this.isOn = false;
  }

  take(): LoadReport {
    const { done, failed, refusedMs, underWay } = this;
    this.done = [];
    this.failed = {};
    this.refusedMs = [];
    return { done, failed, refusedMs, underWay };
  }

  private openLoop(): void {
    if (!this.isOn) return;
    const until = nowMs();
    const everyMs = 1000 / this.terms.rate;
    // What this process itself is too slow for is left out of a flood.
    if (this.terms.kind === "flood") this.due = Math.max(this.due, until - FLOOD_STEP_MS);
    for (; this.due <= until; this.due += everyMs) {
      const { rows } = this.terms;
      const db = this.dbs[this.turn++ % this.dbs.length]!;
      const row = (): number => Math.floor(Math.random() * rows);
      void this.one(this.due, () => db.call("rmw", ROWS, row(), row()));
    }
    setTimeout(() => this.openLoop(), Math.max(1, this.due - nowMs()));
  }

  private async closedLoop(db: Database<Procedures>): Promise<void> {
    while (this.isOn) await this.one(nowMs(), () => this.large(db));
  }

  private async large(db: Database<Procedures>): Promise<void> {
    const { kind, rows, mib } = this.terms;
    let seen = rows;
    if (kind === "sweep") {
      seen = 0;
      for (let from = 0; from < rows; from += SWEEP_ROWS)
        seen += await db.call("sweep", ROWS, from, Math.min(SWEEP_ROWS, rows - from));
    } else if (kind === "scan") {
      seen = 0;
      await db.transaction(
        async (tx) => {
          for await (const [key] of tx.scan(ROWS)) seen += typeof key === "number" ? 1 : 0;
        },
        { readOnly: true },
      );
    } else
      await db.transaction((tx) => {
        for (let i = 0; i < mib; i++) tx.put(BULK, i, new Uint8Array(VALUE_BYTES).fill(this.turn++));
      });
    if (seen !== rows) throw new Error(`${seen} rows instead of ${rows}`);
  }

  private async one(due: number, work: () => Promise<unknown>): Promise<void> {
    this.underWay++;
    try {
      await work();
      this.done.push([due, nowMs() - due]);
    } catch (error) {
      if (!(error instanceof SixfoldError)) throw error;
      this.failed[error.code] = (this.failed[error.code] ?? 0) + 1;
      if (error.code === "overloaded") this.refusedMs.push(nowMs() - due);
    }
    this.underWay--;
  }
}

export async function fill(db: Database<object>, rows: number): Promise<void> {
  await db.createTable(ROWS);
  await db.createTable(BULK);
  for (let from = 0; from < rows; from += 1000)
    await db.transaction((tx) => {
      for (let i = from; i < Math.min(rows, from + 1000); i++) tx.put(ROWS, i, { n: 0, pad: PAD });
    });
}

/** The process of one load: `start`, `stop` and `take` come from its parent. */
export async function runLoad(terms: LoadTerms): Promise<void> {
  const load = new Load(terms);
  await load.open();
  process.on("disconnect", () => process.exit());
  process.on("message", (what: "start" | "stop" | "take") => {
    if (what === "take") process.send!(load.take());
    else load[what]();
  });
  process.send!("ready");
}
