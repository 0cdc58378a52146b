/**
 * What clients were told about one table, against what the table holds: the invariant of every database point.
 *
 * Updates count up in the rows, so the rows' counters sum to the acknowledged updates, all points of the cluster taken
 * together; inserted rows are as many as acknowledged inserts. A commit whose answer was lost is asked for by its id, and
 * only if nobody knows may it count or not. Readers check that they got the row they asked for.
 */
import type { SixfoldError } from "@sixfold/model";
import { catchUp, type Verdict, type WorkloadDatabase } from "@sixfold/workload";
import type { BenchKey } from "./procedures.ts";

type Range = readonly [gte: BenchKey, lt: BenchKey];

const TALLIES_AT_ONCE = 4;

export class Ledger {
  private sure = 0;
  private doubtful: { readonly transaction: string | undefined; readonly changes: number }[] = [];
  private seen: string | undefined;

  /** Changes that are certain. */
  get expected(): number {
    return this.sure;
  }

  /** `changes` more are certain. */
  commit(changes: number): void {
    this.sure += changes;
  }

  /** A transaction ended without an answer. */
  doubt(error: SixfoldError, changes: number): void {
    this.doubtful.push({ transaction: error.details.transaction, changes });
  }

  /** A client saw what it must never see; the first of these is told. */
  observe(violation: string): void {
    this.seen ??= violation;
  }

  /** Compares with `actual`. Forgets observations, so that the next point begins anew. */
  async verdict(db: WorkloadDatabase, what: string, actual: number): Promise<Verdict> {
    const seen = this.seen;
    this.seen = undefined;
    if (seen !== undefined) return `broken: ${seen}`;
    await this.settle(db);
    const most = this.doubtful.reduce((sum, doubt) => sum + doubt.changes, this.sure);
    if (actual >= this.sure && actual <= most) return "ok";
    return `broken: ${actual} ${what}, not ${this.sure}${most === this.sure ? "" : ` to ${most}`}`;
  }

  private async settle(db: WorkloadDatabase): Promise<void> {
    const open: typeof this.doubtful = [];
    for (const doubt of this.doubtful) {
      const outcome = doubt.transaction === undefined ? "unknown" : await db.outcome(doubt.transaction);
      if (outcome === "committed") this.sure += doubt.changes;
      else if (outcome === "unknown") open.push(doubt);
    }
    this.doubtful = open;
  }
}

/** Rows in `ranges` and the updates they count, by procedures at one writer, after it shows everything committed anywhere. */
export async function tallyTable(
  db: WorkloadDatabase,
  table: string,
  ranges: Iterable<Range>,
): Promise<{ readonly rows: number; readonly updates: number }> {
  await catchUp(db, table);
  let rows = 0;
  let updates = 0;
  const source = ranges[Symbol.iterator]();
  const counter = async (): Promise<void> => {
    for (let next = source.next(); next.done !== true; next = source.next()) {
      const [n, sum] = (await db.call("tally", table, ...next.value)) as [number, number];
      rows += n;
      updates += sum;
    }
  };
  await Promise.all(Array.from({ length: TALLIES_AT_ONCE }, counter));
  return { rows, updates };
}
