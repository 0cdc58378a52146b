/** The simulated cluster under one workload whose clients never rest, with faults that the test brings about itself. */
import { Monitor, showViolation } from "@sixfold/protocol";
import { type ClusterShape, SimulatedCluster, type SimulatedDatabase } from "@sixfold/simulation";
import type { Mode } from "@sixfold/model";
import { catchUp, makeWorkload, type Verdict, type Workload, type WorkloadName } from "@sixfold/workload";

export interface LoadOptions {
  readonly mode: Mode;
  readonly writers: number;
  readonly clients: number;
  readonly workload: WorkloadName;
  readonly as: "procedure" | "interactive";
  readonly sharedPct: number;
  readonly records: number;
}

/** Large enough that nothing is merged or evicted unless a test means to. */
const ROOMY = {
  distance: "near",
  poolPages: 256,
  logFileBytes: 4 << 20,
  mergeAboveBytes: 16 << 20,
  retainBytesMax: 96 << 20,
} as const;
const TABLE = "load";
const REST_MS = 20;

export class LoadedCluster extends SimulatedCluster {
  committed = 0;
  /** Codes that clients were told attempts had failed with. */
  readonly abortedBy = new Set<string>();
  private readonly monitor: Monitor;
  private readonly said: Map<string, number>;
  private readonly options: LoadOptions;
  private readonly workload: Workload;
  private databases: SimulatedDatabase[] = [];
  private loops: Promise<void>[] = [];
  private stopping = false;

  constructor(seed: number, options: LoadOptions, shape: Partial<ClusterShape> = {}) {
    const said = new Map<string, number>();
    const monitor = new Monitor();
    const { mode, writers } = options;
    super(
      { seed, mode, writers, planted: [], ...ROOMY, ...shape },
      {
        trace: (traced) => monitor.observe(traced),
        log: ({ process: name, event }) => {
          for (const line of [event, `${name} ${event}`]) said.set(line, (said.get(line) ?? 0) + 1);
        },
      },
    );
    this.said = said;
    this.monitor = monitor;
    this.options = options;
    this.workload = makeWorkload(options.workload, { seed, table: TABLE, ...options });
  }

  /** Names of all processes. */
  get processes(): string[] {
    return [...this.topology.servers, ...this.topology.nodes].map(({ name }) => name);
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
    for (let client = 0; client < this.options.clients; client++)
      this.loops.push(this.loop(client).catch((error) => this.world.fail(error)));
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

  /** Ends the clients and holds rows against what they were told, and all steps against the protocol's conditions. */
  async finish(): Promise<Verdict> {
    await this.quiet();
    const [violation] = this.monitor.finish();
    if (violation !== undefined) return `broken: ${showViolation(violation)}`;
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
      record: (_latencyMs, outcome) => {
        if (outcome === "committed") this.committed++;
      },
      attemptAborted: (code) => void this.abortedBy.add(code),
    });
  }
}
