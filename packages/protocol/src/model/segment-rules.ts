/**
 * What one segment does (DESIGN section 4): take a slice, vote, learn a decision. Written from DESIGN, over the bytes of a
 * `World`; it shares no code with `packages/segment`.
 *
 * Everything here is durable when it is said: the step from machine to disk is the simulator's business, not the model's.
 */
import {
  ABSENT,
  ACCEPT,
  afterAccept,
  HERE,
  HERE_AFTER_ACCEPT,
  HOLD,
  isRefusal,
  isTakenBack,
  OVERTAKEN,
  OVERTAKEN_AFTER_ACCEPT,
  REJECT,
  REJECT_AFTER_ACCEPT,
  stronger,
  VOID,
  VOID_AFTER_ACCEPT,
  VOTE_NAMES,
  WAIT,
} from "./vote.ts";
import { ABORT, COMMIT, NO_DECISION, SENT, UNSENT } from "./marks.ts";
import type { EntryLayout, Use, World } from "./world.ts";

/** Who told a segment of a decision. */
export type Source = "writer" | "peer" | "manifest" | "close" | "base";

/** Hears what a segment says. */
export interface SegmentVoice {
  voted(pg: number, i: number, e: number, vote: "accept" | "wait" | "reject" | "void" | "hold"): void;
  learned(pg: number, i: number, e: number, decision: number, source: Source): void;
  /** The slice is about to be the last one here. */
  stored(pg: number, i: number, e: number): void;
}

/** Where a root lies on the page's chain of committed versions; `unknown` holds the slice and rejects nothing. */
type Place = "newest" | "overtaken" | "unknown";

export class SegmentRules {
  private readonly w: World;
  private readonly voice: SegmentVoice;

  constructor(world: World, voice: SegmentVoice) {
    this.w = world;
    this.voice = voice;
  }

  /** "A segment takes a slice only if its back-link meets the SCL", and nothing once it is fenced. */
  canTake(pg: number, i: number, e: EntryLayout): boolean {
    const { w } = this;
    if (w.isHere(pg, i, e.index) || (w.isFenced(pg, i, e.stream) && !w.has("fence-ignored"))) return false;
    return this.meetsBackLink(pg, i, e);
  }

  meetsBackLink(pg: number, i: number, e: EntryLayout): boolean {
    for (const before of this.w.ofStream[e.stream]!) {
      if (before.lsn >= e.lsn) break;
      const wasSent = this.w.status(before.index) !== UNSENT && before.pgs.includes(pg);
      if (wasSent && !this.w.isHere(pg, i, before.index)) return false;
    }
    return true;
  }

  /** Takes the slice and votes on it. In an exclusive volume a slice taken counts as accepted. */
  take(pg: number, i: number, e: EntryLayout): void {
    const { w } = this;
    this.voice.stored(pg, i, e.index);
    w.putVote(pg, i, e.index, HOLD);
    if (w.scenario.streams[e.stream]!.exclusive === true) {
      this.put(pg, i, e.index, ACCEPT);
      return this.settle(pg, i, e);
    }
    for (const use of e.uses) if (use.pg === pg) this.learnFromBase(pg, i, e, use);
    if (w.known(pg, i, e.index) !== NO_DECISION) return this.settle(pg, i, e);
    this.put(pg, i, e.index, this.voteOn(pg, i, e));
  }

  /** "A base that belongs to another stream was committed, or it would not have been built on. Never conclude so for one of the same stream." */
  private learnFromBase(pg: number, i: number, e: EntryLayout, use: Use): void {
    const base = this.w.base(use);
    if (base === 0) return;
    const under = this.w.entries[base - 1]!;
    if (under.stream !== e.stream || this.w.has("own-base-learned")) this.learn(pg, i, under, COMMIT, "base");
  }

