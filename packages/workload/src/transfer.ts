/**
 * `transfer`: money between two accounts, each drawn uniformly from its part.
 *
 * Invariants: at every snapshot the balances sum up to what was there at first and none is negative (I4, I9); at the
 * end the accounts' `moves` are exactly two per acknowledged transfer (I1, I2): the total alone would not miss a
 * transfer that vanished whole.
 */
import { assert, type Random } from "@sixfold/model";
import { clientRandom } from "./client-choices.ts";
import { attempt } from "./attempt.ts";
import type { RowKey, WorkloadDatabase } from "./database-face.ts";
import { KeyParts } from "./key-parts.ts";
import { Ledger, unexpected } from "./ledger.ts";
import { loadRows } from "./load-rows.ts";
import type { Account } from "./procedures.ts";
import { nameOf } from "./row-keys.ts";
import { type RunContext, type Verdict, verdictOf, type Workload, type WorkloadOptions } from "./workload.ts";

const DEFAULT_ACCOUNTS = 10_000;
const FIRST_BALANCE = 1_000;
const LARGEST_AMOUNT = 10;

/** What a snapshot of all accounts adds up to. */
export class Totals {
  accounts = 0;
  balance = 0;
  moves = 0;
  negative = 0;

  add(account: Account): void {
    this.accounts++;
    this.balance += account.balance;
    this.moves += account.moves;
    if (account.balance < 0) this.negative++;
  }

  /** The invariant of every snapshot of `accounts` accounts. */
  judge(accounts: number): string | undefined {
    if (this.accounts !== accounts) return `${this.accounts} accounts, not ${accounts}`;
    const first = accounts * FIRST_BALANCE;
    if (this.balance !== first) return `the balances sum up to ${this.balance}, not ${first}`;
    return this.negative > 0 ? `${this.negative} accounts are below zero` : undefined;
  }
}

export class Transfer implements Workload {
  readonly name = "transfer";
  /** The accounts. */
  readonly parts: KeyParts;
  private readonly ledger = new Ledger();
  private readonly options: WorkloadOptions;

  constructor(options: WorkloadOptions) {
    this.options = options;
    this.parts = new KeyParts({ ...options, records: options.records ?? DEFAULT_ACCOUNTS });
    assert(this.parts.rowsPerPart >= 2, "a transfer needs two accounts in a part");
  }

  writerOf(client: number): number {
    return this.parts.writerOf(client);
  }

  async setup(db: WorkloadDatabase): Promise<void> {
    const first: Account = { balance: FIRST_BALANCE, moves: 0 };
    await loadRows(db, this.options.table, pairs(this.parts.keys(), first));
  }

  async run(db: WorkloadDatabase, client: number, context: RunContext): Promise<void> {
    const random = clientRandom(this.options.seed, client);
    const writer = this.writerOf(client);
    while (!context.stopped()) {
      const from = this.chooseAccount(writer, random);
      let to = this.chooseAccount(writer, random);
      while (to[0] === from[0] && to[1] === from[1]) to = this.chooseAccount(writer, random);
      await this.move(db, from, to, 1 + random.int(LARGEST_AMOUNT), context);
    }
  }

  async audit(db: WorkloadDatabase): Promise<Verdict> {
    return verdictOf((await this.totals(db)).judge(this.parts.rows));
  }

  async check(db: WorkloadDatabase): Promise<Verdict> {
    return verdictOf(await this.judge(db));
  }

  /** Rows against ledger: what is wrong. */
  async judge(db: WorkloadDatabase): Promise<string | undefined> {
    await this.ledger.settle(db);
    const totals = await this.totals(db);
    const wrong = totals.judge(this.parts.rows);
    if (wrong !== undefined) return wrong;
    const moves = unexpected(totals.moves, this.ledger.allChanges());
    return moves === undefined
      ? undefined
      : `accounts were touched ${moves} times by the acknowledged transfers`;
  }

  private chooseAccount(writer: number, random: Random): RowKey {
    return [this.parts.choosePart(writer, random), random.int(this.parts.rowsPerPart)];
  }

  private async move(
    db: WorkloadDatabase,
    from: RowKey,
    to: RowKey,
    amount: number,
    context: RunContext,
  ): Promise<void> {
    const { table, as, isolation, consistency } = this.options;
    const result = await attempt(
      db,
      {
        as,
        isolation,
        consistency,
        procedure: "transfer",
        args: [table, from, to, amount],
        body: async (tx) => {
          const [source, target] = await Promise.all([
            tx.get<Account>(table, from),
            tx.get<Account>(table, to),
          ]);
          if (source === undefined || target === undefined) throw new Error("an account is missing");
          const moved = Math.min(amount, source.balance);
          tx.put(table, from, { balance: source.balance - moved, moves: source.moves + 1 });
          tx.put(table, to, { balance: target.balance + moved, moves: target.moves + 1 });
        },
      },
      context,
    );
    const keys = [nameOf(from), nameOf(to)];
    if (result.outcome === "committed") this.ledger.commit(keys);
    else if (result.outcome === "unknown") this.ledger.doubt(result.transaction, keys);
  }

  private async totals(db: WorkloadDatabase): Promise<Totals> {
    const { table } = this.options;
    return db.transaction(
      async (tx) => {
        const totals = new Totals();
        for await (const [, account] of tx.scan<Account>(table)) totals.add(account);
        return totals;
      },
      { consistency: "cluster", readOnly: true },
    );
  }
}

function* pairs<V>(keys: Iterable<RowKey>, value: V): Generator<readonly [RowKey, V]> {
  for (const key of keys) yield [key, value];
}
