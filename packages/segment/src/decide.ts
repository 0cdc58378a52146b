/**
 * Decisions and what follows from them (DESIGN section 4, "Decide").
 *
 *   commit(E)   E's deltas go on the committed chains, whatever was voted here; bases of E that are undecided
 *               here are thereby known to be committed; rivals on its pages, and what was built on them, are rejected
 *   abort(E)    E's claims fall, and later entries of its stream built on it are void
 *
 * Both free pages: slices that waited or held there are voted on again in order of arrival at the end of the
 * turn, unless their stream has been fenced meanwhile. Accepts are sticky: only these rules take one back.
 */
import {
  ACCEPT,
  isNone,
  maxLsn,
  type Decision,
  type Decisions,
  type Lsn,
  type PageVersion,
  type Vote,
} from "@sixfold/model";
import type { Change } from "./detached.ts";
import type { PageChain } from "./page-chain.ts";
import type { Counters, PgState, Turn } from "./pg-state.ts";
import type { DecisionSource } from "./turn-steps.ts";
import type { StreamLog, Taken } from "./stream-log.ts";
import { doomedBy, overtakenBy, rootOf, voteOn, type Roots } from "./votes.ts";

const NOWHERE: readonly PageChain[] = [];

export class Decider {
  private readonly state: PgState;
  private readonly counters: Counters;
  /** Slices known to be committed, to be put on their chains: a queue, for chains are longer than stacks. */
  private readonly commits: Taken[] = [];
  private isCommitting = false;
  /** A start puts all that the log holds on its pages: these are read when somebody asks for them, or merging comes to them. */
  isRecovering = false;

  constructor(state: PgState, counters: Counters) {
    this.state = state;
    this.counters = counters;
  }

  /** Decisions as a writer, a peer or the manifest states them. Returns whether any was new. */
  take(log: StreamLog, d: Decisions, turn: Turn, source: DecisionSource): boolean {
    const holeBefore = d.from > log.decided.through;
    if (!log.decided.add(d)) return false;
    turn.steps?.learned(log, d, source);
    if (log.exclusive) {
      this.state.toIndex.add(log);
      return true;
    }
    for (const at of d.earlyAborts) this.applyAt(log, at, turn);
    if (holeBefore)
      for (let i = log.indexAfter(d.from); i < log.slices.length && log.slices[i]!.lsn <= d.through; i++)
        this.apply(log.slices[i]!, turn);
    this.advance(log, Number.POSITIVE_INFINITY, turn);
    return true;
  }

  /** Of a closed stream: what came last may have been all that was missing. */
  closeGaps(log: StreamLog, turn: Turn): void {
    const before = log.decided.through;
    log.closeGaps();
    if (log.decided.through === before) return;
    if (log.exclusive) this.state.toIndex.add(log);
    else this.advance(log, Number.POSITIVE_INFINITY, turn);
  }

  /** One fact. `override`: it is the manifest's. */
  decideOne(log: StreamLog, at: Lsn, decision: Decision, turn: Turn, override = false): boolean {
    const before = log.decided.of(at);
    if (!log.decided.set(at, decision, override)) {
      if (before !== undefined && before !== decision && at > log.decided.floor)
        this.contradiction(log, at, before, turn);
      return false;
    }
    if (before !== undefined) this.contradiction(log, at, before, turn);
    turn.steps?.learnedOne(log, at, decision, override ? "manifest" : "base");
    this.applyAt(log, at, turn);
    if (log.exclusive) this.state.toIndex.add(log);
    return true;
  }

  /** Puts decided slices on the chains, in order, up to `limit` of them. Returns how many were looked at. */
  advance(log: StreamLog, limit: number, turn: Turn): number {
    let done = 0;
    for (; log.cursor < log.slices.length && done < limit; log.cursor++, done++) {
      const taken = log.slices[log.cursor]!;
      if (taken.phase === "pending" && !this.apply(taken, turn)) break;
    }
    return done;
  }

