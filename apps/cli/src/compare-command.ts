/** `sixfold compare`: the sweep, the table, the report. */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { TransactionStyle, ComparisonWorkload } from "@sixfold/workload";
import { runComparison } from "./comparison/comparison.ts";
import { renderResultTable } from "./comparison/result-table.ts";
import { type ComparedMode, describePoint, isRun, type PointResult } from "./comparison/result.ts";
import { type ClusterPlan, planSweep } from "./comparison/sweep-plan.ts";
import type { ConsoleOutput } from "./console-output.ts";
import { freshWarmUpSeconds } from "./measured-clients.ts";
import type { Platform } from "./platform.ts";
import { describeMachine } from "./report/machine.ts";
import { writeReport } from "./report/report.ts";
import { withScratchFolder } from "./scratch-folder.ts";
import { CommandError, UsageError } from "./usage.ts";

/** As parsed: absent where the user said nothing. */
export interface CompareFlags {
  readonly quick?: boolean;
  readonly modes?: readonly ComparedMode[];
  readonly writers?: readonly number[];
  readonly shared?: readonly number[];
  readonly workload?: readonly ComparisonWorkload[];
  readonly clients?: number;
  readonly seconds?: number;
  readonly out: string;
  readonly as: TransactionStyle;
  readonly records?: number;
  readonly seed: number;
  readonly azLatencyMs: number;
}

/** About seven minutes: 28 points of 6 s, 7 clusters that are warmed up for 30. */
const FULL = {
  modes: ["single", "multi", "multi-page"],
  writers: [1, 2, 4],
  shared: [0, 10, 50, 100],
  workload: ["transfer"],
  clients: 32,
  seconds: 5,
} as const;

/** Little more than a minute: 9 points of 3 s, 3 clusters that are warmed up for 16. */
const QUICK = { ...FULL, writers: [2], shared: [0, 50, 100], clients: 16, seconds: 2 } as const;

/** At most; a short point warms up no longer than it is measured. */
const WARM_UP_SECONDS = 1;

export async function compare(platform: Platform, output: ConsoleOutput, flags: CompareFlags): Promise<void> {
  const sweep = { ...(flags.quick === true ? QUICK : FULL), ...definedOf(flags) };
  const { clients, seconds } = sweep;
  const plans = planSweep({ ...sweep, workloads: sweep.workload, clients, seconds });
  const warmUpSeconds = Math.min(WARM_UP_SECONDS, seconds);
  const widest = Math.max(...plans.map((plan) => plan.writers));
  if (clients < widest)
    throw new UsageError(
      `--clients ${clients} is fewer than ${widest} writers; give each writer one, as in --clients ${widest}`,
    );
  const out = resolve(flags.out);
  await mkdir(out, { recursive: true });
  const results: PointResult[] = [];
  try {
    // Beside the report, so that the log is synced to the disk the user chose and not to memory.
    await withScratchFolder(platform, join(out, "data-"), (dir) =>
      runComparison(
        platform,
        plans,
        {
          ...flags,
          records: flags.records,
          warmUpSeconds,
          freshWarmUpSeconds: freshWarmUpSeconds(seconds),
          dir,
        },
        reporter(output, plans, results),
      ),
    );
  } finally {
    output.clearProgress();
    if (results.length > 0) {
      const paths = await writeReport(out, {
        format: "sixfold-compare/1",
        command: commandLine(flags),
        madeAt: new Date().toISOString(),
        machine: describeMachine(),
        conditions: {
          transactions: flags.as,
          clients,
          "seconds a run": seconds,
          "warm-up seconds": warmUpSeconds,
          "latency between AZs": `${flags.azLatencyMs} ms`,
          seed: flags.seed,
        },
        results,
      });
      output.text(renderResultTable(results, output.colors));
      output.text(`\nReport: ${paths.html}`);
      output.object({ event: "report", ...paths });
    }
  }
  failIfBroken(results);
}

function reporter(output: ConsoleOutput, plans: readonly ClusterPlan[], results: PointResult[]) {
  const total = plans.reduce((sum, plan) => sum + plan.points.length, 0);
  return {
    begin: (point: PointResult | Parameters<typeof describePoint>[0]) =>
      output.progress(`[${results.length + 1}/${total}] ${describePoint(point)}`),
    result: (result: PointResult) => {
      results.push(result);
      output.object(result);
    },
  };
}

function failIfBroken(results: readonly PointResult[]): void {
  const broken = results.filter((result) => isRun(result) && result.invariant !== "ok").length;
  const failed = results.filter((result) => !isRun(result)).length;
  if (broken > 0) throw new CommandError(`${broken} of ${results.length} runs broke their invariant`);
  if (failed > 0) throw new CommandError(`${failed} of ${results.length} runs could not be measured`);
}

/** Only what the user said, so that it can be laid over the defaults. */
function definedOf(flags: CompareFlags) {
  const { modes, writers, shared, workload, clients, seconds } = flags;
  return {
    ...(modes === undefined ? {} : { modes }),
    ...(writers === undefined ? {} : { writers }),
    ...(shared === undefined ? {} : { shared }),
    ...(workload === undefined ? {} : { workload }),
    ...(clients === undefined ? {} : { clients }),
    ...(seconds === undefined ? {} : { seconds }),
  };
}

/** The command that makes this report again; where it was written is not part of it. */
export function commandLine(flags: CompareFlags): string {
  const words = ["sixfold", "compare"];
  if (flags.quick === true) words.push("--quick");
  for (const [name, value] of Object.entries(definedOf(flags))) words.push(`--${name}`, String(value));
  words.push("--as", flags.as);
  if (flags.records !== undefined) words.push("--records", String(flags.records));
  if (flags.azLatencyMs > 0) words.push("--az-latency-ms", String(flags.azLatencyMs));
  words.push("--seed", String(flags.seed));
  return words.join(" ");
}
