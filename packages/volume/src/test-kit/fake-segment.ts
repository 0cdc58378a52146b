/**
 * A segment server for tests of the volume: DESIGN section 4's rules written the short and slow way.
 *
 * No log, no disk, no merging: everything is kept and looked at again after every change. The real
 * one is @sixfold/segment, which this package must not import; what the two share is the page that
 * both were written from.
 */
import {
  isNone,
  lsn,
  sameVersion,
  type Decision,
  type EntryId,
  type Lsn,
  type NodeName,
  type PageId,
  type PageVersion,
  type PgId,
  type StreamId,
  type Vote,
} from "@sixfold/model";
import type { Ancestry } from "./ancestry.ts";
import { FakeSeat } from "./fake-seat.ts";
import { changes, claimsAgainst, newStream, type Pg, type StreamHere, type Taken } from "./fake-state.ts";
import type { Ack, Append, Fence, Fenced, ForeignWait, SliceVote, StorageMessage } from "@sixfold/wire";

export type Reply = { readonly to: string; readonly message: StorageMessage };

/** Rules that tests break on purpose. */
export interface SegmentBreaks {
  readonly noFence?: boolean;
}

export class FakeSegment {
  readonly name: NodeName;
  readonly pgs = new Map<PgId, Pg>();
  readonly seat = new FakeSeat();
  /** Of transactions asked for, it says that it has forgotten what was committed up to here. */
  forgottenThrough = lsn(0);
  private readonly ancestry: Ancestry;
  private readonly breaks: SegmentBreaks;
  private replies: Reply[] = [];

  constructor(name: NodeName, ancestry: Ancestry, breaks: SegmentBreaks = {}) {
    this.name = name;
    this.ancestry = ancestry;
    this.breaks = breaks;
  }

  receive(from: string, m: StorageMessage): Reply[] {
    this.replies = [];
    this.handle(from, m);
    return this.replies;
  }

  private reply(to: string, message: StorageMessage): void {
    this.replies.push({ to, message });
  }

  private handle(from: string, m: StorageMessage): void {
    switch (m.type) {
      case "append":
        return this.append(from, m);
      case "askVotes": {
        const here = this.stream(m.pg, m.stream);
        const votes = m.lsns.flatMap((at): SliceVote[] =>
          here.slices.get(at)?.decision === undefined && here.slices.has(at)
            ? [{ lsn: at, vote: here.slices.get(at)!.vote }]
            : [],
        );
        return this.reply(from, { type: "votes", request: m.request, pg: m.pg, stream: m.stream, votes });
      }
      case "fence":
        if (this.breaks.noFence !== true) this.stream(m.pg, m.stream).fenced = true;
        return this.reply(from, this.fencedAnswer(m));
      case "close": {
        const here = this.stream(m.pg, m.stream);
        here.fenced = true;
        here.closed = { final: m.final, tail: m.tail };
        this.overrule(m.pg, here, m.decisions);
        this.learnDecisions(m.pg, here, m.decisions);
        for (const t of here.slices.values())
          if (t.slice.lsn > m.final) this.decide(m.pg, here, t.slice.lsn, "abort");
        this.revote(m.pg);
        return this.reply(from, {
          type: "closed",
          request: m.request,
          pg: m.pg,
          stream: m.stream,
          complete: this.isComplete(here),
        });
      }
      default:
        return this.handleReads(from, m);
    }
  }

  private handleReads(from: string, m: StorageMessage): void {
    switch (m.type) {
      case "readPage": {
        const behind = m.need.some(([id, need]) => {
          const s = this.stream(m.pg, id);
          if (s.scl < need && !this.isComplete(s)) return true;
          return (
            [...s.slices.values()].some((t) => t.slice.lsn <= need && t.decision === undefined) ||
            !this.knows(s, need)
          );
        });
        const seen = this.newestFirst(m.pg, m.page).find((v) => m.readPoint.includes(v));
        const answer = behind
          ? ({ kind: "behind" } as const)
          : seen === undefined
            ? ({ kind: "empty" } as const)
            : ({ kind: "page", version: seen, image: new Uint8Array(8) } as const);
        return this.reply(from, { type: "pageRead", request: m.request, pg: m.pg, page: m.page, answer });
      }
      case "findTransaction": {
        const here = this.stream(m.pg, m.stream);
        const attempts = [...here.slices.values()]
          .filter((t) => t.slice.transaction === m.transaction && t.slice.lsn > this.forgottenThrough)
          .map((t) => ({ lsn: t.slice.lsn, decision: t.decision }));
        return this.reply(from, {
          type: "transactionFound",
          request: m.request,
          pg: m.pg,
          stream: m.stream,
          attempts,
          forgottenThrough: this.forgottenThrough,
          scl: here.scl,
          isClosed: here.closed !== undefined,
        });
      }
      default:
        return this.handleSeat(from, m);
    }
  }