  /** A slice that was decided before it came, or came with its decision from a peer. */
  settle(pg: number, i: number, e: EntryLayout): void {
    const { w } = this;
    const known = w.known(pg, i, e.index);
    if (known === NO_DECISION) return;
    const vote = w.vote(pg, i, e.index);
    const accepted = vote === ACCEPT || isTakenBack(vote);
    if (known === COMMIT) {
      w.putVote(pg, i, e.index, accepted ? ACCEPT : HERE);
      this.committed(pg, i, e);
    } else {
      w.putVote(pg, i, e.index, accepted ? HERE_AFTER_ACCEPT : HERE);
      this.doomLater(pg, i, e);
    }
  }

  /** Takes in a decision. Only the manifest's word (`override`) changes one that was known. */
  learn(pg: number, i: number, e: EntryLayout, decision: number, source: Source): void {
    const { w } = this;
    const before = w.known(pg, i, e.index);
    if (before === decision) return;
    if (before !== NO_DECISION && source !== "close" && source !== "manifest") return;
    this.voice.learned(pg, i, e.index, decision, source);
    w.setKnown(pg, i, e.index, decision);
    if (w.isHere(pg, i, e.index)) this.settle(pg, i, e);
  }

  /** "E's versions go on the committed chains; conflicting claims, and what was built on them, are rejected." */
  private committed(pg: number, i: number, e: EntryLayout): void {
    const { w } = this;
    for (const use of e.uses) {
      if (use.pg !== pg || !use.writes) continue;
      const base = w.base(use);
      if (base !== 0) this.learn(pg, i, w.entries[base - 1]!, COMMIT, "base");
      if (w.has("rivals-kept")) continue;
      for (const rival of w.entries) {
        if (rival === e || !this.isUndecidedHere(pg, i, rival.index)) continue;
        for (const r of rival.uses)
          if (r.page === use.page && this.place(pg, i, rival, r) === "overtaken")
            this.takeBack(pg, i, rival, r.writes ? REJECT : OVERTAKEN);
      }
    }
  }

  private isUndecidedHere(pg: number, i: number, e: number): boolean {
    return this.w.isHere(pg, i, e) && this.w.known(pg, i, e) === NO_DECISION;
  }

  /** Refuses the entry for good, and what it dooms of those built on it. What an exclusive stream sends is not voted on. */
  private takeBack(pg: number, i: number, e: EntryLayout, word: number): void {
    const before = this.w.vote(pg, i, e.index);
    if (isRefusal(before) || this.w.scenario.streams[e.stream]!.exclusive === true) return;
    this.put(pg, i, e.index, before === ACCEPT ? afterAccept(word) : word);
    this.doomLater(pg, i, e);
  }

  private doomLater(pg: number, i: number, e: EntryLayout): void {
    for (const later of this.w.ofStream[e.stream]!) {
      if (later.lsn <= e.lsn || !this.isUndecidedHere(pg, i, later.index)) continue;
      const word = this.doom(pg, i, later);
      if (word !== undefined) this.takeBack(pg, i, later, word);
    }
  }

  /**
   * "An entry whose own base was aborted is void"; one whose own base is rejected or void shares its word, for pages that it changes too.
   * A base that is overtaken may have been committed before that: it dooms nothing.
   */
  private doom(pg: number, i: number, e: EntryLayout): number | undefined {
    const { w } = this;
    let word: number | undefined;
    for (const base of ownBasesOf(w, e)) {
      const vote = w.vote(pg, i, base);
      const known = w.known(pg, i, base);
      if (known === COMMIT) continue;
      if (known === ABORT || vote === VOID || vote === VOID_AFTER_ACCEPT) return VOID;
      if (vote === REJECT || vote === REJECT_AFTER_ACCEPT)
        word = changesOneOf(e, w.entries[base]!, true) ? REJECT : VOID;
      if (w.has("overtaken-check-dooms") && (vote === OVERTAKEN || vote === OVERTAKEN_AFTER_ACCEPT))
        word = changesOneOf(e, w.entries[base]!, false) ? REJECT : VOID;
    }
    return word;
  }

