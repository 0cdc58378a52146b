/**
 * A state of the model, as bytes: what is durable at segments and in the manifest, what writers and recoveries remember, and what
 * has been said to clients. One `World` lends names to the bytes of one state at a time (`s`).
 *
 *     globals   per entry: status, ruling, bases of its pages, decisions that its frames carry
 *               per stream: open or closed, its commit through the manifest; per recovery: how far it is; per gift: made or not
 *     segments  per PG six blocks (or fewer, if they are grouped): per entry vote and decision known, per stream fence, per recovery what it answered
 *
 * Messages are not part of the state: what was sent may arrive whenever its effect is still possible, or never. So loss, delay,
 * duplication and reordering cost nothing, and a segment that hears nothing is one that is lost.
 *
 * Symmetry: no rule tells segments of a PG apart, so states that differ only in who is who are one. Each PG's blocks are kept sorted
 * (`canonical`).
 */
import { ABORT, ABORTED, ANSWERED, COMMIT, COMMITTED, DONE, NO_DECISION, UNDER_WAY } from "./marks.ts";
import type { ModelBreak, Scenario } from "./scenario.ts";
import { ABSENT, ACCEPT, HERE, isRefusal, OVERTAKEN, REJECT } from "./vote.ts";

const SINGLE = [1, 1, 1, 1, 1, 1];

/** A page that an entry uses. */
export interface Use {
  readonly page: number;
  readonly pg: number;
  readonly writes: boolean;
  /** Where its base stands among the globals. */
  readonly slot: number;
}

export interface EntryLayout {
  readonly index: number;
  readonly stream: number;
  readonly lsn: number;
  readonly uses: readonly Use[];
  readonly pgs: readonly number[];
  readonly retries: number;
  readonly reads: number;
}

const STATUS = 3;
const TOLD = 4;
const BLOCKED = 8;
/** Shifted by the PG: the slice was cut as its owner's. */
const OWNED = 16;
const RULING = 3;

export class World {
  readonly scenario: Scenario;
  readonly breaks: ReadonlySet<ModelBreak>;
  readonly entries: readonly EntryLayout[];
  /** Entries of each stream, in LSN order. */
  readonly ofStream: readonly (readonly EntryLayout[])[];
  readonly pgCount: number;
  /** Sizes of the groups of segments of each PG, six in all. A "segment" is one of them. */
  readonly groups: readonly number[];
  /** How many. */
  readonly width: number;
  /** Bytes of a state, a multiple of four. */
  readonly size: number;
  /** The state that the accessors speak of. */
  readonly s: Uint8Array;
  /** The same bytes, four at a time. */
  readonly words: Uint32Array;
  private readonly rulingAt: number;
  private readonly carryAt: number;
  private readonly streamAt: number;
  private readonly recoveryAt: number;
  private readonly giftAt: number;
  private readonly segmentsAt: number;
  private readonly segmentBytes: number;
  private readonly recoveries: number;
  /** Those whose answers are part of the state: the slow ones, by their place among the answers. */
  private readonly slow: readonly number[];
  private readonly sorted: Uint8Array;

  constructor(scenario: Scenario, breaks: ReadonlySet<ModelBreak> = new Set()) {
    this.scenario = scenario;
    this.breaks = breaks;
    const n = scenario.entries.length;
    this.pgCount = Math.max(...scenario.pages.map((p) => p.pg)) + 1;
    this.recoveries = scenario.recoveries?.length ?? 0;
    let slow = 0;
    this.slow = (scenario.recoveries ?? []).map((r) => (r.slow === true ? slow++ : -1));
    this.groups = scenario.groups ?? SINGLE;
    this.width = this.groups.length;
    let at = n;
    this.rulingAt = at;
    at += n;
    const lsns = scenario.streams.map(() => 0);
    this.entries = scenario.entries.map((plan, index) => {
      const pages = [
        ...plan.writes.map((page) => ({ page, writes: true })),
        ...(plan.checks ?? []).map((page) => ({ page, writes: false })),
      ];
      const uses = pages.map((u) => ({ ...u, pg: scenario.pages[u.page]!.pg, slot: at++ }));
      const lsn = (lsns[plan.stream]! += 1);
      const pgs = [...new Set(uses.map((u) => u.pg))].sort((a, b) => a - b);
      return {
        index,
        stream: plan.stream,
        lsn,
        uses,
        pgs,
        retries: plan.retries ?? -1,
        reads: plan.reads ?? -1,
      };
    });
    this.ofStream = scenario.streams.map((_, stream) => this.entries.filter((e) => e.stream === stream));
    this.carryAt = at;
    at += 2 * n * this.pgCount;
    this.streamAt = at;
    at += scenario.streams.length;
    this.recoveryAt = at;
    at += this.recoveries;
    this.giftAt = at;
    at += scenario.gifts?.length ?? 0;
    this.segmentsAt = at;
    this.segmentBytes = n + 1 + slow * n;
    at += this.pgCount * this.width * this.segmentBytes;
    this.size = (at + 3) & ~3;
    this.s = new Uint8Array(this.size);
    this.words = new Uint32Array(this.s.buffer);
    this.sorted = new Uint8Array(this.segmentBytes);
  }

