/**
 * `bank`: transfers between a few accounts, under the eyes of auditors.
 *
 * Every fourth client is an auditor. It reads all accounts in one transaction: by a scan forward or backward, by gets that take their
 * time, or by gets and then a scan. Whatever the isolation, each such snapshot must have the whole money, and both ways must show
 * the same of it (I4, I5). With `cluster` consistency the number of moves never goes back either.
 *
 * Transfers and the end are those of `transfer`.
 */
import type { ClientSession } from "./client-session.ts";
import type { WorkloadDatabase, WorkloadTransaction } from "./database-face.ts";
import type { Account } from "./procedures.ts";
import { type Client, SessionWorkload } from "./session-workload.ts";
import { Totals, Transfer } from "./transfer.ts";
import type { RunContext, Verdict, WorkloadOptions } from "./workload.ts";

const DEFAULT_ACCOUNTS = 48;
const GETS_AT_ONCE = 8;
const AUDITOR_EVERY = 4;
const WAYS = ["scan", "reverse", "gets", "gets and scan"] as const;
type Way = (typeof WAYS)[number];

export class Bank extends SessionWorkload {
  readonly name = "bank";
  private readonly transfer: Transfer;

  constructor(options: WorkloadOptions) {
    super(options);
    this.transfer = new Transfer({ ...options, records: options.records ?? DEFAULT_ACCOUNTS });
  }

  override async setup(db: WorkloadDatabase): Promise<void> {
    await this.sessions.setup(db);
    await this.transfer.setup(db);
  }

  override async run(db: WorkloadDatabase, client: number, context: RunContext): Promise<void> {
    const isAuditor = client % AUDITOR_EVERY === AUDITOR_EVERY - 1;
    return isAuditor ? super.run(db, client, context) : this.transfer.run(db, client, context);
  }

  override audit(db: WorkloadDatabase): Promise<Verdict> {
    return this.transfer.audit(db);
  }

  protected begin({ session, random }: Client): () => Promise<void> {
    let moves = 0;
    return async () => {
      const totals = await this.inspect(session, random.pick(WAYS));
      if (totals === undefined) return;
      if (this.options.consistency === "cluster" && totals.moves < moves)
        this.seen.note(`an auditor saw ${totals.moves} moves after ${moves}`);
      moves = totals.moves;
    };
  }

  protected judge(db: WorkloadDatabase): Promise<string | undefined> {
    return this.transfer.judge(db);
  }

  private async inspect(session: ClientSession, way: Way): Promise<Totals | undefined> {
    const result = await session.attempt({
      as: "interactive",
      ...this.promises,
      readOnly: true,
      body: (tx) => this.snapshot(tx, way),
    });
    return result.value as Totals | undefined;
  }

  /** Also an attempt that is aborted later has read one snapshot. */
  private async snapshot(tx: WorkloadTransaction, way: Way): Promise<Totals> {
    const totals = way.startsWith("gets") ? await this.byGets(tx) : await this.byScan(tx, way === "reverse");
    this.note(totals, way);
    if (way !== "gets and scan") return totals;
    const again = await this.byScan(tx, false);
    this.note(again, "scan after gets");
    if (again.moves !== totals.moves)
      this.seen.note(`one transaction saw ${totals.moves} moves by gets and ${again.moves} by a scan`);
    return totals;
  }

  private note(totals: Totals, way: string): void {
    const wrong = totals.judge(this.transfer.parts.rows);
    if (wrong !== undefined) this.seen.note(`in a snapshot by ${way}, ${wrong}`);
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
