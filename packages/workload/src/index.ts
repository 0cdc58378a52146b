/** Workloads as setup, run and check, used by the comparison, the simulator and tests. */
export type {
  ProcedureTransaction,
  RowKey,
  RowWriter,
  ScanRange,
  WorkloadDatabase,
  WorkloadOperations,
  WorkloadTransaction,
  WorkloadTransactionOptions,
} from "./database-face.ts";
export { catchUp } from "./catch-up.ts";
export type { HistoryOperation, HistoryTransaction } from "./history.ts";
export { makeWorkload } from "./make-workload.ts";
/** The same functions that nodes load from `PROCEDURES_URL`. */
export * as procedures from "./procedures.ts";
export { PROCEDURES_URL } from "./procedures-url.ts";
export { ReferenceDatabase, type ReferenceOptions } from "./reference-database.ts";
export type { ReferenceFault } from "./reference-fault.ts";
export {
  COMPARISON_WORKLOADS,
  type ComparisonWorkload,
  FAULT_WORKLOADS,
  type OperationOutcome,
  type Promises,
  type RunContext,
  type TransactionStyle,
  type Verdict,
  type Workload,
  WORKLOAD_NAMES,
  type WorkloadName,
  type WorkloadOptions,
} from "./workload.ts";
export { ScrambledZipfian } from "./zipfian.ts";
