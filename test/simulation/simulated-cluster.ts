/**
 * The production cluster in a simulated world: the same hosts, cores, frames and SDK as real processes run,
 * on seeded clocks, networks and disks. One thread, virtual time, no waiting.
 */
import { connectOn } from "@sixfold/client";
import { Journal, localTopology, startNodeHost, startSegmentHost, type Topology } from "@sixfold/cluster";
import { nodeName, Random, type Mode } from "@sixfold/model";
import type { Procedure } from "@sixfold/database";
import { fixedDelay, World } from "@sixfold/sim-ports";
import {
  makeWorkload,
  PROCEDURES_URL,
  type Verdict,
  type Workload,
  type WorkloadName,
} from "@sixfold/workload";

export interface SimulatedOptions {
  readonly mode: Mode;
  readonly writers: number;
  readonly clients: number;
  readonly workload: WorkloadName;
  readonly as: "procedure" | "interactive";
  readonly sharedPct: number;
  readonly records: number;
}

const procedures = new Map(Object.entries((await import(PROCEDURES_URL.href)) as Record<string, Procedure>));
const PORT = 7;
const TOKEN = "secret";
const GEOMETRY = { pageBytes: 4096, segmentBytes: 64 * 4096 };
const LOG_FILE_BYTES = 4 << 20;

type Database = Awaited<ReturnType<typeof connectOn>>;

export class SimulatedCluster {
  readonly world: World;
  readonly topology: Topology;
  committed = 0;
  unknown = 0;
  aborted = 0;
  private readonly said = new Map<string, number>();
  private readonly options: SimulatedOptions;
  private readonly workload: Workload;
  private databases: Database[] = [];
  private loops: Promise<void>[] = [];
  private stopping = false;

  constructor(seed: number, options: SimulatedOptions) {
    this.options = options;
    this.world = new World(seed);
    const { writers } = options;
    const shape = localTopology({
      volume: "sim",
      writers,
      replicas: 0,
      nodePort: () => PORT,
      segmentPort: () => PORT,
    });
    // In the world each process is a machine of its own, reached by its name.
    const named = <T extends { readonly name: string }>(process: T): T => ({
      ...process,
      url: `ws://${process.name}:${PORT}`,
    });
    this.topology = {
      volume: shape.volume,
      servers: shape.servers.map(named),
      nodes: shape.nodes.map(named),
    };
    this.workload = makeWorkload(options.workload, { seed, table: "load", ...options });
    this.addServers();
    this.addNodes();
    this.world.node("clients", { az: "a" });
  }

  /** Loads the rows and starts the clients. */
  async start(): Promise<void> {
    const { host } = this.world.find("clients");
    const random = new Random(this.world.seed);
    const ports = {
      network: host.network,
      clock: host.clock,
      randomBytes: (n: number) => Uint8Array.from({ length: n }, () => random.int(256)),
    };
    const urls = this.topology.nodes.map((node) => node.url);
    this.databases = await this.settled(
      Promise.all(
        urls.map((_, i) =>
          connectOn(ports, [...urls.slice(i), ...urls.slice(0, i)], {
            affinity: () => i,
            token: TOKEN,
            connectTimeoutMs: 60_000,
          }),
        ),
      ),
    );
    await this.settled(this.workload.setup(this.databases[0]!));
    await this.settled(
      Promise.all(
        this.databases.map((db) =>
          db.transaction((tx) => tx.get("load", ["join"]), { consistency: "cluster" }),
        ),
      ),
    );
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

  /** Runs the world until the promise is settled. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const done = (): void => void (isSettled = true);
    promise.then(done, done);
    await this.world.run(() => isSettled);
    return promise;
  }

  private addServers(): void {
    for (const server of this.topology.servers)
      this.world.node(server.name, {
        az: server.az,
        sync: fixedDelay(0.5),
        boot: async (host) => {
          await startSegmentHost(
            host,
            {
              name: server.name,
              volume: this.topology.volume,
              token: TOKEN,
              listen: { host: "0.0.0.0", port: PORT },
              servers: this.topology.servers,
              latencyMsTo: () => 0,
              logFileBytes: LOG_FILE_BYTES,
            },
            this.journal(server.name),
          );
        },
      });
  }

  private addNodes(): void {
    const { mode } = this.options;
    for (const node of this.topology.nodes)
      this.world.node(node.name, {
        az: node.az,
        boot: async (host) => {
          await startNodeHost(
            host,
            {
              name: nodeName(node.name),
              role: "writer",
              mode,
              volume: this.topology.volume,
              geometry: GEOMETRY,
              conflicts: "row",
              servers: this.topology.servers,
              nodes: this.topology.nodes,
              procedures,
              poolPages: 256,
              injectConflicts: 0,
              token: TOKEN,
              listen: { host: "0.0.0.0", port: PORT },
              latencyMsTo: () => 0,
            },
            this.journal(node.name),
          );
        },
      });
  }

  private journal(name: string): Journal {
    return new Journal((level, event, fields) => {
      this.world.note(`${name} ${event}`);
      for (const line of [event, `${name} ${event}`]) this.said.set(line, (this.said.get(line) ?? 0) + 1);
      if (process.env["SIM_LOG"] !== undefined)
        console.log(this.world.nowMs.toFixed(1), name, level, event, JSON.stringify(fields));
    });
  }

  private async loop(client: number): Promise<void> {
    const db = this.databases[this.workload.writerOf(client) % this.databases.length]!;
    const { clock } = this.world.find("clients").host;
    await this.workload.run(db, client, {
      stopped: () => this.stopping,
      now: () => clock.nowMs(),
      pause: () => new Promise((resolve) => void clock.after(20, () => resolve())),
      record: (_latencyMs, outcome) => void this[outcome]++,
      attemptAborted: () => undefined,
    });
  }
}
