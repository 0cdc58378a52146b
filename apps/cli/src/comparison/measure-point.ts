/**
 * One point of the sweep on a running cluster: load, warm up, audit under load, measure, stop, check.
 *
 *     setup | warm-up (audit) | status |  measured  | status | clients end | check through every writer
 *
 * Clients run in this process in closed loops; each belongs to a writer and talks only to that one.
 * Latencies count from a transaction's first attempt to its acknowledgement, retries included.
 */
import { createHistogram } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import {
  catchUp,
  makeWorkload,
  type OperationOutcome,
  type RunContext,
  type TransactionStyle,
  type Verdict,
  type Workload,
} from "@sixfold/workload";
import type { ClusterNode } from "@sixfold/cluster";
import { CLIENTS_PER_CONNECTION, ended, round, verdictOfAll } from "../measured-clients.ts";
import type { ConnectedDatabase, Platform } from "../platform.ts";
import { StatusSnapshot } from "../status/node-status.ts";
import type { Point, RunResult } from "./result.ts";

export interface MeasureOptions {
  readonly as: TransactionStyle;
  readonly seed: number;
  /** The point's own table. */
  readonly table: string;
  readonly records: number | undefined;
  readonly warmUpSeconds: number;
}

const PAUSE_MS = 5;

export async function measurePoint(
  platform: Platform,
  nodes: readonly ClusterNode[],
  point: Point,
  options: MeasureOptions,
): Promise<RunResult> {
  const writers = nodes.filter((node) => node.role === "writer");
  const pools = await connectPools(platform, writers, point);
  try {
    const workload = makeWorkload(point.workload, { ...point, ...optionsOf(options) });
    await workload.setup(pools[0]![0]!);
    await Promise.all(pools.flat().map((db) => catchUp(db, options.table)));
    return await measure(platform, nodes, pools, workload, point, options);
  } finally {
    await Promise.all(pools.flat().map((db) => db.close()));
  }
}

function optionsOf(options: MeasureOptions) {
  const { as, seed, table, records } = options;
  return { as, seed, table, ...(records === undefined ? {} : { records }) };
}

/** Of each writer, its connections. */
async function connectPools(
  platform: Platform,
  writers: readonly ClusterNode[],
  point: Point,
): Promise<ConnectedDatabase[][]> {
  const clientsPerWriter = Math.ceil(point.clients / writers.length);
  const connections = Math.max(1, Math.ceil(clientsPerWriter / CLIENTS_PER_CONNECTION));
  return Promise.all(
    writers.map(({ url }, writer) =>
      Promise.all(Array.from({ length: connections }, () => platform.connect([url], writer))),
    ),
  );
}

async function measure(
  platform: Platform,
  nodes: readonly ClusterNode[],
  pools: readonly (readonly ConnectedDatabase[])[],
  workload: Workload,
  point: Point,
  options: MeasureOptions,
): Promise<RunResult> {
  const meter = new Meter(platform.signal);
  const clients = Promise.all(
    Array.from({ length: point.clients }, (_, client) => {
      const pool = pools[workload.writerOf(client)]!;
      return workload.run(pool[Math.floor(client / pools.length) % pool.length]!, client, meter);
    }),
  );
  // Before the end is near clients only return if one of them failed: then there is nothing to wait for.
  const whileRunning = <T>(work: Promise<T>): Promise<T> => Promise.race([work, clients.then(() => work)]);
  try {
    const warmUp = Promise.all([workload.audit(pools[0]![0]!), sleep(options.warmUpSeconds * 1_000)]);
    const [audit] = await whileRunning(warmUp);
    const before = await StatusSnapshot.take(nodes);
    meter.begin();
    await whileRunning(sleepUnlessAborted(point.seconds * 1_000, platform.signal));
    meter.end();
    const after = await StatusSnapshot.take(nodes);
    meter.stop();
    await ended(clients);
    platform.signal.throwIfAborted();
    const invariant = await verdictOf(workload, pools, audit);
    return { event: "run", ...point, as: options.as, ...meter.figures(before, after), invariant };
  } finally {
    // Connections close next: whoever still runs is told, and its failure is no longer news.
    meter.stop();
    clients.catch(() => undefined);
  }
}

/** The audit under load, then the check through each writer: they must agree. */
async function verdictOf(
  workload: Workload,
  pools: readonly (readonly ConnectedDatabase[])[],
  audit: Verdict,
): Promise<Verdict> {
  if (audit !== "ok") return `broken: under load, ${audit.slice("broken: ".length)}`;
  return verdictOfAll(pools, (db) => workload.check(db));
}

/** Counts what clients report between `begin` and `end`. */
class Meter implements RunContext {
  private readonly latenciesUs = createHistogram();
  private readonly abortedBy: Record<string, number> = {};
  private readonly signal: AbortSignal;
  private measuring = false;
  private stopping = false;
  private committed = 0;
  private unknown = 0;
  private beginMs = 0;
  private endMs = 0;

  constructor(signal: AbortSignal) {
    this.signal = signal;
  }

  stopped(): boolean {
    return this.stopping || this.signal.aborted;
  }

  now(): number {
    return performance.now();
  }

  async pause(): Promise<void> {
    await sleep(PAUSE_MS);
  }

  record(latencyMs: number, outcome: OperationOutcome): void {
    if (!this.measuring) return;
    if (outcome === "unknown") this.unknown++;
    if (outcome !== "committed") return;
    this.committed++;
    this.latenciesUs.record(Math.max(1, Math.round(latencyMs * 1_000)));
  }

  attemptAborted(code: string): void {
    if (this.measuring) this.abortedBy[code] = (this.abortedBy[code] ?? 0) + 1;
  }

  begin(): void {
    this.beginMs = this.now();
    this.measuring = true;
  }

  end(): void {
    this.measuring = false;
    this.endMs = this.now();
  }

  stop(): void {
    this.stopping = true;
  }

  figures(before: StatusSnapshot, after: StatusSnapshot) {
    const aborted = Object.values(this.abortedBy).reduce((sum, n) => sum + n, 0);
    const perCommit = (growth: number | undefined): number | null =>
      growth === undefined || this.committed === 0 ? null : round(growth / this.committed, 2);
    // Every attempt of a writer is an entry; what was refused before it became one was told to the client.
    const rebuilt = after.growth(before, "takenBack", ["writer"]) ?? 0;
    const reported = this.abortedBy["page-conflict"] ?? 0;
    const attempts = this.committed + aborted + Math.max(0, rebuilt - reported);
    const percentileMs = (p: number): number =>
      this.committed === 0 ? 0 : round(this.latenciesUs.percentile(p) / 1_000, 3);
    return {
      committed: this.committed,
      committedPerSecond: round((this.committed * 1_000) / (this.endMs - this.beginMs), 1),
      aborted,
      abortedBy: this.abortedBy,
      unknown: this.unknown,
      attemptsPerCommit: this.committed === 0 ? 0 : round(attempts / this.committed, 3),
      p50Ms: percentileMs(50),
      p95Ms: percentileMs(95),
      p99Ms: percentileMs(99),
      storageWritesPerCommit: perCommit(after.growth(before, "blocks", ["segment"])),
      networkBytesPerCommit: perCommit(after.growth(before, "bytesSent", ["writer"])),
    };
  }
}

async function sleepUnlessAborted(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
