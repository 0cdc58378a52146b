/** The simulated cluster under one workload whose clients never rest, with faults that the test brings about itself. */
import { SimulatedCluster as Cluster, type SimulatedDatabase } from "@sixfold/simulation";
import type { Mode } from "@sixfold/model";
import { catchUp, makeWorkload, type Verdict, type Workload, type WorkloadName } from "@sixfold/workload";

export interface SimulatedOptions {
  readonly mode: Mode;
  readonly writers: number;
  readonly clients: number;
  readonly workload: WorkloadName;
  readonly as: "procedure" | "interactive";
  readonly sharedPct: number;
  readonly records: number;
}

/** Large enough that nothing is merged or evicted unless a test means to. */
const ROOMY = { poolPages: 256, logFileBytes: 4 << 20, mergeAboveBytes: 16 << 20, retainBytesMax: 96 << 20 };
const TABLE = "load";
const REST_MS = 20;

export class SimulatedCluster extends Cluster {
  committed = 0;
  unknown = 0;
  aborted = 0;
  private readonly said: Map<string, number>;
  private readonly options: SimulatedOptions;
  private readonly workload: Workload;
  private databases: SimulatedDatabase[] = [];
  private loops: Promise<void>[] = [];
  private stopping = false;

  constructor(seed: number, options: SimulatedOptions) {
    const said = new Map<string, number>();
    const { mode, writers } = options;
    super(
      { seed, mode, writers, planted: [], ...ROOMY },
      {
        log: ({ process: name, event, fields }) => {
          for (const line of [event, `${name} ${event}`]) said.set(line, (said.get(line) ?? 0) + 1);
          if (process.env["SIM_LOG"] !== undefined)
            console.log(this.world.nowMs.toFixed(1), name, event, JSON.stringify(fields));
        },
      },
    );
    this.said = said;
    this.options = options;
    this.workload = makeWorkload(options.workload, { seed, table: TABLE, ...options });
  }

  /** Loads the rows and starts the clients. */
  async start(): Promise<void> {
    const writers = this.topology.nodes.map((_, writer) => this.connect(writer));
    this.databases = await this.settled(Promise.all(writers));
    await this.settled(this.workload.setup(this.databases[0]!));
    await this.settled(Promise.all(this.databases.map((db) => catchUp(db, TABLE))));
    this.busy();
  }

  /** Starts the clients (again). */
  busy(): void {
    this.stopping = false;
    for (let client = 0; client < this.options.clients; client++) this.loops.push(this.loop(client));
  }

  /** Lets the clients end what they are at, and begin nothing new. */
  async quiet(): Promise<void> {
    this.stopping = true;
    await this.settled(Promise.all(this.loops.splice(0)));
  }

  /** Runs until `more` further transactions were acknowledged. */
  async progress(more: number): Promise<void> {
    const goal = this.committed + more;
    await this.world.run(() => this.committed >= goal);
  }

  /** Ends the clients and holds rows against what they were told. */
  async finish(): Promise<Verdict> {
    await this.quiet();
    return this.settled(this.workload.check(this.databases[0]!));
  }

  /** How often this was logged, by all processes or by one. */
  times(event: string, by?: string): number {
    return this.said.get(by === undefined ? event : `${by} ${event}`) ?? 0;
  }

  private async loop(client: number): Promise<void> {
    const db = this.databases[this.workload.writerOf(client) % this.databases.length]!;
    const { clock } = this.clients.host;
    await this.workload.run(db, client, {
      stopped: () => this.stopping,
      now: () => clock.nowMs(),
      pause: (ms = REST_MS) => new Promise((resolve) => void clock.after(ms, () => resolve())),
      record: (_latencyMs, outcome) => void this[outcome]++,
      attemptAborted: () => undefined,
    });
  }
}
