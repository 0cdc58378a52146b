/** A cluster of real processes in a folder of its own, ended and removed with the test. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { startCluster, type ClusterEvent, type ClusterOptions, type RunningCluster } from "@sixfold/cluster";
import { PROCEDURES_URL } from "@sixfold/workload";

export interface RealCluster {
  readonly cluster: RunningCluster;
  readonly events: ClusterEvent[];
  readonly dataDir: string;
}

const DEFAULTS: Omit<ClusterOptions, "dataDir" | "port"> = {
  mode: "multi",
  writers: 2,
  replicas: 0,
  conflicts: "row",
  injectConflicts: 0,
  inProcess: false,
  azLatencyMs: 0,
  restart: true,
  procedures: fileURLToPath(PROCEDURES_URL),
};

/** Runs `body` in a fresh folder; whatever it starts through `start` is stopped, and the folder removed. */
export async function withFolder(
  body: (start: (options?: Partial<ClusterOptions>) => Promise<RealCluster>) => Promise<void>,
): Promise<void> {
  const dataDir = mkdtempSync(path.join(tmpdir(), "sixfold-e2e-"));
  // One base port for the folder, so that clients find a cluster that is started again on it.
  const port = 20_000 + 100 * Math.floor(Math.random() * 120);
  const running: RunningCluster[] = [];
  try {
    await body(async (options = {}) => {
      const events: ClusterEvent[] = [];
      const cluster = await startCluster({ ...DEFAULTS, dataDir, port, ...options }, (event) =>
        events.push(event),
      );
      running.push(cluster);
      return { cluster, events, dataDir };
    });
  } finally {
    for (const cluster of running) await cluster.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}
