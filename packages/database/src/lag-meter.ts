/**
 * How far this node lags behind the writers that it follows: in entries, and in milliseconds.
 *
 *     here      asked ────────────────────────────> answered ──────> shown
 *                 \                                 /                  D is shown here
 *     writer       └──────> "committed up to D" ───┘
 *                            (mid)
 *
 * Machines' clocks differ, so only this node's own is used. Each sample is an echo: the writer is asked how far it is, and the
 * position it names is waited for. The answer was given between `asked` and `answered`, so that
 *
 *     shown - asked       bounds what was missed at `asked`: everything committed before then is shown now. No assumption
 *     shown - mid         estimates how long after the writer's word it was true here. Wrong by half the round trip at most
 *
 * An estimate below 0 (the position was shown before the writer named it: the stream rests) is a lag of 0. While a
 * sample is under way for longer than the last one took, its own age counts: a writer that does not answer, or a node that
 * does not catch up, is seen to lag more and more.
 */
import type { Lsn, NodeName, ReadPoint, StreamId } from "@sixfold/model";

/** Often enough for people, rarely enough to cost nothing: an echo is two short frames. */
const SAMPLE_EVERY_MS = 100;
/** A minute of samples. */
const SAMPLES_KEPT = 600;

/** What is followed, and how far its writer is known to have decided. */
export interface Followed {
  readonly stream: StreamId;
  readonly node: NodeName;
  readonly heard: Lsn;
}

export interface LagIo {
  readonly applied: ReadPoint;
  feeds(): readonly Followed[];
  /** Returns the question's number: numbers grow, and the answer carries it. */
  askDurable(node: NodeName): number;
}

/** Of one stream. */
export interface Lag {
  /** Decided entries, as far as this node has heard of them, that it does not show. */
  readonly entries: number;
  readonly ms: number;
  /** Of the last minute's samples. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface LagStatus {
  /** Of all streams together. */
  readonly entries: number;
  /** Of the one that lags most. */
  readonly ms: number;
  readonly streams: Readonly<Record<string, Lag>>;
}

interface Sample {
  readonly request: number;
  readonly asked: number;
  /** Between `asked` and the answer; once there is one. */
  mid: number;
  target: Lsn | undefined;
}

class StreamLag {
  current: Sample | undefined;
  sampledAt = Number.NEGATIVE_INFINITY;
  /** The last position that the writer named. */
  named = 0 as Lsn;
  last = 0;
  /** What is shown, and since when. */
  shown = 0 as Lsn;
  shownSince = 0;
  /** A ring. */
  readonly samples: number[] = [];
  private next = 0;

  add(ms: number): void {
    this.last = ms;
    this.samples[this.next] = ms;
    this.next = (this.next + 1) % SAMPLES_KEPT;
  }

  ms(now: number): number {
    const { current } = this;
    if (current === undefined) return this.last;
    return Math.max(this.last, now - (current.target === undefined ? current.asked : current.mid));
  }
}

export class LagMeter {
  private readonly io: LagIo;
  private readonly streams = new Map<StreamId, StreamLag>();

  constructor(io: LagIo) {
    this.io = io;
  }

  /** Asks whom it is time to ask. A question that met a broken link is asked again of the next feed. */
  tick(now: number): void {
    const followed = this.io.feeds();
    if (this.streams.size > 0) {
      const open = new Set(followed.map(({ stream }) => stream));
      for (const stream of this.streams.keys()) if (!open.has(stream)) this.streams.delete(stream);
    }
    for (const { stream, node } of followed) {
      let lag = this.streams.get(stream);
      if (lag === undefined) this.streams.set(stream, (lag = new StreamLag()));
      if (lag.current !== undefined || now - lag.sampledAt < SAMPLE_EVERY_MS) continue;
      lag.sampledAt = now;
      lag.current = { request: this.io.askDurable(node), asked: now, mid: now, target: undefined };
    }
  }

  /** The feed began anew: what was asked on its old link may never be answered. */
  restarted(stream: StreamId): void {
    const lag = this.streams.get(stream);
    if (lag !== undefined) lag.current = undefined;
  }

  /** A writer's word of how far it is, in answer to any question. */
  durable(stream: StreamId, point: Lsn, request: number, now: number): void {
    const lag = this.streams.get(stream);
    if (lag === undefined) return;
    if (point > lag.named) lag.named = point;
    const { current } = lag;
    if (current === undefined || request !== current.request) return;
    current.mid = (current.asked + now) / 2;
    current.target = point;
  }

  /** Call when answers came or the applied vector moved. */
  advance(now: number): void {
    const { applied } = this.io;
    for (const [stream, lag] of this.streams) {
      const shown = applied.get(stream);
      if (shown > lag.shown) {
        lag.shown = shown;
        lag.shownSince = now;
      }
      const { current } = lag;
      if (current?.target === undefined || shown < current.target) continue;
      lag.current = undefined;
      lag.add(Math.max(0, lag.shownSince - current.mid));
    }
  }

  /** By stream. Empty where nothing is followed. */
  perStream(now: number): Map<StreamId, Lag> {
    const out = new Map<StreamId, Lag>();
    for (const { stream, heard } of this.io.feeds()) {
      const lag = this.streams.get(stream);
      if (lag === undefined) continue;
      const entries = Math.max(0, Math.max(heard, lag.named) - this.io.applied.get(stream));
      out.set(stream, { entries, ms: round(lag.ms(now)), ...percentiles(lag.samples) });
    }
    return out;
  }

  /** For people and metrics; undefined where nothing is measured. */
  status(now: number): LagStatus | undefined {
    const streams = this.perStream(now);
    if (streams.size === 0) return undefined;
    let entries = 0;
    for (const lag of streams.values()) entries += lag.entries;
    return { entries, ms: this.ms(now), streams: Object.fromEntries(streams) };
  }

  /** How far behind the node is on the whole, in whole milliseconds. */
  ms(now: number): number {
    let worst = 0;
    for (const lag of this.streams.values()) worst = Math.max(worst, lag.ms(now));
    return Math.ceil(worst);
  }
}

function percentiles(samples: readonly number[]): Pick<Lag, "p50Ms" | "p99Ms" | "maxMs"> {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (part: number): number => round(sorted[Math.ceil(part * sorted.length) - 1] ?? 0);
  return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

const round = (ms: number): number => Math.round(ms * 100) / 100;
