/**
 * `hot`: every client adds one to the same counter, as fast as it can.
 *
 * The shared fraction decides for each increment whether it goes to the one common counter or to
 * that of the client's own writer. Interactively the row is locked first (`forUpdate`), which is how a
 * program that knows of its hot row would write it: within a writer increments then queue, and
 * only writers race.
 *
 * Invariant: each counter is the number of its acknowledged increments (I1, I2, I9).
 */
import { clientRandom } from "./client-choices.ts";
import { attempt } from "./attempt.ts";
import type { WorkloadDatabase } from "./database-face.ts";
import { KeyParts } from "./key-parts.ts";
import { type ExpectedChanges, Ledger, unexpected } from "./ledger.ts";
import { loadRows } from "./load-rows.ts";
import type { Counter } from "./procedures.ts";
import type { RunContext, Verdict, Workload, WorkloadOptions } from "./workload.ts";

export class Hot implements Workload {
  readonly name = "hot";
  private readonly parts: KeyParts;
  private readonly ledger = new Ledger();
  private readonly options: WorkloadOptions;

  constructor(options: WorkloadOptions) {
    this.options = options;
    // One row a part, whatever number of records was asked for.
    this.parts = new KeyParts({ ...options, records: 1 });
  }

  writerOf(client: number): number {
    return this.parts.writerOf(client);
  }

  async setup(db: WorkloadDatabase): Promise<void> {
    const first: Counter = { count: 0 };
    const rows = this.parts.parts.map((part) => [[part, 0], first] as const);
    await loadRows(db, this.options.table, rows);
  }

  async run(db: WorkloadDatabase, client: number, context: RunContext): Promise<void> {
    const random = clientRandom(this.options.seed, client);
    const writer = this.writerOf(client);
    while (!context.stopped()) await this.increment(db, this.parts.choosePart(writer, random), context);
  }

  async audit(db: WorkloadDatabase): Promise<Verdict> {
    // Acknowledged before the reads begin, so in them; what is acknowledged later may be in them.
    const before = this.parts.parts.map((part) => this.ledger.changesOf(part).least);
    const counts = await this.counts(db);
    for (let i = 0; i < counts.length; i++)
      if (counts[i]! < before[i]!)
        return `broken: the counter of ${this.parts.parts[i]} is ${counts[i]} after ${before[i]} acknowledged increments`;
    return "ok";
  }

  async check(db: WorkloadDatabase): Promise<Verdict> {
    await this.ledger.settle(db);
    const counts = await this.counts(db);
    for (let i = 0; i < counts.length; i++) {
      const expected: ExpectedChanges = this.ledger.changesOf(this.parts.parts[i]!);
      const wrong = unexpected(counts[i]!, expected);
      if (wrong !== undefined) return `broken: the counter of ${this.parts.parts[i]} is ${wrong}`;
    }
    return "ok";
  }

  private async increment(db: WorkloadDatabase, part: string, context: RunContext): Promise<void> {
    const { table, as, isolation, consistency } = this.options;
    const key = [part, 0];
    const result = await attempt(
      db,
      {
        as,
        isolation,
        consistency,
        procedure: "increment",
        args: [table, key],
        body: async (tx) => {
          const counter = await tx.get<Counter>(table, key, { forUpdate: true });
          if (counter === undefined) throw new Error("the counter is missing");
          tx.put(table, key, { count: counter.count + 1 });
        },
      },
      context,
    );
    if (result.outcome === "committed") this.ledger.commit([part]);
    else if (result.outcome === "unknown") this.ledger.doubt(result.transaction, [part]);
  }

  /** Of each part, -1 for a missing counter. */
  private counts(db: WorkloadDatabase): Promise<number[]> {
    const { table } = this.options;
    return db.transaction(
      async (tx) => {
        const counters = await Promise.all(this.parts.parts.map((part) => tx.get<Counter>(table, [part, 0])));
        return counters.map((counter) => counter?.count ?? -1);
      },
      { consistency: "cluster" },
    );
  }
}
