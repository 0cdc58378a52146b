/**
 * The production cluster in a simulated world: the same hosts, cores, frames and SDK as real processes run, on seeded
 * clocks, networks and disks. One thread, virtual time, no waiting.
 */
import { connectOn, type ConnectOptions } from "@sixfold/client";
import { Journal, localTopology, startNodeHost, startSegmentHost, type Topology } from "@sixfold/cluster";
import type { Procedure } from "@sixfold/database";
import {
  type Mode,
  nodeName,
  type PlantedBug,
  Random,
  type Traced,
  type NodeInfo,
  type NodeName,
} from "@sixfold/model";
import { fixedDelay, type SimNode, World } from "@sixfold/sim-ports";
import { procedures as workloadProcedures } from "@sixfold/workload";
import { DELAYS, type Distance } from "./distance.ts";

/** Damage is to be found within a run of seconds. */
const SCRUB_PASS_MS = 1_000;
/** Chains of simulated volumes, which are small, are swept away and met again all the time. */
const IDLE_CHAINS_MAX = 4;
/** Nor do their pages change often. */
const RIPE_CHANGES = 6;
const RIPE_PAGES = 2;

export interface ClusterShape {
  readonly seed: number;
  readonly mode: Mode;
  readonly writers: number;
  /** Nodes that only read. None unless said otherwise. */
  readonly replicas?: number;
  /** Segment servers beyond the six. */
  readonly spares?: number;
  /** Machines for database nodes that may join: writers, and replicas if they are called "reading…". */
  readonly guests?: readonly string[];
  /** A segment server that is silent for so long is replaced, milliseconds. */
  readonly replaceAfterMs?: number;
  readonly distance: Distance;
  readonly poolPages: number;
  readonly logFileBytes: number;
  readonly mergeAboveBytes: number;
  readonly retainBytesMax: number;
  readonly planted: readonly PlantedBug[];
}

export interface LogEntry {
  readonly process: string;
  readonly level: string;
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface ClusterWatch {
  /** Every protocol step of every process, in true order. */
  readonly trace?: ((traced: Traced) => void) | undefined;
  /** Every event of the world, a line each. */
  readonly event?: ((line: string) => void) | undefined;
  /** What processes log. */
  readonly log?: ((entry: LogEntry) => void) | undefined;
  /** A process would not start, and said why. */
  readonly refused?: ((name: string, reason: Error) => void) | undefined;
}

/** A process, as its operator sees it. */
interface RunningHost {
  status(): Readonly<Record<string, unknown>>;
  stop(): Promise<void>;
  retire?(): Promise<void>;
  strikeOff?(name: string): Promise<void>;
  /** Settled when it has ended. */
  readonly ended?: Promise<void>;
  replace?(leaving: string): Promise<unknown>;
  switchMode?(mode: Mode): Promise<unknown>;
  failOver?(to: string): Promise<unknown>;
}

export type SimulatedDatabase = Awaited<ReturnType<typeof connectOn>>;

const procedures = new Map(Object.entries(workloadProcedures as Record<string, Procedure>));
const PORT = 7;
const TOKEN = "secret";
const GEOMETRY = { pageBytes: 4096, segmentBytes: 64 * 4096 };
const CONNECT_TIMEOUT_MS = 60_000;
/** So few that long values go ahead of their commits, as only those of many MiB do elsewhere. */
const PIECE_PAGES = 3;
const SYNC_MS = 0.5;
const READY_POLL_MS = 10;
/** The machine that all clients run on. */
export const CLIENTS = "clients";

/** In the world each process is a machine of its own, reached by its name. */
export function simulatedTopology({
  writers,
  replicas = 0,
  spares = 0,
}: Pick<ClusterShape, "writers" | "replicas" | "spares">): Topology {
  const port = (): number => PORT;
  const shape = localTopology({
    volume: "sim",
    writers,
    replicas,
    spares,
    nodePort: port,
    segmentPort: port,
  });
  const named = <T extends { readonly name: string }>(process: T): T => ({
    ...process,
    url: `ws://${process.name}:${PORT}`,
  });
  return { volume: shape.volume, servers: shape.servers.map(named), nodes: shape.nodes.map(named) };
}

export class SimulatedCluster {
  readonly world: World;
  readonly topology: Topology;
  private readonly shape: ClusterShape;
  private readonly watch: ClusterWatch;
  private readonly planted: ReadonlySet<PlantedBug>;
  private readonly clientRandom: Random;
  /** What each process says of itself, by name: the present incarnation's. */
  private readonly hosts = new Map<string, RunningHost>();

