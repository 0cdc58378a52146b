/**
 * The decisions of the own stream (DESIGN section 6).
 *
 *     commit   q accepts in every PG, in strict LSN order, so that all own bases are committed
 *              before; or by an outcome in the manifest, in the same order
 *     abort    in any order: a reject; an own base aborted; a yield; a committed rival that the
 *              node itself has met (`giveUp`)
 *
 * What a client may hear (I2): a commit at once. An abort at once if a committed rival is known that
 * *changed a page this entry changes*, or if nothing of the entry was ever sent: it can never commit. A rival on a page that was only
 * read proves less: a recovery may have committed this entry first, and the rival after it, without a
 * trace of this entry on that page. So then, and after a yield, when the abort is durable on four of six
 * segments of the entry's first PG, or an entry that supersedes it is *committed*: until then a
 * recovery may still commit it. The `told` effect says so, and only then the durable point passes the abort.
 */
import {
  assert,
  OWNED_QUORUM,
  pageId,
  type EntryId,
  type Lsn,
  type NodeName,
  type PlantedBugs,
  type StreamId,
  type Vote,
  YoungSet,
} from "@sixfold/model";
import type { Ack } from "@sixfold/wire";
import type { DecisionLog } from "./decision-log.ts";
import type { InFlight, InFlightEntry } from "./in-flight.ts";
import type { Outbox } from "./outbox.ts";
import type { PgProgress } from "./pg-progress.ts";
import { blockerToYieldTo, hasQuorum, seemsQuorum, type VoteListener } from "./tally.ts";
import type { AbortCause } from "./volume-api.ts";

interface Untold {
  readonly firstPg: PgProgress;
  /** Segments of it that know the abort durably. */
  readonly knownAt: Set<NodeName>;
}

export class Decider implements VoteListener {
  readonly stream: StreamId;
  readonly log: DecisionLog;
  readonly inFlight: InFlight;
  /** PGs whose segments are owed decisions, in the order they became so. */
  readonly dirty: PgProgress[] = [];
  /** Undecided entries that some segment lets wait. */
  readonly blocked = new YoungSet<InFlightEntry>();
  readonly untold = new Map<Lsn, Untold>();
  /** No entry before this one is undecided. */
  private undecided = 0 as Lsn;
  /** Of undecided entries. */
  inFlightBytes = 0;
  /** Of those not yet sent. */
  queuedBytes = 0;
  commits = 0;
  aborts = 0;
  yields = 0;
  private readonly out: Outbox;
  private readonly isSilent: (pg: PgProgress, entry: InFlightEntry, now: number) => number;
  private readonly planted: PlantedBugs;

  constructor(o: {
    readonly out: Outbox;
    readonly stream: StreamId;
    readonly log: DecisionLog;
    readonly inFlight: InFlight;
    readonly isSilent: (pg: PgProgress, entry: InFlightEntry, now: number) => number;
    readonly planted: PlantedBugs;
  }) {
    this.out = o.out;
    this.stream = o.stream;
    this.log = o.log;
    this.inFlight = o.inFlight;
    this.isSilent = o.isSilent;
    this.planted = o.planted;
  }

  // Votes

  refused(entry: InFlightEntry, vote: Extract<Vote, { kind: "reject" | "void" }>, now: number): void {
    if (vote.kind === "reject") {
      const { winner, page } = vote;
      const cause: AbortCause = { winner, page, phase: "storage-vote", by: "reject" };
      this.abort(
        entry,
        entry.entry.deltas.some((d) => d.page === vote.page) ? cause : { ...cause, yielded: true },
        now,
      );
    }
    // The segment knows of an aborted base; the abort of *this* entry is known to nobody yet.
    else this.abort(entry, { phase: "storage-vote", by: "reject", yielded: true }, now);
  }

  waits(entry: InFlightEntry, now: number): void {
    if (entry.state !== "sent") return;
    this.blocked.add(entry);
    this.yieldIfBlocked(entry, now);
  }

  /** Segments may have fallen silent: looks at every blocked entry again. */
  reconsider(now: number): void {
    for (const entry of [...this.blocked]) this.yieldIfBlocked(entry, now);
  }

  private yieldIfBlocked(entry: InFlightEntry, now: number): void {
    if (entry.state !== "sent" || this.planted.has("never-yields")) return;
    const blocker = blockerToYieldTo(entry, this.stream, (pg) => this.isSilent(pg, entry, now));
    if (blocker === undefined) return;
    this.yields++;
    const winner = { stream: blocker.stream, lsn: blocker.lsn } as EntryId;
    const page = pageId(blocker.page);
    this.abort(entry, { winner, page, phase: "storage-vote", by: "yield", yielded: true }, now);
  }

  // Aborts

  /** Aborts the entry and, after it, every own entry built on it. No effect on one that is decided. */
  abort(entry: InFlightEntry, cause: AbortCause, now: number): void {
    const todo: InFlightEntry[] = [entry];
    for (let i = 0; i < todo.length; i++) {
      const e = todo[i]!;
      if (e.state === "writing") e.deferred ??= cause;
      if (e.state !== "queued" && e.state !== "sent") continue;
      this.abortOne(e, e === entry ? cause : { ...cause, by: "own-base" }, now);
      if (e.dependents !== undefined && !this.planted.has("own-bases-ignored")) todo.push(...e.dependents);
    }
  }