  has(rule: ModelBreak): boolean {
    return this.breaks.size > 0 && this.breaks.has(rule);
  }

  // Entries at their writer

  status(e: number): number {
    return this.s[e]! & STATUS;
  }

  setStatus(e: number, status: number): void {
    this.s[e] = (this.s[e]! & ~STATUS) | status;
  }

  isTold(e: number): boolean {
    return (this.s[e]! & TOLD) !== 0;
  }

  setTold(e: number): void {
    this.s[e]! |= TOLD;
  }

  /** Some segment said that a higher stream's claim is in its way. */
  isBlocked(e: number): boolean {
    return (this.s[e]! & BLOCKED) !== 0;
  }

  setBlocked(e: number, blocked: boolean): void {
    this.s[e] = blocked ? this.s[e]! | BLOCKED : this.s[e]! & ~BLOCKED;
  }

  /** The entry that the use's page was built on, as index + 1; 0: none. */
  base(use: Use): number {
    return this.s[use.slot]!;
  }

  setBase(use: Use, base: number): void {
    this.s[use.slot] = base;
  }

  // The manifest

  /** What the manifest says or once said of the entry. */
  ruling(e: number): number {
    return this.s[this.rulingAt + e]! & RULING;
  }

  setRuling(e: number, decision: number): void {
    const at = this.rulingAt + e;
    this.s[at] = (this.s[at]! & ~RULING) | decision;
  }

  /** What it says now: `NO_DECISION` if it does not list the entry. */
  listed(e: number): number {
    return this.s[this.rulingAt + e]! >> 2;
  }

  setListed(e: number, decision: number): void {
    const at = this.rulingAt + e;
    this.s[at] = (this.s[at]! & RULING) | (decision << 2);
  }

  isClosed(stream: number): boolean {
    return (this.s[this.streamAt + stream]! & 1) !== 0;
  }

  setClosed(stream: number): void {
    this.s[this.streamAt + stream]! |= 1;
  }

  /** The stream's writer has read the manifest and asks the segments again. */
  isAsking(stream: number): boolean {
    return (this.s[this.streamAt + stream]! & 2) !== 0;
  }

  /** The manifest has changed since. */
  isAskingStale(stream: number): boolean {
    return (this.s[this.streamAt + stream]! & 4) !== 0;
  }

  setAsking(stream: number, asking: boolean): void {
    const at = this.streamAt + stream;
    this.s[at] = asking ? (this.s[at]! & ~4) | 2 : this.s[at]! & ~6;
    for (let pg = 0; pg < this.pgCount; pg++)
      for (let i = 0; i < this.width; i++)
        for (const e of this.ofStream[stream]!) {
          const byte = this.segment(pg, i) + e.index;
          const accepts = this.vote(pg, i, e.index) === ACCEPT;
          this.s[byte] = asking && accepts ? this.s[byte]! | 64 : this.s[byte]! & ~64;
        }
  }

  recoveryPhase(r: number): number {
    return this.s[this.recoveryAt + r]! & 3;
  }

  isRecoveryStale(r: number): boolean {
    return (this.s[this.recoveryAt + r]! & 4) !== 0;
  }

  /** Begins, ends or starts over: what was answered before does not count. */
  setRecovery(r: number, phase: number): void {
    this.s[this.recoveryAt + r] = phase;
    if (this.slow[r]! < 0) return;
    for (let pg = 0; pg < this.pgCount; pg++)
      for (let i = 0; i < this.width; i++) {
        const at = this.answersAt(pg, i, r);
        this.s.fill(0, at, at + this.entries.length);
      }
  }

  /** The manifest has changed: who has read it before and wants to write is too late. */
  manifestChanged(): void {
    for (let stream = 0; stream < this.ofStream.length; stream++)
      if (this.isAsking(stream)) this.s[this.streamAt + stream]! |= 4;
    for (let r = 0; r < this.recoveries; r++)
      if (this.recoveryPhase(r) === UNDER_WAY) this.s[this.recoveryAt + r]! |= 4;
  }

  // What frames carry: decisions as bits, for the frame that brings the entry and for the one that brings its decision

  carried(e: number, pg: number, withDecision: boolean): number {
    return this.s[this.carrySlot(e, pg, withDecision)]!;
  }

