/**
 * Which points a comparison visits, in which order, on which clusters.
 *
 * Points of one mode and one number of writers share a cluster: starting one costs as much as measuring a
 * point. Each point has tables of its own, so the former ones leave nothing but a warm log.
 */
import type { ComparisonWorkload } from "@sixfold/workload";
import type { ComparedMode, Point } from "./result.ts";

export interface Sweep {
  readonly modes: readonly ComparedMode[];
  readonly writers: readonly number[];
  readonly shared: readonly number[];
  readonly workloads: readonly ComparisonWorkload[];
  /** In all, whatever the number of writers: modes are compared under the same load. */
  readonly clients: number;
  readonly seconds: number;
}

export interface ClusterPlan {
  readonly mode: ComparedMode;
  readonly writers: number;
  readonly points: readonly Point[];
}

/** Clusters in the order of `modes`, then of `writers`. A single master is one writer, so it is visited once. */
export function planSweep(sweep: Sweep): ClusterPlan[] {
  const plans: ClusterPlan[] = [];
  for (const mode of sweep.modes) {
    for (const writers of mode === "single" ? [1] : sweep.writers) {
      const points = sweep.workloads.flatMap((workload) =>
        sweep.shared.map((sharedPct) => ({
          mode,
          writers,
          sharedPct,
          workload,
          clients: sweep.clients,
          seconds: sweep.seconds,
        })),
      );
      plans.push({ mode, writers, points });
    }
  }
  return plans;
}