  private handleSeat(from: string, m: StorageMessage): void {
    // Its members never change.
    if (m.type === "manifestTold" || m.type === "readers") return;
    const answer = this.seat.answer(m);
    if (answer === undefined) throw new Error(`a segment is not sent ${m.type}`);
    this.reply(from, answer);
  }

  private append(from: string, m: Append): void {
    const here = this.stream(m.pg, m.stream);
    here.exclusive = m.exclusive;
    here.writer = from;
    const before = here.scl;
    if (here.fenced) return this.reply(from, this.ack(m.pg, here, before, []));
    this.learnDecisions(m.pg, here, m.decisions);
    for (const slice of m.slices) {
      for (const d of slice.deltas)
        this.ancestry.note(d.page, { stream: slice.stream, lsn: slice.lsn }, d.base);
      if (here.slices.has(slice.lsn) || slice.lsn <= here.scl) continue;
      if (slice.back !== here.scl) break;
      const taken: Taken = {
        slice,
        vote: { kind: "hold" },
        decision: undefined,
        order: this.pg(m.pg).order++,
      };
      here.slices.set(slice.lsn, taken);
      here.scl = slice.lsn;
      if (here.commits.has(slice.lsn)) this.settle(m.pg, here, taken, "commit");
      else if (here.aborts.has(slice.lsn)) this.settle(m.pg, here, taken, "abort");
    }
    this.revote(m.pg, from, here);
    const votes = [...here.slices.values()]
      .filter((t) => t.slice.lsn > before && t.vote.kind !== "accept")
      .map((t) => ({ lsn: t.slice.lsn, vote: t.vote }));
    this.reply(from, this.ack(m.pg, here, before, votes));
  }

  private ack(pg: PgId, here: StreamHere, acceptedFrom: Lsn, votes: readonly SliceVote[]): Ack {
    const waiting: ForeignWait[] = [];
    for (const other of this.pg(pg).streams.values())
      for (const t of other.slices.values())
        if (
          other.id !== here.id &&
          t.decision === undefined &&
          t.vote.kind === "wait" &&
          t.vote.blocker.stream === here.id
        )
          waiting.push({ stream: other.id, lsn: t.slice.lsn, page: t.vote.page });
    const { scl, decidedThrough } = here;
    const abortsKnown = [...here.aborts].filter((a) => a > decidedThrough).sort((a, b) => a - b);
    return {
      type: "ack",
      pg,
      stream: here.id,
      scl,
      acceptedFrom,
      votes,
      decidedThrough,
      abortsKnown,
      waiting,
      state: here.fenced ? "fenced" : "ok",
    };
  }

  private fencedAnswer({ pg, stream, request, uses: asked }: Fence): Fenced {
    const here = this.stream(pg, stream);
    const slices = [...here.slices.values()]
      .filter((t) => t.slice.lsn > here.decidedThrough)
      .sort((a, b) => a.slice.lsn - b.slice.lsn);
    const tail = lsn(
      Math.max(
        0,
        ...[...here.slices.values()]
          .filter((t) => t.slice.lsn <= here.decidedThrough && t.decision === "commit")
          .map((t) => t.slice.lsn),
      ),
    );
    const used = slices.flatMap((t) => [...t.slice.deltas, ...t.slice.checks].map((d) => d.page));
    const pages = new Set([...asked.map(({ page }) => page), ...used]);
    const committed = [...pages].flatMap((page) =>
      this.newestFirst(pg, page).map((version) => ({
        page,
        base: this.ancestry.baseOf(page, version),
        version,
      })),
    );
    const sorted = [...here.aborts].sort((a, b) => a - b);
    return {
      type: "fenced",
      request,
      pg,
      stream,
      scl: here.scl,
      decidedThrough: here.decidedThrough,
      tail,
      aborts: sorted.filter((a) => a <= here.decidedThrough),
      earlyAborts: sorted.filter((a) => a > here.decidedThrough),
      slices: slices.map((t) => ({ slice: t.slice, vote: t.vote, decision: t.decision })),
      committed,
    };
  }

