/**
 * What the command line needs of the world, handed in so that commands can be run whole in a test: processes
 * to start, clients to connect, two streams to write to, and the wish to stop.
 */
import type {
  CheckOptions,
  ClusterEvent,
  ClusterOptions,
  DataReport,
  RawLog,
  RawLogOptions,
  RunningCluster,
} from "@sixfold/cluster";
import type { Choices, RunResult } from "@sixfold/simulation";
import type { WorkloadDatabase } from "@sixfold/workload";

export interface ConnectedDatabase extends WorkloadDatabase {
  close(): Promise<void>;
}

export interface TextStream {
  readonly isTTY: boolean;
  write(text: string): void;
}

/** Runs simulations, several at a time if asked to. */
export interface Simulator {
  /** `line`: what happens, as it happens. */
  run(seed: number, choices: Choices, line?: (line: string) => void): Promise<RunResult>;
  close(): Promise<void>;
}

export interface Platform {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** `last` runs, to its end, when the process ends in any way but being killed; returns how to take that back. */
  atExit(last: () => void): () => void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Resolves when every node is healthy. */
  startCluster(options: ClusterOptions, on: (event: ClusterEvent) => void): Promise<RunningCluster>;
  /** A client that sends everything to the `writer`-th writer (0, 1 …), and reports lost calls instead of repeating them. */
  connect(endpoints: readonly string[], writer: number): Promise<ConnectedDatabase>;
  /** Resolves when the log's segment servers are healthy and its stream is open. */
  startRawLog(options: RawLogOptions, on: (event: ClusterEvent) => void): Promise<RawLog>;
  startSimulator(): Promise<Simulator>;
  /** Reads a stopped cluster's data. */
  checkData(options: CheckOptions): Promise<DataReport>;
}
