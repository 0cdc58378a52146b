/**
 * A workload running against a real cluster, as end-to-end tests need it: clients in closed loops,
 * progress that can be waited for (in commits, never in seconds), and a verdict at the end.
 */
import { connect } from "@sixfold/client";
import {
  catchUp,
  makeWorkload,
  type TransactionStyle,
  type Verdict,
  type WorkloadName,
} from "@sixfold/workload";

/** Longest wait for progress: a cluster that makes none for so long is stuck. */
const STUCK_MS = 60_000;

export interface LoadOptions {
  readonly workload: WorkloadName;
  readonly as: TransactionStyle;
  readonly writers: number;
  readonly sharedPct: number;
  readonly clients: number;
  readonly records: number;
  readonly table?: string;
}

type Database = Awaited<ReturnType<typeof connect>>;

export class LiveLoad {
  committed = 0;
  unknown = 0;
  aborted = 0;
  /** Attempts that clients were told are aborted, by error code. */
  readonly abortedBy = new Map<string, number>();
  private stopping = false;
  private readonly loops: Promise<void>[] = [];
  private readonly databases: Database[];
  private readonly workload: ReturnType<typeof makeWorkload>;
  private failure: Error | undefined;

  private constructor(databases: Database[], workload: ReturnType<typeof makeWorkload>) {
    this.databases = databases;
    this.workload = workload;
  }

  /** Loads the rows and starts the clients, each on the connection of its writer. */
  static async start(endpoints: readonly string[], options: LoadOptions): Promise<LiveLoad> {
    const table = options.table ?? "load";
    const workload = makeWorkload(options.workload, { seed: 7, ...options, table });
    // Each client prefers its own writer, and may go to any other when that one is gone.
    const databases = await Promise.all(
      endpoints.map((_, i) =>
        connect([...endpoints.slice(i), ...endpoints.slice(0, i)], { affinity: () => i, retryCalls: false }),
      ),
    );
    await workload.setup(databases[0]!);
    await Promise.all(databases.map((db) => catchUp(db, table)));
    const load = new LiveLoad(databases, workload);
    for (let client = 0; client < options.clients; client++) load.loops.push(load.loop(client));
    return load;
  }

  /** Resolves when `more` further transactions were acknowledged. */
  async progress(more: number): Promise<void> {
    const goal = this.committed + more;
    for (const deadline = Date.now() + STUCK_MS; this.committed < goal;) {
      if (this.failure !== undefined) throw this.failure;
      if (Date.now() > deadline) throw new Error(`stuck at ${this.committed} commits, waiting for ${goal}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Stops the clients and judges rows against what they were told. */
  async finish(): Promise<Verdict> {
    this.stopping = true;
    await Promise.all(this.loops);
    if (this.failure !== undefined) throw this.failure;
    const verdict = await this.workload.check(this.databases[0]!);
    await Promise.all(this.databases.map((db) => db.close()));
    return verdict;
  }

  private async loop(client: number): Promise<void> {
    const db = this.databases[this.workload.writerOf(client) % this.databases.length]!;
    try {
      await this.workload.run(db, client, {
        stopped: () => this.stopping,
        now: () => performance.now(),
        pause: () => new Promise((resolve) => setTimeout(resolve, 20)),
        record: (_latencyMs, outcome) => void this[outcome]++,
        attemptAborted: (code) => void this.abortedBy.set(code, (this.abortedBy.get(code) ?? 0) + 1),
      });
    } catch (error) {
      this.failure ??= error instanceof Error ? error : new Error(String(error));
    }
  }
}
