/**
 * The facts of a model state, as the conditions ask for them. Nothing is gathered: the state *is* the facts, for the model keeps
 * what has ever been decided, ruled and told as part of it.
 *
 * What conditions of other events ask for (transactions, read points, positions of nodes) the model does not have, and no event of it
 * makes them ask.
 */
import {
  epoch,
  lsn,
  nodeName,
  NONE,
  pageId,
  pgId,
  streamId,
  transactionId,
  ZERO_LSN,
  type Decision,
  type Lsn,
  type Manifest,
  type NodeName,
  type PageId,
  type PageUse,
  type PageVersion,
  type PgId,
  type SentSliceFacts,
  type StreamId,
} from "@sixfold/model";
import type { Claim, EntryFacts, Facts } from "../facts.ts";
import { ownBasesOf } from "./segment-rules.ts";
import { ACCEPT, HERE_AFTER_ACCEPT } from "./vote.ts";
import { ABORTED, COMMIT, COMMITTED, NO_DECISION, UNSENT } from "./marks.ts";
import type { EntryLayout, Use, World } from "./world.ts";

const NO_TRANSACTION = transactionId("");
const SEGMENT_NAMES = Array.from({ length: 6 }, (_, i) => nodeName(`segment-${i + 1}`));

export const segmentName = (i: number): NodeName => SEGMENT_NAMES[i]!;
export const writerName = (stream: number): NodeName => nodeName(`writer-${stream + 1}`);
export const RECOVERER = nodeName("recoverer");

const decisionOf = (d: number): Decision | undefined =>
  d === NO_DECISION ? undefined : d === COMMIT ? "commit" : "abort";

/** A use of a page whose base is read from the state. */
class ModelUse implements PageUse {
  readonly page: PageId;
  private readonly facts: ModelFacts;
  private readonly use: Use;

  constructor(facts: ModelFacts, use: Use) {
    this.page = pageId(use.page);
    this.facts = facts;
    this.use = use;
  }

  get base(): PageVersion {
    return this.facts.versions[this.facts.w.base(this.use)]!;
  }
}

class ModelSlice implements SentSliceFacts {
  readonly pg: PgId;
  readonly epoch = epoch(1);
  readonly supersedes: Lsn;
  readonly transaction = NO_TRANSACTION;
  readonly deltas: readonly PageUse[];
  readonly checks: readonly PageUse[];
  private readonly facts: ModelFacts;
  private readonly e: EntryLayout;

  constructor(facts: ModelFacts, e: EntryLayout, pg: number) {
    this.facts = facts;
    this.e = e;
    this.pg = pgId(pg);
    this.supersedes = e.retries < 0 ? ZERO_LSN : lsn(facts.w.entries[e.retries]!.lsn);
    const uses = e.uses.filter((u) => u.pg === pg);
    this.deltas = uses.filter((u) => u.writes).map((u) => new ModelUse(facts, u));
    this.checks = uses.filter((u) => !u.writes).map((u) => new ModelUse(facts, u));
  }

  get owned(): boolean {
    return this.facts.w.owns(this.e, this.pg);
  }

  get ownBases(): readonly Lsn[] {
    const { w } = this.facts;
    return ownBasesOf(w, this.e).map((base) => lsn(w.entries[base]!.lsn));
  }
}

class ModelEntry implements EntryFacts {
  readonly stream: StreamId;
  readonly lsn: Lsn;
  readonly slices: readonly SentSliceFacts[];
  readonly supersedes: Lsn;
  readonly e: EntryLayout;
  private readonly w: World;

  constructor(facts: ModelFacts, e: EntryLayout) {
    this.w = facts.w;
    this.e = e;
    this.stream = streamId(e.stream + 1);
    this.lsn = lsn(e.lsn);
    this.slices = e.pgs.map((pg) => new ModelSlice(facts, e, pg));
    this.supersedes = this.slices[0]!.supersedes;
  }

  get ownBases(): readonly Lsn[] {
    return this.slices[0]!.ownBases;
  }