  setCarried(e: number, pg: number, withDecision: boolean, mask: number): void {
    this.s[this.carrySlot(e, pg, withDecision)] = mask;
  }

  private carrySlot(e: number, pg: number, withDecision: boolean): number {
    return this.carryAt + (e * this.pgCount + pg) * 2 + (withDecision ? 1 : 0);
  }

  // Segments

  segment(pg: number, i: number): number {
    return this.segmentsAt + (pg * this.width + i) * this.segmentBytes;
  }

  vote(pg: number, i: number, e: number): number {
    return this.s[this.segment(pg, i) + e]! & 15;
  }

  /** An accept while the writer asks again is a fresh one. */
  putVote(pg: number, i: number, e: number, vote: number): void {
    const at = this.segment(pg, i) + e;
    const fresh = vote === ACCEPT && this.isAsking(this.entries[e]!.stream) ? 64 : 0;
    this.s[at] = (this.s[at]! & ~15) | vote | fresh;
  }

  isHere(pg: number, i: number, e: number): boolean {
    return this.vote(pg, i, e) !== ABSENT;
  }

  known(pg: number, i: number, e: number): number {
    return (this.s[this.segment(pg, i) + e]! >> 4) & 3;
  }

  setKnown(pg: number, i: number, e: number, decision: number): void {
    const at = this.segment(pg, i) + e;
    this.s[at] = (this.s[at]! & ~48) | (decision << 4);
  }

  isFresh(pg: number, i: number, e: number): boolean {
    return (this.s[this.segment(pg, i) + e]! & 64) !== 0;
  }

  isFenced(pg: number, i: number, stream: number): boolean {
    return (this.s[this.segment(pg, i) + this.entries.length]! & (1 << stream)) !== 0;
  }

  setFenced(pg: number, i: number, stream: number): void {
    this.s[this.segment(pg, i) + this.entries.length]! |= 1 << stream;
  }

  knowsClose(pg: number, i: number, stream: number): boolean {
    return (this.s[this.segment(pg, i) + this.entries.length]! & (16 << stream)) !== 0;
  }

  setKnowsClose(pg: number, i: number, stream: number): void {
    this.s[this.segment(pg, i) + this.entries.length]! |= 17 << stream;
  }

  isLost(pg: number, i: number): boolean {
    return (this.s[this.segment(pg, i) + this.entries.length]! & 128) !== 0;
  }

  setLost(pg: number, i: number): void {
    this.s[this.segment(pg, i) + this.entries.length]! |= 128;
  }

  private answersAt(pg: number, i: number, r: number): number {
    return this.segment(pg, i) + this.entries.length + 1 + this.slow[r]! * this.entries.length;
  }

  hasAnswered(pg: number, i: number, r: number): boolean {
    return (this.s[this.answersAt(pg, i, r)]! & ANSWERED) !== 0;
  }

  answer(pg: number, i: number, r: number, e: number): number {
    return this.s[this.answersAt(pg, i, r) + e]! & ~ANSWERED;
  }

  setAnswer(pg: number, i: number, r: number, e: number, answer: number): void {
    this.s[this.answersAt(pg, i, r) + e] = answer | (e === 0 ? ANSWERED : 0);
  }

  // Counting

  /** Segments of a PG for which `holds`. */
  count(holds: (i: number) => boolean): number {
    let n = 0;
    for (let i = 0; i < this.width; i++) if (holds(i)) n += this.groups[i]!;
    return n;
  }

  isCommitted(e: number): boolean {
    return this.status(e) === COMMITTED || this.ruling(e) === COMMIT;
  }

  /** Nothing is left to decide or to say, and nobody will ask: what may still happen is only that segments learn of it. */
  isOver(): boolean {
    for (let r = 0; r < this.recoveries; r++) if (this.recoveryPhase(r) !== DONE) return false;
    for (const e of this.entries) {
      const status = this.status(e.index);
      const isRetryNotNeeded = e.retries >= 0 && this.status(e.retries) === COMMITTED;
      if (status === COMMITTED || (status === ABORTED && this.isTold(e.index)) || isRetryNotNeeded) continue;
      return false;
    }
    return true;
  }

  /** The stream owned every page of the entry's slice in this PG when it was cut. */
  owns(e: EntryLayout, pg: number): boolean {
    if (this.scenario.gifts !== undefined) return (this.s[e.index]! & (OWNED << pg)) !== 0;
    return this.isOwner(e, pg);
  }

  /** The entry is cut now: as its owner's, or not. */
  setOwned(e: EntryLayout): void {
    if (this.scenario.gifts === undefined) return;
    for (const pg of e.pgs) if (this.isOwner(e, pg)) this.s[e.index]! |= OWNED << pg;
  }