  private abortOne(e: InFlightEntry, cause: AbortCause, now: number): void {
    const wasSent = e.state === "sent";
    e.state = "aborted";
    this.aborts++;
    this.inFlightBytes -= e.bytes;
    if (!wasSent) this.queuedBytes -= e.bytes;
    this.blocked.delete(e);
    this.log.abortedEarly(e.lsn);
    this.out.aborted(this.stream, e.lsn, cause);
    for (const pg of e.pgs) {
      pg.hasNewAborts = true;
      if (wasSent) pg.rivals.decided(e.entry, now);
      this.markDirty(pg, now);
    }
    if (e.entry.supersedes !== 0 && this.planted.has("superseded-told-early")) this.tell(e.entry.supersedes);
    if (wasSent && cause.yielded === true && !this.planted.has("abort-told-early"))
      this.untold.set(e.lsn, { firstPg: e.pgs[0]!, knownAt: new Set() });
    else this.out.told(this.stream, e.lsn);
  }

  /** Aborts that this segment has made durable. */
  noteAborts(pg: PgProgress, member: number, ack: Ack): void {
    if (this.untold.size === 0) return;
    for (const [at, untold] of this.untold) {
      if (untold.firstPg !== pg) continue;
      if (ack.decidedThrough < at && !ack.abortsKnown.includes(at)) continue;
      untold.knownAt.add(pg.members[member]!);
      if (pg.count(pg.maskOf(untold.knownAt)) >= OWNED_QUORUM) this.tell(at);
    }
  }

  private tell(at: Lsn): void {
    if (this.untold.delete(at)) this.out.told(this.stream, at);
  }

  // Commits

  /** Decides what can be decided in LSN order. Shared volumes. */
  advance(now: number): void {
    const before = this.log.through;
    const { inFlight } = this;
    if (this.undecided < inFlight.first) this.undecided = inFlight.first;
    for (let e = inFlight.get(this.undecided); e !== undefined; e = inFlight.get(this.undecided)) {
      if (e.state === "manifest" || (e.state === "sent" && this.hasQuorum(e))) this.commit(e);
      else if (e.state !== "aborted" && e.state !== "committed") break;
      this.undecided = (this.undecided + 1) as Lsn;
    }
    if (this.planted.size > 0 && this.planted.has("commit-out-of-order")) this.commitBeyond();
    for (let e = inFlight.peek(); e !== undefined && this.isFinal(e); e = inFlight.peek()) this.pass(e, now);
    this.announce(before);
  }

  /** Committed, or aborted for good. What a recovery may still commit must not be passed over: nobody would show it when it does (I4). */
  private isFinal({ state, lsn }: InFlightEntry): boolean {
    if (state !== "aborted") return state === "committed";
    return !this.untold.has(lsn) || this.planted.has("passes-open-aborts");
  }

  private hasQuorum(e: InFlightEntry): boolean {
    if (this.planted.size === 0) return hasQuorum(e);
    return seemsQuorum(e, this.inFlight.get((e.lsn + 1) as Lsn), this.planted);
  }

  /** Planted: what has its quorum commits beside an earlier entry that has not. */
  private commitBeyond(): void {
    for (let at = this.inFlight.first; at < this.inFlight.next; at = (at + 1) as Lsn) {
      const e = this.inFlight.get(at)!;
      if (e.state === "sent" && hasQuorum(e) && e.entry.ownBases.length === 0) this.commit(e);
    }
  }

  /** The same in an exclusive volume: every slice up to `through` has its quorum. */
  advanceTo(through: Lsn, now: number): void {
    const before = this.log.through;
    while (this.log.through < through) {
      const e = this.inFlight.peek();
      assert(
        e !== undefined && (e.state === "sent" || e.state === "aborted"),
        "entries are sent before they are acked",
      );
      if (e.state === "sent") this.commit(e);
      this.pass(e, now);
    }
    this.announce(before);
  }

  private announce(before: Lsn): void {
    const { through } = this.log;
    if (through <= before) return;
    this.out.effects.push({ kind: "durable", through });
    this.out.trace?.({ kind: "durable", stream: this.stream, through });
  }

  private commit(e: InFlightEntry): void {
    for (const base of e.entry.ownBases)
      assert(
        !this.log.isAborted(base) || this.planted.has("own-bases-ignored"),
        "own bases are committed before what was built on them (I5)",
      );
    const by = e.state === "manifest" ? "manifest" : "votes";
    e.state = "committed";
    this.commits++;
    this.inFlightBytes -= e.bytes;
    if (this.blocked.size > 0) this.blocked.delete(e);
    this.out.committed(this.stream, e.lsn, by);
    if (e.entry.supersedes !== 0) this.tell(e.entry.supersedes);
  }

  /** The durable point moves over the first entry in flight. */
  private pass(e: InFlightEntry, now: number): void {
    const isCommitted = e.state === "committed";
    this.log.passed(e.lsn, !isCommitted);
    for (const pg of e.pgs) {
      pg.lastDecided = e.lsn;
      if (isCommitted) {
        pg.lastCommitted = e.lsn;
        pg.rivals.decided(e.entry, now);
      }
      this.markDirty(pg, now);
    }
    this.inFlight.shift();
  }

  markDirty(pg: PgProgress, now: number): void {
    if (pg.dirtySince !== undefined) return;
    pg.dirtySince = now;
    this.dirty.push(pg);
  }
}