  get decision(): Decision | undefined {
    const status = this.w.status(this.e.index);
    return status === COMMITTED ? "commit" : status === ABORTED ? "abort" : undefined;
  }

  get ruling(): Decision | undefined {
    return decisionOf(this.w.ruling(this.e.index));
  }

  get isAbortTold(): boolean {
    return this.w.isTold(this.e.index);
  }
}

export class ModelFacts implements Facts {
  readonly w: World;
  /** By entry index + 1; 0 is `NONE`. */
  readonly versions: readonly PageVersion[];
  readonly entries: readonly ModelEntry[];
  manifest: Manifest | undefined;

  constructor(world: World) {
    this.w = world;
    this.versions = [
      NONE,
      ...world.entries.map((e) => ({ stream: streamId(e.stream + 1), lsn: lsn(e.lsn) })),
    ];
    this.entries = world.entries.map((e) => new ModelEntry(this, e));
  }

  private find(stream: StreamId, at: Lsn): ModelEntry | undefined {
    const e = this.w.ofStream[stream - 1]?.[at - 1];
    return e === undefined ? undefined : this.entries[e.index];
  }

  entry(stream: StreamId, at: Lsn): EntryFacts | undefined {
    const found = this.find(stream, at);
    return found === undefined || this.w.status(found.e.index) === UNSENT ? undefined : found;
  }

  isForgotten(): boolean {
    return false;
  }

  forgottenThrough(): Lsn {
    return ZERO_LSN;
  }

  writerOf(stream: StreamId): NodeName {
    return writerName(stream - 1);
  }

  isExclusive(stream: StreamId): boolean {
    return this.w.scenario.streams[stream - 1]?.exclusive ?? false;
  }

  /** Entries that are never sent are no gap: a retry that was not needed. */
  firstUndecided(stream: StreamId): Lsn {
    for (const e of this.w.ofStream[stream - 1]!) {
      const status = this.w.status(e.index);
      if (status !== COMMITTED && status !== ABORTED && status !== UNSENT && this.w.ruling(e.index) === 0)
        return lsn(e.lsn);
    }
    return lsn(Number.MAX_SAFE_INTEGER);
  }

  *sentAfter(stream: StreamId, after: Lsn): Iterable<Lsn> {
    for (const e of this.w.ofStream[stream - 1]!)
      if (e.lsn > after && this.w.status(e.index) !== UNSENT) yield lsn(e.lsn);
  }

  durablePoint(): Lsn {
    return ZERO_LSN;
  }

  supersederOf(stream: StreamId, at: Lsn): EntryFacts | undefined {
    const older = this.find(stream, at)?.e.index;
    const next = this.w.entries.find((e) => e.retries === older && this.w.status(e.index) !== UNSENT);
    return next === undefined ? undefined : this.entries[next.index];
  }

  isOvertaken(page: PageId, base: PageVersion): boolean {
    return this.successor(page, base) !== undefined;
  }

  successor(page: PageId, base: PageVersion): PageVersion | undefined {
    const under = this.indexOf(base);
    for (const e of this.w.entries) {
      if (!this.w.isCommitted(e.index)) continue;
      for (const u of e.uses)
        if (u.page === page && u.writes && this.w.base(u) === under) return this.versions[e.index + 1];
    }
    return undefined;
  }

  /** Only pages that were never written are given away in the model, and of these the conditions know no owner. */
  givenTo(): undefined {
    return undefined;
  }

  mayBeGift(): boolean {
    return false;
  }

  checkersOf(page: PageId, base: PageVersion): readonly PageVersion[] {
    const under = this.indexOf(base);
    const out: PageVersion[] = [];
    for (const e of this.w.entries)
      if (this.w.isCommitted(e.index))
        for (const u of e.uses)
          if (u.page === page && !u.writes && this.w.base(u) === under) out.push(this.versions[e.index + 1]!);
    return out;
  }

