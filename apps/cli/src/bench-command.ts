/** `sixfold bench`: what this machine's log can do, and how close the database comes. */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Mode } from "@sixfold/model";
import type { TransactionStyle } from "@sixfold/workload";
import { Bench, type BenchListener } from "./bench/bench.ts";
import {
  BENCH_MODES,
  BENCH_STYLES,
  BENCH_TRANSACTIONS,
  type BenchTransaction,
  describeBenchPoint,
  measurements,
  planBench,
  rowsFault,
} from "./bench/points.ts";
import { type BenchOutcome, isMeasured } from "./bench/result.ts";
import { renderBenchTable } from "./bench/table.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { freshWarmUpSeconds } from "./measured-clients.ts";
import type { Platform } from "./platform.ts";
import { withScratchFolder } from "./scratch-folder.ts";
import { CommandError, UsageError } from "./usage.ts";

/** As parsed: absent where the user said nothing. */
export interface BenchFlags {
  readonly quick?: boolean;
  readonly tx?: readonly BenchTransaction[];
  readonly as?: readonly TransactionStyle[];
  readonly modes?: readonly Mode[];
  readonly writers: number;
  readonly clients?: readonly number[];
  readonly rows?: number;
  readonly shared: number;
  readonly updateRows: number;
  readonly poolPages?: number;
  readonly hot?: number;
  readonly hotLayout: "spread" | "dense";
  readonly keyOrder: "drawn" | "sorted";
  readonly zipf: boolean;
  readonly seconds?: number;
  readonly rounds?: number;
  readonly seed: number;
  readonly data: string;
}

/** About a quarter of an hour: 80 points and 4 of raw, 2.5 s each, in three rounds. */
const FULL = {
  tx: BENCH_TRANSACTIONS,
  as: BENCH_STYLES,
  modes: BENCH_MODES,
  clients: [1, 8, 32, 128],
  rows: 100_000,
  seconds: 2,
  rounds: 3,
} as const;

/** Under a minute: 8 points and raw twice. */
const QUICK = {
  ...FULL,
  tx: ["raw", "rmw", "read"],
  clients: [32],
  rows: 20_000,
  seconds: 1,
  rounds: 1,
} as const;

/** At most; a short point warms up no longer than it is measured. */
const WARM_UP_SECONDS = 0.5;

export async function bench(platform: Platform, output: ConsoleOutput, flags: BenchFlags): Promise<void> {
  const choice = { ...(flags.quick === true ? QUICK : FULL), ...flags };
  const plan = planBench(choice);
  const keys = {
    rows: choice.rows,
    hot: flags.hot,
    layout: flags.hotLayout,
    sharedPct: flags.shared,
    zipf: flags.zipf,
    order: flags.keyOrder,
  };
  const fault = rowsFault(plan, { ...keys, updateRows: flags.updateRows });
  if (fault !== undefined) throw new UsageError(fault);
  const { seconds, rounds } = choice;
  const total = measurements(plan, rounds);
  let done = 0;
  const parent = resolve(flags.data);
  await mkdir(parent, { recursive: true });
  const options = {
    keys,
    updateRows: flags.updateRows,
    poolPages: flags.poolPages,
    seconds,
    rounds,
    warmUpSeconds: Math.min(WARM_UP_SECONDS, seconds),
    freshWarmUpSeconds: freshWarmUpSeconds(seconds),
    seed: flags.seed,
  };
  const listener: BenchListener = {
    begin: (point) => output.progress(`[${done + 1}/${total}] ${describeBenchPoint(point)}`),
    end: () => done++,
    loading: ({ mode }, rows) =>
      output.progress(`[${done + 1}/${total}] ${mode}: loading rows, ${rows} of ${choice.rows}`),
  };
  let outcomes: readonly BenchOutcome[] = [];
  try {
    // On the disk that the user chose: syncs to memory would flatter.
    await withScratchFolder(platform, join(parent, ".sixfold-bench-"), async (dir) => {
      const run = new Bench(platform, plan, { ...options, dir }, listener);
      await run.run().finally(() => (outcomes = run.outcomes()));
    });
  } finally {
    output.clearProgress();
    report(output, outcomes);
  }
  failIfBroken(outcomes);
}

function report(output: ConsoleOutput, outcomes: readonly BenchOutcome[]): void {
  for (const outcome of outcomes) output.object(outcome);
  if (outcomes.length > 0) output.text(renderBenchTable(outcomes, output.colors));
}

function failIfBroken(outcomes: readonly BenchOutcome[]): void {
  const broken = outcomes.filter((outcome) => isMeasured(outcome) && outcome.invariant !== "ok").length;
  const failed = outcomes.filter((outcome) => !isMeasured(outcome)).length;
  if (broken > 0) throw new CommandError(`${broken} of ${outcomes.length} points broke their invariant`);
  if (failed > 0) throw new CommandError(`${failed} of ${outcomes.length} points could not be measured`);
}
