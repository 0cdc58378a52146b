/**
 * What a segment server does unasked: gossip, catching up, copying and mending pages, scrubbing (DESIGN section 4).
 *
 * All of it is background work, bounded per tick, and none of it makes a vote.
 */
import { pageId, pagesPerPg, type Geometry, type NodeName, type PageId, type PgId } from "@sixfold/model";
import type {
  LogRecord,
  Positions,
  PullPages,
  PullSlices,
  PulledPages,
  PulledSlices,
  StorageMessage,
} from "@sixfold/wire";
import { AskedCopies } from "./asked-copies.ts";
import type { Decider } from "./decide.ts";
import { CopiedPages } from "./copied-pages.ts";
import { answerMend, answerRead, pagesIn, planAnswer, type AnswerHead } from "./copy-answers.ts";
import { Gossip, positionsOf } from "./gossip.ts";
import type { Keeping } from "./keeping.ts";
import type { KnownGeometry } from "./known-geometry.ts";
import { droppedThrough, type Merger } from "./merge.ts";
import { Newcomers } from "./newcomer.ts";
import { isSound } from "./page-image.ts";
import type { ImageCache } from "./page-reader.ts";
import { Quiet } from "./quiet.ts";
import type { Counters, PgState, Turn } from "./pg-state.ts";
import type { Link, MergedPages, Peer, SegmentEffect, SegmentSettings } from "./segment-api.ts";
import type { StreamLog } from "./stream-log.ts";
import { SegmentCopy, type Copied, type CopyAnswer, type SendTo } from "./segment-copy.ts";

/** What upkeep shares with the server it belongs to. */
export interface UpkeepOptions {
  readonly settings: SegmentSettings;
  readonly effects: SegmentEffect[];
  readonly pages: MergedPages;
  readonly pgs: ReadonlyMap<PgId, PgState>;
  readonly merger: Merger;
  readonly cache: ImageCache;
  readonly counters: Counters;
  readonly geometry: KnownGeometry;
  readonly keeping: Keeping;
  /** No memory for further slices. */
  readonly isCrowded: () => boolean;
  readonly pg: (pg: PgId) => PgState;
  readonly decider: (state: PgState) => Decider;
  /** A checkpoint. */
  readonly facts: () => readonly LogRecord[];
  /** Links of database nodes. */
  readonly nodes: () => Iterable<Link>;
}

export class Upkeep {
  private readonly o: UpkeepOptions;
  private readonly gossip: Gossip;
  private readonly copies: SegmentCopy;
  private readonly copied: CopiedPages;
  private readonly quiet = new Quiet();
  private readonly newcomers = new Newcomers();
  private readonly asked: AskedCopies;
  /** The newest link of each segment server. */
  private readonly links = new Map<NodeName, Link>();
  /**
   * Copied pages of segments that merge, too: they wait until the page store is free. One answer a PG, the newest: who asks again has given
   * up what it asked for before, and a store that is busy for long would gather them all (I10).
   */
  private readonly waiting = new Map<PgId, PulledPages>();
  /** Pages that were said to be damaged, and have not been mended since: said once, however often they are met. */
  private readonly damaged = new Set<PageId>();
  /** PGs that were kept here, and whose pages still are. */
  private readonly left = new Set<PgId>();
  private lastRound = Number.NEGATIVE_INFINITY;
  private scrubFrom = pageId(0);
  private scrubbedAt = Number.POSITIVE_INFINITY;
  /** Pages to scrub, and a part of the next. */
  private scrubDue = 0;
  private mendings = 0;
  /** Answers whose pages are being read. */
  private readonly reads = new Map<
    number,
    {
      readonly state: PgState;
      readonly to: Link;
      readonly head: AnswerHead;
      /** Who receives it looks at the checksums. */
      readonly trusts: boolean;
    }
  >();
  private readings = 0;

  constructor(o: UpkeepOptions) {
    this.o = o;
    this.gossip = new Gossip(o.settings);
    this.copies = new SegmentCopy(o.settings, o.geometry);
    this.copied = new CopiedPages(o.merger, o.effects);
    this.asked = new AskedCopies(o.merger, o.settings.pullTimeoutMs);
  }

