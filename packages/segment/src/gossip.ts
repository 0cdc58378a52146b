/**
 * Gossip by pull (DESIGN section 4): segments of a PG tell each other their positions and pull what they miss.
 *
 *     every 200 ms:  positions ->        lag on both of two rounds, or a gap seen:  pullSlices -> <- pulledSlices
 *     peer has merged past us:           pullPages -> <- pulledPages  until the last page, then its positions are ours
 *
 * Only decided slices are taken, so that gossip never makes votes. Decisions travel with them, and the news that a
 * stream is closed. A segment that was away so catches up without any writer.
 */
import { lsn, type Lsn, type NodeName, type StreamId } from "@sixfold/model";
import type { Positions, PulledSlices, PullSlices, StorageMessage } from "@sixfold/wire";
import { checkSlices } from "./append.ts";
import { UNVOTED, type Decider } from "./decide.ts";
import { closeLog } from "./fence-close.ts";
import type { PeerPosition, PgState, Turn } from "./pg-state.ts";
import type { SegmentSettings } from "./segment-api.ts";
import { StreamLog, Taken } from "./stream-log.ts";

/** A pull that has no answer yet. */
interface Pull {
  readonly request: number;
  readonly peer: NodeName;
  readonly at: number;
}

export interface GossipContext {
  readonly now: number;
  readonly turn: Turn;
  readonly decider: Decider;
  readonly file: number;
  readonly pageBytes: number;
  readonly pagesPerPg: number;
}

/** What was where at the last round: a stream that has not moved since lags, it is not merely under way. */
interface Seen {
  readonly scl: Lsn;
  readonly decidedThrough: Lsn;
}

/** What a segment has. */
export function positionsOf(state: PgState): Positions {
  const streams = [];
  for (const log of state.streams.values()) {
    if (log.stream <= state.settledThrough && log.isComplete && log.count === 0) continue;
    streams.push({
      stream: log.stream,
      scl: log.scl,
      decidedThrough: log.decided.through,
      closed: log.isComplete,
    });
  }
  return { type: "positions", pg: state.pg, streams };
}

export class Gossip {
  private readonly pulls = new Map<StreamLog, Pull>();
  private readonly seen = new WeakMap<StreamLog, Seen>();
  private readonly stuck = new WeakSet<StreamLog>();
  /** Peers that have merged past a log, and since when that is known: they can only give pages. Asked again if no other is ahead of it. */
  private readonly past = new WeakMap<StreamLog, Map<NodeName, number>>();
  private readonly timeoutMs: number;
  private readonly bytesMax: number;
  /** Within it every peer has said what it has. */
  private readonly roundsMs: number;
  private requests = 0;

  constructor(settings: SegmentSettings) {
    this.timeoutMs = settings.pullTimeoutMs;
    this.bytesMax = settings.pullBytesMax;
    this.roundsMs = 2 * settings.gossipMs;
  }

  nextRequest(): number {
    return ++this.requests;
  }

  /** One round: what this segment has, for its peers. */
  round(state: PgState): Positions {
    for (const log of state.streams.values()) {
      const before = this.seen.get(log);
      // A hole in the decisions stays while new slices come: its writer fills none that four others know, and what it
      // leaves claimed here blocks every rival.
      const stands =
        before?.decidedThrough === log.decided.through && (before.scl === log.scl || log.decided.hasHoles);
      if (stands) this.stuck.add(log);
      else this.stuck.delete(log);
      this.seen.set(log, { scl: log.scl, decidedThrough: log.decided.through });
    }
    return positionsOf(state);
  }

  /** Remembers what a peer has. */
  positions(state: PgState, peer: NodeName, m: Positions): void {
    const known = new Map<StreamId, PeerPosition>();
    for (const { stream, scl, decidedThrough, closed } of m.streams) {
      known.set(stream, { scl, decidedThrough, closed });
      // What has settled here and left is whole; a log made anew would pass for an empty stream.
      if (stream > state.settledThrough) state.log(stream);
    }
    state.peers.set(peer, known);
  }

