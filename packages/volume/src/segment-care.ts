/**
 * The own stream's care for each segment: where it stands after its link was lost, what it must get
 * again, and whether silence means that something is wrong (DESIGN section 4, "Append").
 *
 *     link up, or no progress ──> ask: an empty append ──> its ack: SCL ──> resend what is kept beyond
 *                                                            └──> ask for its votes: those that came
 *                                                                 or changed meanwhile were told to nobody
 *
 * A segment that is asked gets no batches until it has answered, so that what it is sent again comes first.
 */
import {
  lsn,
  REPLICAS,
  type Lsn,
  type NodeName,
  type PgId,
  type ReadPoint,
  type StreamId,
} from "@sixfold/model";
import type { Decider } from "./decider.ts";
import type { Outbox } from "./outbox.ts";
import type { PgProgress } from "./pg-progress.ts";
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

export class SegmentCare {
  /** Segments that have answered and are to get again what they miss, at the end of the turn. */
  resends: Resend[] = [];
  private readonly out: Outbox;
  private readonly settings: VolumeSettings;
  private readonly context: FrameContext;
  private readonly pgs: ReadonlyMap<PgId, PgProgress>;
  private readonly decider: Decider;
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
      if (member < 0) continue;
      pg.live &= ~(1 << member);
      pg.asked &= ~(1 << member);
    }
  }

  /** An ack has come, with its positions taken already. */
  answered(pg: PgProgress, member: number): void {
    const bit = 1 << member;
    if ((pg.asked & bit) === 0) return;
    pg.asked &= ~bit;
    this.resends.push({ pg, member });
    if (!this.context.exclusive) this.askVotes(pg, member);
  }

  /** Segments whose SCL stands still although slices were sent; then the stream as a whole. */
  tick(now: number): void {
    for (const pg of this.pgs.values())
      for (let i = 0; i < REPLICAS; i++) {
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
      for (let i = 0; i < REPLICAS; i++) if (this.out.isUp(pg.members[i]!)) this.ask(pg, i, now);
  }

  /** An empty append without decisions: the ack tells where the segment stands. */
  private ask(pg: PgProgress, member: number, now: number): void {
    const bit = 1 << member;
    pg.live &= ~bit;
    pg.asked |= bit;
    pg.movedAt[member] = now;
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
}
