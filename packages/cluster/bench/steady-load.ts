/**
 * Commits at a fixed rate, whatever becomes of them: an open loop. Latency counts from when a commit was due, so that a cluster that
 * stands still is charged for all that would have come meanwhile.
 */
import type { connect } from "@sixfold/client";
import { Random } from "@sixfold/model";

type Database = Awaited<ReturnType<typeof connect>>;

export interface Latencies {
  readonly commits: number;
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
}

/** Rounded to hundredths of a millisecond. */
export function latenciesOf(samples: readonly number[]): Latencies {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (share: number): number =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN) * 100) /
    100;
  return { commits: sorted.length, p50: at(0.5), p99: at(0.99), most: at(1) };
}

export class SteadyLoad {
  failed = 0;
  lastFailure = "";
  readonly db: Database;
  readonly table: string;
  readonly keys: readonly number[];
  private readonly value: () => Uint8Array;
  private readonly everyMs: number;
  private readonly random = new Random(11);
  private samples: number[] = [];
  private under = 0;
  private due = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private idle: (() => void) | undefined;

  /** Overwrites rows of `keys`, chosen at random, `rate` times a second. */
  constructor(o: {
    readonly db: Database;
    readonly table: string;
    readonly keys: readonly number[];
    readonly value: () => Uint8Array;
    readonly rate: number;
  }) {
    this.db = o.db;
    this.table = o.table;
    this.keys = o.keys;
    this.value = o.value;
    this.everyMs = 1000 / o.rate;
  }

  start(): void {
    this.due = performance.now();
    this.step();
  }

  /** The latencies of commits that were due since the last call; those that are under way count to the next. */
  take(): number[] {
    const { samples } = this;
    this.samples = [];
    return samples;
  }

  /** No more; resolves when all have been answered. */
  async stop(): Promise<void> {
    clearTimeout(this.timer);
    if (this.under > 0) await new Promise<void>((resolve) => (this.idle = resolve));
  }

  private step(): void {
    for (; this.due <= performance.now(); this.due += this.everyMs) void this.commit(this.due);
    this.timer = setTimeout(() => this.step(), Math.max(1, this.due - performance.now()));
  }

  private async commit(due: number): Promise<void> {
    this.under += 1;
    try {
      await this.db.put(this.table, [this.random.pick(this.keys)], this.value());
      this.samples.push(performance.now() - due);
    } catch (error) {
      this.failed += 1;
      this.lastFailure = String(error);
    }
    if (--this.under === 0) this.idle?.();
  }
}