  /** Gossip: takes the decided slices of `peer` that are missing here. */
  gossipFrom(peer: FakeSegment): Reply[] {
    this.replies = [];
    for (const [pg, theirs] of peer.pgs) {
      for (const s of theirs.streams.values()) {
        const here = this.stream(pg, s.id);
        // Who is not fenced yet may have been told things by the writer that its recovery overrules.
        if (here.fenced && s.closed === undefined) continue;
        if (s.closed !== undefined && here.closed === undefined) {
          here.fenced = true;
          here.closed = s.closed;
          for (const t of here.slices.values()) {
            const truth = s.slices.get(t.slice.lsn)?.decision;
            if (truth === undefined || truth === t.decision) continue;
            here.aborts.delete(t.slice.lsn);
            t.decision = undefined;
          }
        }
        for (const t of [...s.slices.values()].sort((a, b) => a.slice.lsn - b.slice.lsn)) {
          if (t.decision === undefined) continue;
          const mine = here.slices.get(t.slice.lsn);
          if (mine === undefined)
            here.slices.set(t.slice.lsn, {
              slice: t.slice,
              vote: { kind: "hold" },
              decision: undefined,
              order: this.pg(pg).order++,
            });
          this.decide(pg, here, t.slice.lsn, t.decision);
          if (t.slice.back <= here.scl && t.slice.lsn > here.scl) here.scl = t.slice.lsn;
        }
        for (const at of s.aborts) this.decide(pg, here, at, "abort");
        if (s.decidedThrough > here.decidedThrough) here.decidedThrough = s.decidedThrough;
      }
      this.revote(pg);
    }
    return this.replies;
  }

  private isComplete(s: StreamHere): boolean {
    return (
      s.closed !== undefined &&
      (s.closed.tail === 0 || (s.slices.has(s.closed.tail) && this.hasChain(s, s.closed.tail)))
    );
  }

  /** Every committed slice back from `at` is here. */
  private hasChain(s: StreamHere, at: Lsn): boolean {
    for (let lsnAt = at; lsnAt !== 0;) {
      const t = s.slices.get(lsnAt);
      if (t === undefined) return s.aborts.has(lsnAt);
      lsnAt = t.slice.back;
    }
    return true;
  }

  private knows(s: StreamHere, need: Lsn): boolean {
    return s.decidedThrough >= need || s.commits.has(need) || s.aborts.has(need);
  }

  private learnDecisions(pg: PgId, here: StreamHere, d: Append["decisions"]): void {
    for (const at of d.aborts) this.decide(pg, here, at, "abort");
    for (const at of d.earlyAborts) this.decide(pg, here, at, "abort");
    const aborts = new Set(d.aborts);
    for (let at = d.from + 1; at <= d.through; at++)
      if (!aborts.has(lsn(at))) this.decide(pg, here, lsn(at), "commit");
    if (d.from <= here.decidedThrough && d.through > here.decidedThrough) here.decidedThrough = d.through;
  }

  /** The manifest overrides what the writer has said after its fence, which did not reach this segment. */
  private overrule(pg: PgId, here: StreamHere, d: Append["decisions"]): void {
    for (const t of here.slices.values()) {
      const at = t.slice.lsn;
      if (t.decision !== "abort" || at <= d.from || at > d.through || d.aborts.includes(at)) continue;
      here.aborts.delete(at);
      t.decision = undefined;
      this.decide(pg, here, at, "commit");
    }
  }

  private decide(pg: PgId, here: StreamHere, at: Lsn, decision: Decision): void {
    (decision === "commit" ? here.commits : here.aborts).add(at);
    const taken = here.slices.get(at);
    if (taken !== undefined && taken.decision === undefined) this.settle(pg, here, taken, decision);
  }

  private settle(pg: PgId, here: StreamHere, taken: Taken, decision: Decision): void {
    taken.decision = decision;
    if (decision === "abort") return;
    const version = { stream: here.id, lsn: taken.slice.lsn };
    for (const d of [...taken.slice.deltas, ...taken.slice.checks]) {
      for (let v = d.base; !isNone(v); v = this.ancestry.baseOf(d.page, v)) {
        this.decide(pg, this.stream(pg, v.stream), v.lsn, "commit");
        this.link(pg, d.page, v);
      }
    }
    for (const base of taken.slice.ownBases) this.decide(pg, here, base, "commit");
    for (const d of taken.slice.deltas) this.link(pg, d.page, version);
  }

  private link(pg: PgId, page: PageId, version: PageVersion): void {
    const { chains } = this.pg(pg);
    const chain = chains.get(page) ?? [];
    chains.set(page, chain);
    if (!chain.some((v) => sameVersion(v, version))) chain.push(version);
  }

  private newestFirst(pg: PgId, page: PageId): PageVersion[] {
    const chain = this.pg(pg).chains.get(page) ?? [];
    return [...chain].sort((a, b) => (this.ancestry.reaches(page, a, b) ? -1 : 1));
  }