  peerUp(peer: Peer): void {
    this.links.set(peer.name, peer.link);
    this.quiet.wakeAll(this.o.pgs.values());
  }

  /** Something happens in this PG. */
  wake(state: PgState): void {
    this.quiet.wake(state);
  }

  peerDown(peer: Peer): void {
    this.asked.linkDown(peer.link);
    if (this.links.get(peer.name) !== peer.link) return;
    this.links.delete(peer.name);
    this.newcomers.peerDown(peer.name);
    for (const state of this.o.pgs.values()) this.gossip.forget(state, peer.name);
  }

  /** Plans what is to be merged; copied pages that wait until no batch is under way go first. */
  merge(now: number, turn: Turn): void {
    const { geometry, merger, pgs, effects } = this.o;
    if (geometry.known === undefined) return;
    if (this.waiting.size === 0) merger.plan(pgs, this.asked.pgs(), geometry.known, now, effects);
    this.giveAsked(now, turn, !merger.isStoring);
  }

  tick(now: number, turn: Turn): void {
    if (now - this.lastRound >= this.o.settings.gossipMs) this.round(now, turn);
    this.copies.tick(now, this.sendTo);
    for (const state of this.o.pgs.values()) if (this.newcomers.needsPages(state)) this.join(state, now);
    const { known } = this.o.geometry;
    if (known === undefined) return;
    this.removeLeft();
    this.scrub(known, now);
  }

  /** Messages that only segment servers say. Returns what is wrong with one. */
  receive(peer: Peer, m: StorageMessage, now: number, turn: Turn, file: number): string | undefined {
    switch (m.type) {
      case "positions":
        return this.positions(peer, m, now, turn);
      case "pullSlices":
        return this.answerSlices(peer, m);
      case "pulledSlices":
        return this.takeSlices(peer, m, now, turn, file);
      case "pullPages":
        return this.answerPages(peer, m, now, turn);
      case "pulledPages":
        if (this.o.merger.isStoring && !this.copies.isOfNewcomer(this.o.pg(m.pg))) this.putOff(m);
        else this.takePages(m, now, turn);
        return undefined;
      case "manifestPeeked":
        this.o.geometry.hear(peer.name, m);
        return undefined;
      default:
        return `${m.type} is not for segment servers`;
    }
  }

  /** A store batch is durable: copies go on. */
  stored(token: number, now: number, turn: Turn): void {
    this.giveAsked(now, turn, false);
    this.copyStored(this.copied.stored(token), now, turn);
    // One that nobody waits for any more, or that brings nothing to store, must not keep the next from its turn.
    for (const [pg, m] of this.waiting) {
      if (this.o.merger.isStoring) break;
      this.waiting.delete(pg);
      this.takePages(m, now, turn);
    }
    if (this.waiting.size === 0) this.copied.flush();
  }

  /** Has a damaged page copied from a peer, each time from the next one. */
  mend(state: PgState, page: PageId, now: number): void {
    if (!state.pages.at(page).isCorrupt) return;
    this.o.cache.drop(page);
    if (!this.damaged.has(page)) {
      this.damaged.add(page);
      this.o.counters.pagesDamaged += 1;
      const fields = { pg: state.pg, page };
      this.o.effects.push({ kind: "log", level: "error", event: "page-corrupt", fields });
    }
    const peer = this.nextPeer(state.pg);
    if (peer !== undefined) this.copies.begin(state, { peer, from: page, mends: page }, now, this.sendTo);
  }

  /** Copies all pages of an old member. */
  private join(state: PgState, now: number): void {
    const { geometry, keeping, pages } = this.o;
    if (geometry.known === undefined || this.copies.isUnderWay(state)) return;
    const peers = [...this.links.keys()].filter((peer) => keeping.isOldMember(state.pg, peer)).sort();
    const leaves = (peer: NodeName): boolean => keeping.isLeaving(state.pg, peer);
    const peer = this.copies.sourceOf({ peers, leaves, place: keeping.placeIn(state.pg) }, now);
    if (peer === undefined) return;
    const from = geometry.firstPage(state.pg);
    const first = pages.pages(from, 1)[0];
    const isFresh = first === undefined || first >= geometry.firstPage((state.pg + 1) as PgId);
    this.copies.begin(state, { peer, from, isFresh }, now, this.sendTo);
  }

