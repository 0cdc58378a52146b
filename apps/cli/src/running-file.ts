/**
 * `running.json` in a data directory: which nodes `sixfold up` has running there, so that other commands
 * find them without being told. Gone after a clean stop; after a crash it names nodes that no longer answer.
 */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ClusterNode } from "@sixfold/cluster";

const FILE_NAME = "running.json";

export async function writeRunningFile(dataDir: string, nodes: readonly ClusterNode[]): Promise<void> {
  await writeFile(join(dataDir, FILE_NAME), `${JSON.stringify({ nodes }, undefined, 2)}\n`);
}

export async function removeRunningFile(dataDir: string): Promise<void> {
  await rm(join(dataDir, FILE_NAME), { force: true });
}

/** Undefined if no cluster was started there. */
export async function readRunningFile(dataDir: string): Promise<readonly ClusterNode[] | undefined> {
  let text: string;
  try {
    text = await readFile(join(dataDir, FILE_NAME), "utf8");
  } catch {
    return undefined;
  }
  const file = JSON.parse(text) as { readonly nodes?: readonly ClusterNode[] };
  return file.nodes;
}

/** Those of the nodes named there whose processes live: after a crash of `sixfold up` they end a little later than it. */
export async function livingNodes(dataDir: string): Promise<readonly ClusterNode[]> {
  const nodes = (await readRunningFile(dataDir)) ?? [];
  // Loaded when needed: it brings the whole cluster with it.
  const { isAlive } = await import("@sixfold/cluster");
  return nodes.filter(({ pid }) => isAlive(pid));
}
