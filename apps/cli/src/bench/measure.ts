/**
 * A window over running clients: what they finished in it, and what it cost.
 *
 *     clients begin | warm-up | reading |  window  | reading | clients end
 *
 * Rates and latencies are those of the window. Costs per commit are those between the readings, which take the clients'
 * count at the same moment as the processes' counters (GET /status) and processor time: asking a busy process takes time.
 */
import { createHistogram } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterNode } from "@sixfold/cluster";
import { ended, round } from "../measured-clients.ts";
import { StatusSnapshot } from "../status/node-status.ts";
import { ownProcessorTimeUs, processorTimeUs } from "./processor-time.ts";
import type { Figures } from "./result.ts";

export type WindowFigures = Omit<Figures, "invariant">;

export interface Window {
  readonly nodes: readonly ClusterNode[];
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly signal: AbortSignal;
  /** What the writer in this process has sent so far; without it there is none, and writers are asked. */
  readonly ownBytesSent?: () => number;
}

/** Counts what clients report, and tells them when to end. */
export class Meter {
  readonly latenciesUs = createHistogram();
  /** In the window. */
  committed = 0;
  aborted = 0;
  /** From the first client on. */
  committedEver = 0;
  /** Clients begin nothing new. */
  stopped = false;
  private counting = false;
  private beginMs = 0;
  private endMs = 0;

  /** A transaction was acknowledged `latencyMs` after its first attempt began. */
  commit(latencyMs: number): void {
    this.committedEver++;
    if (!this.counting) return;
    this.committed++;
    this.latenciesUs.record(Math.max(1, Math.round(latencyMs * 1_000)));
  }

  /** An attempt was lost; another may follow. */
  abort(): void {
    if (this.counting) this.aborted++;
  }

  begin(): void {
    this.beginMs = performance.now();
    this.counting = true;
  }

  end(): void {
    this.counting = false;
    this.endMs = performance.now();
  }

  get windowMs(): number {
    return this.endMs - this.beginMs;
  }

  percentileMs(p: number): number {
    return this.committed === 0 ? 0 : round(this.latenciesUs.percentile(p) / 1_000, 3);
  }
}

/**
 * Runs `clients` (which end soon after `meter.stopped`) through one window. Rejects with the failure of any of them, and at once
 * when the window's signal is aborted, with its reason: the caller then closes what clients still wait on.
 */
export async function measureWindow(
  window: Window,
  clients: (meter: Meter) => Promise<void>,
): Promise<WindowFigures> {
  const meter = new Meter();
  const running = clients(meter);
  // Clients only return before their time if one of them failed: then there is nothing to wait for.
  const whileRunning = <T>(work: Promise<T>): Promise<T> => Promise.race([work, running.then(() => work)]);
  try {
    await whileRunning(pause(window.warmUpSeconds, window.signal));
    const before = await Reading.take(window, meter);
    meter.begin();
    await whileRunning(pause(window.seconds, window.signal));
    meter.end();
    const after = await Reading.take(window, meter);
    meter.stopped = true;
    await ended(running);
    return figures(meter, before, after);
  } catch (error) {
    // What clients say of a process that died follows from its death.
    window.signal.throwIfAborted();
    throw error;
  } finally {
    meter.stopped = true;
    // Connections close next: whoever still runs is told, and its failure is no longer news.
    running.catch(() => undefined);
  }
}

/** What all processes have used and counted so far. */
class Reading {
  private readonly status: StatusSnapshot;
  private readonly committed: number;
  private readonly ownUs = ownProcessorTimeUs();
  private readonly writersUs: number | null;
  private readonly segmentsUs: number | null;
  private readonly ownBytes: number | undefined;

  private constructor(status: StatusSnapshot, window: Window, meter: Meter) {
    this.status = status;
    this.committed = meter.committedEver;
    this.writersUs = processorTimeUs(window.nodes, "writer");
    this.segmentsUs = processorTimeUs(window.nodes, "segment");
    this.ownBytes = window.ownBytesSent?.();
  }

  static async take(window: Window, meter: Meter): Promise<Reading> {
    return new Reading(await StatusSnapshot.take(window.nodes), window, meter);
  }

  /** Costs of each commit since `before`. */
  costsSince(before: Reading): Pick<Figures, "cpuUsPerCommit" | "bytesPerCommit" | "syncsPerCommit"> {
    const commits = this.committed - before.committed;
    const each = (now: number | null | undefined, then: number | null | undefined): number | null =>
      commits === 0 || typeof now !== "number" || typeof then !== "number" ? null : (now - then) / commits;
    const grown = (name: string, role: ClusterNode["role"]): number | null =>
      each(this.status.growth(before.status, name, [role]), 0);
    const own = each(this.ownUs, before.ownUs);
    // The writer of a raw log is this process.
    const isRaw = this.ownBytes !== undefined;
    return {
      cpuUsPerCommit: {
        writer: isRaw ? own : each(this.writersUs, before.writersUs),
        segments: each(this.segmentsUs, before.segmentsUs),
        client: isRaw ? null : own,
      },
      bytesPerCommit: isRaw ? each(this.ownBytes, before.ownBytes) : grown("bytesSent", "writer"),
      syncsPerCommit: grown("blocks", "segment"),
    };
  }
}

function figures(meter: Meter, before: Reading, after: Reading): WindowFigures {
  const { committed, aborted, windowMs } = meter;
  return {
    committed,
    committedPerSecond: (committed * 1_000) / windowMs,
    abortedPerCommit: committed === 0 ? 0 : aborted / committed,
    p50Ms: meter.percentileMs(50),
    p95Ms: meter.percentileMs(95),
    p99Ms: meter.percentileMs(99),
    ...after.costsSince(before),
  };
}

async function pause(seconds: number, signal: AbortSignal): Promise<void> {
  await sleep(seconds * 1_000, undefined, { signal }).catch(() => signal.throwIfAborted());
}