  /** What this server kept of the PG is another's affair now: its pages are removed by and by. */
  forget(state: PgState): void {
    this.left.add(state.pg);
    this.copies.forget(state);
    this.asked.forget(state);
    this.newcomers.forget(state);
    this.quiet.forget(state);
  }

  /** One that has come back keeps what is there: puts of its pages are given after all removals. */
  private removeLeft(): void {
    const { geometry, pages, pgs, settings, effects } = this.o;
    for (const pg of this.left) {
      const ids = pages.pages(geometry.firstPage(pg), settings.removePagesPerTick);
      const end = geometry.firstPage((pg + 1) as PgId);
      const its = pgs.has(pg) ? [] : ids.filter((page) => page < end);
      if (its.length > 0) return void effects.push({ kind: "removePages", pages: its });
      this.left.delete(pg);
    }
  }

  private nextPeer(pg: PgId): NodeName | undefined {
    const peers = [...this.links.keys()].filter((peer) => this.o.keeping.isPeer(pg, peer));
    return peers[this.mendings++ % Math.max(1, peers.length)];
  }

  private mendFound(state: PgState, page: PageId, now: number): void {
    state.pages.at(page).isCorrupt = true;
    this.mend(state, page, now);
  }

  private round(now: number, turn: Turn): void {
    this.lastRound = now;
    for (const state of this.quiet.round(this.o.pgs)) {
      const message = this.gossip.round(state);
      const lags = !state.isWhole || this.o.keeping.isChanging(state.pg) || this.gossip.lags(state);
      if (this.quiet.isNews(state, message, lags))
        // After the sync: a peer may drop what it believes that all others have.
        for (const [peer, link] of this.links)
          if (this.o.keeping.isPeer(state.pg, peer)) turn.tell(link, message);
      this.pull(state, now);
    }
    if (this.o.geometry.known !== undefined) return;
    for (const peer of this.links.keys())
      this.sendTo(peer, { type: "manifestPeek", request: this.gossip.nextRequest() });
  }

  private pull(state: PgState, now: number): void {
    // Most of what a newcomer lacks is in the pages.
    if (this.o.isCrowded() || this.newcomers.needsPages(state)) return;
    this.o.counters.pulls += this.gossip.pull(state, now, this.sendTo);
  }

  private positions(peer: Peer, m: Positions, now: number, turn: Turn): undefined {
    if (!this.o.keeping.isPeer(m.pg, peer.name)) return;
    const state = this.o.pg(m.pg);
    this.gossip.positions(state, peer.name, m);
    this.pull(state, now);
    this.complete(state, turn);
  }

  /** A newcomer that has everything says so at once: the change of members waits for it. */
  private complete(state: PgState, turn: Turn): undefined {
    const from = this.newcomers.completes(state);
    if (from === undefined) return;
    state.isWhole = true;
    const { pg, since } = state;
    turn.record({ kind: "newcomer", pg, since, isWhole: true });
    turn.say("info", "segment-joined", { pg, from });
    const message = { type: "copied", request: 0, pg, isWhole: true } as const;
    for (const to of this.o.nodes()) turn.tell(to, message);
  }

  private answerSlices(peer: Peer, m: PullSlices): undefined {
    const state = this.o.pg(m.pg);
    const there = state.peers.get(peer.name)?.get(m.stream);
    this.o.effects.push({ kind: "send", to: peer.link, message: this.gossip.answer(state, m, there) });
  }

  private takeSlices(peer: Peer, m: PulledSlices, now: number, turn: Turn, file: number): string | undefined {
    const state = this.o.pg(m.pg);
    const { pageBytes, pagesPerPg: pages } = this.o.geometry.bounds();
    const context = { now, turn, decider: this.o.decider(state), file, pageBytes, pagesPerPg: pages };
    const { fault, next } = this.gossip.take(state, m, context);
    if (fault !== undefined) return fault;
    this.o.counters.slicesPulled += m.slices.length;
    const { geometry } = this.o;
    // A newcomer's first copy is of a member.
    if (next === "copy" && geometry.known !== undefined && !this.newcomers.needsPages(state))
      this.copies.begin(state, { peer: peer.name, from: geometry.firstPage(m.pg) }, now, this.sendTo);
    if (next === "more") this.pull(state, now);
    return this.complete(state, turn);
  }