  acceptsOf(e: EntryFacts, slice: SentSliceFacts): number {
    if (this.isExclusive(e.stream)) return this.storedAt(slice.pg, e.stream, e.lsn);
    const { index } = this.find(e.stream, e.lsn)!.e;
    // A decision does not take an accept back.
    const accepts = (vote: number): boolean => vote === ACCEPT || vote === HERE_AFTER_ACCEPT;
    return this.w.count((i) => accepts(this.w.vote(slice.pg, i, index)));
  }

  toldAcceptsOf(e: EntryFacts, slice: SentSliceFacts): number {
    return this.acceptsOf(e, slice);
  }

  storedAt(pg: PgId, stream: StreamId, at: Lsn): number {
    const found = this.find(stream, at);
    return found === undefined ? 0 : this.w.count((i) => this.w.isHere(pg, i, found.e.index));
  }

  fencesOf(pg: PgId, stream: StreamId): number {
    return this.w.count((i) => this.w.isFenced(pg, i, stream - 1));
  }

  decisionKnownAt(pg: PgId, stream: StreamId, at: Lsn): number {
    const found = this.find(stream, at);
    return found === undefined ? 0 : this.w.count((i) => this.w.known(pg, i, found.e.index) !== NO_DECISION);
  }

  outcomeKnownAt(pg: PgId, stream: StreamId, at: Lsn): number {
    const { w } = this;
    const e = this.find(stream, at)?.e.index ?? 0;
    return w.count((i) => w.known(pg, i, e) !== NO_DECISION && w.isHere(pg, i, e));
  }

  pgsOf(stream: StreamId): Iterable<PgId> {
    const pgs = new Set<PgId>();
    for (const e of this.w.ofStream[stream - 1]!)
      if (this.w.status(e.index) !== UNSENT) for (const pg of e.pgs) pgs.add(pgId(pg));
    return pgs;
  }

  isFenced(process: NodeName, pg: PgId, stream: StreamId): boolean {
    return this.w.isFenced(pg, memberOf(process), stream - 1);
  }

  knowsClose(process: NodeName, pg: PgId, stream: StreamId): boolean {
    return this.w.knowsClose(pg, memberOf(process), stream - 1);
  }

  knownDecision(process: NodeName, pg: PgId, stream: StreamId, at: Lsn): Decision | undefined {
    const found = this.find(stream, at);
    return found === undefined ? undefined : decisionOf(this.w.known(pg, memberOf(process), found.e.index));
  }

  storedThrough(process: NodeName, pg: PgId, stream: StreamId): Lsn {
    let through = ZERO_LSN;
    for (const e of this.w.ofStream[stream - 1]!) {
      if (!e.pgs.includes(pg) || this.w.status(e.index) === UNSENT) continue;
      if (!this.w.isHere(pg, memberOf(process), e.index)) break;
      through = lsn(e.lsn);
    }
    return through;
  }

  decidedThrough(): Lsn {
    return ZERO_LSN;
  }

  claimsOn(process: NodeName, pg: PgId, page: PageId): readonly Claim[] {
    const i = memberOf(process);
    const out: Claim[] = [];
    for (const e of this.w.entries) {
      if (this.w.vote(pg, i, e.index) !== ACCEPT || this.w.known(pg, i, e.index) !== NO_DECISION) continue;
      for (const u of e.uses) {
        if (u.page !== page) continue;
        const { stream, lsn: at } = this.entries[e.index]!;
        out.push({ stream, lsn: at, writes: u.writes });
      }
    }
    return out;
  }

  openEnd(): string | undefined {
    return undefined;
  }

  attemptsOf(): readonly EntryFacts[] {
    return [];
  }

  wasCalledAborted(): boolean {
    return false;
  }

  private indexOf(v: PageVersion): number {
    return v.stream === 0 ? 0 : this.find(v.stream, v.lsn)!.e.index + 1;
  }
}

const memberOf = (process: NodeName): number => SEGMENT_NAMES.indexOf(process);