  /**
   * "When the blocker is decided the slice is voted on again, unless the stream has been fenced meanwhile." Waiters and holders of one stream
   * in the order of their arrival; which stream comes first is left to the plan.
   */
  revote(pg: number, i: number): void {
    const { w } = this;
    for (const e of w.entries) {
      const before = w.vote(pg, i, e.index);
      if ((before !== WAIT && before !== HOLD) || w.known(pg, i, e.index) !== NO_DECISION) continue;
      if (w.isFenced(pg, i, e.stream) && !w.has("fence-ignored")) continue;
      const vote = this.voteOn(pg, i, e);
      if (vote === before) continue;
      if (isRefusal(vote)) this.takeBack(pg, i, e, vote);
      else this.put(pg, i, e.index, vote);
    }
  }

  /** The vote: reject, hold, wait, in this order of precedence over all pages of the slice; else accept. */
  voteOn(pg: number, i: number, e: EntryLayout): number {
    let word = this.doom(pg, i, e) ?? ACCEPT;
    const isAsked = (use: Use): boolean => use.writes || !this.w.has("read-checks-not-sent");
    for (const use of e.uses)
      if (use.pg === pg && isAsked(use)) word = stronger(word, this.wordOn(pg, i, e, use));
    return word;
  }

  private wordOn(pg: number, i: number, e: EntryLayout, use: Use): number {
    const { w } = this;
    if (!w.has("base-unchecked")) {
      const place = this.place(pg, i, e, use);
      if (place !== "newest") return place !== "overtaken" ? HOLD : use.writes ? REJECT : OVERTAKEN;
      const base = w.base(use);
      const isOwn = base !== 0 && w.entries[base - 1]!.stream === e.stream;
      if (isOwn && w.known(pg, i, base - 1) === NO_DECISION && w.vote(pg, i, base - 1) !== ACCEPT)
        return HOLD;
      if (!this.buildsOnOwn(pg, i, e, use)) return HOLD;
    }
    return this.isBlocked(pg, i, e, use) ? WAIT : ACCEPT;
  }

  /** Where the use's root is: the committed version at the foot of the own undecided deltas that it was built on. */
  private place(pg: number, i: number, e: EntryLayout, use: Use): Place {
    const { w } = this;
    let root = w.base(use);
    while (
      root !== 0 &&
      w.entries[root - 1]!.stream === e.stream &&
      w.known(pg, i, root - 1) === NO_DECISION
    ) {
      if (!w.isHere(pg, i, root - 1)) return "unknown";
      root = baseOn(w, root - 1, use.page);
    }
    let head = 0;
    let passed = root === 0;
    for (
      let next = this.onChain(pg, i, use.page, 0);
      next !== undefined;
      next = this.onChain(pg, i, use.page, head)
    ) {
      head = next;
      if (head === root) passed = true;
    }
    if (head === root) return this.hasDetached(pg, i, use.page) ? "unknown" : "newest";
    return passed && !isOwnChangeAfter(w, e, use, this.onChain(pg, i, use.page, root)! - 1)
      ? "overtaken"
      : "unknown";
  }

  /** The committed version here that follows `base`, as index + 1. */
  private onChain(pg: number, i: number, page: number, base: number): number | undefined {
    for (const e of this.w.entries) if (this.changes(pg, i, e, page, base)) return e.index + 1;
    return undefined;
  }

  private changes(pg: number, i: number, e: EntryLayout, page: number, base: number): boolean {
    const { w } = this;
    if (!w.isHere(pg, i, e.index) || w.known(pg, i, e.index) !== COMMIT) return false;
    return e.uses.some((u) => u.page === page && u.writes && w.base(u) === base);
  }

  /** A committed delta whose base is not on the chain: something newer than the head is here. */
  private hasDetached(pg: number, i: number, page: number): boolean {
    const { w } = this;
    for (const e of w.entries)
      for (const u of e.uses) {
        if (u.page !== page || !u.writes || !this.changes(pg, i, e, page, w.base(u))) continue;
        const base = w.base(u);
        if (base !== 0 && !(w.isHere(pg, i, base - 1) && w.known(pg, i, base - 1) === COMMIT)) return true;
      }
    return false;
  }

