/**
 * Test kit: one storage, any number of engines, every delay and choice from a seed.
 *
 * The storage keeps every version of every page, decides each stream's entries in LSN order by the
 * one rule that matters here (every base and check is the newest committed version, I3), and
 * feeds what is committed to the other engines in commit order, late. It knows no segments and no quorum.
 */
import {
  NONE,
  Random,
  applyOps,
  assert,
  checkOps,
  lsn,
  sameVersion,
  streamId,
  type Entry,
  type Lsn,
  type PageId,
  type PageVersion,
  type ReadPoint,
} from "@sixfold/model";
import type { EngineEffect, EngineOptions, EngineResult, LoadedPage } from "../engine-api.ts";
import { Engine } from "../engine.ts";

export const PAGE_BYTES = 4096;

interface Member {
  readonly engine: Engine;
  readonly stream: number;
  /** Submitted and not decided, in LSN order. */
  readonly queue: Entry[];
  /** Aborted before their turn. */
  readonly gaveUp: Set<number>;
  /** Aborts that it wants to hear of when they are durable. */
  readonly abandoned: Lsn[];
  readonly loads: Extract<EngineEffect, { kind: "load" }>[];
  /** Position in the log of commits up to which it has been fed. */
  fed: number;
  open: boolean;
  readonly replies: Map<number, EngineResult>;
}

export interface WorldOptions {
  readonly seed: number;
  readonly engines?: number;
  readonly poolPages?: number;
  /** Part of the decisions that are yields without a committed rival. */
  readonly yields?: number;
  /** Called with the engine's options; may build a subclass. */
  readonly make?: (options: EngineOptions) => Engine;
  readonly conflicts?: "row" | "page";
  readonly inFlightBytes?: number;
  readonly queuedCommits?: number;
  readonly queuedBytes?: number;
  readonly waitingReads?: number;
  readonly openTransactions?: number;
  readonly piecePages?: number;
  readonly pageBytes?: number;
  /** A planted break: entries of different streams are fed in any order. */
  readonly acausal?: boolean;
}

export class StorageWorld {
  readonly random: Random;
  readonly members: Member[] = [];
  readonly chains = new Map<PageId, { version: PageVersion; image: Uint8Array }[]>();
  /** Committed entries in commit order. */
  readonly log: Entry[] = [];
  readonly pageBytes: number;
  now = 0;
  private requests = 0;
  private readonly options: WorldOptions;
  /** Storage keeps only the newest versions from now on: older read points are too old. */
  forgetHistory = false;
  submitted = 0;
  abortedByStorage = 0;

  constructor(options: WorldOptions) {
    this.options = options;
    this.pageBytes = options.pageBytes ?? PAGE_BYTES;
    this.random = new Random(options.seed);
    for (let i = 0; i < (options.engines ?? 1); i++) this.addEngine();
  }

  addEngine(): Member {
    const member = this.newMember(this.members.length + 1);
    this.members.push(member);
    this.openStream(member);
    return member;
  }

  /** A node without a stream of its own; returns its number. */
  addReplica(): number {
    const member = this.newMember(0);
    member.open = false;
    return this.members.push(member) - 1;
  }

  /** Closes a member's stream and starts it anew, with empty memory and the next stream. Nothing may be in flight. */
  restart(i: number): Engine {
    const old = this.members[i]!;
    assert(old.queue.length === 0, "nothing is in flight");
    const member = this.newMember(old.stream + 100);
    member.open = false;
    for (const { stream, lsn: at } of this.log) member.engine.advance(stream, at, this.now);
    member.fed = this.log.length;
    member.open = true;
    for (const m of [member, ...this.members]) m.engine.streamClosed(streamId(old.stream));
    this.members[i] = member;
    this.openStream(member);
    return member.engine;
  }

  private openStream(member: Member): void {
    member.engine.open(streamId(member.stream), (this.options.engines ?? 1) === 1, lsn(1), this.now);
    this.drain(member);
  }

