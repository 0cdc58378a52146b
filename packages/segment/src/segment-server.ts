/**
 * The segment server: one machine for all segments of a storage process (DESIGN sections 4, 6, 7, 10).
 *
 *                        +-- append, decide, votes --+
 *     messages, ticks -->|   fence-close, seat       |--> one turn --> effects
 *                        |   page-reader, merge      |
 *                        +-- gossip, segment-copy ---+
 *
 * This file only dispatches: who may say what, which PG it concerns, and the end of the turn. Every rule lives in
 * the file of its own name. Durable answers ride on the turn's persist effect; page reads leave at once.
 */
import { assert, NO_BUGS, type NodeName, type PageId, type PgId, type PlantedBugs } from "@sixfold/model";
import type {
  Append,
  AskVotes,
  LogRecord,
  ManifestTold,
  Outcomes,
  ReadPage,
  StorageMessage,
} from "@sixfold/wire";
import { checkSlices, takeAppend } from "./append.ts";
import { carry, restateAll } from "./carry.ts";
import { CheckpointParts, replay, writeCheckpoint } from "./checkpoint.ts";
import { Decider } from "./decide.ts";
import { close, fence } from "./fence-close.ts";
import { findTransaction } from "./find-transaction.ts";
import { Keeping } from "./keeping.ts";
import { EndedTransactions } from "./ended.ts";
import { Kept } from "./kept.ts";
import { KnownGeometry } from "./known-geometry.ts";
import { Merger } from "./merge.ts";
import { ChainCount } from "./page-chain.ts";
import { ImageCache, readPage } from "./page-reader.ts";
import { ackOf, newCounters, PgState, Turn } from "./pg-state.ts";
import { restatedSteps } from "./restated-steps.ts";
import { Seat } from "./seat.ts";
import type { Link, Peer, SegmentEffect, SegmentOptions, SegmentSettings } from "./segment-api.ts";
import { DEFAULT_SETTINGS } from "./settings.ts";
import { statusOf } from "./status.ts";
import { statedVote, type StreamLog } from "./stream-log.ts";
import { sayAnswer, TurnSteps } from "./turn-steps.ts";
import { Upkeep } from "./upkeep.ts";

/** What only database nodes say, and what only segment servers say. The rest may come from both. */
const NODES_ONLY: ReadonlySet<string> = new Set([
  "append",
  "askVotes",
  "fence",
  "close",
  "outcomes",
  "findTransaction",
  "manifestPrepare",
  "manifestAccept",
  "manifestTold",
  "readers",
  "askCopied",
]);
const SEGMENTS_ONLY: ReadonlySet<string> = new Set([
  "positions",
  "pulledSlices",
  "pullPages",
  "pulledPages",
  "manifestPeeked",
]);

export class SegmentServer {
  /** Drained by the driver after each turn, in order. */
  readonly effects: SegmentEffect[] = [];
  readonly name: NodeName;
  private readonly options: SegmentOptions;
  private readonly settings: SegmentSettings;
  private readonly planted: PlantedBugs;
  private readonly pgs = new Map<PgId, PgState>();
  private readonly deciders = new Map<PgState, Decider>();
  private readonly peers = new Map<Link, Peer>();
  private readonly seat: Seat;
  private readonly geometry: KnownGeometry;
  private readonly keeping: Keeping;
  private readonly upkeep: Upkeep;
  private readonly kept: Kept<StreamLog>;
  private readonly chains: ChainCount;
  private readonly merger: Merger;
  private readonly cache: ImageCache;
  private readonly counters = newCounters();
  private file = 1;
  /** Set by a checkpoint that is being written: what is needed after it. */
  private trimBefore: number | undefined;
  /** Log files from this one on were needed at the last checkpoint: without one of them a start lacks what was acknowledged. */
  neededFrom = 1;
  /** Of a checkpoint that recovery has read the beginning of. */
  private readonly parts = new CheckpointParts();
  private isFull = false;