  /** Exclusive streams, in the background and before their pages are looked at. Returns the work left of `limit`. */
  index(limit: number, turn: Turn): number {
    for (const log of this.state.toIndex) {
      limit -= this.advance(log, limit, turn);
      if (limit <= 0) return 0;
      this.state.toIndex.delete(log);
    }
    return limit;
  }

  /** A new slice of a shared volume: votes on it, and claims. */
  admit(taken: Taken, turn: Turn): void {
    this.learnBases(taken, turn);
    const isDecided = this.apply(taken, turn);
    // Those who wait have come earlier: what was freed is theirs first.
    this.revote(turn);
    if (isDecided) return;
    this.counters.votes += 1;
    const stands = this.pagesOf(taken);
    taken.vote = voteOn(this.state, taken, stands);
    this.list(taken, stands);
    this.noteWait(taken, turn);
  }

  /** Claims, waiters and holders of an undecided slice stand on its pages. */
  list(taken: Taken, stands = this.pagesOf(taken)): void {
    if (taken.listed || taken.vote.kind === "reject" || taken.vote.kind === "void") return;
    taken.listed = true;
    const { deltas, checks } = taken.slice;
    for (let i = 0; i < stands.length; i++) {
      const writes = i < deltas.length;
      const { base } = writes ? deltas[i]! : checks[i - deltas.length]!;
      stands[i]!.list({ taken, base, writes });
    }
  }

  /** Slices up to `through` are about to leave, their fate in pages that were copied: what they claimed is free. */
  release(log: StreamLog, through: Lsn): void {
    for (let i = log.first; i < log.slices.length && log.slices[i]!.lsn <= through; i++)
      this.free(log.slices[i]!);
  }

  /**
   * Votes again on what waits or holds on pages that changed this turn: always the earliest arrival whose pages have
   * changed, so that the outcome does not depend on the order in which pages became dirty.
   */
  revote(turn: Turn): void {
    const { dirty } = this.state;
    if (dirty.size === 0) return;
    /** By arrival, the earliest last. */
    const queue: Taken[] = [];
    const queued = new Set<Taken>();
    for (;;) {
      this.queueWaiters(queue, queued);
      const taken = queue.pop();
      if (taken === undefined) return;
      queued.delete(taken);
      const { kind } = taken.vote;
      if (taken.phase !== "pending" || (kind !== "wait" && kind !== "hold")) continue;
      if (taken.log.isFenced && !this.state.planted?.has("fenced-revote")) continue;
      this.counters.votes += 1;
      this.setVote(taken, voteOn(this.state, taken, this.pagesOf(taken)), turn);
    }
  }

  private queueWaiters(queue: Taken[], queued: Set<Taken>): void {
    const { dirty } = this.state;
    if (dirty.size === 0) return;
    const before = queue.length;
    for (const chain of dirty)
      for (const { taken } of chain.undecided) {
        if ((taken.vote.kind !== "wait" && taken.vote.kind !== "hold") || queued.has(taken)) continue;
        queued.add(taken);
        queue.push(taken);
      }
    dirty.clear();
    if (queue.length > before) queue.sort((a, b) => b.arrival - a.arrival);
  }

  /** A base of another stream was committed, or it would not have been built on. */
  learnBases(taken: Taken, turn: Turn): void {
    const { slice } = taken;
    for (const { base } of slice.deltas) this.learnBase(taken, base, turn);
    for (const { base } of slice.checks) this.learnBase(taken, base, turn);
  }

  private learnBase(taken: Taken, base: PageVersion, turn: Turn): void {
    const isOwn = base.stream === taken.stream;
    if (
      isNone(base) ||
      base.stream <= this.state.settledThrough ||
      (isOwn && !this.state.planted?.has("own-base-learned"))
    )
      return;
    this.learn(base, turn);
  }

