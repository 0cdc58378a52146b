/**
 * The comparison: clusters one after the other, points one after the other, nothing beside.
 *
 * Real processes on this machine share its processors with the clients, so only one cluster runs at a time. A point that
 * cannot be measured is reported as failed and does not end the sweep: the next one gets a fresh cluster.
 */
import { fileURLToPath } from "node:url";
import { PROCEDURES_URL, type TransactionStyle } from "@sixfold/workload";
import type { RunningCluster } from "@sixfold/cluster";
import type { Platform } from "../platform.ts";
import { type Stage, startDatabase } from "../stage.ts";
import { measurePoint } from "./measure-point.ts";
import type { Point, PointResult } from "./result.ts";
import type { ClusterPlan } from "./sweep-plan.ts";

export interface ComparisonOptions {
  readonly as: TransactionStyle;
  readonly seed: number;
  readonly records: number | undefined;
  readonly azLatencyMs: number;
  readonly warmUpSeconds: number;
  /** Of a cluster's first point, which would pay for the others: fresh processes compile their hot paths first. */
  readonly freshWarmUpSeconds: number;
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

class ComparedCluster {
  private readonly stage: Stage<RunningCluster>;
  private measured = 0;

  private constructor(stage: Stage<RunningCluster>) {
    this.stage = stage;
  }

  static async start(
    platform: Platform,
    plan: ClusterPlan,
    { dir, azLatencyMs }: ComparisonOptions,
    serial: number,
  ): Promise<ComparedCluster> {
    const stage = await startDatabase(platform, dir, `${plan.mode}-${plan.writers}-${serial}`, {
      mode: plan.mode === "single" ? "single" : "multi",
      conflicts: plan.mode === "multi-page" ? "page" : "row",
      writers: plan.writers,
      azLatencyMs,
      procedures: fileURLToPath(PROCEDURES_URL),
    });
    return new ComparedCluster(stage);
  }

  measure(platform: Platform, point: Point, table: string, options: ComparisonOptions) {
    const { as, seed, records } = options;
    const { actor, death } = this.stage;
    death.throwIfAborted();
    const died = new Promise<never>((_, reject) => {
      death.addEventListener("abort", () => reject(death.reason as Error), { once: true });
    });
    const isFirst = this.measured++ === 0;
    const measured = measurePoint(platform, actor.nodes, point, {
      as,
      seed,
      records,
      warmUpSeconds: isFirst ? options.freshWarmUpSeconds : options.warmUpSeconds,
      table,
    });
    return Promise.race([measured, died]);
  }

  stop(): Promise<void> {
    return this.stage.stop();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
