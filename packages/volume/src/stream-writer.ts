/**
 * The writer of the own stream: entries in, batches out, acks in (DESIGN sections 4 "Append", 5 "Sending", 6).
 *
 *     submit ──> queue ──flush──> batch: per PG one frame, encoded once ──> six segments + followers
 *                                   │                                            │
 *                                   └── kept for votes and resends  <──── acks ──┘
 *
 * Natural batching: while `batchesInFlightMax` batches are not yet with a write quorum of each of
 * their PGs, what is submitted gathers (`batches.ts`); so frames grow with the load instead of their number.
 *
 * A segment whose link was lost is asked where it stands (an empty append; the ack has its SCL),
 * gets what is kept beyond that, and is then live again. What is no longer kept is left to gossip.
 * The own followers never miss a decision: before a resend carries one, a fed frame has.
 */
import {
  assert,
  lsn,
  maxLsn,
  minLsn,
  OWNED_QUORUM,
  pgId,
  pgOf,
  setsOf,
  ReadPoint,
  streamId,
  TRANSFERRED_QUORUM,
  type Entry,
  type Epoch,
  type Lsn,
  type Manifest,
  type NodeName,
  type PageId,
  type PgId,
  type PlantedBugs,
  type Slice,
  type StreamId,
} from "@sixfold/model";
import type { Ack, Votes } from "@sixfold/wire";
import { Batches } from "./batches.ts";
import { Decider } from "./decider.ts";
import { DecisionLog } from "./decision-log.ts";
import { EpochMark } from "./epoch-mark.ts";
import { InFlight, NO_PGS, NO_SLICES, type InFlightEntry, type SentSlice } from "./in-flight.ts";
import type { Outbox } from "./outbox.ts";
import { PageOwnership } from "./page-ownership.ts";
import { PgProgress } from "./pg-progress.ts";
import { Retention } from "./retention.ts";
import { SegmentCare, type FrameContext } from "./segment-care.ts";
import type { VolumeSettings } from "./settings.ts";
import { cutSlice, inFrames, pgsOfEntry, sizeOf, type CutPlace } from "./slice-cutter.ts";
import { countAck, countVotes } from "./tally.ts";
import type { TailHistory } from "./tails.ts";

export class StreamWriter {
  readonly stream: StreamId;
  readonly exclusive: boolean;
  readonly decider: Decider;
  readonly pgs = new Map<PgId, PgProgress>();
  /** PGs that the next entry needs and the manifest has not: 0 if none. */
  wantsPgs = 0;
  /** When `flush` is to be called again at the latest, though nothing came in. */
  dueAt: number | undefined;
  /** Segments where the stream is fenced, since when the first told so. */
  fencedSince: number | undefined;
  private readonly out: Outbox;
  private readonly settings: VolumeSettings;
  private readonly tails: TailHistory;
  private readonly planted: PlantedBugs;
  readonly ownership: PageOwnership;
  private manifest: Manifest;
  private readonly mark: EpochMark;
  private nextToSend = lsn(1);
  private readonly retention: Retention;
  private readonly batches: Batches;
  /** PGs with slices that no write quorum has (exclusive volumes). */
  private readonly pending: PgProgress[] = [];
  private fedThrough = lsn(0);
  private readonly context: FrameContext;
  private readonly care: SegmentCare;

  constructor(o: {
    readonly out: Outbox;
    readonly settings: VolumeSettings;
    readonly stream: StreamId;
    readonly exclusive: boolean;
    readonly manifest: Manifest;
    readonly tails: TailHistory;
    readonly planted: PlantedBugs;
  }) {
    this.out = o.out;
    this.settings = o.settings;
    this.stream = o.stream;
    this.exclusive = o.exclusive;
    this.manifest = o.manifest;
    this.tails = o.tails;
    this.planted = o.planted;
    this.batches = new Batches(o.settings, o.exclusive);
    this.retention = new Retention(o.settings.retainedBytesMax, this.pgs);
    this.decider = new Decider({
      out: o.out,
      stream: o.stream,
      log: new DecisionLog(!o.planted.has("decisions-not-carried")),
      inFlight: new InFlight(lsn(1)),
      isSilent: (pg, entry, now) => this.silentMask(pg, entry, now),
      planted: o.planted,
    });
    const { inFlight } = this.decider;
    this.ownership = new PageOwnership({ ...o, inFlight });
    this.mark = new EpochMark(this.pgs, o.planted);
    const nothing = new ReadPoint(streamId(0));
    this.context = { stream: o.stream, exclusive: o.exclusive, lowWater: nothing, builtOn: nothing };
    const { out, settings, context, pgs, decider } = this;
    this.care = new SegmentCare({ out, settings, context, pgs, decider });
  }

