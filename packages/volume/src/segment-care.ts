/**
 * The own stream's care for each segment: where it stands after its link was lost, what it must get
 * again, whether silence means that something is wrong, and when it is too slow to be sent more (DESIGN section 4, "Append").
 *
 *     link up, or no progress ──> ask: an empty append ──> its ack: SCL ──> resend what is kept beyond
 *                                                            └──> ask for its votes: those that came
 *                                                                 or changed meanwhile were told to nobody
 *     lacks too much of what a quorum has ──> left to gossip ──> ask now and then ──> near again: resend
 *
 * A segment that is asked or left gets no batches, so that what it is sent again comes first, and so that nothing more gathers on the link
 * of one that does not keep up.
 */
import { lsn, type Lsn, type NodeName, type PgId, type ReadPoint, type StreamId } from "@sixfold/model";
import type { Decider } from "./decider.ts";
import type { InFlightEntry } from "./in-flight.ts";
import type { Outbox } from "./outbox.ts";
import type { PgProgress } from "./pg-progress.ts";
import { behindBytes, ServerLoads } from "./server-load.ts";
import type { VolumeSettings } from "./settings.ts";

/** What every frame of the stream carries besides its slices. */
export interface FrameContext {
  readonly stream: StreamId;
  readonly exclusive: boolean;
  lowWater: ReadPoint;
  builtOn: ReadPoint;
}

export interface Resend {
  readonly pg: PgProgress;
  readonly member: number;
}

/** How a segment server keeps up with the own stream, for people. */
export interface ServerStanding {
  readonly isUp: boolean;
  /** Bytes of all its segments that write quorums have and it has not acknowledged. */
  readonly behindBytes: number;
  /** Its segments that are left to gossip. */
  readonly leftToGossip: number;
  readonly rttMs: number;
}

export class SegmentCare {
  /** Segments that have answered and are to get again what they miss, at the end of the turn. */
  resends: Resend[] = [];
  /** Segments left to gossip so far. */
  timesLeft = 0;
  private readonly out: Outbox;
  private readonly settings: VolumeSettings;
  private readonly context: FrameContext;
  private readonly pgs: ReadonlyMap<PgId, PgProgress>;
  private readonly decider: Decider;
  private readonly loads = new ServerLoads();
  private stalledAt = { lsn: lsn(0), since: 0 };

  constructor(o: {
    readonly out: Outbox;
    readonly settings: VolumeSettings;
    readonly context: FrameContext;
    readonly pgs: ReadonlyMap<PgId, PgProgress>;
    readonly decider: Decider;
  }) {
    this.out = o.out;
    this.settings = o.settings;
    this.context = o.context;
    this.pgs = o.pgs;
    this.decider = o.decider;
  }

  serverUp(server: NodeName, now: number): void {
    for (const pg of this.pgs.values()) {
      const member = pg.members.indexOf(server);
      if (member >= 0) this.ask(pg, member, now);
    }
  }

  serverDown(server: NodeName): void {
    for (const pg of this.pgs.values()) {
      const member = pg.members.indexOf(server);
      if (member >= 0) this.drop(pg, member);
    }
  }

  private drop(pg: PgProgress, member: number): void {
    pg.live &= ~(1 << member);
    pg.asked &= ~(1 << member);
    pg.sentTo[member] = 0;
    this.takeBack(pg, member);
    this.loads.count(pg, member);
  }

  /** The PG's members change: whoever leaves is sent nothing more, and newcomers are first asked where they stand. */
  takeMembers(pg: PgProgress, sets: readonly (readonly NodeName[])[], now: number): void {
    const staying = new Set(sets.flat());
    const before = pg.members;
    before.forEach((server, member) => {
      if (!staying.has(server)) this.drop(pg, member);
    });
    pg.takeMembers(sets);
    pg.members.forEach((server, member) => {
      if (!before.includes(server) && this.out.isUp(server)) this.ask(pg, member, now);
    });
  }

  // Sending

