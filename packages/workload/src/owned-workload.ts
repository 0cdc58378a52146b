/**
 * What `churn` and `long-values` have in common: transactions that change rows of the client's own class and read
 * rows of all classes, judged by the ledger (`owned-rows.ts`) attempt by attempt.
 */
import { Random } from "@sixfold/model";
import { type ClientSession, Sessions } from "./client-session.ts";
import type { RowKey, ScanRange, WorkloadDatabase } from "./database-face.ts";
import { compareKeys, isWithin } from "./key-order.ts";
import { Ledger } from "./ledger.ts";
import { Bodies, type OwnedRow } from "./owned-row.ts";
import { type OwnChanges, type OwnClass, OwnedRows } from "./owned-rows.ts";
import { changeOwnedRows, type OwnedPlan, type OwnedReads } from "./owned-transaction.ts";
import { type Rows, runInteractively, scan } from "./transaction-steps.ts";
import type { RunContext, TransactionStyle, Verdict, Workload, WorkloadOptions } from "./workload.ts";

const OTHER_STYLE_FRACTION = 0.2;

/** Who is asking, and with what. */
interface Client {
  readonly number: number;
  readonly session: ClientSession;
  readonly own: OwnClass;
}

export abstract class OwnedWorkload implements Workload {
  abstract readonly name: "churn" | "long-values";
  protected readonly options: WorkloadOptions;
  private readonly rows: OwnedRows;
  private readonly bodies: Bodies;
  private readonly sessions: Sessions;
  private readonly seen = new Ledger();

  constructor(options: WorkloadOptions) {
    this.options = options;
    this.bodies = new Bodies(new Random(options.seed));
    this.rows = new OwnedRows(this.bodies);
    this.sessions = new Sessions(options.table);
  }

  protected abstract draw(client: number, own: OwnClass, random: Random): OwnedPlan;

  writerOf(client: number): number {
    return client % this.options.writers;
  }

  async setup(db: WorkloadDatabase): Promise<void> {
    await db.createTable(this.options.table);
    await this.sessions.setup(db);
  }

  async run(db: WorkloadDatabase, number: number, context: RunContext): Promise<void> {
    const random = new Random(this.options.seed + (number + 1) * 2 ** 32);
    const session = this.sessions.open(db, context);
    const client: Client = { number, session, own: this.rows.classOf(number) };
    while (!context.stopped()) {
      const plan = this.draw(number, client.own, random);
      await this.perform(client, plan, this.drawStyle(random));
    }
  }

  async audit(db: WorkloadDatabase): Promise<Verdict> {
    return this.judgeTable(db, (rows) => {
      for (const [key, row] of rows) {
        const wrong = this.rows.judge(key, row);
        if (wrong !== undefined) return wrong;
      }
      return undefined;
    });
  }

  async check(db: WorkloadDatabase): Promise<Verdict> {
    const seen = this.seen.violation();
    return seen === undefined ? this.judgeTable(db, (rows) => this.rows.judgeAll(rows)) : `broken: ${seen}`;
  }

  private drawStyle(random: Random): TransactionStyle {
    const { as } = this.options;
    if (!random.chance(OTHER_STYLE_FRACTION)) return as;
    return as === "interactive" ? "procedure" : "interactive";
  }

  private async perform(client: Client, plan: OwnedPlan, as: TransactionStyle): Promise<void> {
    const { table, isolation, consistency } = this.options;
    const attempts: OwnChanges[] = [];
    const next = (): OwnChanges => {
      const changes = this.numbered(plan);
      attempts.push(changes);
      return changes;
    };
    const endLast = (how: "committed" | "aborted" | "unknown"): void => {
      const last = attempts.at(-1);
      if (last !== undefined) this.note(this.rows.end(last.serial, how));
    };
    const result = await client.session.settled(
      await client.session.attempt({
        as,
        isolation,
        consistency,
        procedure: "changeRows",
        args: as === "procedure" ? [table, plan, next()] : [],
        onLostAttempt: () => endLast("aborted"),
        body: async (tx) => {
          const changes = next();
          const reads = await runInteractively(tx, changeOwnedRows(tx, table, plan, changes));
          this.note(this.judgeReads(client, plan, changes, reads));
        },
      }),
    );
    const last = attempts.at(-1);
    // A further attempt may have failed before it began: the last has ended already then, as it does once more.
    endLast(result.outcome);
    if (last === undefined || result.outcome === "aborted") return;
    // Undefined if it was committed but its answer is lost.
    const reads = result.value as OwnedReads | undefined;
    if (reads !== undefined) this.note(this.judgeReads(client, plan, last, reads));
    if (result.outcome === "committed") client.own.apply(last);
    else client.own.taint(last);
  }

  private numbered(plan: OwnedPlan): OwnChanges {
    const serial = this.rows.begin();
    const puts = plan.puts.map(({ key, size }) => this.bodies.row(key, serial, size));
    return { serial, puts, deletes: plan.deletes };
  }

  private judgeReads(
    client: Client,
    plan: OwnedPlan,
    changes: OwnChanges,
    reads: OwnedReads,
  ): string | undefined {
    const shown = plan.readsFirst ? undefined : changes;
    const gotten: (readonly [RowKey, OwnedRow])[] = [];
    for (const [i, key] of plan.gets.entries())
      if (reads.gets[i] !== undefined) gotten.push([key, reads.gets[i]]);
    const names = new Set(plan.gets.map((key) => key.join("/")));
    const wrong = this.judgeRows(client, changes.serial, gotten, (key) => names.has(key.join("/")), shown);
    if (wrong !== undefined || plan.range === undefined) return wrong;
    const { range } = plan;
    return (
      judgeShape(range, reads.rows) ??
      this.judgeRows(client, changes.serial, reads.rows, coveredBy(range, reads.rows), shown)
    );
  }

  private judgeRows(
    client: Client,
    serial: number,
    rows: Rows<OwnedRow>,
    covers: (key: RowKey) => boolean,
    changes: OwnChanges | undefined,
  ): string | undefined {
    const found = new Map<string, OwnedRow>();
    for (const [key, row] of rows) {
      const wrong = this.rows.judge(key, row, serial);
      if (wrong !== undefined) return wrong;
      if (key.at(-1) === client.number) found.set(key.join("/"), row);
    }
    return client.own.judge(found, covers, changes);
  }

  private note(violation: string | undefined): void {
    if (violation !== undefined) this.seen.observe(violation);
  }

  private judgeTable(
    db: WorkloadDatabase,
    judge: (rows: Rows<OwnedRow>) => string | undefined,
  ): Promise<Verdict> {
    return db.transaction(
      async (tx): Promise<Verdict> => {
        const wrong = judge(await runInteractively(tx, scan<OwnedRow>(this.options.table)));
        return wrong === undefined ? "ok" : `broken: ${wrong}`;
      },
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
    if (!isWithin(key, range)) return `${asked} gave row ${key.join("/")}`;
    const order = before === undefined ? -1 : compareKeys(before, key) * (reverse ? -1 : 1);
    if (order >= 0) return `${asked} gave row ${key.join("/")} out of order`;
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
