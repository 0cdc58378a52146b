/**
 * The comparison: clusters one after the other, points one after the other, nothing beside.
 *
 * Real processes on this machine share its processors with the clients, so only one cluster runs at a time. A point that
 * cannot be measured is reported as failed and does not end the sweep: the next one gets a fresh cluster.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PROCEDURES_URL, type TransactionStyle } from "@sixfold/workload";
import type { ClusterEvent, RunningCluster } from "@sixfold/cluster";
import type { Platform } from "../platform.ts";
import { CommandError } from "../usage.ts";
import { measurePoint } from "./measure-point.ts";
import type { Point, PointResult } from "./result.ts";
import type { ClusterPlan } from "./sweep-plan.ts";

export interface ComparisonOptions {
  readonly as: TransactionStyle;
  readonly seed: number;
  readonly records: number | undefined;
  readonly azLatencyMs: number;
  readonly warmUpSeconds: number;
  /** An existing directory; what is put there is removed again. */
  readonly dir: string;
}

/** Calls `report` after each point. Throws only if interrupted. */
export async function runComparison(
  platform: Platform,
  plans: readonly ClusterPlan[],
  options: ComparisonOptions,
  on: { begin(point: Point): void; result(result: PointResult): void },
): Promise<void> {
  let tables = 0;
  for (const plan of plans) {
    let cluster: ComparedCluster | undefined;
    try {
      for (const point of plan.points) {
        platform.signal.throwIfAborted();
        on.begin(point);
        const table = `${point.workload}-${++tables}`;
        try {
          cluster ??= await ComparedCluster.start(platform, plan, options, tables);
          on.result(await cluster.measure(platform, point, table, options));
        } catch (error) {
          platform.signal.throwIfAborted();
          on.result({ event: "run-failed", ...point, error: messageOf(error) });
          await cluster?.stop();
          cluster = undefined;
        }
      }
    } finally {
      await cluster?.stop();
    }
  }
}

/** How much longer the first point of a cluster warms up. */
const COLD_WARM_UPS = 3;

/** A cluster of its own processes on a directory of its own, gone without trace when stopped. */
class ComparedCluster {
  private readonly cluster: RunningCluster;
  private readonly dir: string;
  private measured = 0;
  /** Rejects when a process dies that nobody stopped. */
  private readonly death: Promise<never>;

  private constructor(cluster: RunningCluster, dir: string, death: Promise<never>) {
    this.cluster = cluster;
    this.dir = dir;
    this.death = death;
  }

  static async start(
    platform: Platform,
    plan: ClusterPlan,
    options: ComparisonOptions,
    serial: number,
  ): Promise<ComparedCluster> {
    const dataDir = join(options.dir, `${plan.mode}-${plan.writers}-${serial}`);
    await mkdir(dataDir, { recursive: true });
    let die: (error: Error) => void = () => undefined;
    const death = new Promise<never>((_, reject) => (die = reject));
    // Nobody may be listening when it happens between two points; the next one is then told.
    death.catch(() => undefined);
    const on = (event: ClusterEvent): void => {
      if (event.event === "exit") die(new CommandError(`${event.name} died`));
    };
    try {
      const cluster = await platform.startCluster(
        {
          mode: plan.mode === "single" ? "single" : "multi",
          conflicts: plan.mode === "multi-page" ? "page" : "row",
          writers: plan.writers,
          replicas: 0,
          dataDir,
          port: 0,
          injectConflicts: 0,
          inProcess: false,
          azLatencyMs: options.azLatencyMs,
          restart: false,
          procedures: fileURLToPath(PROCEDURES_URL),
        },
        on,
      );
      return new ComparedCluster(cluster, dataDir, death);
    } catch (error) {
      await rm(dataDir, { recursive: true, force: true });
      throw error;
    }
  }

  measure(platform: Platform, point: Point, table: string, options: ComparisonOptions) {
    const { as, seed, records, warmUpSeconds } = options;
    // Fresh processes compile their hot paths first; without this the first point would pay for the others.
    const cold = this.measured++ === 0 ? COLD_WARM_UPS : 1;
    const measured = measurePoint(platform, this.cluster.nodes, point, {
      as,
      seed,
      records,
      warmUpSeconds: warmUpSeconds * cold,
      table,
    });
    return Promise.race([measured, this.death]);
  }

  async stop(): Promise<void> {
    await this.cluster.stop();
    await rm(this.dir, { recursive: true, force: true });
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
