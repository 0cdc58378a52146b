/**
 * The benchmark: rounds in turn (see `points.ts`), samples kept by point, medians at the end.
 *
 * A point that cannot be measured is reported as failed and ends neither its round nor its cluster's other points: these get
 * a fresh cluster.
 */
import { fileURLToPath } from "node:url";
import type { RawLog, RunningCluster } from "@sixfold/cluster";
import { round } from "../measured-clients.ts";
import type { Platform } from "../platform.ts";
import { Stage, startDatabase } from "../stage.ts";
import { LoadedCluster, type LoadOptions } from "./load.ts";
import { type BenchClusterPlan, type BenchPlan, type BenchPoint, rawTurns } from "./points.ts";
import { BENCH_PROCEDURES_URL } from "./procedures-url.ts";
import { measureRaw, RAW_PAGES, RAW_RECORD_BYTES } from "./raw.ts";
import { type BenchOutcome, type Figures, median, summarise } from "./result.ts";

export interface BenchOptions extends Omit<LoadOptions, "signal"> {
  /** Of each node's buffer pool; undefined: as ever. */
  readonly poolPages: number | undefined;
  readonly rounds: number;
  /** How long fresh processes, whose code is not compiled yet, run the busiest of their points before the first is measured. */
  readonly freshWarmUpSeconds: number;
  /** An existing directory; what is put there is removed again. */
  readonly dir: string;
}

export interface BenchListener {
  /** A number: the raw log with as many clients. */
  begin(point: BenchPoint | number): void;
  /** One round of a point is done, well or not. */
  end(): void;
  loading(plan: BenchClusterPlan, rows: number): void;
}

/** What one point gave in each round; undefined where it failed. */
interface Samples {
  readonly rounds: (Figures | undefined)[];
  error: string | undefined;
}

export class Bench {
  private readonly platform: Platform;
  private readonly plan: BenchPlan;
  private readonly options: BenchOptions;
  private readonly on: BenchListener;
  private readonly raw = new Map<number, Samples>();
  private readonly points = new Map<BenchPoint, Samples>();
  private serial = 0;

  constructor(platform: Platform, plan: BenchPlan, options: BenchOptions, on: BenchListener) {
    this.platform = platform;
    this.plan = plan;
    this.options = options;
    this.on = on;
  }

  /** Throws only if interrupted; `outcomes` then has what was measured until then. */
  async run(): Promise<void> {
    const { plan, options } = this;
    for (let turn = 0; turn < options.rounds; turn++) {
      await this.rawTurn();
      for (const cluster of plan.clusters) await this.clusterTurn(cluster);
    }
    if (rawTurns(plan, options.rounds) > options.rounds) await this.rawTurn();
  }

  /** In the order of the plan, raw first; points without a measurement are left out. */
  outcomes(): BenchOutcome[] {
    const { rows, sharedPct, hot } = this.options.keys;
    const { updateRows, poolPages } = this.options;
    const about = {
      ...{ rows, sharedPct },
      ...(hot === undefined ? {} : { hot }),
      ...(updateRows === 1 ? {} : { updateRows }),
      ...(poolPages === undefined ? {} : { poolPages }),
    };
    const outcomes: BenchOutcome[] = [];
    const add = (point: Pick<BenchOutcome, "tx" | "as" | "mode" | "clients">, samples: Samples): void => {
      const { tx, as, mode, clients } = point;
      const figures = samples.rounds.filter((one) => one !== undefined);
      if (samples.error !== undefined)
        outcomes.push({ event: "bench-failed", tx, as, mode, clients, error: samples.error });
      else if (figures.length > 0)
        outcomes.push({
          ...{ event: "bench", tx, as, mode, clients, ...about },
          ...this.ratios(tx === "raw", clients, samples),
          ...summarise(figures),
        });
    };
    for (const [clients, samples] of this.raw) add({ tx: "raw", as: null, mode: "single", clients }, samples);
    for (const [point, samples] of this.points) add(point, samples);
    return outcomes;
  }

