export { isRetryable, SixfoldError, type ErrorCode, type ErrorDetails } from "@sixfold/model";
export type { Consistency, Isolation, TransactionOutcome } from "@sixfold/model";
export type { Key } from "@sixfold/wire";
export type { ClientPorts } from "./client-ports.ts";
export { connectOn } from "./connect-on.ts";
export { connect } from "./connect.ts";
export type {
  Affinity,
  ConnectOptions,
  Database,
  NodeInfo,
  Operations,
  ReadOptions,
  RetryOptions,
  Row,
  Session,
  TransactionOptions,
  Tx,
} from "./options.ts";
export type { ReadFrom } from "./serving.ts";
export type { ScanOptions } from "./scan-options.ts";
export { procedure, type ProcedureTx } from "./procedure.ts";