  get durable(): Lsn {
    return this.decider.log.through;
  }

  learnManifest(manifest: Manifest, now: number): void {
    const { epoch } = this.manifest;
    this.manifest = manifest;
    if (this.wantsPgs <= manifest.pgs.length) this.wantsPgs = 0;
    if (manifest.epoch === epoch) return;
    for (const pg of this.pgs.values())
      if (!pg.hasSets(setsOf(manifest, pg.pg))) this.care.takeMembers(pg, setsOf(manifest, pg.pg), now);
    this.mark.began(manifest.epoch, lsn(this.nextToSend - 1));
    // What waited for a set that is no more may have been the last to be missing.
    this.batches.complete();
    this.advance(now);
  }

  /** All entries of earlier epochs are decided, durably on four of each set of their PGs. */
  isPast(epoch: Epoch): boolean {
    return this.mark.isPast(epoch, this.durable);
  }

  submit(entry: Entry, now: number): void {
    assert(entry.stream === this.stream, "a stream has one author (I6)");
    const { inFlight, log } = this.decider;
    const item: InFlightEntry = {
      lsn: entry.lsn,
      entry,
      bytes: sizeOf(entry),
      state: "queued",
      pgs: NO_PGS,
      slices: NO_SLICES,
      sentAt: now,
      deferred: undefined,
      dependents: undefined,
    };
    inFlight.push(item);
    this.decider.queuedBytes += item.bytes;
    this.decider.inFlightBytes += item.bytes;
    if (this.exclusive) return;
    let lost = false;
    for (const base of entry.ownBases) {
      const found = inFlight.get(base);
      if (found === undefined || found.state === "aborted") lost ||= log.isAborted(base);
      else (found.dependents ??= []).push(item);
    }
    if (lost) return this.decider.abort(item, { phase: "local", by: "own-base" }, now);
    this.ownership.want(entry, (page) => this.isShort(page, now), this.manifest, now);
  }

  /** Too many segments of the page's PG are out of reach for the votes that a page from another writer needs. */
  private isShort(page: PageId, now: number): boolean {
    const { geometry, pgs } = this.manifest;
    const id = pgOf(geometry, page);
    return id < pgs.length && this.care.reachable(this.progress(id), now) < TRANSFERRED_QUORUM;
  }

  // Sending

  /** End of turn: sends what is due. */
  flush(lowWater: ReadPoint, builtOn: ReadPoint, now: number): void {
    this.context.lowWater = lowWater;
    this.context.builtOn = builtOn;
    this.dueAt = this.sendBatches(now);
    const { resends } = this.care;
    // A batch that gathers takes them along.
    if (resends.length > 0 || (this.decider.dirty.length > 0 && this.dueAt === undefined))
      this.sendDecisions(now);
    if (resends.length > 0) this.sendResends(now);
    if (this.batches.count === 0) this.feedDecisions();
  }

  /** There is something to send, and nothing to wait for before it is cut. */
  private isDue(now: number): boolean {
    if (this.wantsPgs !== 0) return false;
    const next = this.decider.inFlight.get(this.nextToSend);
    return next === undefined
      ? this.nextToSend < this.decider.inFlight.first
      : next.state !== "queued" || !this.ownership.isWaiting(next.entry, now);
  }

  /** Entries that are not sent yet; those that were aborted meanwhile count. */
  private get queued(): number {
    const { inFlight } = this.decider;
    return inFlight.next - maxLsn(this.nextToSend, inFlight.first);
  }