  constructor(options: SegmentOptions) {
    this.options = options;
    this.name = options.name;
    this.settings = { ...DEFAULT_SETTINGS, ...options.settings };
    this.chains = new ChainCount(this.settings.ripeChanges);
    const { outcomesKept, outcomesCheckpointed } = this.settings;
    this.kept = new Kept(new EndedTransactions(outcomesKept, outcomesCheckpointed));
    this.geometry = new KnownGeometry(this.settings.geometry);
    this.keeping = new Keeping(this.name);
    this.planted = options.planted ?? NO_BUGS;
    this.seat = new Seat(this.planted);
    this.merger = new Merger(this.name, this.settings, this.counters, this.kept, this.chains);
    this.cache = new ImageCache(this.settings.imageCacheBytes);
    const { settings, effects, pgs, merger, cache, counters, geometry, keeping } = this;
    this.upkeep = new Upkeep({
      settings,
      effects,
      pgs,
      merger,
      cache,
      counters,
      geometry,
      keeping,
      pages: options.pages,
      isCrowded: () => this.isCrowded,
      pg: (pg) => this.pg(pg),
      decider: (state) => this.decider(state),
      facts: () => this.facts(this.needed()),
      nodes: () => [...this.peers.values()].filter((peer) => peer.role === "node").map((peer) => peer.link),
    });
  }

  // --- log and page store ---------------------------------------------------------------------

  /** At start, before `ready`: the log's records in order, with the file they stand in. */
  recover(records: Iterable<LogRecord>, file = 1): void {
    const { pgs, seat, parts } = this;
    const needs = (from: number): void => void (this.neededFrom = from);
    const into = { pgs, seat, parts, ended: this.kept.ended, pg: (pg: PgId) => this.pg(pg), needs };
    for (const record of records) replay(into, record, file);
    this.rotated(file);
  }

  /** The log has been read: builds chains, claims and waiters from its facts. No vote is cast. */
  ready(_now: number): void {
    this.geometry.learn(this.seat);
    // What follows from the log is said at the end.
    const turn = new Turn(this.effects, this.planted);
    for (const state of this.pgs.values()) {
      const decider = this.decider(state);
      decider.isRecovering = true;
      for (const log of state.streams.values()) {
        assert(log.isWhole || log.takesGaps, "what is kept of a stream is one run of back-links");
        log.closeGaps();
        if (log.exclusive) state.toIndex.add(log);
        else for (let i = log.first; i < log.slices.length; i++) decider.apply(log.slices[i]!, turn);
      }
      const undecided = [...state.streams.values()].flatMap((log) =>
        log.exclusive ? [] : log.slices.slice(log.first).filter((t) => t.phase === "pending"),
      );
      for (const taken of undecided.sort((a, b) => a.arrival - b.arrival)) decider.list(taken);
      for (const log of state.streams.values())
        if (!log.exclusive) decider.advance(log, Number.POSITIVE_INFINITY, turn);
      state.dirty.clear();
      decider.isRecovering = false;
    }
    turn.end();
    if (this.options.traced === true)
      for (const state of this.pgs.values())
        for (const event of restatedSteps(state)) this.effects.push({ kind: "trace", event });
  }

  /**
   * The log has gone on to `file`. The records returned must be appended after everything already given to the log, one directly behind
   * the other; they need not be one append.
   */
  checkpoint(file: number): LogRecord[] {
    this.rotated(file);
    // What has just become overdue may yet be merged.
    const carried = carry(this.kept, this.merger, this.pgs, this.file);
    this.trimBefore = this.needed();
    return [...this.facts(this.trimBefore), ...carried];
  }

  /** A log file that takes no more has been found damaged: what stood in it is known here, and is written anew. */
  logDamaged(file: number): void {
    this.counters.logFilesDamaged += 1;
    this.effects.push({ kind: "log", level: "error", event: "log-file-corrupt", fields: { file } });
    const restated = restateAll(this.kept, this.pgs, file, this.file);
    this.trimBefore = this.needed();
    for (const record of [...restated, ...this.facts(this.trimBefore)])
      this.effects.push({ kind: "persist", records: [record], then: [] });
  }

  /** The store batch `token` is durable. */
  pagesStored(token: number, now: number): void {
    const turn = this.begin();
    if (!this.merger.stored(token, this.pgs)) return;
    for (const state of this.pgs.values()) this.decider(state).revote(turn);
    this.upkeep.stored(token, now, turn);
    turn.end();
  }

