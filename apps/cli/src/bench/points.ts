/**
 * What a benchmark visits, in which order.
 *
 *     round 1: raw | cluster single: points … | cluster multi: points … |
 *     round 2: raw | …                                                  | raw
 *
 * A machine that others use changes its speed within minutes. So the log's own limit is measured before and after every
 * round's points, and all points take their turn in each round: a slow minute hits all alike.
 */
import type { Mode } from "@sixfold/model";
import type { TransactionStyle } from "@sixfold/workload";

/** `raw` is the log without a database. */
export const BENCH_TRANSACTIONS = ["raw", "update", "rmw", "insert", "read", "scan"] as const;
export type BenchTransaction = (typeof BENCH_TRANSACTIONS)[number];
export type DatabaseTransaction = Exclude<BenchTransaction, "raw">;

export const BENCH_STYLES = ["procedure", "interactive"] as const;
export const BENCH_MODES = ["single", "multi"] as const;

/** How many rows a scan reads. */
export const SCAN_ROWS = 100;

export interface BenchPoint {
  readonly tx: DatabaseTransaction;
  readonly as: TransactionStyle;
  readonly mode: Mode;
  readonly clients: number;
}

export interface BenchClusterPlan {
  readonly mode: Mode;
  readonly writers: number;
  readonly points: readonly BenchPoint[];
}

export interface BenchPlan {
  /** Numbers of clients at which the raw log is measured; none if it was not asked for. */
  readonly raw: readonly number[];
  readonly clusters: readonly BenchClusterPlan[];
}

export interface BenchChoice {
  readonly tx: readonly BenchTransaction[];
  readonly as: readonly TransactionStyle[];
  readonly modes: readonly Mode[];
  readonly clients: readonly number[];
  /** Of the multi clusters. */
  readonly writers: number;
}

export function planBench(choice: BenchChoice): BenchPlan {
  const transactions = choice.tx.filter((tx): tx is DatabaseTransaction => tx !== "raw");
  const pointsOf = (mode: Mode): BenchPoint[] =>
    transactions.flatMap((tx) =>
      choice.as.flatMap((as) => choice.clients.map((clients) => ({ tx, as, mode, clients }))),
    );
  const modes = transactions.length === 0 ? [] : choice.modes;
  return {
    raw: choice.tx.includes("raw") ? choice.clients : [],
    clusters: modes.map((mode) => ({
      mode,
      writers: mode === "single" ? 1 : choice.writers,
      points: pointsOf(mode),
    })),
  };
}

/** Measurements in all: raw once more than there are rounds. */
export function measurements(plan: BenchPlan, rounds: number): number {
  const points = plan.clusters.reduce((sum, cluster) => sum + cluster.points.length, 0);
  return points * rounds + plan.raw.length * rawTurns(plan, rounds);
}

/** Before every round and after the last; without anything between, once a round. */
export function rawTurns(plan: BenchPlan, rounds: number): number {
  return plan.clusters.length === 0 ? rounds : rounds + 1;
}

export function describeBenchPoint(point: BenchPoint | number): string {
  if (typeof point === "number") return `raw: ${point} ${point === 1 ? "client" : "clients"}`;
  return `${point.tx} as ${point.as}: ${point.mode}, ${point.clients} ${point.clients === 1 ? "client" : "clients"}`;
}

export interface RowChoice {
  readonly rows: number;
  /** How many rows an update changes. */
  readonly updateRows: number;
  readonly hot: number | undefined;
  readonly sharedPct: number;
}

/** Why these rows cannot serve these points, or undefined. */
export function rowsFault(
  plan: BenchPlan,
  { rows, updateRows, hot, sharedPct }: RowChoice,
): string | undefined {
  const used = hot ?? rows;
  if (used > rows) return `--hot ${used} is more than --rows ${rows}; take --rows ${used}`;
  const writers = Math.max(1, ...plan.clusters.map((cluster) => cluster.writers));
  // Below 100 % every writer also draws from a part of its own.
  const parts = sharedPct === 100 ? 1 : writers;
  const points = plan.clusters.flatMap((cluster) => cluster.points);
  const rowsOf = { update: updateRows, rmw: 2, insert: 1, read: 1, scan: 1 };
  const rowsInPart = Math.max(1, ...points.map((point) => rowsOf[point.tx]));
  if (used < parts * rowsInPart)
    return `--hot ${used} leaves a writer too few rows; take --hot ${parts * rowsInPart}${parts > 1 ? " or --shared 100" : ""}`;
  if (rows < SCAN_ROWS && points.some((point) => point.tx === "scan"))
    return `a scan reads ${SCAN_ROWS} rows; take --rows ${SCAN_ROWS} or more`;
  return undefined;
}