  private newMember(stream: number): Member {
    const make = this.options.make ?? ((o: EngineOptions): Engine => new Engine(o));
    const { inFlightBytes, queuedCommits, queuedBytes, waitingReads, openTransactions, piecePages } =
      this.options;
    const engine = make({
      geometry: { pageBytes: this.pageBytes, segmentBytes: 1024 * 1024 },
      poolPages: this.options.poolPages ?? 1000,
      conflicts: this.options.conflicts ?? "row",
      seed: this.options.seed,
      ...(inFlightBytes === undefined ? {} : { inFlightBytes }),
      ...(queuedCommits === undefined ? {} : { queuedCommits }),
      ...(queuedBytes === undefined ? {} : { queuedBytes }),
      ...(waitingReads === undefined ? {} : { waitingReads }),
      ...(openTransactions === undefined ? {} : { openTransactions }),
      ...(piecePages === undefined ? {} : { piecePages }),
    });
    return {
      engine,
      stream,
      queue: [],
      gaveUp: new Set(),
      abandoned: [],
      loads: [],
      fed: 0,
      open: true,
      replies: new Map(),
    };
  }

  nextRequest(): number {
    return ++this.requests;
  }

  /** Makes a request and returns its number; the reply appears in `replies` of the member. */
  ask(i: number, make: (engine: Engine, request: number, now: number) => void): number {
    const member = this.members[i]!;
    const request = this.nextRequest();
    make(member.engine, request, this.now);
    this.drain(member);
    return request;
  }

  /** Makes a request and steps the world until it is answered. */
  run(i: number, make: (engine: Engine, request: number, now: number) => void): EngineResult {
    const request = this.ask(i, make);
    return this.answer(i, request);
  }

  answer(i: number, request: number): EngineResult {
    for (let steps = 0; !this.members[i]!.replies.has(request); steps++) {
      assert(steps < 200_000, `request ${request} is answered`);
      this.step();
    }
    return this.members[i]!.replies.get(request)!;
  }

  /** One thing happens. */
  step(): void {
    this.now += 1;
    const member = this.members[this.random.int(this.members.length)]!;
    const choice = this.random.int(4);
    member.engine.newTurn(this.now);
    if (choice === 0) this.answerLoad(member);
    else if (choice === 1) this.decideNext(member);
    else if (choice === 2) this.feed(member);
    else {
      const abandoned = member.abandoned.shift();
      if (abandoned !== undefined) member.engine.abortDurable(abandoned, this.now);
      else if (this.random.chance(0.2)) member.engine.tick(this.now);
    }
    this.drain(member);
  }

  settleFor(steps: number): void {
    for (let i = 0; i < steps; i++) this.step();
  }

  /** Until nothing is under way. */
  settle(): void {
    for (let calm = 0, steps = 0; calm < 400; steps++) {
      assert(steps < 500_000, "the world settles");
      this.step();
      const busy = this.members.some(
        (m) =>
          m.queue.length > 0 || m.loads.length > 0 || m.fed < this.log.length || m.engine.stats.waiting > 0,
      );
      calm = busy ? 0 : calm + 1;
    }
  }

  drain(member: Member): void {
    const { effects } = member.engine;
    for (const effect of effects.splice(0, effects.length)) this.take(member, effect);
  }

  private take(member: Member, effect: EngineEffect): void {
    switch (effect.kind) {
      case "submit": {
        this.submitted++;
        const { entry } = effect;
        const before = member.queue[member.queue.length - 1];
        assert(before === undefined || entry.lsn > before.lsn, "LSNs ascend");
        assert(entry.supersedes < entry.lsn, "an entry supersedes an older one");
        assert(entry.deltas.length + entry.checks.length > 0, "an entry changes or checks something");
        for (const [i, d] of entry.deltas.entries()) {
          assert(checkOps(d.ops, this.pageBytes) === undefined, "deltas are well formed");
          assert(i === 0 || entry.deltas[i - 1]!.page < d.page, "deltas ascend by page");
        }
        member.queue.push(entry);
        return;
      }
      case "load":
        member.loads.push(effect);
        return;
      case "giveUp":
        member.gaveUp.add(effect.lsn);
        return;
      case "abandonAbort":
        member.abandoned.push(effect.lsn);
        return;
      case "reply":
        assert(!member.replies.has(effect.request), "one reply a request");
        member.replies.set(effect.request, effect.result);
    }
  }

