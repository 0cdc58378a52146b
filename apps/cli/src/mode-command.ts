/** `sixfold mode`: a running volume is moved between one master and several. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterNode } from "@sixfold/cluster";
import type { ConsoleOutput } from "./console-output.ts";
import { postTo, runningNodes } from "./node-request.ts";
import type { Platform } from "./platform.ts";
import { isObject, readStatus, type NodeStatus } from "./status/node-status.ts";
import { CommandError } from "./usage.ts";

export interface ModeFlags {
  readonly data: string;
}

const LOOK_EVERY_MS = 50;
const PATIENCE_MS = 60_000;

export async function switchMode(
  platform: Platform,
  output: ConsoleOutput,
  mode: "single" | "multi",
  { data }: ModeFlags,
): Promise<void> {
  const nodes = await runningNodes(data);
  const before = await modeOf(nodes);
  if (before === mode) {
    output.object({ event: "mode", mode, from: before, changed: false, ms: 0 });
    return output.text(`the volume is in mode ${mode} already`);
  }
  const start = performance.now();
  await wish(nodes, mode);
  output.object({ event: "switching", mode });
  for (let last = ""; ;) {
    const standing = standingOf(await statuses(nodes), mode);
    if (standing === "done") break;
    output.progress(`switching to mode ${mode}: ${standing} …`);
    if (standing !== last) output.object({ event: "progress", waitingFor: standing });
    last = standing;
    if (performance.now() - start > PATIENCE_MS)
      throw new CommandError(
        `after ${PATIENCE_MS / 1000} s the switch still waits for ${standing}; see sixfold status`,
      );
    await sleep(LOOK_EVERY_MS, undefined, { signal: platform.signal }).catch(() => undefined);
    if (platform.signal.aborted) return output.note("it goes on without being watched; see sixfold status");
  }
  const ms = Math.round(performance.now() - start);
  output.clearProgress();
  output.object({ event: "mode", mode, from: before, changed: true, ms });
  output.text(`the volume is in mode ${mode} now; it took ${ms} ms`);
}

/** Any node can do it. */
async function wish(nodes: readonly ClusterNode[], mode: string): Promise<void> {
  for (const node of nodes) {
    const answer = await postTo(node, "/mode", { mode });
    if (typeof answer?.["refused"] === "string") throw new CommandError(answer["refused"]);
    if (answer !== undefined) return;
  }
  throw new CommandError("no database node answers");
}

async function statuses(nodes: readonly ClusterNode[]): Promise<NodeStatus[]> {
  const all = await Promise.all(nodes.map(readStatus));
  return all.filter((status) => status !== undefined);
}

/** The mode that the newest manifest known to anybody names, or is on the way to. */
async function modeOf(nodes: readonly ClusterNode[]): Promise<string | undefined> {
  const newest = newestOf(await statuses(nodes));
  const mode = newest?.["nextMode"] ?? newest?.["mode"];
  return typeof mode === "string" ? mode : undefined;
}

function newestOf(all: readonly NodeStatus[]): NodeStatus | undefined {
  return all.reduce<NodeStatus | undefined>(
    (best, one) => (best === undefined || revisionOf(one) > revisionOf(best) ? one : best),
    undefined,
  );
}

function revisionOf({ volume }: NodeStatus): number {
  const revision = isObject(volume) ? volume["revision"] : undefined;
  return typeof revision === "number" ? revision : 0;
}

/** What is still waited for, in words. */
function standingOf(all: readonly NodeStatus[], mode: string): string {
  const newest = newestOf(all);
  if (newest === undefined) return "a node to answer";
  if (newest["mode"] !== mode) {
    const writing = all.filter((status) => status["stream"] !== 0).map((status) => String(status["name"]));
    return writing.length > 0 ? `the streams of ${writing.join(", ")}` : "the last streams to be closed";
  }
  const writers = all.filter((status) => status["role"] === "writer" || status["stream"] !== 0);
  const writing = writers.filter((status) => status["state"] === "writing").length;
  const wanted = mode === "single" ? 1 : writers.length;
  return writing >= wanted ? "done" : `writers to open their streams (${writing} of ${wanted})`;
}
