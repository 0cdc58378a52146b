/** One cluster a directory: `cluster.pid` in it names the process that runs one. */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { SixfoldError } from "@sixfold/model";

const FILE_NAME = "cluster.pid";

/** Refuses a directory that a living process holds. `isOrphaned`: who held it before did not let go of it. */
export function lockDirectory(dataDir: string): {
  readonly unlock: () => void;
  readonly isOrphaned: boolean;
} {
  const file = path.join(dataDir, FILE_NAME);
  const isOrphaned = existsSync(file);
  const holder = holderOf(dataDir);
  if (holder !== undefined && holder !== process.pid)
    throw new SixfoldError("bad-request", `a cluster already runs on ${dataDir} (process ${holder})`);
  writeFileSync(file, `${process.pid}\n`);
  return { unlock: () => rmSync(file, { force: true }), isOrphaned };
}

/** The living process that runs a cluster on this directory, if one does. */
export function holderOf(dataDir: string): number | undefined {
  const file = path.join(dataDir, FILE_NAME);
  if (!existsSync(file)) return undefined;
  const pid = Number.parseInt(readFileSync(file, "utf8"), 10);
  return isAlive(pid) ? pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process lives as well.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
