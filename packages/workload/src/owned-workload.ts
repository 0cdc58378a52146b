/**
 * What `churn` and `long-values` have in common: transactions that change rows of the client's own class and read
 * rows of all classes, judged by the ledger (`owned-rows.ts`) attempt by attempt.
 */
import { Random } from "@sixfold/model";
import { drawStyle } from "./client-choices.ts";
import type { ClientSession } from "./client-session.ts";
import type { RowKey, ScanRange, WorkloadDatabase } from "./database-face.ts";
import { Bodies, type OwnedRow } from "./owned-row.ts";
import { type OwnChanges, type OwnClass, OwnedRows } from "./owned-rows.ts";
import { changeOwnedRows, type OwnedPlan, type OwnedReads } from "./owned-transaction.ts";
import { compareKeys, isWithin, nameOf } from "./row-keys.ts";
import { type Client, SessionWorkload } from "./session-workload.ts";
import { type Rows, runInteractively, scan } from "./transaction-steps.ts";
import { type TransactionStyle, type Verdict, verdictOf, type WorkloadOptions } from "./workload.ts";

export abstract class OwnedWorkload extends SessionWorkload {
  private readonly bodies: Bodies;
  private readonly rows: OwnedRows;

  constructor(options: WorkloadOptions) {
    super(options);
    this.bodies = new Bodies(new Random(options.seed));
    this.rows = new OwnedRows(this.bodies);
  }

  protected abstract draw(client: number, own: OwnClass, random: Random): OwnedPlan;

  override async audit(db: WorkloadDatabase): Promise<Verdict> {
    return verdictOf(
      await this.judgeTable(db, (rows) => {
        for (const [key, row] of rows) {
          const wrong = this.rows.judge(key, row);
          if (wrong !== undefined) return wrong;
        }
        return undefined;
      }),
    );
  }

  protected begin(client: Client): () => Promise<void> {
    const own = this.rows.classOf(client.number);
    return () => {
      const plan = this.draw(client.number, own, client.random);
      return this.perform(client.session, own, plan, drawStyle(this.options.as, client.random));
    };
  }

  protected judge(db: WorkloadDatabase): Promise<string | undefined> {
    return this.judgeTable(db, (rows) => this.rows.judgeAll(rows));
  }

  private async perform(
    session: ClientSession,
    own: OwnClass,
    plan: OwnedPlan,
    as: TransactionStyle,
  ): Promise<void> {
    const { table } = this.options;
    const attempts: OwnChanges[] = [];
    const next = (): OwnChanges => {
      const changes = this.numbered(plan);
      attempts.push(changes);
      return changes;
    };
    const endLast = (how: "committed" | "aborted" | "unknown"): void => {
      const last = attempts.at(-1);
      if (last !== undefined) this.seen.note(this.rows.end(last.serial, how));
    };
    const result = await session.settled(
      await session.attempt({
        as,
        ...this.promises,
        procedure: "changeRows",
        args: as === "procedure" ? [table, plan, next()] : [],
        onLostAttempt: () => endLast("aborted"),
        body: async (tx) => {
          const changes = next();
          const reads = await runInteractively(tx, changeOwnedRows(tx, table, plan, changes));
          this.seen.note(this.judgeReads(own, plan, changes, reads));
        },
      }),
    );
    const last = attempts.at(-1);
    // A further attempt may have failed before it began: the last has ended already then, as it does once more.
    endLast(result.outcome);
    if (last === undefined || result.outcome === "aborted") return;
    // Undefined if it was committed but its answer is lost.
    const reads = result.value as OwnedReads | undefined;
    if (reads !== undefined) this.seen.note(this.judgeReads(own, plan, last, reads));
    if (result.outcome === "committed") own.apply(last);
    else own.taint(last);
  }

  private numbered(plan: OwnedPlan): OwnChanges {
    const serial = this.rows.begin();
    const puts = plan.puts.map(({ key, size }) => this.bodies.row(key, serial, size));
    return { serial, puts, deletes: plan.deletes };
  }

  private judgeReads(
    own: OwnClass,
    plan: OwnedPlan,
    changes: OwnChanges,
    reads: OwnedReads,
  ): string | undefined {
    const shown = plan.readsFirst ? undefined : changes;
    const gotten: (readonly [RowKey, OwnedRow])[] = [];
    for (const [i, key] of plan.gets.entries())
      if (reads.gets[i] !== undefined) gotten.push([key, reads.gets[i]]);
    const names = new Set(plan.gets.map(nameOf));
    const wrong = this.judgeRows(own, changes.serial, gotten, (key) => names.has(nameOf(key)), shown);
    if (wrong !== undefined || plan.range === undefined) return wrong;
    const { range } = plan;
    return (
      judgeShape(range, reads.rows) ??
      this.judgeRows(own, changes.serial, reads.rows, coveredBy(range, reads.rows), shown)
    );
  }

  private judgeRows(
    own: OwnClass,
    serial: number,
    rows: Rows<OwnedRow>,
    covers: (key: RowKey) => boolean,
    changes: OwnChanges | undefined,
  ): string | undefined {
    const found = new Map<string, OwnedRow>();
    for (const [key, row] of rows) {
      const wrong = this.rows.judge(key, row, serial);
      if (wrong !== undefined) return wrong;
      if (key.at(-1) === own.owner) found.set(nameOf(key), row);
    }
    return own.judge(found, covers, changes);
  }

  private judgeTable(
    db: WorkloadDatabase,
    judge: (rows: Rows<OwnedRow>) => string | undefined,
  ): Promise<string | undefined> {
    return db.transaction(
      async (tx) => judge(await runInteractively(tx, scan<OwnedRow>(this.options.table))),
      { consistency: "cluster" },
    );
  }
}

/** Order, bounds and number of what a scan gave. */
function judgeShape(range: ScanRange, rows: Rows<OwnedRow>): string | undefined {
  const { limit = Infinity, reverse = false } = range;
  const asked = `a scan of ${JSON.stringify(range)}`;
  if (rows.length > limit) return `${asked} gave ${rows.length} rows`;
  let before: RowKey | undefined;
  for (const [key] of rows) {
    if (!isWithin(key, range)) return `${asked} gave row ${nameOf(key)}`;
    const order = before === undefined ? -1 : compareKeys(before, key) * (reverse ? -1 : 1);
    if (order >= 0) return `${asked} gave row ${nameOf(key)} out of order`;
    before = key;
  }
  return undefined;
}

/** Which keys must be among `rows` if they are there: all in the range, or up to the last row if the limit ended the scan. */
function coveredBy(range: ScanRange, rows: Rows<OwnedRow>): (key: RowKey) => boolean {
  const last = rows.length === range.limit ? rows.at(-1)?.[0] : undefined;
  if (last === undefined) return (key) => isWithin(key, range) && range.limit !== 0;
  return (key) => isWithin(key, range) && compareKeys(key, last) * (range.reverse === true ? -1 : 1) <= 0;
}
