/**
 * What a benchmark's points run on: the raw log or a cluster, each of its own processes on a directory of its own, gone
 * without trace when stopped. Only one stands at a time: idle processes tick, too.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ClusterEvent, RawLog, RunningCluster } from "@sixfold/cluster";
import type { Platform } from "../platform.ts";
import { CommandError } from "../usage.ts";
import type { BenchClusterPlan } from "./points.ts";
import { BENCH_PROCEDURES_URL } from "./procedures-url.ts";
import { RAW_PAGES, RAW_RECORD_BYTES } from "./raw.ts";

interface Stoppable {
  stop(): Promise<void>;
}

/** Stands until `stop`. */
export class Stage<T extends Stoppable> {
  readonly actor: T;
  /** Aborted when one of its processes dies. */
  readonly death: AbortSignal;
  private readonly dataDir: string;

  private constructor(actor: T, dataDir: string, death: AbortSignal) {
    this.actor = actor;
    this.dataDir = dataDir;
    this.death = death;
  }

  /** Starts something on a fresh directory below `dir`. */
  static async start<T extends Stoppable>(
    dir: string,
    name: string,
    start: (dataDir: string, on: (event: ClusterEvent) => void) => Promise<T>,
  ): Promise<Stage<T>> {
    const dataDir = join(dir, name);
    await mkdir(dataDir, { recursive: true });
    const death = new AbortController();
    const on = (event: ClusterEvent): void => {
      if (event.event === "exit") death.abort(new CommandError(`${event.name} died`));
    };
    try {
      return new Stage(await start(dataDir, on), dataDir, death.signal);
    } catch (error) {
      await rm(dataDir, { recursive: true, force: true });
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.actor.stop();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}

export function startRaw(platform: Platform, dir: string, serial: number): Promise<Stage<RawLog>> {
  return Stage.start(dir, `raw-${serial}`, (dataDir, on) =>
    platform.startRawLog({ dataDir, recordBytes: RAW_RECORD_BYTES, pages: RAW_PAGES }, on),
  );
}

export function startDatabase(
  platform: Platform,
  plan: BenchClusterPlan,
  dir: string,
  serial: number,
): Promise<Stage<RunningCluster>> {
  return Stage.start(dir, `${plan.mode}-${serial}`, (dataDir, on) =>
    platform.startCluster(
      {
        mode: plan.mode,
        conflicts: "row",
        writers: plan.writers,
        replicas: 0,
        dataDir,
        port: 0,
        injectConflicts: 0,
        inProcess: false,
        azLatencyMs: 0,
        restart: false,
        procedures: fileURLToPath(BENCH_PROCEDURES_URL),
      },
      on,
    ),
  );
}