  /** What a `readPages` effect asked for. */
  pagesRead(token: number, pages: readonly (readonly [PageId, Uint8Array])[], now: number): void {
    const turn = this.begin();
    this.upkeep.pagesRead(token, pages, now, turn);
    turn.end();
  }

  /** The disk takes no more (or does again): appends are refused as `full`, everything else goes on. */
  diskFull(isFull: boolean): void {
    this.isFull = isFull;
  }

  // --- links and time -------------------------------------------------------------------------

  peerUp(peer: Peer, _now: number): void {
    this.peers.set(peer.link, peer);
    if (peer.role === "segment") this.upkeep.peerUp(peer);
    else if (peer.role === "node") this.merger.lowWater.up(peer.name);
  }

  peerDown(link: Link, now: number): void {
    const peer = this.peers.get(link);
    this.peers.delete(link);
    if (peer?.role === "segment" || peer?.role === "copier") this.upkeep.peerDown(peer);
    // A newer link of its may be up.
    else if (peer?.role === "node" && ![...this.peers.values()].some(({ name }) => name === peer.name))
      this.merger.lowWater.down(peer.name, now);
    for (const state of this.pgs.values())
      for (const log of state.streams.values()) if (log.writer === link) log.writer = undefined;
  }

  /** About every 20 ms: background work, bounded. */
  tick(now: number): void {
    const turn = this.begin();
    let budget = this.settings.indexSlicesPerTick;
    for (const state of this.pgs.values()) if (budget > 0) budget = this.decider(state).index(budget, turn);
    this.trim(turn);
    this.upkeep.merge(now, turn);
    this.chains.sweep(this.pgs.values(), this.settings.idleChainsMax);
    this.upkeep.tick(now, turn);
    turn.end();
  }

  // --- messages -------------------------------------------------------------------------------

  receive(from: Link, m: StorageMessage, now: number): void {
    const peer = this.peers.get(from);
    if (peer === undefined) return;
    if (NODES_ONLY.has(m.type) && peer.role !== "node")
      return this.refuse(from, `${m.type} comes from database nodes only`);
    if (
      peer.role === "copier" ? m.type !== "pullPages" : SEGMENTS_ONLY.has(m.type) && peer.role !== "segment"
    )
      return this.refuse(from, `${m.type} comes from segment servers only`);
    if ("pg" in m && !this.geometry.isPg(m.pg)) return this.refuse(from, `there is no PG ${m.pg}`);
    // Who speaks knows an older manifest, or a newer one that he has not told yet.
    if ("pg" in m && !this.pgs.has(m.pg) && this.keeping.roleIn(m.pg).kind === "stranger") return;
    const turn = this.begin();
    const fault = this.dispatch(peer, m, now, turn);
    if ("pg" in m) this.touched(m.pg);
    if (fault !== undefined) this.refuse(from, fault);
    turn.end();
  }

  private touched(pg: PgId): void {
    const state = this.pgs.get(pg);
    if (state !== undefined) this.upkeep.wake(state);
  }

  private dispatch(peer: Peer, m: StorageMessage, now: number, turn: Turn): string | undefined {
    const from = peer.link;
    switch (m.type) {
      case "append":
        return this.append(m, peer, turn);
      case "readers":
        this.merger.lowWater.said(peer.name, m.stream, m.lowWater, m.shown);
        return undefined;
      case "readPage":
        return this.read(m, from, now, turn);
      case "askVotes":
        return this.askVotes(m, from, turn);
      case "fence":
        return fence(this.pg(m.pg), m, from, turn) as undefined;
      case "close":
        return close(this.pg(m.pg), this.decider(this.pg(m.pg)), m, from, turn) as undefined;
      case "outcomes":
        return this.outcomes(m, from, turn);
      case "findTransaction":
        return findTransaction(this.pg(m.pg), m, from, turn) as undefined;
      case "manifestPrepare":
        return this.seat.prepare(m, from, turn) as undefined;
      case "manifestAccept":
        this.seat.accept(m, from, turn);
        this.geometry.learn(this.seat);
        return undefined;
      case "manifestTold":
        return this.told(m, turn);
      case "askCopied": {
        const { request, pg } = m;
        const isWhole = this.pgs.get(pg)?.isWhole === true;
        return turn.tell(from, { type: "copied", request, pg, isWhole });
      }
      case "manifestPeek":
        return this.seat.peek(m, from, turn) as undefined;
      case "askStatus":
        return this.answer(from, { type: "status", request: m.request, status: this.status() });
      default:
        return this.upkeep.receive(peer, m, now, turn, this.file);
    }
  }

