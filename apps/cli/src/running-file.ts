/**
 * `running.json` in a data directory: which nodes `sixfold up` has running there, and where it can be commanded, so that other commands
 * find them without being told. Gone after a clean stop; after a crash it names nodes that no longer answer. Only its user may read it.
 */
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ClusterNode } from "@sixfold/cluster";
import type { Control } from "./control-server.ts";

const FILE_NAME = "running.json";

interface RunningFile {
  readonly nodes: readonly ClusterNode[];
  readonly control?: Control;
}

export async function writeRunningFile(dataDir: string, content: RunningFile): Promise<void> {
  const file = join(dataDir, FILE_NAME);
  // Whole at any time: others read it while it changes.
  await writeFile(`${file}.new`, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 });
  await rename(`${file}.new`, file);
}

export async function removeRunningFile(dataDir: string): Promise<void> {
  await rm(join(dataDir, FILE_NAME), { force: true });
}

/** The nodes; undefined if no cluster was started there. */
export async function readRunningFile(dataDir: string): Promise<readonly ClusterNode[] | undefined> {
  return (await read(dataDir))?.nodes;
}

/** Where the cluster's supervisor takes commands; undefined if none was started there. */
export async function readControl(dataDir: string): Promise<Control | undefined> {
  return (await read(dataDir))?.control;
}

async function read(dataDir: string): Promise<RunningFile | undefined> {
  let text: string;
  try {
    text = await readFile(join(dataDir, FILE_NAME), "utf8");
  } catch {
    return undefined;
  }
  return JSON.parse(text) as RunningFile;
}

/** Those of the nodes named there whose processes live: after a crash of `sixfold up` they end a little later than it. */
export async function livingNodes(dataDir: string): Promise<readonly ClusterNode[]> {
  const nodes = (await readRunningFile(dataDir)) ?? [];
  // Loaded when needed: it brings the whole cluster with it.
  const { isAlive } = await import("@sixfold/cluster");
  return nodes.filter(({ pid }) => isAlive(pid));
}
