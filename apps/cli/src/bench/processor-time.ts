/** Processor time of other processes, from /proc where there is one. */
import { readFileSync } from "node:fs";
import type { ClusterNode } from "@sixfold/cluster";

/** Every Linux counts these in hundredths of a second (USER_HZ), whatever its timer runs at. */
const US_PER_TICK = 10_000;

/** User and system time of all nodes of `role` together, in microseconds; null if the system does not tell. */
export function processorTimeUs(nodes: readonly ClusterNode[], role: ClusterNode["role"]): number | null {
  let sum = 0;
  for (const node of nodes) {
    if (node.role !== role) continue;
    const ticks = ticksOf(node.pid);
    if (ticks === undefined) return null;
    sum += ticks * US_PER_TICK;
  }
  return sum;
}

/** The same of this process. */
export function ownProcessorTimeUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function ticksOf(pid: number): number | undefined {
  try {
    // pid (name) state ppid …: the name may hold blanks and brackets, so count from its end. utime and stime are fields 14 and 15.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return Number.isFinite(ticks) ? ticks : undefined;
  } catch {
    // No /proc here, or no such process.
    return undefined;
  }
}
