/** What a comparison measures and what it found. The names are those of the JSON lines, which users parse. */
import type { TransactionStyle, Verdict, ComparisonWorkload } from "@sixfold/workload";

/** `multi` rebuilds a lost page race at the row; `multi-page` reports it, as Aurora Multi-Master did. */
export const COMPARED_MODES = ["single", "multi", "multi-page"] as const;
export type ComparedMode = (typeof COMPARED_MODES)[number];

/** One point of the sweep. */
export interface Point {
  readonly mode: ComparedMode;
  readonly writers: number;
  readonly sharedPct: number;
  readonly workload: ComparisonWorkload;
  readonly clients: number;
  readonly seconds: number;
}

/** One point, measured. Figures per commit are null where the nodes do not report what they are made of. */
export interface RunResult extends Point {
  readonly event: "run";
  readonly as: TransactionStyle;
  readonly committed: number;
  readonly committedPerSecond: number;
  /** Attempts that ended in an abort the client was told of, retried or not. */
  readonly aborted: number;
  /** The same by error code. */
  readonly abortedBy: Readonly<Record<string, number>>;
  /** Transactions whose outcome the client had to ask for and was not told. */
  readonly unknown: number;
  /** Entries sent to storage (aborted and rebuilt ones too) and aborts before that, per commit. */
  readonly attemptsPerCommit: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** Log blocks written and synced by the six segments of each protection group. */
  readonly storageWritesPerCommit: number | null;
  /** Sent by the writers to segment servers and to one another. */
  readonly networkBytesPerCommit: number | null;
  readonly invariant: Verdict;
}

/** A point that could not be measured. */
export interface RunFailure extends Point {
  readonly event: "run-failed";
  readonly error: string;
}

export type PointResult = RunResult | RunFailure;

export function isRun(result: PointResult): result is RunResult {
  return result.event === "run";
}

export function describePoint(point: Point): string {
  const writers = `${point.writers} ${point.writers === 1 ? "writer" : "writers"}`;
  return `${point.workload}: ${point.mode}, ${writers}, ${point.sharedPct} % shared`;
}