  /** All that may go; returns when the next may, if that is a matter of time. */
  private sendBatches(now: number): number | undefined {
    while (this.isDue(now)) {
      const leavesAt = this.batches.leavesAt(this.queued, this.decider.queuedBytes, now);
      if (leavesAt === undefined || leavesAt > now) return leavesAt;
      this.sendBatch(now);
    }
    return undefined;
  }

  private sendBatch(now: number): void {
    const touched: PgProgress[] = [];
    let bytes = 0;
    const { inFlight } = this.decider;
    const { geometry, epoch } = this.manifest;
    const place = { geometry, epoch, ownership: this.ownership };
    // An entry aborted while it queued is never sent: no segment and no recovery ever hears of it.
    if (this.nextToSend < inFlight.first) this.nextToSend = inFlight.first;
    for (; bytes < this.settings.batchBytes; this.nextToSend = lsn(this.nextToSend + 1)) {
      const item = inFlight.get(this.nextToSend);
      if (item === undefined) break;
      if (item.state !== "queued") continue;
      if (this.ownership.isWaiting(item.entry, now) || !this.cut(item, place, touched, now)) break;
      bytes += item.bytes;
      this.decider.queuedBytes -= item.bytes;
    }
    if (touched.length === 0) return this.advance(now);
    for (const pg of touched) this.sendFrames(pg, now);
    this.batches.sent(touched, this.nextToSend - inFlight.first);
    this.fedThrough = this.decider.log.through;
  }

  /** Makes the entry's slices; false if the manifest lacks one of its PGs. */
  private cut(item: InFlightEntry, place: CutPlace, touched: PgProgress[], now: number): boolean {
    const pgs = pgsOfEntry(item.entry, place.geometry);
    const last = pgs[pgs.length - 1]!;
    if (last >= this.manifest.pgs.length) {
      this.wantsPgs = last + 1;
      return false;
    }
    const progress = pgs.length === 1 ? this.progress(last).alone : pgs.map((pg) => this.progress(pg));
    const slices: SentSlice[] = [];
    for (let i = 0; i < pgs.length; i++) {
      const pg = progress[i]!;
      const slice = cutSlice(item.entry, pgs, i, pg.lastSlice, place);
      if (pg.outgoing.length === 0) this.beginFrame(pg, touched, now);
      pg.outgoing.push(slice);
      pg.lastSlice = slice.lsn;
      this.tails.note(this.stream, pg.pg, slice.lsn);
      const sent: SentSlice = {
        slice,
        lsn: slice.lsn,
        bytes: slice.byteLength,
        end: pg.kept.end + slice.byteLength,
        entry: item,
        pg,
        accepts: 0,
        waits: 0,
        blockers: undefined,
      };
      pg.kept.push(sent);
      this.retention.bytes += sent.bytes;
      if (!this.exclusive) slices.push(sent);
    }
    item.pgs = progress;
    item.slices = slices;
    item.sentAt = now;
    item.state = "sent";
    this.ownership.sent(item.entry);
    this.out.trace?.({
      kind: "sent",
      stream: this.stream,
      lsn: item.lsn,
      slices: progress.map((pg) => pg.outgoing[pg.outgoing.length - 1]!),
      builtOn: this.context.builtOn,
    });
    return true;
  }

  private beginFrame(pg: PgProgress, touched: PgProgress[], now: number): void {
    touched.push(pg);
    for (let i = 0; i < pg.members.length; i++) if (pg.scl[i]! >= pg.lastSlice) pg.movedAt[i] = now;
    if (this.exclusive && pg.pendingIndex < 0) pg.pendingIndex = this.pending.push(pg) - 1;
  }

  private sendFrames(pg: PgProgress, now: number): void {
    const slices = pg.outgoing;
    pg.outgoing = [];
    for (const part of inFrames(slices, this.settings.frameBytes))
      this.append(pg, this.care.admit(pg, part.at(-1)!.lsn), part, now);
    // It may stand in the list of dirty PGs still; `sendDecisions` passes over it.
    pg.dirtySince = undefined;
  }