  private learn(base: PageVersion, turn: Turn): void {
    const log = this.state.log(base.stream);
    if (log.decided.of(base.lsn) === "commit" || base.lsn <= log.decided.floor) return;
    if (this.decideOne(log, base.lsn, "commit", turn)) turn.fact(this.state.pg, base, "commit");
  }

  private applyAt(log: StreamLog, at: Lsn, turn: Turn): void {
    const taken = log.find(at);
    if (taken !== undefined) this.apply(taken, turn);
  }

  /** Does what the decision says, if there is one; also where the manifest has overridden an abort. */
  apply(taken: Taken, turn: Turn): boolean {
    const decision = taken.log.decided.of(taken.lsn);
    if (decision === undefined) return false;
    if (decision === "commit") this.commit(taken, turn);
    else this.abort(taken, turn);
    return true;
  }

  private commit(taken: Taken, turn: Turn): void {
    if (taken.phase === "committed" || taken.phase === "committing") return;
    taken.log.committing(taken);
    this.commits.push(taken);
    if (this.isCommitting) return;
    this.isCommitting = true;
    for (let i = 0; i < this.commits.length; i++) this.commitNow(this.commits[i]!, turn);
    this.commits.length = 0;
    this.isCommitting = false;
  }

  private commitNow(taken: Taken, turn: Turn): void {
    if (taken.phase === "committed") return;
    taken.log.settled(taken, "committed");
    const stood = this.unlist(taken);
    const { pages } = this.state;
    const { deltas } = taken.slice;
    for (let i = 0; i < deltas.length; i++) {
      const delta = deltas[i]!;
      const { page } = delta;
      const chain = stood[i] ?? (this.isRecovering ? pages.unread(page) : pages.at(page));
      const change = deltas.length === 1 ? taken : { taken, delta };
      const joined = chain.commit(change);
      if (joined > 0) turn.steps?.chained(this.state.pg, chain, joined);
      // In an exclusive stream's own run of decisions the base was decided before.
      const { base } = delta;
      if (
        !isNone(base) &&
        base.stream > this.state.settledThrough &&
        !(base.stream === taken.log.stream && base.lsn <= taken.log.decided.through)
      )
        this.learn(base, turn);
      if (chain.undecided.length > 0) {
        this.rejectRivals(chain, turn);
        if (chain.undecided.length > 0) this.state.dirty.add(chain);
      }
      if (chain.detached.size > 0) this.noteForks(chain, change, joined, turn);
    }
    const { checks } = taken.slice;
    for (let i = 0; i < checks.length; i++)
      this.markDirty(stood[deltas.length + i] ?? pages.known(checks[i]!.page));
  }

  private abort(taken: Taken, turn: Turn): void {
    if (taken.phase !== "pending") return;
    taken.log.settled(taken, "aborted");
    this.free(taken);
    if (!taken.log.exclusive) this.doomLater(taken, turn);
  }

  /** Undecided slices whose root is not the newest committed version any more can never commit. */
  private rejectRivals(chain: PageChain, turn: Turn): void {
    if (this.state.planted?.has("rivals-kept")) return;
    const roots: Roots = new Map();
    for (const u of [...chain.undecided]) {
      if (u.taken.phase !== "pending") continue;
      const root = rootOf(u.taken.log, chain, u.base, roots);
      if (root === undefined) continue;
      if (u.writes) roots.set(u.taken, root);
      const winner = overtakenBy(this.state, chain, u.taken, root, u.writes);
      if (winner !== undefined && winner !== "hold")
        this.setVote(u.taken, { kind: "reject", page: chain.page, winner }, turn);
    }
  }

  /**
   * Later entries of the stream that build on one that can never commit. In LSN order, so one pass reaches all. What is decided needs no
   * word: at a start that is nearly all of the log, and each abort in it would go through the rest.
   */
  private doomLater(taken: Taken, turn: Turn): void {
    const { log, slice } = taken;
    for (let i = log.indexAfter(maxLsn(slice.lsn, log.decided.through)); i < log.slices.length; i++) {
      const later = log.slices[i]!;
      if (later.phase !== "pending" || later.vote.kind === "void" || later.vote.kind === "reject") continue;
      const word = doomedBy(this.state, later);
      if (word !== undefined) this.setVote(later, word, turn, false);
    }
  }

