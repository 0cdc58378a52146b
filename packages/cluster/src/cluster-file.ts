/**
 * `cluster.json` in a data folder: what its volume was made with, and which processes belong to it. Written anew as a whole, so that it is
 * the old one or the new one whenever a supervisor dies.
 */
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import {
  checkGeometry,
  DEFAULT_PAGE_BYTES,
  DEFAULT_SEGMENT_BYTES,
  SixfoldError,
  type Geometry,
} from "@sixfold/model";
import type { ClusterOptions } from "./cluster-api.ts";
import type { PlannedNode, PlannedServer } from "./layout.ts";

export interface ClusterFile {
  readonly volume: string;
  readonly geometry: Geometry;
  readonly nodes: readonly PlannedNode[];
  readonly servers: readonly PlannedServer[];
}

const FILE_NAME = "cluster.json";

/** Undefined: the folder has never held a cluster. Those who wrote no processes had none but what was asked for at each start. */
export function readClusterFile(dataDir: string): ClusterFile | undefined {
  const file = path.join(dataDir, FILE_NAME);
  if (!existsSync(file)) return undefined;
  const read = JSON.parse(readFileSync(file, "utf8")) as Partial<ClusterFile> &
    Pick<ClusterFile, "volume" | "geometry">;
  return { nodes: [], servers: [], ...read };
}

export function writeClusterFile(dataDir: string, content: ClusterFile): void {
  const file = path.join(dataDir, FILE_NAME);
  writeFileSync(`${file}.new`, `${JSON.stringify(content, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

/** What a new volume is made with. */
export function newVolume({
  pageBytes = DEFAULT_PAGE_BYTES,
  segmentBytes = DEFAULT_SEGMENT_BYTES,
}: ClusterOptions): Pick<ClusterFile, "volume" | "geometry"> {
  const geometry: Geometry = { pageBytes, segmentBytes };
  const fault = checkGeometry(geometry);
  if (fault !== undefined) throw new SixfoldError("bad-request", fault);
  return { volume: "volume", geometry };
}