  /**
   * A segment that does not know its own pages, or finds one damaged, does not answer: the peer asks another. That there are no more pages a copier is
   * told on the common link: what it hears there afterwards was said afterwards, and a newcomer builds on that.
   */
  private answerPages(peer: Peer, m: PullPages, now: number, turn: Turn): undefined {
    if (this.o.geometry.known === undefined) return;
    const state = this.o.pg(m.pg);
    if (!state.isWhole) return;
    if (m.mends !== undefined) {
      const { pageBytes } = this.o.geometry.bounds();
      const answer = answerMend(state, m.from, m.request, m.mends, pageBytes);
      if (answer !== undefined) this.answer(state, peer.link, answer, now);
      return;
    }
    const isPeer = this.links.has(peer.name) && this.o.keeping.isPeer(m.pg, peer.name);
    if (isPeer) this.gossip.copyBegins(state, peer.name);
    const isFirst = m.from === this.o.geometry.firstPage(m.pg);
    if (!isPeer || !isFirst) return this.givePages(state, peer, m, now, turn);
    // Merging drops nothing that the peer will need: until it says more it counts as one that has nothing (`peersHave`), and what leaves
    // all the same before the answer, old or too much, is done (`isDone`): it is in the pages, and in what the answer says is merged.
    const mergeable = this.o.merger.mergeable(state, this.o.pgs, now);
    if (!this.asked.putOff({ state, peer, question: m, at: now, mergeable }))
      return this.givePages(state, peer, m, now, turn);
    this.merge(now, turn);
  }

  private giveAsked(now: number, turn: Turn, standsStill: boolean): void {
    for (const { state, peer, question } of this.asked.due(now, standsStill))
      if (state.isWhole) this.givePages(state, peer, question, now, turn);
  }

  private givePages(state: PgState, peer: Peer, m: PullPages, now: number, turn: Turn): undefined {
    const { pagesPerPg: pages, pageBytes } = this.o.geometry.bounds();
    const end = this.o.geometry.firstPage(m.pg) + pages;
    const { copyStepBytes, copyTurnBytes } = this.o.settings;
    const isCopier = peer.role === "copier";
    const limit = pagesIn(isCopier ? copyStepBytes : copyTurnBytes, pageBytes);
    // Only the first answer's positions count, and thousands may follow it.
    const isFirst = m.from === this.o.geometry.firstPage(m.pg);
    const stored = isFirst ? (log: StreamLog) => this.o.merger.storedThrough(log) : droppedThrough;
    const plan = planAnswer(state, this.o.pages, m, { stored, endPage: end, limit, isCopier });
    const to = plan.pages > 0 ? peer.link : this.links.get(peer.name);
    if (to === undefined) return;
    const token = ++this.readings;
    this.reads.set(token, { state, to, head: plan.head, trusts: isCopier });
    if (plan.pages === 0) return this.pagesRead(token, [], now, turn) as undefined;
    this.o.effects.push({ kind: "readPages", token, from: m.from, limit: plan.pages });
  }

  /** What an answer waited for. The PG may have left this server meanwhile. */
  pagesRead(token: number, pages: readonly (readonly [PageId, Uint8Array])[], now: number, turn: Turn): void {
    const { state, to, head, trusts } = this.reads.get(token)!;
    this.reads.delete(token);
    if (this.o.pgs.get(state.pg) !== state) return;
    // A copier looks at the checksums itself, and asks anew on the common link if one is wrong: then it is found here.
    const isGiven = this.answer(state, to, answerRead(head, pages, trusts), now);
    // What is here beyond the pages: a newcomer waits for this word.
    if (isGiven && head.next === undefined) turn.tell(to, positionsOf(state));
  }