  /** PGs come and go with the manifest. */
  private told({ value }: ManifestTold, turn: Turn): undefined {
    if (!this.keeping.learn(value)) return;
    this.geometry.known ??= value.geometry;
    for (const pg of this.pgs.keys()) this.touched(pg);
    for (const { pg, since } of this.keeping.joining) {
      const state = this.pg(pg);
      if (state.since >= since) continue;
      state.since = since;
      state.isWhole = this.planted.has("newcomer-counts-at-once");
      turn.record({ kind: "newcomer", pg, since, isWhole: state.isWhole });
      turn.say("info", "segment-joins", { pg });
      this.touched(pg);
    }
    for (const [pg, state] of this.pgs) {
      if (!this.keeping.hasLeft(state)) continue;
      this.upkeep.forget(state);
      state.forget();
      this.pgs.delete(pg);
      this.deciders.delete(state);
      turn.record({ kind: "left", pg });
      turn.say("info", "segment-left", { pg });
    }
  }

  private append(m: Append, peer: Peer, turn: Turn): string | undefined {
    const from = peer.link;
    const state = this.pg(m.pg);
    const log = state.log(m.stream);
    if (log.isFenced) {
      turn.tell(from, ackOf(log, log.scl, [], [], "fenced"));
      return undefined;
    }
    if (this.isFull || (this.isCrowded && m.slices.length > 0)) {
      this.counters.refused += 1;
      turn.tell(from, ackOf(log, log.scl, [], [], "full"));
      return undefined;
    }
    const { pageBytes, pagesPerPg } = this.geometry.bounds();
    const fault = checkSlices(m, pageBytes, pagesPerPg);
    if (fault !== undefined) return fault;
    this.merger.lowWater.appended(peer.name, m.stream, m.lowWater, m.builtOn);
    if (state.isWhole && m.lowWater.settledThrough > state.settledThrough)
      this.settle(m.lowWater.settledThrough);
    const decider = this.decider(state);
    // An exclusive predecessor's slices go on their chains before anyone votes on what builds on them.
    if (!m.exclusive && state.toIndex.size > 0) decider.index(Number.POSITIVE_INFINITY, turn);
    const before = log.scl;
    const place = takeAppend(state, decider, log, m, from, this.file, turn);
    if (log.scl > before) this.counters.slicesTaken += m.slices.length;
    return place;
  }

  private read(m: ReadPage, from: Link, now: number, turn: Turn): undefined {
    const state = this.pg(m.pg);
    this.counters.reads += 1;
    if (state.toIndex.size > 0) this.decider(state).index(Number.POSITIVE_INFINITY, turn);
    // Without the manifest's geometry nobody knows how large an image is.
    const { known } = this.geometry;
    const answer =
      known === undefined || !state.isWhole
        ? ({ kind: "behind" } as const)
        : readPage(state, this.cache, m, known.pageBytes);
    if (answer.kind === "behind") this.counters.readsBehind += 1;
    if (this.options.traced === true) sayAnswer(m, answer, this.effects);
    if (answer.kind === "corrupt") this.upkeep.mend(state, m.page, now);
    return this.answer(from, { type: "pageRead", request: m.request, pg: m.pg, page: m.page, answer });
  }

  private askVotes(m: AskVotes, from: Link, turn: Turn): undefined {
    const log = this.pg(m.pg).streams.get(m.stream);
    const votes = [];
    for (const at of m.lsns) {
      const taken = log?.find(at);
      if (taken !== undefined) votes.push({ lsn: at, vote: statedVote(taken) });
    }
    turn.tell(from, { type: "votes", request: m.request, pg: m.pg, stream: m.stream, votes });
    return undefined;
  }

