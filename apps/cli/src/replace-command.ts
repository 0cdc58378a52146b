/** `sixfold replace`: what a segment server keeps is moved to others of its zone, while the cluster serves. */
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterNode } from "@sixfold/cluster";
import type { ConsoleOutput } from "./console-output.ts";
import { postTo, runningNodes } from "./node-request.ts";
import type { Platform } from "./platform.ts";
import { isObject, type NodeStatus, readStatus } from "./status/node-status.ts";
import { CommandError } from "./usage.ts";

export interface ReplaceFlags {
  readonly data: string;
  readonly by?: string;
  readonly wait: boolean;
}

const LOOK_EVERY_MS = 250;

export async function replace(
  platform: Platform,
  output: ConsoleOutput,
  server: string,
  flags: ReplaceFlags,
): Promise<void> {
  const nodes = await runningNodes(flags.data);
  const segments = await ask(nodes, { leaving: server, joining: flags.by });
  output.object({ event: "replacing", server, segments });
  const what = segments === 1 ? "1 segment" : `${segments} segments`;
  output.progress(`${server}: ${what} to move …`);
  if (!flags.wait) return output.text(`${server}: ${what} on the way; see sixfold status`);
  for (let left = segments; left > 0;) {
    await sleep(LOOK_EVERY_MS, undefined, { signal: platform.signal }).catch(() => undefined);
    if (platform.signal.aborted) return output.note("it goes on without being watched; see sixfold status");
    left = (await leftOn(nodes, server)) ?? left;
    output.progress(`${server}: ${segments - left} of ${what} moved`);
  }
  output.clearProgress();
  output.object({ event: "replaced", server, segments });
  output.text(`${server} keeps nothing any more: ${what} moved. It may be stopped for good.`);
}

/** How many segments are on the way. Throws what the cluster has against it. */
async function ask(nodes: readonly ClusterNode[], body: Readonly<Record<string, unknown>>): Promise<number> {
  for (const node of nodes) {
    const answer = await postTo(node, "/replace", body);
    // Not there, or too slow: another can do it as well.
    if (answer === undefined) continue;
    if (typeof answer["refused"] === "string") throw new CommandError(answer["refused"]);
    if (Array.isArray(answer["pgs"])) return answer["pgs"].length;
  }
  throw new CommandError("no database node answers");
}

/** Segments that the server still keeps, by the node that knows the newest manifest; undefined if nobody answers. */
async function leftOn(nodes: readonly ClusterNode[], server: string): Promise<number | undefined> {
  let newest: { readonly revision: number; readonly segments: number } | undefined;
  for (const status of await Promise.all(nodes.map(readStatus))) {
    const seen = standingOf(status, server);
    if (seen !== undefined && seen.revision >= (newest?.revision ?? 0)) newest = seen;
  }
  return newest?.segments;
}

function standingOf(
  status: NodeStatus | undefined,
  server: string,
): { readonly revision: number; readonly segments: number } | undefined {
  const volume = status?.["volume"];
  if (!isObject(volume) || !isObject(volume["servers"])) return undefined;
  const of = volume["servers"][server];
  const segments = isObject(of) ? of["segments"] : undefined;
  const revision = volume["revision"];
  return typeof segments === "number" && typeof revision === "number" ? { revision, segments } : undefined;
}