  private answer(state: PgState, to: Link, answer: ReturnType<typeof answerRead>, now: number): boolean {
    if (answer.type === "damaged") this.mendFound(state, answer.damaged, now);
    else this.o.effects.push({ kind: "send", to, message: answer });
    return answer.type !== "damaged";
  }

  private putOff(m: PulledPages): void {
    const before = this.waiting.get(m.pg);
    if (before === undefined || before.request < m.request) this.waiting.set(m.pg, m);
  }

  private takePages(m: PulledPages, now: number, turn: Turn): void {
    const state = this.o.pg(m.pg);
    const answer = this.copies.take(state, m, now);
    if (answer === undefined) return;
    for (const { page } of answer.pages) {
      this.o.cache.drop(page);
      if (this.damaged.delete(page)) this.o.counters.pagesMended += 1;
    }
    if (answer.isLast) this.newcomers.hasAllPages(state, answer.from);
    if (answer.pages.length === 0) return this.copyStored([answer], now, turn);
    this.copied.add(answer);
    if (this.waiting.size === 0) this.copied.flush();
    this.copies.goOn(now, this.sendTo);
  }

  private copyStored(answers: readonly CopyAnswer[], now: number, turn: Turn): void {
    let isDone = false;
    for (const answer of answers) {
      const copied = this.copies.stored(answer);
      if (copied === undefined) continue;
      isDone = true;
      this.finishCopy(answer.state, copied, now, turn);
    }
    if (isDone)
      for (const record of this.o.facts())
        this.o.effects.push({ kind: "persist", records: [record], then: [] });
    if (answers.length > 0) this.copies.goOn(now, this.sendTo);
  }

  /** All pages of a peer are here. */
  private finishCopy(state: PgState, copied: Copied, now: number, turn: Turn): void {
    const decider = this.o.decider(state);
    for (const [stream, { through, tail }] of copied.merged) {
      if (through === 0) continue;
      const log = state.log(stream);
      decider.release(log, through);
      log.jump(through, tail);
      turn.steps?.copied(log, through);
    }
    state.copiedFrom = copied.peer;
    this.newcomers.copied(state, copied, decider);
    this.wake(state);
    decider.revote(turn);
    this.o.effects.push({ kind: "log", level: "info", event: "segment-copied", fields: { pg: state.pg } });
    this.pull(state, now);
    this.complete(state, turn);
  }

  /** Reads a few stored pages and has damaged ones copied anew: as many as bring it once through all of them in the set time. */
  private scrub(geometry: Geometry, now: number): void {
    const { pages, settings, pgs, counters } = this.o;
    const passed = Math.max(0, now - this.scrubbedAt);
    this.scrubbedAt = now;
    this.scrubDue += (pages.count() * passed) / settings.scrubPassMs;
    if (this.scrubDue < 1) return;
    const due = Math.min(Math.floor(this.scrubDue), settings.scrubPagesPerTick);
    // What a stop, or a store of more than can be scrubbed in that time, has left over is not made up for.
    this.scrubDue = Math.min(this.scrubDue - due, 1);
    const ids = pages.pages(this.scrubFrom, due);
    counters.pagesScrubbed += ids.length;
    for (const page of ids) {
      const stored = pages.get(page);
      const pg = Math.floor(page / pagesPerPg(geometry)) as PgId;
      const state = pgs.get(pg);
      // A stop came between.
      if (state === undefined && this.o.keeping.roleIn(pg).kind === "stranger") this.left.add(pg);
      if (stored === undefined || state === undefined || isSound(page, stored)) continue;
      this.mendFound(state, page, now);
    }
    const last = ids.at(-1) as number | undefined;
    this.scrubFrom = pageId(last === undefined ? 0 : last + 1);
  }

  status(): Record<string, unknown> {
    const copying = this.copies.underWay;
    return { copying, copyAnswersWaiting: this.waiting.size, copiesPutOff: this.asked.size };
  }

  private readonly sendTo: SendTo = (peer, message) => {
    const link = this.links.get(peer);
    if (link === undefined) return false;
    this.o.effects.push({ kind: "send", to: link, message });
    return true;
  };
}
