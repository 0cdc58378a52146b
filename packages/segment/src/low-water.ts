/**
 * The low-water mark: what every reader is past (DESIGN section 1; Aurora's PGMRPL).
 *
 *     reports of all open streams --> greatest lower bound --> older versions may be merged
 *
 * A known open stream that has not reported since the start holds everything back, for its readers may be anywhere; but neither
 * it nor one that has fallen silent does so for ever: no transaction is older than the limit, so a report that is has
 * nothing to say any more. (A reader that was forgotten all the same is told "too old", never a wrong page.)
 *
 * When memory runs short, readers older than a few seconds are overtaken too: each report says what its node showed at that
 * time, and what all nodes showed then, every younger reader is past.
 */
import { greatestLowerBound, leastUpperBound, type ReadPoint, type StreamId } from "@sixfold/model";
import type { PgState } from "./pg-state.ts";

interface Report {
  readonly lowWater: ReadPoint;
  /** What its node showed. */
  readonly shown: ReadPoint;
  readonly at: number;
}

interface Shown {
  readonly at: number;
  readonly point: ReadPoint;
}

/** Readers younger than this are never overtaken: reads in procedures and short transactions. */
const YOUNG_MS = 5_000;

export class LowWater {
  private readonly reports = new Map<StreamId, Report>();
  /** Open streams that have not reported yet: since when they are known. */
  private readonly silent = new Map<StreamId, number>();
  private readonly ageMs: number;
  /** What all nodes showed, once a second, as far back as is needed. */
  private readonly history: Shown[] = [];

  constructor(ageMs: number) {
    this.ageMs = ageMs;
  }

  report(stream: StreamId, lowWater: ReadPoint, shown: ReadPoint, now: number): void {
    this.reports.set(stream, { lowWater, shown, at: now });
    this.silent.delete(stream);
  }

  /** What a stream's node last said; undefined if it has not. */
  of(stream: StreamId): ReadPoint | undefined {
    return this.reports.get(stream)?.lowWater;
  }

  /** Streams up to it are closed, and their logs may go before `bound` has met them closed: what they reported counts no more. */
  settle(through: StreamId): void {
    for (const known of [this.reports, this.silent])
      for (const stream of known.keys()) if (stream <= through) known.delete(stream);
  }

  /** What every reader is past; undefined while that is not known. `overtakes`: only readers of the last seconds count. */
  bound(pgs: Iterable<PgState>, now: number, overtakes: boolean): ReadPoint | undefined {
    const young = [];
    if (!this.heardAll(pgs, now)) return undefined;
    for (const report of this.reports.values()) if (now - report.at <= this.ageMs) young.push(report);
    // Where nobody writes nothing presses.
    const counted = young.length > 0 ? young : [...this.reports.values()];
    const bound = greatestLowerBound(counted.map((r) => r.lowWater));
    this.remember(counted, now);
    const shown = this.history[0];
    if (!overtakes || bound === undefined || shown === undefined || now - shown.at < YOUNG_MS) return bound;
    return leastUpperBound(bound, shown.point);
  }

  /** Every open stream has reported, or was silent for too long. Forgets those that are closed. */
  private heardAll(pgs: Iterable<PgState>, now: number): boolean {
    const open = new Set<StreamId>();
    const closed = new Set<StreamId>();
    for (const state of pgs)
      for (const log of state.streams.values())
        if (log.closed !== undefined) closed.add(log.stream);
        else if (log.stream > state.settledThrough) open.add(log.stream);
    for (const stream of closed) {
      this.reports.delete(stream);
      this.silent.delete(stream);
      open.delete(stream);
    }
    let all = true;
    for (const stream of open) {
      if (this.reports.has(stream)) continue;
      const since = this.silent.get(stream);
      if (since === undefined) this.silent.set(stream, now);
      if (since === undefined || now - since <= this.ageMs) all = false;
    }
    return all;
  }

  private remember(reports: readonly Report[], now: number): void {
    const { history } = this;
    const last = history.at(-1);
    if (last !== undefined && now - last.at < YOUNG_MS / 5) return;
    const point = greatestLowerBound(reports.map((r) => r.shown));
    if (point !== undefined) history.push({ at: now, point });
    while (history.length > 1 && now - history[1]!.at >= YOUNG_MS) history.shift();
  }
}
