/**
 * What a workload is: rows to begin with, a closed loop for each client, and an invariant that
 * a database which loses, tears or invents something breaks.
 *
 * A workload keeps a ledger of what its clients were told, so one instance serves one run: all
 * its clients share it, and `check` compares the ledger with the rows. It draws every choice from
 * its seed and knows no clock; time, pauses and the end of the run come with the context.
 */
import type { Consistency, Isolation } from "@sixfold/model";
import type { WorkloadDatabase } from "./database-face.ts";
import type { HistoryTransaction, OperationOutcome } from "./history.ts";

/** Those that `compare` offers: each transaction is one of a kind, so that commits a second mean something. */
export const COMPARISON_WORKLOADS = ["transfer", "hot", "ycsb-a", "ycsb-b", "ycsb-f"] as const;
/** Those that look for faults: `append` and `register` for the checker, the others with an expected state of their own. */
export const FAULT_WORKLOADS = [
  "append",
  "register",
  "bank",
  "cycle",
  "churn",
  "long-values",
  "tables",
  "outcomes",
] as const;
export const WORKLOAD_NAMES = [...COMPARISON_WORKLOADS, ...FAULT_WORKLOADS] as const;

export type ComparisonWorkload = (typeof COMPARISON_WORKLOADS)[number];
export type WorkloadName = (typeof WORKLOAD_NAMES)[number];

/** `procedure`: one message, whole at the writer. `interactive`: reads from the client, writes with the commit. */
export type TransactionStyle = "procedure" | "interactive";

/** What interactive transactions ask for (DESIGN section 8); procedures always run as snapshot and session. */
export interface Promises {
  readonly isolation?: Isolation | undefined;
  readonly consistency?: Consistency | undefined;
}

export interface WorkloadOptions extends Promises {
  readonly seed: number;
  /** Distinct per run: the rows of a former run on the same database must not be in the way. */
  readonly table: string;
  readonly writers: number;
  readonly sharedPct: number;
  /** `append`, `register`, `cycle`, `churn` and `long-values` mix both and prefer this one; `tables` and `outcomes` know only `interactive`. */
  readonly as: TransactionStyle;
  /** Rows over all parts. Without it the workload's own default. */
  readonly records?: number;
  /** YCSB only: bytes of each of the ten fields; 100 as published. */
  readonly fieldBytes?: number;
  /** `churn` and `long-values`: bytes of the longest values; 1,000 and 65,536 unless given. */
  readonly valueBytes?: number;
}

export type { OperationOutcome };

export interface RunContext {
  /** True once the client must begin nothing new. */
  stopped(): boolean;
  /** Milliseconds, monotonic, with fractions. One clock for all clients of a run. */
  now(): number;
  /**
   * A short rest after a failure, so that a database that refuses at once is not asked in a tight loop. `ms`: so long if the
   * context can (`outcomes` gives up at random moments with it), else the usual rest.
   */
  pause(ms?: number): Promise<void>;
  /** A transaction ended; `latencyMs` from its first attempt to the answer. */
  record(latencyMs: number, outcome: OperationOutcome): void;
  /** One attempt was aborted with this error code; another may follow. */
  attemptAborted(code: string): void;
}

export type Verdict = "ok" | `broken: ${string}`;

/** `wrong`: undefined if nothing is. */
export function verdictOf(wrong: string | undefined): Verdict {
  return wrong === undefined ? "ok" : `broken: ${wrong}`;
}

export interface Workload {
  readonly name: WorkloadName;
  /** Creates the table and its rows. */
  setup(db: WorkloadDatabase): Promise<void>;
  /** The closed loop of client `client` (0, 1, 2 …) until `context.stopped()`. Throws only for what no workload can expect. */
  run(db: WorkloadDatabase, client: number, context: RunContext): Promise<void>;
  /** While clients run: an invariant that holds at every snapshot. */
  audit(db: WorkloadDatabase): Promise<Verdict>;
  /** After all clients have returned, on a healthy cluster: rows against ledger. */
  check(db: WorkloadDatabase): Promise<Verdict>;
  /** The writer that `client` belongs to; its connection must lead there. */
  writerOf(client: number): number;
  /** `append` and `register`: what was done and seen, for the checker. Complete once `check` has asked for unknown outcomes. */
  history?(): readonly HistoryTransaction[];
}