  constructor(shape: ClusterShape, watch: ClusterWatch = {}) {
    this.shape = shape;
    this.watch = watch;
    this.planted = new Set(shape.planted);
    this.world = new World(shape.seed, {
      network: DELAYS[shape.distance],
      ...(watch.event === undefined ? {} : { onEvent: watch.event }),
    });
    this.clientRandom = new Random(shape.seed);
    this.topology = simulatedTopology(shape);
    for (const server of this.topology.servers) this.addServer(server);
    for (const node of this.topology.nodes) this.addNode(node);
    this.world.node(CLIENTS, { az: "a" });
    for (const name of shape.guests ?? []) {
      const role = name.startsWith("reading") ? "replica" : "writer";
      this.addNode({ name: nodeName(name), role, az: "b", url: `ws://${name}:${PORT}` });
      this.world.kill(name);
    }
  }

  /** A connection whose transactions go to the writer of this number while it serves; those that only read, to replicas if there are any. */
  connect(writer: number): Promise<SimulatedDatabase> {
    return this.connectWith({
      affinity: () => writer,
      ...((this.shape.replicas ?? 0) > 0 ? { readFrom: "replica" } : {}),
    });
  }

  /** `names`: of the nodes whose addresses the client is given; all unless said otherwise. */
  connectWith(options: ConnectOptions, names?: readonly string[]): Promise<SimulatedDatabase> {
    const { network, clock } = this.clients.host;
    const random = this.clientRandom;
    const given = this.topology.nodes.filter(({ name }) => names === undefined || names.includes(name));
    const urls = given.map((node) => node.url);
    const ports = {
      network,
      clock,
      randomBytes: (n: number) => Uint8Array.from({ length: n }, () => random.int(256)),
      planted: this.planted,
    };
    return connectOn(ports, urls, {
      ...options,
      token: TOKEN,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
    });
  }

  /** Runs the world until every process says that it is ready. */
  async ready(): Promise<void> {
    const processes = this.topology.servers.length + this.topology.nodes.length;
    const isReady = (): boolean =>
      this.hosts.size === processes &&
      [...this.hosts.values()].every((host) => host.status()["ready"] === true);
    while (!isReady()) await this.world.run(this.world.nowMs + READY_POLL_MS);
  }

  /** What a process says of itself; of one that has died, its last word. */
  statusOf(name: string): Readonly<Record<string, unknown>> {
    return this.hosts.get(name)?.status() ?? {};
  }

  /** Asks a process to end by itself, as an operator does; settled when it has. */
  stopCleanly(name: string): Promise<void> {
    return this.hosts.get(name)?.stop() ?? Promise.resolve();
  }

  /** Has a node leave the cluster for good, as an operator does; settled when its process has ended. */
  async retire(name: string): Promise<void> {
    await this.hosts.get(name)?.retire?.();
    // If it could not say so itself.
    void this.another(name)?.strikeOff?.(name);
  }

  /** Has another node strike it off; settled when its process has ended for that. */
  strikeOff(name: string): Promise<void> {
    void this.another(name)?.strikeOff?.(name);
    return this.hosts.get(name)?.ended ?? Promise.resolve();
  }

  private another(name: string): RunningHost | undefined {
    return this.nodesUp().find((host) => host.status()["name"] !== name);
  }

  /** Asks the first database node that is up. */
  replaceServer(name: string): void {
    for (const node of this.topology.nodes) {
      const host = this.hosts.get(node.name);
      if (host?.replace === undefined || !this.world.find(node.name).isUp) continue;
      void host.replace(name);
      return;
    }
  }

  /** Asks the first database node that is up. */
  switchMode(mode: Mode): void {
    void this.nodesUp()[0]?.switchMode?.(mode);
  }