  /**
   * Every own undecided (accepted or waiting) delta on the page is an ancestor of the base. A later one never is: it was voted on while this
   * slice was on hold. It holds what changes the page, not what checks it.
   */
  private buildsOnOwn(pg: number, i: number, e: EntryLayout, use: Use): boolean {
    const { w } = this;
    for (const other of w.ofStream[e.stream]!) {
      if (other === e || w.known(pg, i, other.index) !== NO_DECISION) continue;
      const vote = w.vote(pg, i, other.index);
      if (vote !== ACCEPT && vote !== WAIT) continue;
      if (!other.uses.some((u) => u.page === use.page && u.writes)) continue;
      if (other.lsn > e.lsn) {
        if (use.writes && !w.has("later-own-claim-ignored")) return false;
        continue;
      }
      let at = w.base(use);
      while (at !== 0 && at !== other.index + 1 && w.entries[at - 1]!.stream === e.stream)
        at = baseOn(w, at - 1, use.page);
      if (at !== other.index + 1) return false;
    }
    return true;
  }

  /** Another stream's accepted, undecided claim. Deltas claim alone, checks share. */
  private isBlocked(pg: number, i: number, e: EntryLayout, use: Use): boolean {
    const { w } = this;
    if (w.has("votes-not-sticky")) return false;
    for (const other of w.entries) {
      if (other.stream === e.stream || w.vote(pg, i, other.index) !== ACCEPT) continue;
      if (w.known(pg, i, other.index) !== NO_DECISION) continue;
      for (const u of other.uses)
        if (u.page === use.page && (u.writes || (use.writes && !w.has("no-read-claims")))) return true;
    }
    return false;
  }

  private put(pg: number, i: number, e: number, vote: number): void {
    this.w.putVote(pg, i, e, vote);
    if (vote === WAIT) this.noteBlocked(pg, i, this.w.entries[e]!);
    if (vote === ABSENT || this.w.scenario.streams[this.w.entries[e]!.stream]!.exclusive === true) return;
    this.voice.voted(pg, i, e, VOTE_NAMES[vote]!);
  }

  /** A wait names its blocker; what matters to the writer is whether that is of a higher stream. */
  private noteBlocked(pg: number, i: number, e: EntryLayout): void {
    const { w } = this;
    if (w.status(e.index) !== SENT) return;
    for (const other of w.entries)
      if (
        other.stream < e.stream &&
        w.vote(pg, i, other.index) === ACCEPT &&
        w.known(pg, i, other.index) === NO_DECISION
      )
        if (e.uses.some((use) => use.pg === pg && other.uses.some((u) => u.page === use.page)))
          w.setBlocked(e.index, true);
  }
}

/** What the entry built the page on, as index + 1. */
export function baseOn(w: World, e: number, page: number): number {
  for (const u of w.entries[e]!.uses) if (u.page === page && u.writes) return w.base(u);
  return 0;
}

/**
 * Is `other` a change that the entry's own stream made after the entry had checked the page? "Commits go strictly in LSN order", so the check
 * was decided before it, and may have been committed.
 */
export function isOwnChangeAfter(w: World, e: EntryLayout, use: Use, other: number): boolean {
  if (use.writes || w.has("own-change-overtakes-check")) return false;
  return w.entries[other]!.stream === e.stream && w.entries[other]!.lsn > e.lsn;
}

/** Does `e` change a page that `base` changes, or one that it checks? */
function changesOneOf(e: EntryLayout, base: EntryLayout, changed: boolean): boolean {
  return e.uses.some((a) => a.writes && base.uses.some((b) => b.page === a.page && b.writes === changed));
}

/** Entries of its own stream that it builds on or read from, undecided when it was built. */
export function ownBasesOf(w: World, e: EntryLayout): number[] {
  const out: number[] = [];
  for (const use of e.uses) {
    const base = w.base(use);
    if (base !== 0 && w.entries[base - 1]!.stream === e.stream && !out.includes(base - 1)) out.push(base - 1);
  }
  if (e.reads >= 0 && !out.includes(e.reads)) out.push(e.reads);
  return out.sort((a, b) => a - b);
}
