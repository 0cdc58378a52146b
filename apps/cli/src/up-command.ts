/** `sixfold up`: a local cluster until Ctrl-C. */
import { resolve } from "node:path";
import type { ClusterEvent, RunningCluster } from "@sixfold/cluster";
import type { Conflicts, Mode } from "@sixfold/model";
import type { ConsoleOutput } from "./console-output.ts";
import { makePlainTable } from "./plain-table.ts";
import type { Platform } from "./platform.ts";
import { Supervision } from "./supervision.ts";
import { CommandError } from "./usage.ts";

export interface UpFlags {
  readonly mode: Mode;
  /** Default: those of the last run on this folder; of a new one one in single mode, two in multi. */
  readonly writers?: number;
  /** Default: those of the last run. */
  readonly replicas?: number;
  readonly spares: number;
  readonly data: string;
  readonly port: number;
  readonly conflicts: Conflicts;
  readonly injectConflicts: number;
  readonly inProcess: boolean;
  readonly azLatencyMs: number;
  readonly restart: boolean;
  readonly procedures?: string;
  readonly monitor: boolean;
}

export async function up(platform: Platform, output: ConsoleOutput, flags: UpFlags): Promise<void> {
  // A pipe is read by a program: it gets the events as JSON even if it did not ask.
  const events = output.json || !platform.stdout.isTTY;
  output.progress("starting …");
  const { data, procedures, ...shape } = flags;
  const dataDir = resolve(data);
  const { mode, monitor } = shape;
  const supervision = new Supervision(dataDir);
  const cluster = await platform.startCluster(
    {
      ...shape,
      dataDir,
      ...(procedures === undefined ? {} : { procedures: resolve(procedures) }),
    },
    (event) => {
      tell(output, event, events);
      // It has another pid.
      if (event.event === "restart") void supervision.changed();
    },
  );
  try {
    await supervision.open(cluster);
    if (!events) output.text(describeCluster(cluster, mode, output));
    await aborted(platform.signal);
    output.progress("stopping …");
  } finally {
    await supervision.close(() => cluster.stop());
    output.clearProgress();
  }
  if (monitor) conclude(output, cluster, events);
}

/** Steps are judged to the last one: only now is it known that all was well. */
function conclude(output: ConsoleOutput, cluster: RunningCluster, events: boolean): void {
  const violations = cluster.violations().length;
  if (events) output.print(JSON.stringify({ event: "judged", steps: cluster.stepsJudged, violations }));
  else output.text(`${cluster.stepsJudged.toLocaleString("en")} steps of the protocol were judged.`);
  if (violations > 0) throw new CommandError(`violations of the protocol: ${violations}`);
}

function tell(output: ConsoleOutput, event: ClusterEvent, events: boolean): void {
  if (event.event === "log") {
    if (event.level === "warn" || event.level === "error") output.note(`${event.name}: ${event.message}`);
    return;
  }
  if (event.event === "violation") output.note(event.text);
  if (events) {
    output.print(JSON.stringify(event));
    return;
  }
  if (event.event === "exit") output.note(`${event.name} (pid ${event.pid}) died`);
  if (event.event === "added") output.note(`${event.name} was added: ${event.url}`);
  if (event.event === "stopped") output.note(`${event.name} was stopped for good`);
  if (event.event === "restart") output.note(`${event.name} runs again (pid ${event.pid})`);
}

function describeCluster(cluster: RunningCluster, mode: Mode, output: ConsoleOutput): string {
  const { bold, dim, cyan } = output.colors;
  const table = makePlainTable(["node", "role", "AZ", "pid", "url"], output.colors);
  for (const node of cluster.nodes) table.push([node.name, node.role, node.az, String(node.pid), node.url]);
  return [
    table.toString(),
    `${bold("Sixfold")} is up, ${mode}-master. Clients connect to ${cluster.endpoints.map((url) => cyan(url)).join(", ")}`,
    dim("Ctrl-C stops it; the data stays."),
  ].join("\n");
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
}
