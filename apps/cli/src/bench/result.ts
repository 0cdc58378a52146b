/** What a benchmark found. The names are those of the JSON lines, which users parse. */
import type { Mode } from "@sixfold/model";
import type { TransactionStyle, Verdict } from "@sixfold/workload";
import { round } from "../measured-clients.ts";
import type { BenchTransaction } from "./points.ts";

/** Microseconds of processor time, user and system, all threads; null where the system does not tell. */
export interface CpuPerCommit {
  /** All writers. Of raw: this process, in which appender and clients are one. */
  readonly writer: number | null;
  /** All six segment servers. */
  readonly segments: number | null;
  /** This process; null with raw. */
  readonly client: number | null;
}

/** One point in one round. */
export interface Figures {
  readonly committed: number;
  readonly committedPerSecond: number;
  /** Attempts that the client was told to run again, per commit. */
  readonly abortedPerCommit: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly cpuUsPerCommit: CpuPerCommit;
  /** Sent by the writers to segment servers and to one another. */
  readonly bytesPerCommit: number | null;
  /** Log blocks written and synced by the six segment servers together. */
  readonly syncsPerCommit: number | null;
  readonly invariant: Verdict;
}

/** A point: medians over its rounds, each figure by itself. */
export interface BenchResult extends Figures {
  readonly event: "bench";
  readonly tx: BenchTransaction;
  readonly as: TransactionStyle | null;
  readonly mode: Mode;
  readonly clients: number;
  readonly rows: number;
  readonly sharedPct: number;
  /** Unless it is 1. */
  readonly updateRows?: number;
  /** If it was set. */
  readonly poolPages?: number;
  /** Median of the rounds' ratios to the raw log at as many clients, measured before and after; null without raw. */
  readonly ratioToRaw: number | null;
  /** The same of the median latency. */
  readonly p50ToRaw: number | null;
  readonly rounds: number;
  /** Slowest and fastest round. */
  readonly lowestPerSecond: number;
  readonly highestPerSecond: number;
  readonly hot?: number;
}

/** A point that some round could not measure. */
export interface BenchFailure {
  readonly event: "bench-failed";
  readonly tx: BenchTransaction;
  readonly as: TransactionStyle | null;
  readonly mode: Mode;
  readonly clients: number;
  readonly error: string;
}

export type BenchOutcome = BenchResult | BenchFailure;

export function isMeasured(outcome: BenchOutcome): outcome is BenchResult {
  return outcome.event === "bench";
}

/** The middle value; of an even number, the mean of the two in the middle. Undefined for none. */
export function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const low = sorted[(sorted.length - 1) >> 1];
  const high = sorted[sorted.length >> 1];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

/** Medians over `rounds`, of which there is at least one. A figure that a round lacks is taken over the others. */
export function summarise(rounds: readonly Figures[]) {
  const of = (figure: (round: Figures) => number | null, digits: number): number | null => {
    const middle = median(rounds.map(figure).filter((value) => value !== null));
    return middle === undefined ? null : round(middle, digits);
  };
  const rates = rounds.map((one) => one.committedPerSecond);
  return {
    committed: rounds.reduce((sum, one) => sum + one.committed, 0),
    committedPerSecond: of((one) => one.committedPerSecond, 1)!,
    abortedPerCommit: of((one) => one.abortedPerCommit, 4)!,
    p50Ms: of((one) => one.p50Ms, 3)!,
    p95Ms: of((one) => one.p95Ms, 3)!,
    p99Ms: of((one) => one.p99Ms, 3)!,
    cpuUsPerCommit: {
      writer: of((one) => one.cpuUsPerCommit.writer, 1),
      segments: of((one) => one.cpuUsPerCommit.segments, 1),
      client: of((one) => one.cpuUsPerCommit.client, 1),
    },
    bytesPerCommit: of((one) => one.bytesPerCommit, 1),
    syncsPerCommit: of((one) => one.syncsPerCommit, 3),
    invariant: rounds.find((one) => one.invariant !== "ok")?.invariant ?? ("ok" as const),
    rounds: rounds.length,
    lowestPerSecond: round(Math.min(...rates), 1),
    highestPerSecond: round(Math.max(...rates), 1),
  };
}
