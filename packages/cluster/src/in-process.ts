/** All nodes of a local cluster in this process: the same hosts, the same WebSockets, the same files. */
import { DEFAULT_NODE_SETTINGS } from "@sixfold/database";
import type { Geometry, Mode, NodeInfo, SegmentServerInfo } from "@sixfold/model";
import { NodeHost as NodeJsHost } from "@sixfold/node-ports";
import type { Backend, NodeStatus } from "./backend.ts";
import type { ClusterEvent, ClusterOptions } from "./cluster-api.ts";
import type { ProtocolWatch } from "./monitor/protocol-watch.ts";
import { Journal } from "./journal.ts";
import { startNodeHost, type RunningNode } from "./node-host.ts";
import { loadProcedures } from "./procedure-modules.ts";
import { startSegmentHost, type RunningSegment } from "./segment-host.ts";
import { latencyBetween, type Topology } from "./topology.ts";

/** Pages of a buffer pool unless said otherwise: 256 MiB of 8 KiB pages. */
export const DEFAULT_POOL_PAGES = 32_768;

const POLL_MS = 5;

export class InProcessBackend implements Backend {
  private readonly options: ClusterOptions;
  private readonly geometry: Geometry;
  private readonly on: (event: ClusterEvent) => void;
  private readonly watch: ProtocolWatch | undefined;
  private readonly running = new Map<string, RunningSegment | RunningNode>();
  private readonly nodes = new Map<string, RunningNode>();

  constructor(
    options: ClusterOptions,
    geometry: Geometry,
    on: (event: ClusterEvent) => void,
    watch: ProtocolWatch | undefined,
  ) {
    this.options = options;
    this.geometry = geometry;
    this.on = on;
    this.watch = watch;
  }

  pid(): number {
    return process.pid;
  }

  async launchServer(server: SegmentServerInfo, topology: () => Topology): Promise<void> {
    const { name } = server;
    const running = await startSegmentHost(
      new NodeJsHost(name, `${this.options.dataDir}/${name}`),
      { ...this.common(server, topology()), name, trace: this.watch?.trace(name) },
      this.journal(name),
    );
    this.running.set(name, running);
  }

  async launchNode(node: NodeInfo, topology: () => Topology): Promise<void> {
    const { options, geometry } = this;
    const { name, role } = node;
    const running = await startNodeHost(
      new NodeJsHost(name, `${options.dataDir}/${name}`),
      {
        ...this.common(node, topology()),
        ...{ name, role, geometry },
        procedures: await loadProcedures(options.procedures),
        mode: options.mode,
        conflicts: options.conflicts,
        nodes: topology().nodes,
        poolPages: options.poolPages ?? DEFAULT_POOL_PAGES,
        injectConflicts: options.injectConflicts,
        settings: {
          suspectAfterMs: options.suspectAfterMs ?? DEFAULT_NODE_SETTINGS.suspectAfterMs,
          endedAfterMs: options.endedAfterMs ?? DEFAULT_NODE_SETTINGS.endedAfterMs,
        },
        trace: this.watch?.trace(name),
      },
      this.journal(name),
    );
    this.running.set(name, running);
    this.nodes.set(name, running);
  }

  async ready({ name }: NodeInfo | SegmentServerInfo): Promise<void> {
    while (this.running.get(name)?.status()["ready"] !== true)
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }

  async status({ name }: NodeInfo): Promise<NodeStatus | undefined> {
    return this.nodes.get(name)?.status();
  }

  async end({ name }: NodeInfo | SegmentServerInfo): Promise<void> {
    const node = this.nodes.get(name);
    await (node === undefined ? this.running.get(name)?.stop() : node.retire());
    this.nodes.delete(name);
    this.running.delete(name);
  }

  async strikeOff(name: string, through: NodeInfo): Promise<boolean> {
    await this.nodes.get(through.name)?.strikeOff(name);
    return true;
  }

  async introduce(server: SegmentServerInfo, through: NodeInfo): Promise<boolean> {
    await this.nodes.get(through.name)?.addServer(server);
    return true;
  }

  async switchMode(mode: Mode, through: NodeInfo): Promise<boolean> {
    return (await this.nodes.get(through.name)?.switchMode(mode)) === true;
  }

  kill(): void {
    throw new Error("nodes of an in-process cluster cannot be killed one by one");
  }

  async restart(): Promise<void> {
    // Nothing dies alone.
  }

  async stop(names: readonly string[]): Promise<void> {
    for (const name of [...names].reverse()) {
      await this.running.get(name)?.stop();
      this.running.delete(name);
    }
  }

  /** What a segment server's host and a database node's are told alike. */
  private common({ az, url }: SegmentServerInfo | NodeInfo, { volume, servers }: Topology) {
    const { azLatencyMs, liveness } = this.options;
    return {
      volume,
      token: "",
      listen: { host: new URL(url).hostname, port: Number(new URL(url).port) },
      servers,
      latencyMsTo: latencyBetween(az, azLatencyMs),
      liveness,
    };
  }

  private journal(name: string): Journal {
    return new Journal((level, message, fields) => this.on({ event: "log", level, name, message, fields }));
  }
}