  private async rawTurn(): Promise<void> {
    const { plan, platform, options } = this;
    let stage: Stage<RawLog> | undefined;
    try {
      for (const clients of plan.raw) {
        platform.signal.throwIfAborted();
        this.on.begin(clients);
        try {
          const isFresh = stage === undefined;
          stage ??= await this.startRaw();
          const signal = AbortSignal.any([platform.signal, stage.death]);
          const warmUp = { warmUpSeconds: options.freshWarmUpSeconds, seconds: 0, signal };
          if (isFresh) await measureRaw(stage.actor, Math.max(...plan.raw), warmUp);
          const figures = await measureRaw(stage.actor, clients, { ...options, signal });
          this.keep(this.raw, clients, { ...figures, invariant: "ok" });
        } catch (error) {
          this.keep(this.raw, clients, error);
          await stage?.stop();
          stage = undefined;
        }
      }
    } finally {
      await stage?.stop();
    }
  }

  private startRaw(): Promise<Stage<RawLog>> {
    return Stage.start(this.options.dir, `raw-${++this.serial}`, (dataDir, on) =>
      this.platform.startRawLog({ dataDir, recordBytes: RAW_RECORD_BYTES, pages: RAW_PAGES }, on),
    );
  }

  private async clusterTurn(plan: BenchClusterPlan): Promise<void> {
    const { platform, options } = this;
    let stage: Stage<RunningCluster> | undefined;
    let loaded: LoadedCluster | undefined;
    try {
      for (const point of plan.points) {
        platform.signal.throwIfAborted();
        try {
          const isFresh = stage === undefined || loaded === undefined;
          if (stage === undefined || loaded === undefined) {
            this.on.loading(plan, 0);
            stage = await startDatabase(platform, options.dir, `${plan.mode}-${++this.serial}`, {
              ...{ mode: plan.mode, conflicts: "row", writers: plan.writers, azLatencyMs: 0 },
              procedures: fileURLToPath(BENCH_PROCEDURES_URL),
              poolPages: options.poolPages,
            });
            loaded = await this.load(plan, stage);
          }
          this.on.begin(point);
          if (isFresh) await loaded.warmUp(busiest(plan), options.freshWarmUpSeconds);
          this.keep(this.points, point, await loaded.measure(point));
        } catch (error) {
          this.keep(this.points, point, error);
          await stage?.stop();
          stage = undefined;
          loaded = undefined;
        }
      }
    } finally {
      await stage?.stop();
    }
  }

  private load(plan: BenchClusterPlan, stage: Stage<RunningCluster>): Promise<LoadedCluster> {
    // Every round draws other rows.
    const signal = AbortSignal.any([this.platform.signal, stage.death]);
    const options = { ...this.options, signal, seed: this.options.seed + this.serial };
    return LoadedCluster.load(this.platform, stage.actor.nodes, options, (rows) =>
      this.on.loading(plan, rows),
    );
  }

  /** Keeps figures, or the failure to get them; throws if interrupted. */
  private keep<K>(samples: Map<K, Samples>, point: K, outcome: unknown): void {
    this.platform.signal.throwIfAborted();
    const failed = outcome instanceof Error;
    const mine = samples.get(point) ?? { rounds: [], error: undefined };
    samples.set(point, mine);
    mine.rounds.push(failed ? undefined : (outcome as Figures));
    if (failed) mine.error ??= outcome.message;
    this.on.end();
  }

  /** Each round against the raw log before and after it. */
  private ratios(isRaw: boolean, clients: number, samples: Samples) {
    const raw = this.raw.get(clients)?.rounds;
    const ratio = (figure: (one: Figures) => number): number | null => {
      if (isRaw) return 1;
      const all = samples.rounds.flatMap((one, turn) => {
        const around = [raw?.[turn], raw?.[turn + 1]].filter((r) => r !== undefined).map(figure);
        if (one === undefined || around.length === 0) return [];
        return [(figure(one) * around.length) / around.reduce((sum, r) => sum + r, 0)];
      });
      const middle = median(all.filter(Number.isFinite));
      return middle === undefined ? null : round(middle, 3);
    };
    return { ratioToRaw: ratio((one) => one.committedPerSecond), p50ToRaw: ratio((one) => one.p50Ms) };
  }
}

const busiest = ({ points }: BenchClusterPlan): BenchPoint =>
  points.reduce((most, point) => (point.clients > most.clients ? point : most));
