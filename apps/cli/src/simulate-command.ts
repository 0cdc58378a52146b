/** `sixfold simulate`: runs of seeds, side by side, and what they found. */
import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import {
  type Choices,
  commandOf,
  describePlan,
  makePlan,
  type Plan,
  type RunResult,
  shrink,
} from "@sixfold/simulation";
import type { ConsoleOutput } from "./console-output.ts";
import type { Platform, Simulator } from "./platform.ts";
import { CommandError } from "./usage.ts";

/** As parsed: absent where the user said nothing. */
export interface SimulateFlags {
  readonly seed?: number;
  readonly runs?: number;
  readonly minutes?: number;
  readonly faults?: readonly string[];
  readonly workload?: Choices["workloads"];
  readonly mode?: Choices["mode"];
  readonly writers?: number;
  readonly replicas?: number;
  readonly distance?: Choices["distance"];
  readonly isolation?: Choices["isolation"];
  readonly consistency?: Choices["consistency"];
  readonly keep?: readonly number[];
  readonly plant?: Choices["planted"];
  readonly shrink?: boolean;
  readonly verbose?: boolean;
  readonly jobs?: number;
}

interface Tally {
  runs: number;
  failed: number;
  virtualMs: number;
  commits: number;
  readonly hashes: Map<number, string>;
}

export async function simulateSeeds(
  platform: Platform,
  output: ConsoleOutput,
  flags: SimulateFlags,
): Promise<void> {
  const choices = choicesOf(flags);
  // Minutes ask for seeds that nobody has seen.
  const first = flags.seed ?? (flags.minutes === undefined ? 1 : Date.now() % 2 ** 31);
  const runs = flags.runs ?? (flags.minutes === undefined ? 1 : Number.POSITIVE_INFINITY);
  const endMs = Date.now() + (flags.minutes ?? Number.POSITIVE_INFINITY) * 60_000;
  const jobs = Math.min(flags.jobs ?? availableParallelism(), runs);
  announce(output, first, runs, flags, choices);
  const pool = await platform.startSimulator();
  const tally: Tally = { runs: 0, failed: 0, virtualMs: 0, commits: 0, hashes: new Map() };
  const startedMs = Date.now();
  try {
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < runs && Date.now() < endMs && !platform.signal.aborted) {
        const seed = first + next++;
        await one(output, pool, seed, choices, flags, tally);
        output.progress(`${tally.runs} runs, ${tally.failed} failed`);
      }
    };
    await Promise.all(Array.from({ length: jobs }, work));
  } finally {
    await pool.close();
    output.clearProgress();
  }
  conclude(output, tally, Date.now() - startedMs);
  // Runs that were asked for and not made are no success.
  if (runs !== Number.POSITIVE_INFINITY) platform.signal.throwIfAborted();
}

function announce(
  output: ConsoleOutput,
  first: number,
  runs: number,
  flags: SimulateFlags,
  choices: Choices,
): void {
  const last = Number.isFinite(runs) ? first + runs - 1 : undefined;
  const span = last === undefined ? `from ${first} on` : last === first ? `${first}` : `${first} to ${last}`;
  output.object({ event: "seeds", first, last, ...choices });
  output.text(`seeds ${span}${flags.minutes === undefined ? "" : `, for ${flags.minutes} minutes`}`);
  if (runs === 1) for (const line of describePlan(makePlan(first, choices))) output.text(`  ${line}`);
}

async function one(
  output: ConsoleOutput,
  pool: Simulator,
  seed: number,
  choices: Choices,
  flags: SimulateFlags,
  tally: Tally,
): Promise<void> {
  const startedMs = Date.now();
  const line = flags.verbose === true ? (text: string) => output.note(`${seed}: ${text}`) : undefined;
  const result = await pool.run(seed, choices, line);
  const plan = makePlan(seed, choices);
  const failed = result.violations.length > 0;
  tally.runs++;
  tally.failed += failed ? 1 : 0;
  tally.virtualMs += result.virtualMs;
  tally.commits += result.counts.committed;
  tally.hashes.set(seed, result.hash);
  sayRun(output, plan, choices, result, Date.now() - startedMs);
  if (failed && flags.shrink === true) await sayShrunk(output, pool, seed, choices);
}

function sayRun(output: ConsoleOutput, plan: Plan, choices: Choices, result: RunResult, ms: number): void {
  const { seed, hash, violations, virtualMs, events, counts } = result;
  const command = commandOf(plan, choices);
  const verdict = violations.length === 0 ? "ok" : "failed";
  const faults = plan.faults.map((fault) => fault.kind);
  const workloads = plan.loads.map((load) => load.workload);
  const { mode, writers, replicas } = plan;
  output.object({
    event: "run",
    seed,
    verdict,
    hash,
    mode,
    writers,
    replicas,
    workloads,
    faults,
    violations,
    virtualMs: Math.round(virtualMs),
    realMs: ms,
    events,
    ...counts,
    histories: result.histories,
    command,
  });
  const { green, red, dim } = output.colors;
  const said = violations.length === 0 ? green("ok    ") : red("FAILED");
  const effort = `${counts.committed} commits in ${(virtualMs / 1000).toFixed(1)} s, simulated in ${(ms / 1000).toFixed(1)} s`;
  output.text(
    `${said} seed ${seed} ${hash} ${mode} ${workloads.join("+")} ${dim(effort)} ${faults.join(" ")}`,
  );
  if (violations.length === 0) return;
  for (const text of describePlan(plan)) output.text(`  ${text}`);
  for (const { kind, text } of violations) output.text(`  ${red(kind)}: ${text.replaceAll("\n", "\n    ")}`);
  output.text(`  again: ${command}`);
}

async function sayShrunk(
  output: ConsoleOutput,
  pool: Simulator,
  seed: number,
  choices: Choices,
): Promise<void> {
  const planOf = (smaller: Choices): Plan => makePlan(seed, smaller);
  const { choices: smaller, runs } = await shrink(choices, planOf, async (candidate) => {
    output.progress(`shrinking seed ${seed}: ${planOf(candidate).faults.length} faults`);
    return (await pool.run(seed, candidate)).violations.length > 0;
  });
  const plan = planOf(smaller);
  const command = commandOf(plan, smaller);
  output.object({ event: "shrunk", seed, runs, faults: plan.faults.map((fault) => fault.kind), command });
  output.text(`  smaller, after ${runs} runs: ${command}`);
  for (const text of describePlan(plan)) output.text(`    ${text}`);
}

function conclude(output: ConsoleOutput, tally: Tally, ms: number): void {
  const { runs, failed, virtualMs, commits } = tally;
  const together = createHash("sha256");
  for (const seed of [...tally.hashes.keys()].sort((a, b) => a - b)) together.update(tally.hashes.get(seed)!);
  const hash = together.digest("hex").slice(0, 16);
  const verdict = failed === 0 ? "ok" : "failed";
  output.object({ event: "verdict", verdict, runs, failed, commits, virtualMs, realMs: ms, hash });
  output.text(
    `${runs} runs, ${failed} failed; ${commits} commits in ${(virtualMs / 1000).toFixed(0)} s of simulated time, ${(ms / 1000).toFixed(0)} s of real time; hash ${hash}`,
  );
  if (failed > 0) throw new CommandError(`${failed} of ${runs} runs failed`);
}

function choicesOf(flags: SimulateFlags): Choices {
  const { faults, workload, mode, distance, isolation, consistency, keep, plant, writers, replicas } = flags;
  return {
    faults,
    workloads: workload,
    mode,
    writers,
    replicas,
    distance,
    isolation,
    consistency,
    keep,
    planted: plant,
  };
}
