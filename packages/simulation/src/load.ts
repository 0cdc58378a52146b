/**
 * The load: clients of one or more workloads, each with a connection of its own, resting between transactions so that a
 * run covers seconds of virtual time and not only thousands of transactions.
 */
import type { Random } from "@sixfold/model";
import { catchUp, makeWorkload, type RunContext, type Verdict, type Workload } from "@sixfold/workload";
import type { WorkloadDatabase, WorkloadOperations } from "@sixfold/workload";
import type { LoadPlan, Plan } from "./plan.ts";
import type { SimulatedCluster, SimulatedDatabase } from "./simulated-cluster.ts";

export interface LoadCounts {
  committed: number;
  aborted: number;
  unknown: number;
}

interface RunningLoad {
  readonly plan: LoadPlan;
  readonly table: string;
  readonly workload: Workload;
}

/** After a failure, if the workload does not say how long. */
const REST_MS = 20;
const ROWS = 40;
/** Five pages of overflow, and a quarter of a page. */
const LONG_VALUE_BYTES = 20_000;
const CHURN_VALUE_BYTES = 900;

export class Load {
  readonly counts: LoadCounts = { committed: 0, aborted: 0, unknown: 0 };
  private readonly cluster: SimulatedCluster;
  private readonly plan: Plan;
  private readonly loads: readonly RunningLoad[];
  private readonly random: Random;
  /** Sets up, audits and checks. */
  private observer: SimulatedDatabase | undefined;
  private clients: Promise<void>[] = [];
  private stopping = false;

  constructor(cluster: SimulatedCluster, plan: Plan) {
    this.cluster = cluster;
    this.plan = plan;
    this.random = cluster.world.random.fork("load");
    this.loads = plan.loads.map((load, i) => {
      const table = `${load.workload}-${i}`;
      const { workload: name, sharedPct, as, isolation, consistency } = load;
      const workload = makeWorkload(name, {
        seed: plan.seed + i,
        table,
        writers: plan.writers,
        sharedPct,
        as,
        isolation,
        consistency,
        records: ROWS,
        valueBytes: name === "long-values" ? LONG_VALUE_BYTES : CHURN_VALUE_BYTES,
      });
      return { plan: load, table, workload };
    });
  }

  get workloads(): readonly Workload[] {
    return this.loads.map((load) => load.workload);
  }

  /** Creates tables and rows, and starts the clients. */
  async start(): Promise<void> {
    this.observer = await this.cluster.connect(0);
    for (const { plan, table, workload } of this.loads) {
      await workload.setup(this.observer);
      for (let client = 0; client < plan.clients; client++) {
        const db = await this.cluster.connect(workload.writerOf(client));
        await catchUp(db, table);
        // What no workload can expect ends its client, and is the run's failure.
        this.clients.push(this.client(workload, client, db).catch((error) => this.cluster.world.fail(error)));
      }
    }
  }

  /** Clients end what they have begun. */
  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.clients);
  }

  /** Each workload's invariant on a snapshot, while clients run. */
  async audit(): Promise<Verdict> {
    for (const { workload } of this.loads) {
      const verdict = await workload.audit(this.observer!);
      if (verdict !== "ok") return named(workload, verdict);
    }
    return "ok";
  }

  /** After `stop`, on a healthy cluster: rows against what clients were told. */
  async check(): Promise<Verdict> {
    for (const { workload } of this.loads) {
      const verdict = await workload.check(this.observer!);
      if (verdict !== "ok") return named(workload, verdict);
    }
    return "ok";
  }

  private async client(workload: Workload, client: number, db: SimulatedDatabase): Promise<void> {
    const random = this.random.fork(`client ${client}`);
    const { clock } = this.cluster.clients.host;
    const rest = (ms: number): Promise<void> =>
      new Promise((resolve) => void clock.after(ms, () => resolve()));
    const context: RunContext = {
      stopped: () => this.stopping,
      now: () => clock.nowMs(),
      pause: (ms = REST_MS) => rest(ms),
      record: (_latencyMs, outcome) => void this.counts[outcome]++,
      attemptAborted: () => undefined,
    };
    const think = async (): Promise<void> => {
      if (!this.stopping) await rest(random.next() * 2 * this.plan.thinkMs);
    };
    await workload.run(paced(db, think), client, context);
  }
}

function named(workload: Workload, verdict: Verdict): Verdict {
  return verdict === "ok" ? verdict : `broken: ${workload.name}: ${verdict.slice("broken: ".length)}`;
}

/** The same database, with a rest before each transaction. */
function paced(db: SimulatedDatabase, think: () => Promise<void>): WorkloadDatabase {
  const operations = (on: WorkloadOperations): WorkloadOperations => ({
    createTable: (table) => on.createTable(table),
    dropTable: (table) => on.dropTable(table),
    listTables: () => on.listTables(),
    get: (table, key) => on.get(table, key),
    outcome: (transaction) => on.outcome(transaction),
    transaction: async (body, options) => {
      await think();
      return on.transaction(body, options);
    },
    call: async (procedure, ...args) => {
      await think();
      return on.call(procedure, ...args);
    },
  });
  return { ...operations(db), session: () => operations(db.session()) };
}
