export type { ClusterEvent, ClusterNode, ClusterOptions, RunningCluster } from "./cluster-api.ts";
export { DEFAULT_POOL_PAGES } from "./in-process.ts";
export { DEFAULT_LIVENESS, type LivenessSettings } from "./heartbeats.ts";
export { Journal, type Level, type LogSink } from "./journal.ts";
export { startCluster, startSegmentServers } from "./local-cluster.ts";
export { startNodeHost, type NodeHostOptions, type RunningNode } from "./node-host.ts";
export { reportToSupervisor, type StepReporter } from "./monitor/step-reporter.ts";
export { loadProcedures } from "./procedure-modules.ts";
export { RawAppender, type RawAppenderOptions } from "./raw-appender.ts";
export { startRawLog, type RawLog, type RawLogOptions } from "./raw-log.ts";
export {
  LOG_FILE_BYTES,
  startSegmentHost,
  type RunningSegment,
  type SegmentHostOptions,
} from "./segment-host.ts";
export { DEFAULT_BASE_PORT, latencyBetween, localTopology, portsFrom, type Topology } from "./topology.ts";