  /** Whom of the live ones to send a frame that ends with `last`: those that lack too much already are left to gossip instead. */
  admit(pg: PgProgress, last: Lsn): number {
    for (let i = 0; i < pg.members.length; i++) {
      const bit = 1 << i;
      if ((pg.live & bit) === 0) continue;
      if (pg.scl[i]! < pg.pgcl || pg.behind[i]! > 0) {
        const load = this.loads.count(pg, i);
        if (load.behindBytes > this.settings.sendBytesMax && pg.behind[i]! > 0) this.leave(pg, i);
      }
      if ((pg.live & bit) !== 0) pg.sentTo[i] = last;
    }
    return pg.live;
  }

  /** From here on the segment gets batches again; `through` is the last slice it is sent again. */
  resent(pg: PgProgress, member: number, through: Lsn, now: number): void {
    pg.movedAt[member] = now;
    pg.live |= 1 << member;
    pg.sentTo[member] = through;
    pg.resentTo[member] = through;
  }

  private leave(pg: PgProgress, member: number): void {
    const load = this.loads.of(pg.members[member]!);
    const { server, behindBytes: bytes } = load;
    pg.live &= ~(1 << member);
    pg.left |= 1 << member;
    this.loads.count(pg, member);
    this.timesLeft++;
    if (load.left++ === 0)
      this.out.log("warn", "segment-left-to-gossip", { server, pg: pg.pg, behindBytes: bytes });
  }

  private takeBack(pg: PgProgress, member: number): void {
    const bit = 1 << member;
    if ((pg.left & bit) === 0) return;
    pg.left &= ~bit;
    const load = this.loads.of(pg.members[member]!);
    if (--load.left === 0) this.out.log("info", "segment-taken-back", { server: load.server, pg: pg.pg });
  }

  // Answers

  /** An ack has come, with its positions taken already; `sclBefore`: where the segment was known to be before it. */
  answered(pg: PgProgress, member: number, sclBefore: number, now: number): void {
    const bit = 1 << member;
    const scl = pg.scl[member]!;
    const hasMoved = scl > sclBefore;
    if (hasMoved && scl > pg.resentTo[member]!) {
      const sent = pg.kept.find(scl as Lsn);
      if (sent !== undefined) this.loads.answered(pg.members[member]!, now - sent.entry.sentAt);
    }
    if (pg.behind[member]! > 0) this.loads.count(pg, member);
    if ((pg.asked & bit) === 0) return;
    // What was sent before it was asked is still coming in: this is not the answer yet. If it should end there, it is asked again.
    if (hasMoved) pg.stirred |= bit;
    if ((pg.stirred & bit) !== 0 && scl < pg.sentTo[member]!) return;
    pg.asked &= ~bit;
    if (!this.isNear(pg, member)) {
      if ((pg.left & bit) === 0) this.leave(pg, member);
      return;
    }
    this.takeBack(pg, member);
    this.resends.push({ pg, member });
    if (!this.context.exclusive) this.askVotes(pg, member);
  }

  /** What it lacks of what a quorum has is kept, and not too much; of one that was left half as much, so that it is not left again at once. */
  private isNear(pg: PgProgress, member: number): boolean {
    const scl = pg.scl[member]!;
    const next = pg.kept.at(pg.kept.indexAfter(scl as Lsn));
    const isKept = next === undefined ? scl >= pg.lastSlice : next.slice.back <= scl;
    const wasLeft = (pg.left & (1 << member)) !== 0;
    const most = wasLeft ? this.settings.sendBytesMax / 2 : this.settings.sendBytesMax;
    return isKept && behindBytes(pg, member) <= most;
  }

  /** Segments whose SCL stands still although slices were sent; then the stream as a whole. */
  tick(now: number): void {
    for (const pg of this.pgs.values())
      for (let i = 0; i < pg.members.length; i++) {
        if (pg.scl[i]! >= pg.lastSlice || now - pg.movedAt[i]! < this.settings.resendAfterMs) continue;
        if (this.out.isUp(pg.members[i]!)) this.ask(pg, i, now);
      }
    this.probeIfStalled(now);
  }

