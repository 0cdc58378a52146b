/**
 * `outcomes`: clients that give up at random moments and then ask what became of their transaction.
 *
 * Every transaction inserts a few rows that name it, and often adds one to a common counter, so that some lose a race. A client may give
 * up on a signal, before its reads, before its commit, while that is under way, or because its time is too short. Then it asks
 * `outcome(id)` for each of its attempts.
 *
 * Invariants: of a committed transaction every row is there, of an aborted one none, whether the client was told or asked (I1, I2, I4). An
 * answer never changes, whoever asks. `unknown` is no answer.
 */
import type { ErrorCode, Random } from "@sixfold/model";
import type { ClientSession } from "./client-session.ts";
import type { RowKey, WorkloadDatabase, WorkloadTransaction } from "./database-face.ts";
import { KeyParts } from "./key-parts.ts";
import { type MarkedRow, OutcomeLedger } from "./outcome-ledger.ts";
import type { Counter } from "./procedures.ts";
import { type Client, SessionWorkload } from "./session-workload.ts";
import { runInteractively, scan } from "./transaction-steps.ts";
import type { WorkloadOptions } from "./workload.ts";

const ROWS_MAX = 3;
const COUNTERS = 2;
const LONGEST_PATIENCE_MS = 60;
const ASK_AGAIN_FRACTION = 0.2;
const ASKED_AT_ONCE = 16;
const GIVEN_UP: readonly ErrorCode[] = ["cancelled"];

/** When the client loses its patience: not at all; in the callback, before its reads or at its end; some time after it began; by its deadline. */
const MANNERS = [
  "never",
  "never",
  "at once",
  "before commit",
  "after a while",
  "after a while",
  "deadline",
] as const;
type Manner = (typeof MANNERS)[number];

interface Giving {
  readonly manner: Manner;
  readonly afterMs: number;
  readonly rows: number;
  readonly part: string;
  /** Undefined: no counter. */
  readonly counter: number | undefined;
}

export class Outcomes extends SessionWorkload {
  readonly name = "outcomes";
  private readonly parts: KeyParts;
  private readonly ledger = new OutcomeLedger(this.seen);

  constructor(options: WorkloadOptions) {
    super(options);
    this.parts = new KeyParts({ ...options, records: 1 });
  }

  override async setup(db: WorkloadDatabase): Promise<void> {
    await db.createTable(this.options.table);
    await db.createTable(this.counters);
    await this.sessions.setup(db);
  }

  protected begin(client: Client): () => Promise<void> {
    const { number, random, session } = client;
    let serial = 0;
    return async () => {
      const giving: Giving = {
        manner: random.pick(MANNERS),
        afterMs: random.int(LONGEST_PATIENCE_MS),
        rows: 1 + random.int(ROWS_MAX),
        part: this.parts.choosePart(this.writerOf(number), random),
        counter: random.chance(0.5) ? random.int(COUNTERS) : undefined,
      };
      await this.transact(client, [number, ++serial], giving);
      if (random.chance(ASK_AGAIN_FRACTION)) await this.askAgain(session, random);
    };
  }

  protected async judge(db: WorkloadDatabase): Promise<string | undefined> {
    const ids = this.ledger.transactions;
    for (let i = 0; i < ids.length; i += ASKED_AT_ONCE)
      await Promise.all(
        ids.slice(i, i + ASKED_AT_ONCE).map(async (id) => this.ledger.answered(id, await db.outcome(id))),
      );
    const rows = await db.transaction((tx) => runInteractively(tx, scan<MarkedRow>(this.options.table)), {
      consistency: "cluster",
    });
    return this.seen.summary() ?? this.ledger.judge(rows.map(([, row]) => row));
  }

  private get counters(): string {
    return `${this.options.table}/counters`;
  }

  private async transact({ session, context }: Client, key: RowKey, giving: Giving): Promise<void> {
    const { manner, afterMs } = giving;
    const patience = new AbortController();
    const attempts: string[] = [];
    // Not awaited: it may go on beyond the transaction, and then does nothing.
    if (manner === "after a while") void context.pause(afterMs).then(() => patience.abort());
    const result = await session.attempt({
      as: "interactive",
      ...this.promises,
      expected: GIVEN_UP,
      ...(manner === "never" || manner === "deadline" ? {} : { signal: patience.signal }),
      ...(manner === "deadline" ? { timeoutMs: 1 + afterMs } : {}),
      onLostAttempt: () => this.ledger.told(attempts.at(-1), "aborted"),
      body: async (tx) => {
        attempts.push(tx.id);
        this.ledger.begin(tx.id, giving.rows);
        if (manner === "at once") patience.abort();
        // Each attempt has rows of its own, or the next would hide what an aborted one left.
        await this.write(tx, [giving.part, ...key, attempts.length], giving);
        if (manner === "before commit") patience.abort();
      },
    });
    const last = attempts.at(-1);
    if (last === undefined) return;
    if (result.outcome !== "unknown") this.ledger.told(last, result.outcome);
    for (const transaction of attempts) {
      const isKnown = transaction !== last || result.outcome !== "unknown";
      this.ledger.answered(transaction, await session.outcomeOf(transaction, isKnown ? 1 : undefined));
    }
  }

  private async write(tx: WorkloadTransaction, key: RowKey, giving: Giving): Promise<void> {
    const { table } = this.options;
    if (giving.counter !== undefined) {
      const counter = await tx.get<Counter>(this.counters, [giving.counter]);
      tx.put(this.counters, [giving.counter], { count: (counter?.count ?? 0) + 1 });
    }
    for (let i = 0; i < giving.rows; i++) {
      const row: MarkedRow = { transaction: tx.id, row: i };
      tx.put(table, [...key, i], row);
    }
  }

  /** Asks for a transaction of whichever client, and looks whether the answer is the one given before. */
  private async askAgain(session: ClientSession, random: Random): Promise<void> {
    const known = this.ledger.transactions;
    if (known.length === 0) return;
    const transaction = random.pick(known);
    this.ledger.answered(transaction, await session.outcomeOf(transaction, 1));
  }
}
