/**
 * What a point is measured on: the raw log or a cluster, each of its own processes on a directory of its own, gone
 * without trace when stopped. Only one stands at a time: idle processes tick, too.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ClusterEvent, ClusterOptions, RunningCluster } from "@sixfold/cluster";
import type { Platform } from "./platform.ts";
import { CommandError } from "./usage.ts";

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

/** What clusters to be measured differ in. */
export type MeasuredCluster = Pick<
  ClusterOptions,
  "mode" | "conflicts" | "writers" | "azLatencyMs" | "procedures" | "poolPages"
>;

export function startDatabase(
  platform: Platform,
  dir: string,
  name: string,
  options: MeasuredCluster,
): Promise<Stage<RunningCluster>> {
  const alike = { replicas: 0, port: 0, injectConflicts: 0, inProcess: false, restart: false };
  return Stage.start(dir, name, (dataDir, on) =>
    platform.startCluster({ ...alike, ...options, dataDir }, on),
  );
}
