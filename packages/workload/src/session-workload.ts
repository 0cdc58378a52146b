/**
 * What the workloads that look for faults have in common: each client keeps a session, does one thing after another in it, and
 * what any of them saw and never should have breaks the run.
 */
import type { Random } from "@sixfold/model";
import { clientRandom } from "./client-choices.ts";
import { type ClientSession, Sessions } from "./client-session.ts";
import type { WorkloadDatabase } from "./database-face.ts";
import { Violations } from "./violations.ts";
import {
  type Promises,
  type RunContext,
  type Verdict,
  verdictOf,
  type Workload,
  type WorkloadName,
  type WorkloadOptions,
} from "./workload.ts";

/** One client while it runs. */
export interface Client {
  readonly number: number;
  /** Its choices. */
  readonly random: Random;
  readonly session: ClientSession;
  readonly context: RunContext;
}

export abstract class SessionWorkload implements Workload {
  abstract readonly name: WorkloadName;
  protected readonly options: WorkloadOptions;
  /** What interactive transactions ask for. */
  protected readonly promises: Promises;
  protected readonly sessions: Sessions;
  protected readonly seen = new Violations();

  constructor(options: WorkloadOptions) {
    const { table, isolation, consistency } = options;
    this.options = options;
    this.promises = { isolation, consistency };
    this.sessions = new Sessions(table);
  }

  /** Returns what the client does over and over. */
  protected abstract begin(client: Client): () => Promise<void>;
  /** After all clients have returned: what is wrong with the rows. */
  protected abstract judge(db: WorkloadDatabase): Promise<string | undefined>;

  writerOf(client: number): number {
    return client % this.options.writers;
  }

  async setup(db: WorkloadDatabase): Promise<void> {
    await db.createTable(this.options.table);
    await this.sessions.setup(db);
  }

  async run(db: WorkloadDatabase, number: number, context: RunContext): Promise<void> {
    const random = clientRandom(this.options.seed, number);
    const act = this.begin({ number, random, session: this.sessions.open(db, context), context });
    while (!context.stopped()) await act();
  }

  async audit(_db: WorkloadDatabase): Promise<Verdict> {
    return "ok";
  }

  async check(db: WorkloadDatabase): Promise<Verdict> {
    return verdictOf(this.seen.summary() ?? (await this.judge(db)));
  }
}