  private outcomes(m: Outcomes, from: Link, turn: Turn): undefined {
    const state = this.pg(m.pg);
    const decider = this.decider(state);
    for (const { stream, lsn, decision } of m.outcomes)
      if (
        decider.decideOne(state.log(stream), lsn, decision, turn, !this.planted.has("manifest-word-ignored"))
      )
        turn.fact(m.pg, { stream, lsn }, decision);
    decider.revote(turn);
    turn.tell(from, { type: "outcomesKnown", request: m.request, pg: m.pg });
    return undefined;
  }

  // --- background -----------------------------------------------------------------------------

  /**
   * The checkpoint asked for before is in the log; once what follows it is durable, so is it. Where whole files have become free since, a
   * further one says what has left.
   */
  private trim(turn: Turn): void {
    if (this.trimBefore === undefined) {
      const needed = this.needed();
      if (needed <= this.neededFrom) return;
      for (const record of this.facts(needed))
        this.effects.push({ kind: "persist", records: [record], then: [] });
      this.trimBefore = needed;
    }
    turn.record({ kind: "outcomes", pg: [...this.pgs.keys()][0] ?? (0 as PgId), outcomes: [] });
    turn.after({ kind: "trimLog", beforeFile: this.trimBefore });
    this.neededFrom = this.trimBefore;
    this.trimBefore = undefined;
  }

  private facts(neededFrom: number): LogRecord[] {
    return writeCheckpoint(this.pgs, this.seat, this.kept.ended, neededFrom);
  }

  /** The oldest log file that holds a slice which is kept. */
  private needed(): number {
    return this.planted.has("log-trimmed-early") ? this.file : this.kept.firstFile(this.file);
  }

  private rotated(file: number): void {
    this.file = Math.max(this.file, file);
    this.merger.rotated(this.file);
  }

  /** Memory for slices is used up: new ones are refused until merging has gone on. Nobody acknowledged is lost by it. */
  private get isCrowded(): boolean {
    return this.merger.decidedCost > this.settings.keepBytesMax;
  }

  private settle(through: PgState["settledThrough"]): void {
    this.merger.lowWater.settle(through);
    for (const state of this.pgs.values()) {
      if (!state.isWhole) continue;
      state.settledThrough = through > state.settledThrough ? through : state.settledThrough;
      for (const [stream, log] of state.streams)
        if (stream <= through && log.isComplete && log.count === 0) {
          this.kept.ended.closed(state.pg, stream, log.closed!.tail);
          state.streams.delete(stream);
        }
      this.kept.ended.settled(state.pg, state.settledThrough);
    }
  }

  // --- shared ---------------------------------------------------------------------------------

  private begin(): Turn {
    return new Turn(this.effects, this.planted, this.options.traced === true ? new TurnSteps() : undefined);
  }

  private pg(pg: PgId): PgState {
    let state = this.pgs.get(pg);
    if (state === undefined) {
      state = new PgState(pg, this.options.pages, this.planted, this.kept, this.chains);
      this.pgs.set(pg, state);
    }
    return state;
  }

  private decider(state: PgState): Decider {
    let decider = this.deciders.get(state);
    if (decider === undefined) this.deciders.set(state, (decider = new Decider(state, this.counters)));
    return decider;
  }

  /** Says what no sync is needed for. */
  private answer(to: Link, message: StorageMessage): undefined {
    this.effects.push({ kind: "send", to, message });
  }

  private refuse(link: Link, reason: string): void {
    this.effects.push({ kind: "disconnect", link, code: "protocol", reason });
  }

  /** Positions, bytes and counters, for people. */
  status(): Record<string, unknown> {
    return statusOf(this.name, this.pgs, this.counters, {
      isFull: this.isFull,
      isCrowded: this.isCrowded,
      keptCost: this.kept.cost,
      decided: this.kept.decided,
      toMerge: this.kept.toMerge,
      changedPages: this.chains.changed,
      file: this.file,
      ...this.upkeep.status(),
      promised: this.seat.promised,
      revision: this.seat.accepted?.value.revision,
    });
  }
}
