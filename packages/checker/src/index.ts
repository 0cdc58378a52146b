export { check } from "./check.ts";
export { formatReport } from "./format-report.ts";
export type {
  Consistency,
  History,
  HistoryOperation,
  HistoryTransaction,
  Isolation,
  Outcome,
} from "./history.ts";
export { ANOMALIES, PROMISES } from "./report.ts";
export type { Anomaly, AnomalyName, EdgeName, PromiseName, PromiseVerdict, Report } from "./report.ts";
export { MalformedHistory } from "./versions.ts";
