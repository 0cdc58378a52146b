/**
 * A workload running against a real cluster, as end-to-end tests need it: clients in closed loops,
 * progress that can be waited for (in commits, never in seconds), and a verdict at the end.
 */
import { connect } from "@sixfold/client";
import {
  catchUp,
  makeWorkload,
  type HistoryTransaction,
  type Promises,
  type TransactionStyle,
  type Verdict,
  type WorkloadName,
} from "@sixfold/workload";
import { STUCK_MS } from "./real-cluster.ts";

export interface LoadOptions extends Promises {
  readonly workload: WorkloadName;
  readonly as: TransactionStyle;
  readonly writers: number;
  readonly sharedPct: number;
  readonly clients: number;
  readonly records: number;
  readonly table?: string;
  readonly seed?: number;
  /** Replicas where transactions run that only read; else with the others. */
  readonly readers?: readonly string[];
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

  get name(): WorkloadName {
    return this.workload.name;
  }

  /** What its clients did and saw, if it is one for the checker. After `finish`. */
  history(): readonly HistoryTransaction[] {
    return this.workload.history?.() ?? [];
  }

  /** Loads the rows and starts the clients, each on the connection of its writer. */
  static async start(endpoints: readonly string[], options: LoadOptions): Promise<LiveLoad> {
    const table = options.table ?? "load";
    const workload = makeWorkload(options.workload, { seed: 7, ...options, table });
    // Each client prefers its own writer, and may go to any other when that one is gone.
    const databases = await Promise.all(
      endpoints.map((_, i) =>
        connect([...endpoints.slice(i), ...endpoints.slice(0, i)], {
          ...{ affinity: () => i, retryCalls: false },
          ...(options.readers === undefined ? {} : { readFrom: "replica" }),
        }),
      ),
    );
    await workload.setup(databases[0]!);
    await Promise.all(databases.map((db) => catchUp(db, table)));
    await Promise.all((options.readers ?? []).map((url) => catchUpAt(url, table)));
    const load = new LiveLoad(databases, workload);
    for (let client = 0; client < options.clients; client++) load.loops.push(load.loop(client));
    return load;
  }

  /** Resolves when `more` further transactions were acknowledged. */
  progress(more: number): Promise<void> {
    return progressOf([this], more);
  }

  /** Throws what a client failed with, that no workload can expect. */
  checkHealth(): void {
    if (this.failure !== undefined) throw this.failure;
  }

  /** The clients end what they are at. */
  stop(): void {
    this.stopping = true;
  }

  /** Stops the clients and judges rows against what they were told. */
  async finish(): Promise<Verdict> {
    this.stop();
    await Promise.all(this.loops);
    this.checkHealth();
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
        pause: (ms = 20) => new Promise((resolve) => setTimeout(resolve, ms)),
        record: (_latencyMs, outcome) => void this[outcome]++,
        attemptAborted: (code) => void this.abortedBy.set(code, (this.abortedBy.get(code) ?? 0) + 1),
      });
    } catch (error) {
      this.failure ??= error instanceof Error ? error : new Error(String(error));
    }
  }
}

/** A replica may not have heard of a new table either. */
async function catchUpAt(replica: string, table: string): Promise<void> {
  const db = await connect([replica], { discover: false });
  await db.transaction((tx) => tx.get(table, ["catch-up"]), { consistency: "cluster", readOnly: true });
  await db.close();
}

/** Several loads at once, each on tables of its own. */
export class LiveLoads {
  readonly loads: readonly LiveLoad[];

  private constructor(loads: readonly LiveLoad[]) {
    this.loads = loads;
  }

  static async start(endpoints: readonly string[], options: readonly LoadOptions[]): Promise<LiveLoads> {
    const loads: LiveLoad[] = [];
    for (const each of options)
      loads.push(await LiveLoad.start(endpoints, { table: each.workload, ...each }));
    return new LiveLoads(loads);
  }

  /** Resolves when `more` further transactions were acknowledged, all together. */
  progress(more: number): Promise<void> {
    return progressOf(this.loads, more);
  }

  /** Stops all clients; each load's verdict by its name. */
  async finish(): Promise<Partial<Record<WorkloadName, Verdict>>> {
    const verdicts: Partial<Record<WorkloadName, Verdict>> = {};
    for (const load of this.loads) load.stop();
    for (const load of this.loads) verdicts[load.name] = await load.finish();
    return verdicts;
  }

  /** Committed, aborted and unknown transactions of each. */
  get counts(): string {
    return this.loads
      .map(({ name, committed, aborted, unknown }) => `${name} ${committed}/${aborted}/${unknown}`)
      .join(", ");
  }
}

async function progressOf(loads: readonly LiveLoad[], more: number): Promise<void> {
  const committed = (): number => loads.reduce((sum, load) => sum + load.committed, 0);
  const goal = committed() + more;
  for (const deadline = Date.now() + STUCK_MS; committed() < goal;) {
    for (const load of loads) load.checkHealth();
    if (Date.now() > deadline) throw new Error(`stuck at ${committed()} commits, waiting for ${goal}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
