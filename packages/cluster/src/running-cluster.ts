/**
 * A local cluster that runs: its processes are added and ended while the others serve.
 *
 *     addNode    plan ──> launch ──> it joins the manifest's list by itself ──> serves ──> kept in the data folder
 *     stopNode   kept in the data folder ──> it closes its stream and leaves the list ──> gone
 *                                            └── dead, or deaf: another node strikes it off
 */
import { SixfoldError, type Mode, type NodeInfo, type Role, type SegmentServerInfo } from "@sixfold/model";
import type { Backend } from "./backend.ts";
import type { ClusterEvent, ClusterNode } from "./cluster-api.ts";
import { AZS, nextNode, nextServer, type PlannedNode, type PlannedServer } from "./layout.ts";
import { nodeInfoOf, serverInfo, type Ports, type Topology } from "./topology.ts";

export interface Layout {
  readonly nodes: readonly PlannedNode[];
  readonly servers: readonly PlannedServer[];
}

/** Where a further process may listen. */
export interface PortSource extends Ports {
  /** Resolves when a process may take this place's port. */
  claim(kind: "node" | "segment", place: number): Promise<void>;
}

const LOOK_EVERY_MS = 25;
const LOOKS_MOST = 2400;

export class LocalCluster {
  private readonly backend: Backend;
  private readonly volume: string;
  private readonly ports: PortSource;
  private readonly keep: (layout: Layout) => void;
  private readonly on: (event: ClusterEvent) => void;
  private layout: Layout;
  /** Names of those that are on their way in or out. */
  private readonly moving = new Set<string>();

  constructor(o: {
    readonly backend: Backend;
    readonly volume: string;
    readonly layout: Layout;
    readonly ports: PortSource;
    /** Notes what belongs to the cluster from now on. */
    readonly keep: (layout: Layout) => void;
    readonly on: (event: ClusterEvent) => void;
  }) {
    this.backend = o.backend;
    this.volume = o.volume;
    this.layout = o.layout;
    this.ports = o.ports;
    this.keep = o.keep;
    this.on = o.on;
  }

  get nodes(): ClusterNode[] {
    const pid = (name: string): number => this.backend.pid(name);
    const { nodes, servers } = this.topology;
    return [
      ...nodes.map(({ name, role, az, url }) => ({ name, role, az, pid: pid(name), url })),
      ...servers.map(({ name, az, url }) => ({ name, role: "segment" as const, az, pid: pid(name), url })),
    ];
  }

  get endpoints(): string[] {
    return this.topology.nodes.map((node) => node.url);
  }

  /** All at once, and resolves when all serve in this mode; ends them again if one does not. */
  async start(mode: Mode): Promise<void> {
    const { topology, backend } = this;
    try {
      for (const server of topology.servers) await backend.launchServer(server, () => this.topology);
      for (const node of topology.nodes) await backend.launchNode(node, () => this.topology);
      await Promise.all([...topology.servers, ...topology.nodes].map((process) => backend.ready(process)));
      await this.inMode(mode);
    } catch (error) {
      await this.stop();
      throw error;
    }
    await this.strikeOffStrangers();
  }

  /** Whatever mode the volume was left in: resolves when all nodes serve in this one. */
  private async inMode(mode: Mode): Promise<void> {
    const { backend } = this;
    const { nodes } = this.topology;
    const isThere = async (node: NodeInfo): Promise<boolean> => {
      const status = await backend.status(node);
      return status?.["mode"] === mode && status["nextMode"] === mode;
    };
    const first = nodes[0];
    if (first === undefined || (await isThere(first))) return;
    await backend.switchMode(mode, first);
    for (const node of nodes) {
      for (let looks = 0; !(await isThere(node)); looks++) {
        if (looks > LOOKS_MOST)
          throw new SixfoldError("unavailable", `the volume does not come into mode ${mode}`);
        await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      }
      await backend.ready(node);
    }
  }

  async stop(): Promise<void> {
    const { nodes, servers } = this.topology;
    await this.backend.stop(nodes.map(({ name }): string => name));
    await this.backend.stop(servers.map(({ name }): string => name));
  }

  kill(name: string, signal: NodeJS.Signals = "SIGKILL"): void {
    this.backend.kill(name, signal);
  }

  /** Starts a process again that died and was not restarted. */
  async restart(name: string): Promise<void> {
    const { nodes, servers } = this.topology;
    await this.backend.restart(name);
    await this.backend.ready([...nodes, ...servers].find((process) => process.name === name)!);
  }

