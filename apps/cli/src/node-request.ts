/** What the command line asks of the nodes of a running cluster, over HTTP on their own ports. */
import type { ClusterNode } from "@sixfold/cluster";
import { readRunningFile } from "./running-file.ts";
import { isObject, type NodeStatus } from "./status/node-status.ts";
import { CommandError } from "./usage.ts";

/** Longer than the longest that a node lets its asker wait. */
const ANSWER_WITHIN_MS = 20_000;

/** The database nodes of the cluster that runs on this directory. */
export async function runningNodes(data: string): Promise<readonly ClusterNode[]> {
  const nodes = ((await readRunningFile(data)) ?? []).filter((node) => node.role !== "segment");
  if (nodes.length === 0) throw new CommandError(`no cluster runs on ${data}; start one with sixfold up`);
  return nodes;
}

/** The node's answer; undefined if it is not there, or too slow. */
export async function postTo(
  { url }: Pick<ClusterNode, "url">,
  path: string,
  body: object,
): Promise<NodeStatus | undefined> {
  try {
    const response = await fetch(`${url.replace(/^ws/, "http")}${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const answer: unknown = await response.json();
    return isObject(answer) ? answer : undefined;
  } catch {
    return undefined;
  }
}