  /** To those in `mask` and to the followers. */
  private append(pg: PgProgress, mask: number, slices: readonly Slice[], now: number): void {
    const decisions = this.decider.log.forPg(pg, this.fedThrough);
    const message = { type: "append", pg: pg.pg, decisions, slices, ...this.context } as const;
    this.out.effects.push({ kind: "append", to: pg.names(mask), message });
    pg.decisionsSentAt = now;
    pg.decidedSent = this.decider.log.through;
    pg.hasNewAborts = false;
    pg.rivals.sent();
  }

  /** In frames of their own, which cost each segment a sync: decisions wait a while for a batch, urgent ones only if one is due. */
  private sendDecisions(now: number): void {
    const { dirty, log } = this.decider;
    const { decisionDelayMs } = this.settings;
    const urgentDelayMs = this.isDue(now) ? decisionDelayMs : 0;
    const mustFeed = this.care.resends.length > 0 && log.through > this.fedThrough;
    let left = 0;
    for (const pg of dirty) {
      if (pg.dirtySince === undefined) continue;
      const sendAt = pg.dirtySince + (pg.rivals.isOwed ? urgentDelayMs : decisionDelayMs);
      if (pg.isTold) pg.dirtySince = undefined;
      else if (now < sendAt && !mustFeed) dirty[left++] = pg;
      else {
        pg.dirtySince = undefined;
        this.append(pg, pg.live, [], now);
        this.fedThrough = log.through;
      }
    }
    dirty.length = left;
  }

  private sendResends(now: number): void {
    for (const { pg, member } of this.care.resends) {
      const server = pg.members[member]!;
      if (!this.out.isUp(server)) continue;
      const slices: Slice[] = [];
      for (let i = pg.kept.indexAfter(pg.scl[member]! as Lsn); ; i++) {
        const sent = pg.kept.at(i);
        if (sent === undefined) break;
        slices.push(sent.slice);
      }
      this.care.resent(pg, member, pg.lastSlice, now);
      if (slices.length === 0) continue;
      const decisions = this.decider.log.forSegment(pg, member, this.fedThrough);
      for (const part of inFrames(slices, this.settings.frameBytes))
        this.out.send(server, { type: "append", pg: pg.pg, decisions, slices: part, ...this.context });
    }
    this.care.resends = [];
  }

  // Answers

  onAck(from: NodeName, ack: Ack, now: number): void {
    const pg = this.pgs.get(ack.pg);
    const member = pg === undefined ? -1 : pg.members.indexOf(from);
    if (pg === undefined || member < 0) return;
    if (ack.state === "fenced") {
      // What it knows and has may by now be a recovery's doing, told by peers: decisions that were not taken here, slices it never voted on.
      this.fencedSince ??= now;
      if (!this.planted.has("fenced-acks-count")) return;
    }
    if (ack.waiting.length > 0)
      pg.rivals.heard(ack.waiting, now + this.settings.courtesyMs, pg.dirtySince !== undefined);
    const sclBefore = pg.scl[member]!;
    const moved = pg.acked(member, ack.scl, ack.decidedThrough, now);
    if (!this.exclusive) countAck(pg, member, ack, this.decider, now, this.planted);
    this.decider.noteAborts(pg, member, ack);
    this.care.answered(pg, member, sclBefore, now);
    if (moved) this.batches.complete();
    this.advance(now);
    this.retention.drop(pg, this.decider.log.through);
  }

  onVotes(from: NodeName, m: Votes, now: number): void {
    const pg = this.pgs.get(m.pg);
    const member = pg?.members.indexOf(from) ?? -1;
    if (pg === undefined || member < 0) return;
    countVotes(pg, member, m.votes, this.decider, now, this.planted);
    this.advance(now);
  }

  /** Decides what can be decided. */
  advance(now: number): void {
    if (!this.exclusive) return this.decider.advance(now);
    let through = lsn(this.nextToSend - 1);
    for (let i = 0; i < this.pending.length; i++) {
      const pg = this.pending[i]!;
      const first = pg.kept.firstPending();
      if (first !== undefined) {
        const reached = this.planted.has("exclusive-ahead-of-gap") ? first.lsn : lsn(first.lsn - 1);
        if (reached < through) through = reached;
        continue;
      }
      // Swap with the last: the list has no order.
      const last = this.pending.pop()!;
      if (last !== pg) {
        this.pending[i] = last;
        last.pendingIndex = i;
        i--;
      }
      pg.pendingIndex = -1;
    }
    this.decider.advanceTo(through, now);
  }

