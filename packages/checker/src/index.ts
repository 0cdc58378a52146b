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