  private answerLoad(member: Member): void {
    const load = member.loads.shift();
    if (load === undefined) return;
    if (this.forgetHistory && load.pages.some((page) => !load.readPoint.includes(this.newest(page).version)))
      return member.engine.loadFailed(load.pages, load.readPoint, "too-old", this.now);
    const results: LoadedPage[] = [];
    for (const page of load.pages) results.push(this.read(page, load.readPoint));
    member.engine.pagesLoaded(results, this.now);
  }

  read(page: PageId, readPoint: ReadPoint): LoadedPage {
    const chain = this.chains.get(page) ?? [];
    for (let i = chain.length - 1; i >= 0; i--)
      if (readPoint.includes(chain[i]!.version))
        return { page, image: chain[i]!.image.slice(), version: chain[i]!.version, readPoint };
    return { page, image: undefined, version: NONE, readPoint };
  }

  newest(page: PageId): { version: PageVersion; image: Uint8Array } {
    const chain = this.chains.get(page);
    return chain?.[chain.length - 1] ?? { version: NONE, image: new Uint8Array(this.pageBytes) };
  }

  private decideNext(member: Member): void {
    const entry = member.queue.shift();
    if (entry === undefined) return;
    if (member.gaveUp.delete(entry.lsn)) {
      if (this.random.chance(0.5)) member.engine.decided(entry.lsn, "abort", undefined, this.now);
      return;
    }
    if (this.random.chance(this.options.yields ?? 0)) return this.abort(member, entry, undefined, NONE, true);
    for (const d of [...entry.deltas, ...entry.checks]) {
      const { version } = this.newest(d.page);
      if (!sameVersion(version, d.base)) return this.abort(member, entry, d.page, version, false);
    }
    this.commit(member, entry);
  }

  private commit(member: Member, entry: Entry): void {
    const version = { stream: entry.stream, lsn: entry.lsn };
    for (const d of entry.deltas) {
      const image = this.newest(d.page).image.slice();
      applyOps(image, d.ops);
      const chain = this.chains.get(d.page);
      if (chain === undefined) this.chains.set(d.page, [{ version, image }]);
      else chain.push({ version, image });
    }
    this.log.push(entry);
    member.engine.decided(entry.lsn, "commit", undefined, this.now);
  }

  private abort(
    member: Member,
    entry: Entry,
    page: PageId | undefined,
    winner: PageVersion,
    yielded: boolean,
  ): void {
    this.abortedByStorage++;
    // What was built on it is void (DESIGN section 4).
    const lost = new Set<number>([entry.lsn]);
    for (const e of member.queue) if (e.ownBases.some((b) => lost.has(b))) lost.add(e.lsn);
    member.engine.decided(
      entry.lsn,
      "abort",
      { phase: "storage-vote", yielded, ...(page === undefined ? {} : { page, winner }) },
      this.now,
    );
    for (const at of lost) if (at !== entry.lsn) member.gaveUp.add(at);
  }

  /** Brings the next entry of another stream to the front of what a member is fed. */
  private reorder(member: Member): void {
    const at = member.fed;
    const other = this.log.findIndex((e, i) => i > at && e.stream !== this.log[at]?.stream);
    if (other > at && this.random.chance(0.5)) this.log.splice(at, 0, ...this.log.splice(other, 1));
  }

  /** The member misses what is left of the log, and catches up by forgetting its pages. */
  skip(member: Member): void {
    member.engine.dropCleanPages(this.now);
    this.drain(member);
    for (; member.fed < this.log.length; member.fed++) {
      const { stream, lsn: at } = this.log[member.fed]!;
      if (stream !== member.stream) member.engine.advance(stream, at, this.now);
    }
  }

  private feed(member: Member): void {
    if (this.options.acausal === true) this.reorder(member);
    const entry = this.log[member.fed];
    if (entry === undefined) return;
    member.fed++;
    if (entry.stream === member.stream && member.open) return;
    const { stream, lsn: at, transaction, deltas } = entry;
    member.engine.applyForeign({ stream, lsn: at, transaction, deltas }, this.now);
    this.drain(member);
    // Now and then loads and reads see the moment between.
    if (this.random.chance(0.9)) member.engine.advance(stream, at, this.now);
    else {
      this.answerLoad(member);
      this.drain(member);
      member.engine.advance(stream, at, this.now);
    }
  }
}