  private setVote(taken: Taken, vote: Vote, turn: Turn, dooms = true): void {
    const before = taken.vote;
    if (sameVote(before, vote)) return;
    taken.vote = vote;
    this.counters.votesChanged += 1;
    turn.voteChanged(taken);
    this.noteWait(taken, turn);
    if (before.kind === vote.kind) return;
    if (vote.kind === "reject" || vote.kind === "void") {
      this.free(taken);
      if (dooms) this.doomLater(taken, turn);
    } else for (const chain of this.pagesOf(taken)) this.markDirty(chain);
  }

  /** Its claims fall: who waits on its pages is voted on again. */
  private free(taken: Taken): void {
    for (const chain of this.unlist(taken)) this.markDirty(chain);
  }

  /** Returns where it stood. */
  private unlist(taken: Taken): readonly PageChain[] {
    if (!taken.listed) return NOWHERE;
    taken.listed = false;
    const stood = this.pagesOf(taken);
    for (const chain of stood) chain.leave(taken);
    return stood;
  }

  /** Of its deltas, then of its checks. */
  private pagesOf({ slice: { deltas, checks } }: Taken): readonly PageChain[] {
    const { pages } = this.state;
    const chains = [];
    for (let i = 0; i < deltas.length; i++) chains.push(pages.at(deltas[i]!.page));
    for (let i = 0; i < checks.length; i++) chains.push(pages.at(checks[i]!.page));
    return chains;
  }

  private markDirty(chain: PageChain | undefined): void {
    if (chain !== undefined && chain.undecided.length > 0) this.state.dirty.add(chain);
  }

  private noteWait(taken: Taken, turn: Turn): void {
    if (taken.vote.kind !== "wait") return;
    const claimant = this.state.streams.get(taken.vote.blocker.stream);
    const { stream, lsn } = taken;
    if (claimant !== undefined) turn.foreignWaits(claimant, { stream, lsn, page: taken.vote.page });
  }

  /** Two committed versions on one base: a rule was broken somewhere (I3). Said, never served. */
  private noteForks(chain: PageChain, change: Change, joined: number, turn: Turn): void {
    if (joined === 0) {
      const index = chain.indexOf(change.delta.base);
      if (index !== undefined && index < chain.changes.length - 1) this.noteFork(chain, change, turn);
    }
    for (let i = chain.changes.length - joined; i < chain.changes.length; i++) {
      const [rival] = chain.detached.on(chain.changes[i]!.delta.base);
      if (rival !== undefined) this.noteFork(chain, rival, turn);
    }
  }

  private noteFork(chain: PageChain, { taken }: Change, turn: Turn): void {
    this.counters.forks += 1;
    const { stream, lsn } = taken;
    turn.say("error", "fork", { pg: this.state.pg, page: chain.page, stream, lsn });
  }

  private contradiction(log: StreamLog, at: Lsn, before: Decision, turn: Turn): void {
    this.counters.contradictions += 1;
    turn.say(before === "commit" ? "error" : "warn", "contradiction", {
      pg: log.pg,
      stream: log.stream,
      lsn: at,
      before,
    });
  }
}

function sameVote(a: Vote, b: Vote): boolean {
  if (a === b) return true;
  if (a.kind !== b.kind) return false;
  if (a.kind === "wait" && b.kind === "wait")
    return a.page === b.page && a.blocker.stream === b.blocker.stream && a.blocker.lsn === b.blocker.lsn;
  return true;
}

/** What is said of a slice whose vote nobody asked for: exclusive, or decided before it came. */
export const UNVOTED: Vote = ACCEPT;