  /** Nothing moves although something is in flight: a vote was lost, or the stream is fenced and nobody had reason to say so. Asking finds out. */
  private probeIfStalled(now: number): void {
    const head = this.decider.inFlight.peek();
    if (head === undefined || head.lsn !== this.stalledAt.lsn) {
      this.stalledAt = { lsn: this.decider.inFlight.first, since: now };
      return;
    }
    if (now - this.stalledAt.since < 2 * this.settings.resendAfterMs) return;
    this.stalledAt.since = now;
    for (const pg of head.pgs)
      for (let i = 0; i < pg.members.length; i++) if (this.out.isUp(pg.members[i]!)) this.ask(pg, i, now);
  }

  /** An empty append without decisions: the ack tells where the segment stands. */
  private ask(pg: PgProgress, member: number, now: number): void {
    const bit = 1 << member;
    pg.live &= ~bit;
    pg.asked |= bit;
    pg.stirred &= ~bit;
    pg.movedAt[member] = now;
    this.loads.count(pg, member);
    this.out.send(pg.members[member]!, {
      type: "append",
      pg: pg.pg,
      decisions: { from: lsn(0), through: lsn(0), aborts: [], earlyAborts: [] },
      slices: [],
      ...this.context,
    });
  }

  private askVotes(pg: PgProgress, member: number): void {
    const lsns: Lsn[] = [];
    for (let i = pg.kept.indexAfter(this.decider.log.through); ; i++) {
      const sent = pg.kept.at(i);
      if (sent === undefined || sent.lsn > pg.scl[member]!) break;
      if (sent.entry.state === "sent") lsns.push(sent.lsn);
    }
    if (lsns.length === 0) return;
    const { stream } = this.context;
    const request = this.out.nextRequest();
    this.out.send(pg.members[member]!, { type: "askVotes", request, pg: pg.pg, stream, lsns });
  }

  // Silence

  /** Segments from which no answer to this entry is to be expected: absent, or all of them if it is old. */
  silentMask(pg: PgProgress, entry: InFlightEntry, now: number): number {
    const age = now - entry.sentAt;
    if (age >= this.settings.silentAfterMs) return pg.all;
    // Others are given their time: who is slow may be the first to answer all the same.
    return age < this.loads.usual(pg) ? this.goneMask(pg) | pg.left : this.absentMask(pg, now);
  }

  /** Segments that nobody should wait for: without a link, left to gossip, known to be slow, or late. */
  absentMask(pg: PgProgress, now: number): number {
    let mask = this.goneMask(pg) | pg.left;
    const { slowAfterMs, lateAfterMs } = this.settings;
    const usualMs = this.loads.usual(pg);
    for (let i = 0; i < pg.members.length; i++) {
      const openMs = pg.scl[i]! < pg.lastSlice ? now - pg.movedAt[i]! : 0;
      const isSlow = this.loads.of(pg.members[i]!).rttMs >= Math.max(usualMs, slowAfterMs);
      if (isSlow || openMs >= Math.max(usualMs, lateAfterMs)) mask |= 1 << i;
    }
    return mask;
  }

  /** Segments whose votes may be waited for. */
  reachable(pg: PgProgress, now: number): number {
    return pg.count(pg.all & ~this.absentMask(pg, now));
  }

  /** Segments without a link to them. */
  private goneMask(pg: PgProgress): number {
    let mask = 0;
    for (let i = 0; i < pg.members.length; i++) if (!this.out.isUp(pg.members[i]!)) mask |= 1 << i;
    return mask;
  }

  /** By server, for people. O(PGs). */
  standings(): Record<NodeName, ServerStanding> {
    const behind = new Map<NodeName, number>();
    for (const pg of this.pgs.values())
      pg.members.forEach((server, i) => behind.set(server, (behind.get(server) ?? 0) + behindBytes(pg, i)));
    return Object.fromEntries(
      [...behind].map(([server, bytes]) => {
        const { left, rttMs } = this.loads.of(server);
        const isUp = this.out.isUp(server);
        return [
          server,
          { isUp, behindBytes: bytes, leftToGossip: left, rttMs: Math.round(rttMs * 100) / 100 },
        ];
      }),
    );
  }
}
