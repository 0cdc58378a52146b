/**
 * `bank`: transfers between a few accounts, under the eyes of auditors.
 *
 * Every fourth client is an auditor. It reads all accounts in one transaction: by a scan forward or backward, by gets that take their
 * time, or by gets and then a scan. Whatever the isolation, each such snapshot must have the whole money, and both ways must show
 * the same of it (I4, I5). With `cluster` consistency the number of moves never goes back either.
 *
 * Transfers and the end are those of `transfer`.
 */
import { Random } from "@sixfold/model";
import type { WorkloadDatabase, WorkloadTransaction } from "./database-face.ts";
import { type ClientSession, Sessions } from "./client-session.ts";
import type { Account } from "./procedures.ts";
import { Ledger } from "./ledger.ts";
import { Totals, Transfer } from "./transfer.ts";
import type { RunContext, Verdict, Workload, WorkloadOptions } from "./workload.ts";

const DEFAULT_ACCOUNTS = 48;
const GETS_AT_ONCE = 8;
const AUDITOR_EVERY = 4;
const WAYS = ["scan", "reverse", "gets", "gets and scan"] as const;
type Way = (typeof WAYS)[number];

export class Bank implements Workload {
  readonly name = "bank";
  private readonly options: WorkloadOptions;
  private readonly transfer: Transfer;
  private readonly sessions: Sessions;
  private readonly seen = new Ledger();

  constructor(options: WorkloadOptions) {
    this.options = options;
    this.transfer = new Transfer({ ...options, records: options.records ?? DEFAULT_ACCOUNTS });
    this.sessions = new Sessions(options.table);
  }

  writerOf(client: number): number {
    return this.transfer.writerOf(client);
  }

  async setup(db: WorkloadDatabase): Promise<void> {
    await this.sessions.setup(db);
    await this.transfer.setup(db);
  }

  async run(db: WorkloadDatabase, client: number, context: RunContext): Promise<void> {
    if (client % AUDITOR_EVERY !== AUDITOR_EVERY - 1) return this.transfer.run(db, client, context);
    const random = new Random(this.options.seed + (client + 1) * 2 ** 32);
    const session = this.sessions.open(db, context);
    for (let moves = 0; !context.stopped();) {
      const totals = await this.inspect(session, random.pick(WAYS));
      if (totals === undefined) continue;
      if (this.options.consistency === "cluster" && totals.moves < moves)
        this.seen.observe(`an auditor saw ${totals.moves} moves after ${moves}`);
      moves = totals.moves;
    }
  }

  audit(db: WorkloadDatabase): Promise<Verdict> {
    return this.transfer.audit(db);
  }

  async check(db: WorkloadDatabase): Promise<Verdict> {
    const seen = this.seen.violation();
    return seen === undefined ? this.transfer.check(db) : `broken: ${seen}`;
  }

  private async inspect(session: ClientSession, way: Way): Promise<Totals | undefined> {
    const { isolation, consistency } = this.options;
    const result = await session.attempt({
      as: "interactive",
      procedure: "",
      args: [],
      isolation,
      consistency,
      body: (tx) => this.snapshot(tx, way),
    });
    return result.value as Totals | undefined;
  }

  /** Also an attempt that is aborted later has read one snapshot. */
  private async snapshot(tx: WorkloadTransaction, way: Way): Promise<Totals> {
    const totals = way.startsWith("gets") ? await this.byGets(tx) : await this.byScan(tx, way === "reverse");
    this.note(totals.judge(this.transfer.parts.rows), way);
    if (way !== "gets and scan") return totals;
    const again = await this.byScan(tx, false);
    this.note(again.judge(this.transfer.parts.rows), "scan after gets");
    if (again.moves !== totals.moves)
      this.seen.observe(`one transaction saw ${totals.moves} moves by gets and ${again.moves} by a scan`);
    return totals;
  }

  private note(verdict: Verdict, way: string): void {
    if (verdict !== "ok") this.seen.observe(`in a snapshot by ${way}, ${verdict.slice("broken: ".length)}`);
  }

  private async byScan(tx: WorkloadTransaction, reverse: boolean): Promise<Totals> {
    const totals = new Totals();
    for await (const [, account] of tx.scan<Account>(this.options.table, { reverse })) totals.add(account);
    return totals;
  }

  private async byGets(tx: WorkloadTransaction): Promise<Totals> {
    const totals = new Totals();
    const keys = [...this.transfer.parts.keys()];
    for (let i = 0; i < keys.length; i += GETS_AT_ONCE) {
      const reads = keys.slice(i, i + GETS_AT_ONCE).map((key) => tx.get<Account>(this.options.table, key));
      for (const account of await Promise.all(reads)) if (account !== undefined) totals.add(account);
    }
    return totals;
  }
}