  async addNode(role: Role, az?: string): Promise<ClusterNode> {
    checkZone(az);
    const planned = nextNode(this.layout.nodes, role, az);
    const { name } = planned;
    // Its name and place are taken from here on.
    this.layout = { ...this.layout, nodes: [...this.layout.nodes, planned] };
    this.moving.add(name);
    try {
      await this.ports.claim("node", planned.place);
      const info = nodeInfoOf(planned, this.ports);
      await this.backend.launchNode(info, () => this.topology);
      await this.backend.ready(info);
    } catch (error) {
      await this.end(planned);
      throw error;
    } finally {
      this.moving.delete(name);
    }
    this.keep(this.layout);
    return this.added(name);
  }

  /** A further segment server, which keeps nothing yet: what a lost one is replaced by. */
  async addServer(az?: string): Promise<ClusterNode> {
    checkZone(az);
    const planned = nextServer(this.layout.servers, az);
    this.layout = { ...this.layout, servers: [...this.layout.servers, planned] };
    let info: SegmentServerInfo | undefined;
    try {
      await this.ports.claim("segment", planned.place);
      info = serverInfo(planned, this.ports);
      await this.backend.launchServer(info, () => this.topology);
      await this.backend.ready(info);
    } catch (error) {
      if (info !== undefined) await this.backend.end(info);
      this.layout = { ...this.layout, servers: this.layout.servers.filter((server) => server !== planned) };
      throw error;
    }
    // It may keep data from the moment that it is known.
    this.keep(this.layout);
    for (const node of this.topology.nodes) if (await this.backend.introduce(info, node)) break;
    return this.added(planned.name);
  }

  async stopNode(name: string, force = false): Promise<void> {
    const planned = this.mayStop(name, force);
    const stopped = this.nodes.find((node) => node.name === name)!;
    await this.end(planned);
    this.on({ event: "stopped", name, pid: stopped.pid });
  }

  private mayStop(name: string, force: boolean): PlannedNode {
    const refused = (why: string): never => {
      throw new SixfoldError("bad-request", why);
    };
    const { nodes, servers } = this.layout;
    if (servers.some((server) => server.name === name))
      refused(`${name} is a segment server: sixfold replace ${name} moves what it keeps to another`);
    const planned = nodes.find((node) => node.name === name);
    if (planned === undefined)
      return refused(`there is no database node "${name}": ${nodes.map((node) => node.name).join(", ")}`);
    if (this.moving.has(name)) refused(`${name} is being started or stopped already`);
    const writers = nodes.filter((node) => node.role === "writer" && !this.moving.has(node.name));
    if (planned.role === "writer" && writers.length === 1 && !force)
      refused(
        `${name} is the only writer: without it nothing can be written (--force stops it all the same)`,
      );
    return planned;
  }

  /** It is not started again whatever happens from here on. */
  private async end(planned: PlannedNode): Promise<void> {
    const { name } = planned;
    const info = nodeInfoOf(planned, this.ports);
    this.moving.add(name);
    this.keep({ ...this.layout, nodes: this.layout.nodes.filter((node) => node !== planned) });
    await this.backend.end(info);
    this.layout = { ...this.layout, nodes: this.layout.nodes.filter((node) => node !== planned) };
    this.moving.delete(name);
    await this.strikeOff(name);
  }

  /** Where it has left the list by itself, nothing happens. */
  private async strikeOff(name: string): Promise<void> {
    for (const node of this.topology.nodes) if (await this.backend.strikeOff(name, node)) return;
  }

  /** Nodes that the manifest lists, but that do not belong to this cluster any more: they were ended while nobody could say so. */
  private async strikeOffStrangers(): Promise<void> {
    const { nodes } = this.topology;
    const known = new Set<string>(nodes.map(({ name }) => name));
    for (const node of nodes) {
      const status = await this.backend.status(node);
      if (status === undefined) continue;
      const listed = (status["nodes"] ?? []) as readonly NodeInfo[];
      for (const { name } of listed) if (!known.has(name)) await this.strikeOff(name);
      return;
    }
  }

  private added(name: string): ClusterNode {
    const node = this.nodes.find((one) => one.name === name)!;
    this.on({ event: "added", ...node });
    return node;
  }

  private get topology(): Topology {
    const { volume, ports, layout } = this;
    return {
      volume,
      servers: layout.servers.map((server) => serverInfo(server, ports)),
      nodes: layout.nodes.map((node) => nodeInfoOf(node, ports)),
    };
  }
}

function checkZone(az: string | undefined): void {
  if (az === undefined || AZS.some((zone) => zone === az)) return;
  throw new SixfoldError("bad-request", `there is no zone "${az}": ${AZS.join(", ")}`);
}
