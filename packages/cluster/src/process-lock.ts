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

/** Does the process run? One that has ended and whose parent has not asked how (a container's first process may never) does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process lives as well.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  try {
    // `pid (name) state …`, and a name may hold anything but ends at the last parenthesis.
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.charAt(stat.lastIndexOf(")") + 2) !== "Z";
  } catch {
    // Not every system has it.
    return true;
  }
}