  /** Asks the node that writes, if it says so; returns its name. */
  failOver(to: string): string | undefined {
    const writer = this.nodesUp().find((host) => host.status()["state"] === "writing");
    void writer?.failOver?.(to);
    return writer?.status()["name"] as string | undefined;
  }

  private nodesUp(): RunningHost[] {
    const up = this.topology.nodes.filter(({ name }) => this.world.find(name).isUp);
    return up.flatMap(({ name }) => this.hosts.get(name) ?? []);
  }

  get clients(): SimNode {
    return this.world.find(CLIENTS);
  }

  /** Runs the world until the promise is settled; an error if it is not within this much virtual time. */
  async settled<T>(promise: Promise<T>, limitMs?: number): Promise<T> {
    let isSettled = false;
    const done = (): void => void (isSettled = true);
    promise.then(done, done);
    await this.world.run(() => isSettled, limitMs);
    return promise;
  }

  private addServer(server: Topology["servers"][number]): void {
    const { logFileBytes, mergeAboveBytes, retainBytesMax } = this.shape;
    this.world.node(server.name, {
      az: server.az,
      sync: fixedDelay(SYNC_MS),
      boot: (host) =>
        this.booted(
          server.name,
          startSegmentHost(
            host,
            {
              name: server.name,
              volume: this.topology.volume,
              token: TOKEN,
              listen: { host: "0.0.0.0", port: PORT },
              servers: this.topology.servers,
              latencyMsTo: () => 0,
              logFileBytes,
              settings: {
                mergeAboveBytes,
                retainBytesMax,
                ripeChanges: RIPE_CHANGES,
                ripePages: RIPE_PAGES,
                pullBytesMax: logFileBytes / 4,
                copyStepBytes: logFileBytes / 4,
                scrubPassMs: SCRUB_PASS_MS,
                idleChainsMax: IDLE_CHAINS_MAX,
              },
              planted: this.planted,
              trace: this.traceOf(server.name),
            },
            this.journal(server.name),
          ),
        ),
    });
  }

  private addNode(node: NodeInfo): void {
    const { mode, poolPages, logFileBytes, replaceAfterMs } = this.shape;
    // What arrives at once must fit into a log file.
    const frameBytes = logFileBytes / 4;
    this.world.node(node.name, {
      az: node.az,
      boot: (host) =>
        this.booted(
          node.name,
          startNodeHost(
            host,
            {
              name: nodeName(node.name),
              role: node.role,
              mode,
              volume: this.topology.volume,
              geometry: GEOMETRY,
              conflicts: "row",
              servers: this.topology.servers,
              nodes: this.known(node),
              procedures,
              poolPages,
              piecePages: PIECE_PAGES,
              injectConflicts: 0,
              volumeSettings: {
                // Clients are few here; batches are to wait for more of them all the same.
                ...{ frameBytes, batchBytes: frameBytes / 4, gatherAbove: 0 },
                ...(replaceAfterMs === undefined ? {} : { replaceAfterMs }),
              },
              token: TOKEN,
              listen: { host: "0.0.0.0", port: PORT },
              latencyMsTo: () => 0,
              planted: this.planted,
              trace: this.traceOf(node.name),
            },
            this.journal(node.name),
          ),
        ),
    });
  }

  /** A guest knows the cluster that it joins, which does not know it. */
  private known(node: NodeInfo): readonly NodeInfo[] {
    const { nodes } = this.topology;
    return nodes.some(({ name }) => name === node.name) ? nodes : [...nodes, node];
  }

  /** A start that fails is either said to `refused`, or a defect. */
  private async booted(name: string, start: Promise<RunningHost>): Promise<void> {
    this.hosts.delete(name);
    try {
      this.hosts.set(name, await start);
    } catch (error) {
      if (this.watch.refused === undefined || !(error instanceof Error)) throw error;
      this.watch.refused(name, error);
    }
  }

  private traceOf(process: NodeName): ((event: Traced["event"]) => void) | undefined {
    const { trace } = this.watch;
    return trace === undefined ? undefined : (event) => trace({ process, event });
  }

  private journal(name: string): Journal {
    return new Journal((level, event, fields) => {
      this.world.note(`${name} ${event}`);
      this.watch.log?.({ process: name, level, event, fields });
    });
  }
}