  /** A peer begins to copy the pages: it will pull what is beyond them, so nothing of that is dropped before it says what it has. */
  copyBegins(state: PgState, peer: NodeName): void {
    if (!state.peers.has(peer)) state.peers.set(peer, new Map());
  }

  forget(state: PgState, peer: NodeName): void {
    state.peers.delete(peer);
    for (const log of state.streams.values()) this.past.get(log)?.delete(peer);
    for (const [log, pull] of this.pulls)
      if (pull.peer === peer && log.pg === state.pg) this.pulls.delete(log);
  }

  /** Pulls what lags behind a peer, one request a stream at a time. `send` says whether the peer is there. */
  pull(state: PgState, now: number, send: (peer: NodeName, m: StorageMessage) => boolean): number {
    let sent = 0;
    for (const log of state.streams.values()) {
      const under = this.pulls.get(log);
      if (under !== undefined && now - under.at < this.timeoutMs) continue;
      if (!log.gapSeen && !this.stuck.has(log) && log.writer !== undefined) continue;
      const peer = this.bestPeer(state, log, under?.peer);
      if (peer === undefined) continue;
      const [name, position] = peer;
      const sure = state.planted?.has("gossip-makes-votes") ? position.scl : position.decidedThrough;
      const through = lsn(Math.max(Math.min(position.scl, sure), log.scl));
      const request = this.nextRequest();
      if (
        !send(name, { type: "pullSlices", request, pg: log.pg, stream: log.stream, after: log.scl, through })
      )
        continue;
      this.pulls.set(log, { request, peer: name, at: now });
      sent += 1;
    }
    return sent;
  }

  /** Is a peer ahead in anything, so that there is, or will be, something to pull? */
  lags(state: PgState): boolean {
    for (const log of state.streams.values())
      if (log.gapSeen || this.pulls.has(log) || this.bestPeer(state, log, undefined) !== undefined)
        return true;
    return false;
  }

  /** The peer that is furthest ahead of this log; not one that can only give pages, or has just failed to answer, if there is another. */
  private bestPeer(
    state: PgState,
    log: StreamLog,
    silent: NodeName | undefined,
  ): [NodeName, PeerPosition] | undefined {
    const past = this.past.get(log);
    const lastOf = (name: NodeName): number => (name === silent ? 2 : past?.has(name) === true ? 1 : 0);
    let best: [NodeName, PeerPosition] | undefined;
    for (const [name, positions] of state.peers) {
      const p = positions.get(log.stream);
      if (p === undefined) continue;
      const ahead =
        Math.min(p.scl, p.decidedThrough) > log.scl ||
        p.decidedThrough > log.decided.through ||
        (p.closed && log.closed === undefined);
      if (!ahead) continue;
      const last = lastOf(name);
      // Others may have merged past where its pages are.
      if (name === state.copiedFrom && last === 0) return [name, p];
      const lastOfBest = best === undefined ? Number.POSITIVE_INFINITY : lastOf(best[0]);
      if (last < lastOfBest || (last === lastOfBest && p.decidedThrough > best![1].decidedThrough))
        best = [name, p];
    }
    return best;
  }

  /**
   * Remembers whether a peer can only give pages. Returns whether that has been known for so long that all others have been heard of,
   * some of which may have kept the slices: what a PG holds is far more.
   */
  private isPastFor(log: StreamLog, peer: NodeName, isPast: boolean, now: number): boolean {
    const past = this.past.get(log) ?? new Map<NodeName, number>();
    const since = past.get(peer) ?? now;
    const isLong = isPast && now - since >= this.roundsMs;
    if (isPast) past.set(peer, since);
    else past.delete(peer);
    // The next copy is counted anew.
    if (isLong || past.size === 0) this.past.delete(log);
    else this.past.set(log, past);
    return isLong;
  }