  serverUp(server: NodeName, now: number): void {
    this.care.serverUp(server, now);
  }

  serverDown(server: NodeName): void {
    this.care.serverDown(server);
  }

  tick(now: number): void {
    const { settings, decider } = this;
    // Followers know gaps by what a fed frame does not explain: an abort that no segment is owed is theirs to hear still.
    let floor: Lsn = minLsn(decider.log.through, this.fedThrough);
    let kept: Lsn = floor;
    for (const pg of this.pgs.values()) {
      if (pg.lastDecided > pg.known && pg.known < floor) floor = pg.known;
      const oldest = pg.kept.oldest();
      if (oldest !== undefined && oldest.lsn <= kept) kept = lsn(oldest.lsn - 1);
      const owed = pg.lastDecided > pg.known || decider.untold.size > 0;
      if (owed && now - pg.decisionsSentAt >= settings.resendAfterMs) {
        pg.decidedSent = pg.known;
        pg.hasNewAborts = decider.untold.size > 0;
        decider.markDirty(pg, now);
      }
    }
    decider.log.prune(floor, kept);
    if (this.fencedSince === undefined) this.care.tick(now);
    this.feedDecisions();
    decider.reconsider(now);
    this.advance(now);
  }

  /** To followers alone, what no batch is about to carry: a frame costs segments a sync, but a follower shows by it what clients were told. */
  private feedDecisions({ log } = this.decider): void {
    if (log.through <= this.fedThrough) return;
    const decisions = log.since(this.fedThrough);
    const message = { type: "append", pg: pgId(0), decisions, slices: [], ...this.context } as const;
    this.out.effects.push({ kind: "append", to: [], message });
    this.fedThrough = log.through;
  }

  /** Nothing is in flight, and every decision is durable on four of six of its PGs. */
  isQuiet(): boolean {
    if (this.decider.inFlight.length > 0) return false;
    for (const pg of this.pgs.values()) if (pg.lastDecided > pg.known) return false;
    return true;
  }

  /** Per PG the last committed LSN with a slice there. */
  committedTails(): Map<PgId, Lsn> {
    const out = new Map<PgId, Lsn>();
    for (const [id, pg] of this.pgs) if (pg.lastCommitted > 0) out.set(id, pg.lastCommitted);
    return out;
  }

  /** Segments from which no answer to this entry is to be expected. */
  silentMask(pg: PgProgress, entry: InFlightEntry, now: number): number {
    return this.care.silentMask(pg, entry, now);
  }

  absentMask(pg: PgProgress, now: number): number {
    return this.care.absentMask(pg, now);
  }

  private progress(pg: PgId): PgProgress {
    let found = this.pgs.get(pg);
    if (found === undefined) {
      const quorum = this.planted.has("quorum-of-three") ? OWNED_QUORUM - 1 : OWNED_QUORUM;
      found = new PgProgress(pg, setsOf(this.manifest, pg), quorum, this.planted);
      for (let i = 0; i < found.members.length; i++)
        if (this.out.isUp(found.members[i]!)) found.live |= 1 << i;
      this.pgs.set(pg, found);
    }
    return found;
  }

  status(): Readonly<Record<string, unknown>> {
    const { decider } = this;
    return {
      stream: this.stream,
      exclusive: this.exclusive,
      durable: decider.log.through,
      inFlight: decider.inFlight.length,
      inFlightBytes: decider.inFlightBytes,
      keptBytes: this.retention.bytes,
      segments: this.care.standings(),
      leftToGossip: this.care.timesLeft,
      batchesInFlight: this.batches.count,
      commits: decider.commits,
      aborts: decider.aborts,
      yields: decider.yields,
      blocked: decider.blocked.size,
      untold: decider.untold.size,
      ...this.ownership.status(),
    };
  }
}
