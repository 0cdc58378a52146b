/** A cluster of real processes in a folder of its own, ended and removed with the test. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import {
  checkData,
  startCluster,
  type ClusterEvent,
  type ClusterOptions,
  type RunningCluster,
} from "@sixfold/cluster";
import { PROCEDURES_URL } from "@sixfold/workload";
import { Lines } from "./lines.ts";
import { basePort } from "../base-port.ts";

export interface RealCluster {
  readonly cluster: RunningCluster;
  readonly events: ClusterEvent[];
  readonly dataDir: string;
}

/** Longest wait for anything: a cluster that does not get there in so long never will. */
export const STUCK_MS = 60_000;
const POLL_MS = 20;
/** Fewer steps of a whole cluster, and the monitor was not listening. */
const STEPS_LEAST = 500;

const DEFAULTS: Omit<ClusterOptions, "dataDir" | "port"> = {
  mode: "multi",
  writers: 2,
  replicas: 0,
  conflicts: "row",
  injectConflicts: 0,
  inProcess: false,
  azLatencyMs: 0,
  restart: true,
  procedures: fileURLToPath(PROCEDURES_URL),
  monitor: true,
};

/** Less patience than in production, so that a test sees many deaths in a short time. */
export const IMPATIENT: Partial<ClusterOptions> = {
  liveness: { heartbeatMs: 100, deadAfterMs: 1000, clientHeartbeatMs: 500, clientDeadAfterMs: 2500 },
  suspectAfterMs: 1500,
};

/**
 * Runs `body` in a fresh folder; whatever it starts through `start` is stopped, and the folder removed. The monitor listens to all
 * of it: a step that the protocol rules out fails the test, even if no client ever noticed. So does what the disks hold in the end.
 */
export async function withFolder(
  body: (start: (options?: Partial<ClusterOptions>) => Promise<RealCluster>) => Promise<void>,
): Promise<void> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "sixfold-e2e-"));
  // One base port for the folder, so that clients find a cluster that is started again on it.
  const port = basePort();
  const running: RunningCluster[] = [];
  const monitored: RunningCluster[] = [];
  let damage: string[] = [];
  try {
    await body(async (options = {}) => {
      const events: ClusterEvent[] = [];
      const cluster = await startCluster({ ...DEFAULTS, dataDir, port, ...options }, (event) =>
        events.push(event),
      );
      running.push(cluster);
      if ({ ...DEFAULTS, ...options }.monitor === true) monitored.push(cluster);
      return { cluster, events, dataDir };
    });
  } finally {
    for (const cluster of running) await cluster.stop();
    if (running.length > 0) damage = await damageIn(dataDir);
    rmSync(dataDir, { recursive: true, force: true });
    for (const cluster of running) for (const text of cluster.violations()) process.stdout.write(`${text}\n`);
  }
  if (damage.length > 0) throw new Error(`the data is damaged:\n${damage.join("\n")}`);
  for (const cluster of monitored) {
    const found = cluster.violations();
    if (found.length > 0) throw new Error(`the protocol was broken:\n${found.join("\n")}`);
    if (cluster.stepsJudged < STEPS_LEAST) throw new Error(`only ${cluster.stepsJudged} steps were judged`);
  }
}

async function damageIn(dataDir: string): Promise<string[]> {
  const { findings } = await checkData({ dataDir });
  return findings.filter(({ severity }) => severity === "error").map(({ text }) => text);
}

/** The same with every link on a line that can be disturbed; `endpoints` lead the clients through lines, too. */
export async function withLines(
  options: Partial<ClusterOptions>,
  body: (running: RealCluster & { readonly lines: Lines; readonly endpoints: string[] }) => Promise<void>,
): Promise<void> {
  const lines = new Lines();
  try {
    await withFolder(async (start) => {
      const running = await start({ ...options, view: lines.view });
      const nodes = running.cluster.nodes.filter((node) => node.role !== "segment");
      try {
        await body({ ...running, lines, endpoints: await lines.forClients(nodes) });
      } finally {
        lines.mend();
      }
    });
  } finally {
    await lines.close();
  }
}

/** Waits until it holds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + STUCK_MS; !(await holds());) {
    if (Date.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

interface ProcessStatus {
  /** Processes that it has a channel to. */
  readonly links: readonly string[];
  readonly counters: Readonly<Record<string, number>>;
}

/** What a process says of itself, beside the cluster's lines. */
export async function statusOf(cluster: RunningCluster, name: string): Promise<ProcessStatus> {
  const { url } = cluster.nodes.find((node) => node.name === name)!;
  const answer = await fetch(`${url.replace(/^ws/, "http")}/status`, { signal: AbortSignal.timeout(5000) });
  return (await answer.json()) as ProcessStatus;
}

/** How often a process has counted this. */
export async function counted(cluster: RunningCluster, name: string, counter: string): Promise<number> {
  const { counters } = await statusOf(cluster, name);
  return counters[counter] ?? 0;
}

/** Kills a process; once it is gone does `meanwhile`, then waits until the supervisor's new one is in touch with a quorum. */
export async function killed(
  cluster: RunningCluster,
  name: string,
  meanwhile: () => Promise<void>,
): Promise<void> {
  const pid = (): number => cluster.nodes.find((node) => node.name === name)!.pid;
  const before = pid();
  cluster.kill(name);
  await until(`${name} ends`, () => pid() !== before);
  await meanwhile();
  await until(`${name} comes back`, async () => {
    const status = await statusOf(cluster, name).catch(() => undefined);
    return status !== undefined && status.links.length >= 4;
  });
}

/** Waits until a process has given up its channels to all of these. */
export function lost(cluster: RunningCluster, name: string, peers: readonly string[]): Promise<void> {
  return until(`${name} gives up ${peers.join(", ")}`, async () => {
    const { links } = await statusOf(cluster, name);
    return peers.every((peer) => !links.includes(peer));
  });
}
