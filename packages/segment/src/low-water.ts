/**
 * The low-water mark: what every reader is past (DESIGN section 1; Aurora's PGMRPL).
 *
 *     what each node said last --> greatest lower bound --> older versions may be merged
 *
 * Nodes say it with each append, and by themselves (`readers`). A known open stream whose node has not been heard since the start holds
 * everything back, for its readers may be anywhere; but neither it nor a node that has fallen silent, or is stuck, does so for ever: no
 * transaction is older than the limit, so a mark that stands still for longer while others move on has nothing to say any more. Nor does a node that is gone, once
 * its stream has been closed. (A reader that was forgotten all the same is told "too old", never a wrong page.)
 *
 * When memory runs short, readers older than a few seconds are overtaken too: each node says what it shows to new
 * ones, and what all nodes showed at some time, every younger reader is past.
 */
import {
  greatestLowerBound,
  leastUpperBound,
  type NodeName,
  type ReadPoint,
  type StreamId,
} from "@sixfold/model";
import type { PgState } from "./pg-state.ts";

interface Report {
  readonly lowWater: ReadPoint;
  /** What its node showed. */
  readonly shown: ReadPoint;
  /** Since when it stands still while others move on; undefined if it does not. */
  behindSince: number | undefined;
  /** The same of what it shows: it does not follow the others any more. */
  stuckSince: number | undefined;
  /** Its node says it by itself, and so goes on when its stream has been closed. */
  readonly bySelf: boolean;
}

interface Shown {
  readonly at: number;
  readonly point: ReadPoint;
}

/** Readers younger than this are never overtaken: reads in procedures and short transactions. */
const YOUNG_MS = 5_000;
/** When memory runs short, who shows the same for so long while others move on is not waited for. */
const STUCK_MS = 2 * YOUNG_MS;
/** A node without an open stream may be away for so long: its link broke, or it has just ended. */
const GONE_MS = 30_000;

export class LowWater {
  private readonly reports = new Map<NodeName, Report>();
  /** Nodes whose link is down: since when. */
  private readonly gone = new Map<NodeName, number>();
  /** The nodes of open streams, as far as they have been heard. */
  private readonly writers = new Map<StreamId, NodeName>();
  /** Open streams whose node has not been heard yet: since when they are known. */
  private readonly silent = new Map<StreamId, number>();
  private readonly ageMs: number;
  /** What all nodes showed, once a second, as far back as is needed. */
  private readonly history: Shown[] = [];

  constructor(ageMs: number) {
    this.ageMs = ageMs;
  }

  /** With an append of this stream. */
  appended(node: NodeName, stream: StreamId, lowWater: ReadPoint, shown: ReadPoint): void {
    this.report(node, lowWater, shown, this.reports.get(node)?.bySelf === true);
    this.writes(node, stream);
  }

  /** By itself; `stream`: its own, if it has one open. */
  said(node: NodeName, stream: StreamId | undefined, lowWater: ReadPoint, shown: ReadPoint): void {
    this.report(node, lowWater, shown, true);
    if (stream !== undefined) this.writes(node, stream);
  }

  up(node: NodeName): void {
    this.gone.delete(node);
  }

  down(node: NodeName, now: number): void {
    if (this.reports.has(node)) this.gone.set(node, now);
  }

  /** What a stream's node last said; undefined if it has not. */
  of(stream: StreamId): ReadPoint | undefined {
    const node = this.writers.get(stream);
    return node === undefined ? undefined : this.reports.get(node)?.lowWater;
  }

  /** Streams up to it are closed, and their logs may go before `bound` has met them closed. */
  settle(through: StreamId): void {
    for (const known of [this.writers, this.silent])
      for (const stream of known.keys()) if (stream <= through) this.closed(stream);
  }

  /** What every reader is past; undefined while that is not known. `overtakes`: only readers of the last seconds count. */
  bound(pgs: Iterable<PgState>, now: number, overtakes: boolean): ReadPoint | undefined {
    if (!this.heardAll(pgs, now, overtakes ? STUCK_MS : this.ageMs)) return undefined;
    this.dropGone(now);
    const all = [...this.reports.values()];
    const young = all.filter((report) => this.behindFor(report, all, now) <= this.ageMs);
    const counted = young.length > 0 ? young : all;
    const bound = greatestLowerBound(counted.map((r) => r.lowWater));
    const live = all.filter((report) => this.stuckFor(report, all, now) <= STUCK_MS);
    this.remember(live.length > 0 ? live : all, now);
    const shown = this.history[0];
    if (!overtakes || bound === undefined || shown === undefined || now - shown.at < YOUNG_MS) return bound;
    return leastUpperBound(bound, shown.point);
  }

  private behindFor(report: Report, all: readonly Report[], now: number): number {
    const { lowWater } = report;
    const isBehind = all.some(
      (other) => !other.shown.isAtMost(lowWater) || !other.lowWater.isAtMost(lowWater),
    );
    report.behindSince = isBehind ? (report.behindSince ?? now) : undefined;
    return isBehind ? now - report.behindSince! : 0;
  }

  private stuckFor(report: Report, all: readonly Report[], now: number): number {
    const isStuck = all.some((other) => !other.shown.isAtMost(report.shown));
    report.stuckSince = isStuck ? (report.stuckSince ?? now) : undefined;
    return isStuck ? now - report.stuckSince! : 0;
  }

  /** Every open stream's node has been heard, or was silent for too long. Forgets streams that are closed. */
  private heardAll(pgs: Iterable<PgState>, now: number, silentMs: number): boolean {
    const open = new Set<StreamId>();
    const closed = new Set<StreamId>();
    for (const state of pgs)
      for (const log of state.streams.values())
        if (log.closed !== undefined) closed.add(log.stream);
        else if (log.stream > state.settledThrough) open.add(log.stream);
    for (const stream of closed) {
      this.closed(stream);
      open.delete(stream);
    }
    let all = true;
    for (const stream of open) {
      if (this.writers.has(stream)) continue;
      const since = this.silent.get(stream);
      if (since === undefined) this.silent.set(stream, now);
      if (since === undefined || now - since <= silentMs) all = false;
    }
    return all;
  }

  private report(node: NodeName, lowWater: ReadPoint, shown: ReadPoint, bySelf: boolean): void {
    const before = this.reports.get(node);
    const behindSince =
      before !== undefined && isEqual(before.lowWater, lowWater) ? before.behindSince : undefined;
    const stuckSince = before !== undefined && isEqual(before.shown, shown) ? before.stuckSince : undefined;
    this.reports.set(node, { lowWater, shown, bySelf, behindSince, stuckSince });
  }

  private writes(node: NodeName, stream: StreamId): void {
    this.writers.set(stream, node);
    this.silent.delete(stream);
  }

  /** What was only said with its appends counts no more. */
  private closed(stream: StreamId): void {
    this.silent.delete(stream);
    const node = this.writers.get(stream);
    if (node === undefined) return;
    this.writers.delete(stream);
    if (this.reports.get(node)?.bySelf !== true && ![...this.writers.values()].includes(node))
      this.reports.delete(node);
  }

  private dropGone(now: number): void {
    if (this.gone.size === 0) return;
    const writing = new Set(this.writers.values());
    for (const [node, since] of this.gone) {
      if (writing.has(node) || now - since <= GONE_MS) continue;
      this.gone.delete(node);
      this.reports.delete(node);
    }
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

const isEqual = (a: ReadPoint, b: ReadPoint): boolean => a.isAtMost(b) && b.isAtMost(a);
