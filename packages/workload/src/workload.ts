/**
 * What a workload is: rows to begin with, a closed loop for each client, and an invariant that
 * a database which loses, tears or invents something breaks.
 *
 * A workload keeps a ledger of what its clients were told, so one instance serves one run: all
 * its clients share it, and `check` compares the ledger with the rows. It draws every choice from
 * its seed and knows no clock; time, pauses and the end of the run come with the context.
 */
import type { WorkloadDatabase } from "./database-face.ts";

export const WORKLOAD_NAMES = ["transfer", "hot", "ycsb-a", "ycsb-b", "ycsb-f"] as const;
export type WorkloadName = (typeof WORKLOAD_NAMES)[number];

/** `procedure`: one message, whole at the writer. `interactive`: reads from the client, writes with the commit. */
export type TransactionStyle = "procedure" | "interactive";

export interface WorkloadOptions {
  readonly seed: number;
  /** Distinct per run: the rows of a former run on the same database must not be in the way. */
  readonly table: string;
  readonly writers: number;
  readonly sharedPct: number;
  readonly as: TransactionStyle;
  /** Rows over all parts. Without it the workload's own default. */
  readonly records?: number;
  /** YCSB only: bytes of each of the ten fields; 100 as published. */
  readonly fieldBytes?: number;
}

/** How a transaction ended for its client, retries included. */
export type OperationOutcome = "committed" | "aborted" | "unknown";

export interface RunContext {
  /** True once the client must begin nothing new. */
  stopped(): boolean;
  /** Milliseconds, monotonic, with fractions. */
  now(): number;
  /** A short rest after a failure, so that a database that refuses at once is not asked in a tight loop. */
  pause(): Promise<void>;
  /** A transaction ended; `latencyMs` from its first attempt to the answer. */
  record(latencyMs: number, outcome: OperationOutcome): void;
  /** One attempt was aborted with this error code; another may follow. */
  attemptAborted(code: string): void;
}

export type Verdict = "ok" | `broken: ${string}`;

export interface Workload {
  readonly name: WorkloadName;
  /** Creates the table and its rows. */
  setup(db: WorkloadDatabase): Promise<void>;
  /** The closed loop of client `client` (0, 1, 2 …) until `context.stopped()`. Throws only for what no workload can expect. */
  run(db: WorkloadDatabase, client: number, context: RunContext): Promise<void>;
  /** While clients run: an invariant that holds at every snapshot. */
  audit(db: WorkloadDatabase): Promise<Verdict>;
  /** After all clients have returned: rows against ledger. */
  check(db: WorkloadDatabase): Promise<Verdict>;
  /** The writer that `client` belongs to; its connection must lead there. */
  writerOf(client: number): number;
}
