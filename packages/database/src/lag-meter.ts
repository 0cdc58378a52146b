/**
 * How far this node lags behind the writers that it follows: in entries, and in milliseconds.
 *
 *     here      asked ────────────────────────────> answered ──────> shown
 *                 \                                 /                  D is shown here
 *     writer       └──────> "committed up to D" ───┘
 *                            (at, by its own clock)
 *
 * Machines' clocks differ, so no two of them are compared. Each sample is an echo: the writer is asked how far it is, and
 * the position D that it names is waited for; the lag is the time from its word until that is true here. The word came some
 * time between `asked` and `answered`: half-way, give or take half the round trip. Of the last echoes the fastest one tells how the
 * two clocks stand to each other best (as NTP has it), and that holds for the slow ones, too: so a sample is wrong by
 * half of the *fastest* round trip at most, and by the clocks' drift over a few seconds.
 *
 * A position that was shown before the writer named it (the stream rests) is a lag of 0. While a sample is under way for
 * longer than the last one took, its own age counts: a writer that does not answer, or a node that does not catch
 * up, is seen to lag more and more.
 */
import type { Lsn, NodeName, ReadPoint, StreamId } from "@sixfold/model";
import type { Durable } from "@sixfold/wire";

/** Often enough for people, rarely enough to cost nothing: an echo is two short frames, for each writer and each replica. */
const SAMPLE_EVERY_MS = 250;
/** A minute of samples. */
const SAMPLES_KEPT = 240;

/** What is followed, and how far its writer is known to have decided. */
export interface Followed {
  readonly stream: StreamId;
  readonly node: NodeName;
  readonly heard: Lsn;
}

export type Named = Pick<Durable, "stream" | "durable" | "request" | "atUs">;

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
  /** When the writer named it, by this node's clock; once there is an answer. */
  named: number;
  target: Lsn | undefined;
}

/** Echoes that tell how the clocks stand to each other: of some seconds, in which they drift by a fraction of a millisecond. */
const ECHOES_KEPT = 32;
/** Moments at which more was shown, that an answer under way may ask for. */
const ADVANCES_KEPT = 64;

class StreamLag {
  current: Sample | undefined;
  sampledAt = Number.NEGATIVE_INFINITY;
  /** The last position that the writer named. */
  named = 0 as Lsn;
  last = 0;
  /** What was shown, and since when; ascending. */
  private readonly advances: { readonly through: Lsn; readonly at: number }[] = [];
  /** A ring. */
  readonly samples: number[] = [];
  private next = 0;
  private readonly echoes: { readonly roundTripMs: number; readonly aheadMs: number }[] = [];

  add(ms: number): void {
    this.last = ms;
    this.samples[this.next] = ms;
    this.next = (this.next + 1) % SAMPLES_KEPT;
  }

  /** An answer, given at `at` by the writer's clock: when that was by this node's. */
  echo(asked: number, answered: number, at: number): number {
    this.echoes.push({ roundTripMs: answered - asked, aheadMs: at - (asked + answered) / 2 });
    if (this.echoes.length > ECHOES_KEPT) this.echoes.shift();
    let best = this.echoes[0]!;
    for (const echo of this.echoes) if (echo.roundTripMs <= best.roundTripMs) best = echo;
    return Math.min(answered, Math.max(asked, at - best.aheadMs));
  }

  shows(through: Lsn, now: number): void {
    const last = this.advances[this.advances.length - 1];
    if (last !== undefined && through <= last.through) return;
    this.advances.push({ through, at: now });
    if (this.advances.length > ADVANCES_KEPT) this.advances.shift();
  }

  /** Since when this is shown; undefined if it is not. */
  shownSince(target: Lsn): number | undefined {
    return this.advances.find(({ through }) => through >= target)?.at;
  }

  ms(now: number): number {
    const { current } = this;
    if (current === undefined) return this.last;
    return Math.max(this.last, now - (current.target === undefined ? current.asked : current.named));
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
      lag.current = { request: this.io.askDurable(node), asked: now, named: now, target: undefined };
    }
  }

  /** The feed began anew: what was asked on its old link may never be answered. */
  restarted(stream: StreamId): void {
    const lag = this.streams.get(stream);
    if (lag !== undefined) lag.current = undefined;
  }

  /** A writer's word of how far it is, in answer to any question. */
  durable({ stream, durable, request, atUs }: Named, now: number): void {
    const lag = this.streams.get(stream);
    if (lag === undefined) return;
    if (durable > lag.named) lag.named = durable;
    const { current } = lag;
    if (current === undefined || request !== current.request) return;
    current.named = lag.echo(current.asked, now, atUs / 1000);
    current.target = durable;
  }

  /** Call when answers came or the applied vector moved. */
  advance(now: number): void {
    const { applied } = this.io;
    for (const [stream, lag] of this.streams) {
      lag.shows(applied.get(stream), now);
      const { current } = lag;
      const since = current?.target === undefined ? undefined : lag.shownSince(current.target);
      if (since === undefined) continue;
      lag.add(Math.max(0, since - current!.named));
      lag.current = undefined;
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