  /** Looks at every undecided slice again, in order of arrival, and tells their writers what changed. */
  private revote(pg: PgId, replyingTo?: string, answered?: StreamHere): void {
    const news = new Map<StreamHere, SliceVote[]>();
    const all: { readonly s: StreamHere; readonly t: Taken }[] = [];
    for (const s of this.pg(pg).streams.values())
      for (const t of s.slices.values()) if (t.decision === undefined) all.push({ s, t });
    all.sort((a, b) => a.t.order - b.t.order);
    for (const { s, t } of all) {
      if (t.decision !== undefined) continue; // learned meanwhile
      const vote = this.vote(pg, s, t);
      if (JSON.stringify(vote) === JSON.stringify(t.vote)) continue;
      t.vote = vote;
      const list = news.get(s) ?? [];
      news.set(s, list);
      list.push({ lsn: t.slice.lsn, vote });
    }
    for (const [s, votes] of news) {
      if (s.writer === undefined) continue;
      if (s === answered && s.writer === replyingTo)
        this.reply(
          s.writer,
          this.ack(
            pg,
            s,
            s.scl,
            votes.filter((v) => v.lsn <= s.scl),
          ),
        );
      else this.reply(s.writer, this.ack(pg, s, s.scl, votes));
    }
  }

  private vote(pg: PgId, s: StreamHere, t: Taken): Vote {
    if (s.exclusive) return { kind: "accept" };
    const { slice } = t;
    const lost = slice.ownBases.find((b) => s.aborts.has(b));
    if (lost !== undefined) return { kind: "void", base: lost };
    const uses = [...slice.deltas, ...slice.checks];
    for (const use of uses) {
      this.learnBase(pg, s, use.base, use.page);
      const winner = this.beatenBy(pg, use.page, use.base);
      if (winner !== undefined) return { kind: "reject", page: use.page, winner };
    }
    if (t.vote.kind === "accept" || s.fenced) return t.vote;
    for (const use of uses) {
      if (use.base.stream === s.id && !s.commits.has(use.base.lsn)) {
        const base = s.slices.get(use.base.lsn);
        if (
          base === undefined ||
          base.decision === "abort" ||
          (base.vote.kind !== "accept" && base.vote.kind !== "wait")
        )
          return { kind: "hold" };
      }
    }
    for (const d of slice.deltas) {
      const pending = [...s.slices.values()].filter(
        (o) =>
          o !== t &&
          o.decision === undefined &&
          o.slice.lsn < slice.lsn &&
          changes(o.slice, d.page) &&
          (o.vote.kind === "accept" || o.vote.kind === "wait"),
      );
      const newest = pending.sort((a, b) => a.slice.lsn - b.slice.lsn).pop();
      if (newest !== undefined && !(d.base.stream === s.id && d.base.lsn === newest.slice.lsn))
        return { kind: "hold" };
    }
    for (const other of this.pg(pg).streams.values()) {
      if (other.id === s.id) continue;
      for (const o of other.slices.values()) {
        if (o.decision !== undefined || o.vote.kind !== "accept") continue;
        const page = claimsAgainst(slice, o.slice);
        if (page !== undefined)
          return { kind: "wait", page, blocker: { stream: other.id, lsn: o.slice.lsn } };
      }
    }
    // Whoever builds on an own entry that waits has to wait with it.
    for (const use of uses) {
      const base = use.base.stream === s.id ? s.slices.get(use.base.lsn) : undefined;
      if (base !== undefined && base.decision === undefined && base.vote.kind === "wait")
        return { kind: "wait", page: use.page, blocker: base.vote.blocker };
    }
    return { kind: "accept" };
  }

  /** A foreign base was committed, or it would not have been built on. */
  private learnBase(pg: PgId, s: StreamHere, base: PageVersion, page: PageId): void {
    if (isNone(base) || base.stream === s.id) return;
    const theirs = this.stream(pg, base.stream);
    this.decide(pg, theirs, base.lsn, "commit");
    this.link(pg, page, base);
  }

  /** A committed version of the page that is neither the base nor an ancestor of it. */
  private beatenBy(pg: PgId, page: PageId, base: PageVersion): EntryId | undefined {
    return (this.pg(pg).chains.get(page) ?? []).find((v) => !this.ancestry.reaches(page, base, v));
  }

  private pg(id: PgId): Pg {
    let found = this.pgs.get(id);
    if (found === undefined) this.pgs.set(id, (found = { streams: new Map(), chains: new Map(), order: 0 }));
    return found;
  }

  stream(pg: PgId, id: StreamId): StreamHere {
    const { streams } = this.pg(pg);
    let found = streams.get(id);
    if (found === undefined) {
      found = newStream(id);
      streams.set(id, found);
    }
    return found;
  }
}