  /**
   * Answers a pull: the decided slices from `after` on, as far as a frame carries them, and what is known of the stream. Who has not heard
   * that it is closed hears all that is still known of its aborts: those that he knows himself may have been overruled. So only who knows all of
   * them, and lacks nothing, says that it is.
   */
  answer(state: PgState, m: PullSlices, there: PeerPosition | undefined): PulledSlices {
    const log = state.streams.get(m.stream) ?? new StreamLog(m.pg, m.stream);
    const isNews = log.isComplete && there?.closed !== true;
    const known = isNews ? log.decided.floor : lsn(Math.min(m.after, there?.decidedThrough ?? m.after));
    const slices = [];
    let bytes = 0;
    for (let i = log.indexAfter(m.after); i < log.slices.length; i++) {
      const { slice } = log.slices[i]!;
      if (slice.lsn > m.through) break;
      if (log.decided.of(slice.lsn) === undefined && !state.planted?.has("gossip-makes-votes")) break;
      bytes += slice.byteLength;
      if (slices.length > 0 && bytes > this.bytesMax) break;
      slices.push(slice);
    }
    return {
      type: "pulledSlices",
      request: m.request,
      pg: m.pg,
      stream: m.stream,
      slices,
      decisions: log.decided.state(known),
      mergedThrough: log.mergedThrough,
      closed: log.isComplete ? log.closed : undefined,
    };
  }

  /**
   * Takes in what a peer answered. Returns what is wrong with it; `"copy"` if pages must be copied from that peer
   * instead; `"more"` if it helped and there may be more; undefined if that is all.
   */
  take(state: PgState, m: PulledSlices, c: GossipContext): { fault?: string; next?: "copy" | "more" } {
    const log = state.log(m.stream);
    const pull = this.pulls.get(log);
    if (pull?.request !== m.request) return {};
    this.pulls.delete(log);
    const fault = checkSlices(m, c.pageBytes, c.pagesPerPg);
    if (fault !== undefined) return { fault };
    const needsCopy =
      m.mergedThrough > log.scl ||
      (m.decisions.from > log.decided.through && m.mergedThrough > log.decided.through);
    const isLong = this.isPastFor(log, pull.peer, needsCopy, c.now);
    if (needsCopy) return isLong ? { next: "copy" } : {};
    // What a peer that the fence has not reached knows may be a zombie's word; the close will tell (I6).
    if (log.isFenced && log.closed === undefined && m.closed === undefined)
      if (!state.planted?.has("zombie-gossip")) return {};
    const { turn, decider } = c;
    const before = log.decided.through;
    if (m.closed !== undefined && log.closed === undefined)
      closeLog(state, decider, log, m.closed, m.decisions, turn);
    else if (decider.take(log, m.decisions, turn, m.closed === undefined ? "peer" : "close"))
      turn.record({ kind: "decisions", pg: m.pg, stream: m.stream, decisions: m.decisions });
    const taken = takeDecided(state, log, m, c);
    decider.closeGaps(log, turn);
    decider.revote(turn);
    return taken > 0 || log.decided.through > before ? { next: "more" } : {};
  }
}

/** Only what is decided is taken, along the back-links. */
function takeDecided(state: PgState, log: StreamLog, m: PulledSlices, c: GossipContext): number {
  const fresh = [];
  for (const slice of m.slices) {
    if (slice.lsn <= log.scl) continue;
    if (slice.back !== log.scl) break;
    if (log.decided.of(slice.lsn) === undefined && !state.planted?.has("gossip-makes-votes")) break;
    const taken = new Taken(slice, log, state.arrivals++, c.file, UNVOTED);
    taken.recorded = true;
    log.push(taken);
    fresh.push(slice);
    if (log.exclusive) state.toIndex.add(log);
    else c.decider.admit(taken, c.turn);
  }
  if (fresh.length > 0) {
    c.turn.steps?.stored(log);
    if (!log.exclusive) c.decider.advance(log, Number.POSITIVE_INFINITY, c.turn);
    log.gapSeen = false;
    c.turn.record({
      kind: "slices",
      pg: log.pg,
      stream: log.stream,
      exclusive: log.exclusive,
      slices: fresh,
      votes: [],
    });
  }
  return fresh.length;
}