  private isOwner(e: EntryLayout, pg: number): boolean {
    if (this.scenario.streams[e.stream]!.exclusive === true || this.has("transferred-on-four")) return true;
    for (const use of e.uses) {
      if (use.pg !== pg) continue;
      const base = this.base(use);
      const { home } = this.scenario.pages[use.page]!;
      const to = base === 0 ? this.givenTo(use.page) : undefined;
      const owner = base === 0 ? (to ?? home) : this.entries[base - 1]!.stream;
      if (owner !== e.stream && !(to !== undefined && home === e.stream && this.has("gift-kept")))
        return false;
    }
    return true;
  }

  isGiven(gift: number): boolean {
    return this.s[this.giftAt + gift] !== 0;
  }

  setGiven(gift: number): void {
    this.s[this.giftAt + gift] = 1;
  }

  private givenTo(page: number): number | undefined {
    return this.scenario.gifts?.find((g, i) => g.page === page && this.isGiven(i))?.to;
  }

  quorum(e: EntryLayout, pg: number): number {
    return this.owns(e, pg) ? 4 : 5;
  }

  /** Is the segment the same as the one before it in sorted order? Then whatever it may do, that one may. */
  isTwin(pg: number, i: number): boolean {
    if (i === 0 || this.groups[i] !== this.groups[i - 1]) return false;
    const at = this.segment(pg, i);
    for (let b = 0; b < this.segmentBytes; b++)
      if (this.s[at + b] !== this.s[at + b - this.segmentBytes]) return false;
    return true;
  }

  /** Drops what can make no difference any more, and sorts each PG's segments. */
  canonical(): void {
    for (const e of this.entries) for (let i = 0; i < e.pgs.length; i++) this.trimCarried(e, e.pgs[i]!);
    for (let pg = 0; pg < this.pgCount; pg++) {
      for (let i = 0; i < this.width; i++) this.trimVotes(pg, i);
      this.sortSegments(pg);
    }
  }

  /** A frame need not be remembered to carry what everybody knows, nor at all once everybody has it. */
  private trimCarried(e: EntryLayout, pg: number): void {
    for (const withDecision of [false, true]) {
      const mask = this.carried(e.index, pg, withDecision);
      if (mask === 0) continue;
      let needed = 0;
      for (let i = 0; i < this.width; i++) {
        if (this.isFenced(pg, i, e.stream) || this.isLost(pg, i)) continue;
        const arrived = withDecision
          ? this.known(pg, i, e.index) !== NO_DECISION
          : this.isHere(pg, i, e.index);
        if (arrived) continue;
        for (let d = 0; d < this.entries.length; d++)
          if (this.known(pg, i, d) === NO_DECISION) needed |= 1 << d;
      }
      this.setCarried(e.index, pg, withDecision, mask & needed);
    }
  }

  /**
   * Once the writer has decided, nobody counts votes any more: what is left of one is whether it claims, and whether it may come to claim.
   * And a slice known to be aborted is as good as here.
   */
  private trimVotes(pg: number, i: number): void {
    if (this.has("recovery-ignores-aborts")) return;
    const { s } = this;
    const segment = this.segment(pg, i);
    for (let e = 0; e < this.entries.length; e++) {
      const status = this.s[e]! & STATUS;
      if (status !== COMMITTED && status !== ABORTED) continue;
      const byte = s[segment + e]!;
      const vote = byte & 15;
      const known = (byte >> 4) & 3;
      if (known === NO_DECISION) {
        if (vote >= OVERTAKEN) s[segment + e] = (byte & ~15) | OVERTAKEN;
        else if (isRefusal(vote)) s[segment + e] = (byte & ~15) | REJECT;
      } else if (vote !== ABSENT || known === ABORT) s[segment + e] = (byte & ~79) | HERE;
    }
  }

  /** Insertion sort of six blocks that are nearly sorted already. */
  private sortSegments(pg: number): void {
    const bytes = this.segmentBytes;
    const first = this.segment(pg, 0);
    const { s, sorted } = this;
    for (let i = 1; i < this.width; i++) {
      let j = i;
      while (
        j > 0 &&
        this.groups[j - 1] === this.groups[i] &&
        this.isBefore(first + i * bytes, first + (j - 1) * bytes)
      )
        j -= 1;
      if (j === i) continue;
      sorted.set(s.subarray(first + i * bytes, first + (i + 1) * bytes));
      s.copyWithin(first + (j + 1) * bytes, first + j * bytes, first + i * bytes);
      for (let b = 0; b < bytes; b++) s[first + j * bytes + b] = sorted[b]!;
    }
  }

  private isBefore(a: number, b: number): boolean {
    const { s, segmentBytes } = this;
    for (let i = 0; i < segmentBytes; i++) if (s[a + i] !== s[b + i]) return s[a + i]! < s[b + i]!;
    return false;
  }
}
