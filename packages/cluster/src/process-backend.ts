/** A cluster of supervised processes, spoken to over HTTP on their own ports. */
import path from "node:path";
import { fileURLToPath } from "node:url";
import {
  SixfoldError,
  type Geometry,
  type Mode,
  type NodeInfo,
  type SegmentServerInfo,
} from "@sixfold/model";
import type { Backend, NodeStatus } from "./backend.ts";
import type { ClusterEvent, ClusterOptions } from "./cluster-api.ts";
import type { ProtocolWatch } from "./monitor/protocol-watch.ts";
import { nodeArguments, segmentArguments } from "./process-arguments.ts";
import { Processes } from "./processes.ts";
import type { Topology } from "./topology.ts";

/** How long a process may take to become ready before starting it has failed: two dozen that start at once on two busy cores take a minute. */
const READY_LIMIT_MS = 120_000;
const POLL_MS = 25;
const ANSWER_WITHIN_MS = 2000;

export class ProcessBackend implements Backend {
  private readonly options: ClusterOptions;
  private readonly geometry: Geometry;
  private readonly processes: Processes;

  constructor(
    options: ClusterOptions,
    geometry: Geometry,
    on: (event: ClusterEvent) => void,
    watch: ProtocolWatch | undefined,
  ) {
    this.options = options;
    this.geometry = geometry;
    const { dataDir, restart } = options;
    const main = fileURLToPath(new URL("../../../apps/server/dist/main.js", import.meta.url));
    this.processes = new Processes({ main, dataDir, restart, environment: process.env, on, watch });
  }

  pid(name: string): number {
    return this.processes.pid(name);
  }

  async launchServer(server: SegmentServerInfo, topology: () => Topology): Promise<void> {
    const { name } = server;
    const seen = await this.view(name, topology);
    const args = (): string[] => segmentArguments(server, seen(), this.options.dataDir, this.options);
    this.processes.launch({ name, args });
  }

  async launchNode(node: NodeInfo, topology: () => Topology): Promise<void> {
    const { name } = node;
    const seen = await this.view(name, topology);
    const args = (): string[] => nodeArguments(node, seen(), this.geometry, this.options);
    this.processes.launch({ name, args });
  }

  async ready({ name, url }: NodeInfo | SegmentServerInfo): Promise<void> {
    const log = path.join(this.options.dataDir, "logs", `${name}.log`);
    for (const deadline = Date.now() + READY_LIMIT_MS; Date.now() < deadline;) {
      const answer = await ask(url, "/health");
      if (answer?.ok === true) return;
      // Nobody starts it again.
      if (!this.options.restart && this.processes.pid(name) === 0)
        throw new SixfoldError("unavailable", `${name} ended before it was ready; see ${log}`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    throw new SixfoldError(
      "unavailable",
      `${name} did not become ready within ${READY_LIMIT_MS / 1000} s; see ${log}`,
    );
  }

  async status({ url }: NodeInfo): Promise<NodeStatus | undefined> {
    return (await ask(url, "/status"))?.body;
  }

  end({ name, url }: NodeInfo | SegmentServerInfo): Promise<void> {
    return this.processes.discharge(name, async () => (await ask(url, "/retire", {}))?.ok === true);
  }

  async strikeOff(name: string, { url }: NodeInfo): Promise<boolean> {
    return (await ask(url, "/retire", { node: name }))?.ok === true;
  }

  async introduce(server: SegmentServerInfo, { url }: NodeInfo): Promise<boolean> {
    return (await ask(url, "/servers", server))?.ok === true;
  }

  async switchMode(mode: Mode, { url }: NodeInfo): Promise<boolean> {
    return (await ask(url, "/mode", { mode }))?.ok === true;
  }

  kill(name: string, signal: NodeJS.Signals): void {
    this.processes.kill(name, signal);
  }

  restart(name: string): Promise<void> {
    return this.processes.start(name);
  }

  stop(names: readonly string[]): Promise<void> {
    return this.processes.stop(names);
  }

  /** A view of the others is made once. */
  private async view(name: string, topology: () => Topology): Promise<() => Topology> {
    const seen = await this.options.view?.(name, topology());
    return seen === undefined ? topology : () => seen;
  }
}

interface Answer {
  readonly ok: boolean;
  readonly body: NodeStatus;
}

/** With a `body` a POST. Undefined: nobody answers there, or not in time. */
async function ask(url: string, what: string, body?: object): Promise<Answer | undefined> {
  try {
    const response = await fetch(`${url.replace(/^ws/, "http")}${what}`, {
      ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    return { ok: response.ok, body: (await response.json()) as NodeStatus };
  } catch {
    return undefined;
  }
}
