/**
 * The facts that the events of a running cluster amount to. `apply` takes one in, at O(1) amortised; what is long settled is forgotten, so
 * that memory stays bounded however long a cluster runs:
 *
 *     entries         the newest `entriesMax` decided ones of each stream
 *     streams         the newest `streamsMax`; older ones once they are settled
 *     pages           the `pagesMax` last used
 *
 * What was never told is treated like what is forgotten: entries of a stream that was opened before anybody listened, and those of
 * which a writer that died may not have said everything.
 */
import {
  lsn,
  streamId,
  ZERO_LSN,
  type Decision,
  type Lsn,
  type Manifest,
  type NodeName,
  type PageId,
  type PageVersion,
  type PgId,
  type ReadPoint,
  type SentSliceFacts,
  type StreamId,
  type TransactionId,
} from "@sixfold/model";
import type { Step } from "./condition.ts";
import { isCommitted, type Claim, type EntryFacts, type Facts } from "./facts.ts";
import { Generations } from "./generations.ts";
import { Memberships } from "./memberships.ts";
import { PageFacts } from "./page-facts.ts";
import { SegmentFacts, type StreamAtSegment } from "./segment-facts.ts";
import type { Silences } from "./silences.ts";
import { copyVector, recordOf, StreamFacts, type EntryRecord } from "./stream-facts.ts";

export interface FactLimits {
  readonly entriesMax: number;
  readonly streamsMax: number;
  readonly pagesMax: number;
}

export const DEFAULT_FACT_LIMITS: FactLimits = { entriesMax: 8192, streamsMax: 64, pagesMax: 65_536 };

const NO_ATTEMPTS: readonly EntryFacts[] = Object.freeze([]);
const NO_CLAIMS: readonly Claim[] = Object.freeze([]);

export class FactStore implements Facts {
  manifest: Manifest | undefined;
  private readonly memberships = new Memberships();
  private readonly limits: FactLimits;
  private readonly streams = new Map<StreamId, StreamFacts>();
  /** Streams up to it are forgotten whole. */
  private forgottenStreams = streamId(0);
  private readonly segments = new Map<NodeName, Map<PgId, SegmentFacts>>();
  /** By bit: a segment that replaced another has a bit of its own. */
  private readonly groups = new Map<PgId, SegmentFacts[]>();
  private readonly pages: PageFacts;
  private readonly attempts: Generations<TransactionId, EntryRecord[]>;
  private readonly calledAborted: Generations<TransactionId, true>;
  /** Versions given away, by page and version: to whom. */
  private readonly gifts: Generations<string, StreamId>;
  /** What a segment knows by now, while a step before that is judged. */
  private hidden: StreamAtSegment | undefined;
  /** Entries sent so far, of all streams. */
  sentEntries = 0;
  /** None where events come in true order. */
  private readonly silences: Silences;

  constructor(limits: FactLimits, silences: Silences) {
    this.limits = limits;
    this.pages = new PageFacts(limits.pagesMax);
    this.attempts = new Generations(limits.entriesMax * 4);
    this.calledAborted = new Generations(limits.entriesMax * 4);
    this.gifts = new Generations(limits.entriesMax);
    this.silences = silences;
  }

  get sizes(): { readonly entries: number; readonly pages: number } {
    let entries = 0;
    for (const s of this.streams.values()) entries += s.kept;
    return { entries, pages: this.pages.size };
  }

  // Taking in

  apply(step: Step, process: NodeName): void {
    switch (step.kind) {
      case "opened": {
        const s = this.stream(step.stream);
        if (s === undefined) return;
        s.writer ??= process;
        s.exclusive = step.exclusive;
        return;
      }
      case "sent":
        return this.sent(step.stream, step.lsn, step.slices, step.builtOn);
      case "decided":
        return this.decide(step.stream, step.lsn, step.decision, false);
      case "ruled":
        return this.decide(step.stream, step.lsn, step.decision, true);
      case "told": {
        const e = this.streams.get(step.stream)?.entry(step.lsn);
        if (e !== undefined && step.decision === "abort") e.isAbortTold = true;
        return;
      }
      case "gave":
        return this.gifts.set(giftKey(step.page, step), step.to);
      case "durable": {
        const s = this.streams.get(step.stream);
        if (s !== undefined && step.through > s.durable) s.durable = step.through;
        return;
      }
      case "closed": {
        const s = this.streams.get(step.stream);
        if (s !== undefined) s.final = step.final;
        return;
      }
      case "manifest":
        return this.learnManifest(step.manifest);
      case "outcome":
        if (step.outcome === "aborted") this.calledAborted.set(step.transaction, true);
        return;
      case "wiped":
        return this.wipe(process);
      case "left":
      case "shown":
      case "answered":
      case "chained":
        return;
      case "died":
        if (this.silences.has(process))
          for (const s of this.streams.values()) if (s.writer === process) s.isCutShort = true;
        return;
      case "stored":
      case "voted":
      case "learned":
      case "copied":
      case "fenced":
        return this.atSegment(step, process);
    }
  }

  private atSegment(
    step: Extract<Step, { kind: "stored" | "voted" | "learned" | "copied" | "fenced" }>,
    process: NodeName,
  ): void {
    if (this.stream(step.stream) === undefined) return;
    const segment = this.segment(process, step.pg);
    const s = segment.at(step.stream);
    switch (step.kind) {
      case "stored":
        if (step.scl > s.scl) s.scl = step.scl;
        return;
      case "fenced":
        s.isFenced = true;
        return;
      case "copied":
        s.jump(step.through);
        if (step.through > s.scl) s.scl = step.through;
        return segment.releaseDecided(step.stream);
      case "learned": {
        if (step.source === "close") s.isFenced = s.knowsClose = true;
        const overrides = step.source === "manifest" || step.source === "close";
        s.learn(step.decisions, overrides, this.forgottenThrough(step.stream));
        return segment.releaseDecided(step.stream);
      }
      case "voted":
        return this.vote(segment, step.stream, step.lsn, step.vote === "accept");
    }
  }

  private vote(segment: SegmentFacts, stream: StreamId, at: Lsn, accepts: boolean): void {
    const e = this.streams.get(stream)?.entry(at);
    const slice = e?.slice(segment.pg);
    if (e === undefined || slice === undefined) return;
    if (accepts) {
      slice.accepts |= segment.bit;
      segment.claim(e);
    } else {
      slice.accepts &= ~segment.bit;
      segment.release(e);
    }
  }

  private sent(stream: StreamId, at: Lsn, slices: readonly SentSliceFacts[], builtOn: ReadPoint): void {
    const s = this.stream(stream);
    const e = s?.at(at);
    const first = slices[0];
    if (s === undefined || e === undefined || first === undefined) return;
    e.slices = slices.map(recordOf);
    e.number = ++this.sentEntries;
    // A zombie sends on: beyond the end of a closed stream nothing is ever committed.
    if (s.final !== undefined && at > s.final) e.ruling ??= "abort";
    e.supersedes = first.supersedes;
    e.ownBases = first.ownBases;
    if (!s.exclusive) e.builtOn = copyVector(builtOn, s.entry(lsn(at - 1))?.builtOn ?? []);
    for (const slice of slices) s.pgs.add(slice.pg);
    if (first.supersedes !== 0) {
      const older = s.entry(first.supersedes);
      if (older !== undefined) older.superseder = e;
    }
    const id = slices.find((x) => x.transaction !== "")?.transaction;
    if (id !== undefined) {
      const known = this.attempts.get(id);
      if (known === undefined) this.attempts.set(id, [e]);
      else known.push(e);
    }
    s.forget(this.limits.entriesMax);
  }

  private decide(stream: StreamId, at: Lsn, decision: Decision, ruled: boolean): void {
    const s = this.stream(stream);
    const e = s?.at(at);
    if (s === undefined || e === undefined) return;
    const before = isCommitted(e);
    if (ruled) e.ruling ??= decision;
    else e.decision ??= decision;
    if (!before && isCommitted(e)) {
      const version = { stream, lsn: at };
      for (const slice of e.slices) {
        for (const d of slice.deltas) this.pages.committed(d.page, d.base, version);
        for (const c of slice.checks) this.pages.checked(c.page, c.base, version);
      }
    }
    s.decided();
  }

  private learnManifest(m: Manifest): void {
    if (this.manifest === undefined || m.revision > this.manifest.revision) this.manifest = m;
    this.memberships.learn(m);
    if (this.streams.size <= this.limits.streamsMax) return;
    const ids = [...this.streams.keys()].sort((a, b) => a - b);
    for (const id of ids.slice(0, ids.length - this.limits.streamsMax)) {
      if (id > m.settledThrough) return;
      this.streams.delete(id);
      this.forgottenStreams = id;
      for (const group of this.groups.values()) for (const segment of group) segment.forget(id);
    }
  }

  private wipe(process: NodeName): void {
    for (const segment of this.segments.get(process)?.values() ?? []) {
      segment.wipe();
      for (const s of this.streams.values())
        for (const at of s.sentAfter(s.forgottenThrough)) {
          const slice = s.entry(at)?.slice(segment.pg);
          if (slice !== undefined) slice.accepts &= ~segment.bit;
        }
    }
  }

  /** The stream, made if it is not there; undefined if it is forgotten. */
  private stream(id: StreamId): StreamFacts | undefined {
    let s = this.streams.get(id);
    if (s === undefined && id > this.forgottenStreams) this.streams.set(id, (s = new StreamFacts(id)));
    return s;
  }

  private segment(process: NodeName, pg: PgId): SegmentFacts {
    let byPg = this.segments.get(process);
    if (byPg === undefined) this.segments.set(process, (byPg = new Map()));
    let segment = byPg.get(pg);
    if (segment !== undefined) return segment;
    let group = this.groups.get(pg);
    if (group === undefined) this.groups.set(pg, (group = []));
    segment = new SegmentFacts(process, pg, 1n << BigInt(group.length));
    byPg.set(pg, segment);
    group.push(segment);
    return segment;
  }

  /**
   * What `ask` says while what this step said of its own entries is taken back: a condition that is judged later is still written over
   * the facts of before.
   */
  before<R>(step: Step, process: NodeName, ask: () => R): R {
    const undo = this.takeBack(step, process);
    try {
      return ask();
    } finally {
      undo?.();
    }
  }

  private takeBack(step: Step, process: NodeName): (() => void) | undefined {
    if (step.kind === "learned") {
      this.hidden = this.known(process, step.pg, step.stream);
      return () => (this.hidden = undefined);
    }
    if (step.kind !== "decided" && step.kind !== "ruled" && step.kind !== "durable") return undefined;
    const s = this.streams.get(step.stream);
    if (s === undefined) return undefined;
    if (step.kind === "durable") {
      const { durable } = s;
      s.durable = ZERO_LSN;
      return () => (s.durable = durable);
    }
    const e = s.entry(step.lsn);
    if (e === undefined) return undefined;
    const { decision, ruling } = e;
    e.decision = undefined;
    // A writer decides after the manifest ruled, and the other way round only once it is gone.
    if (step.kind === "ruled") e.ruling = undefined;
    return () => {
      e.decision = decision;
      e.ruling = ruling;
    };
  }

  // Asked by the conditions

  entry(stream: StreamId, at: Lsn): EntryFacts | undefined {
    return this.streams.get(stream)?.entry(at);
  }

  isForgotten(stream: StreamId, at: Lsn): boolean {
    return at <= this.forgottenThrough(stream) || this.isUntold(stream, at);
  }

  /** Its writer's word on it may be missing. */
  private isUntold(stream: StreamId, at: Lsn): boolean {
    const s = this.streams.get(stream);
    if (!this.isCutShort(s)) return false;
    const e = s?.entry(at);
    return e === undefined || e.slices.length === 0 || (e.decision === undefined && e.ruling === undefined);
  }

  forgottenThrough(stream: StreamId): Lsn {
    if (stream <= this.forgottenStreams) return Number.POSITIVE_INFINITY as Lsn;
    return this.streams.get(stream)?.forgottenThrough ?? ZERO_LSN;
  }

  writerOf(stream: StreamId): NodeName | undefined {
    return this.streams.get(stream)?.writer;
  }

  isExclusive(stream: StreamId): boolean {
    return this.streams.get(stream)?.exclusive ?? false;
  }

  firstUndecided(stream: StreamId): Lsn {
    return this.streams.get(stream)?.firstUndecided ?? lsn(1);
  }

  sentAfter(stream: StreamId, after: Lsn): Iterable<Lsn> {
    return this.streams.get(stream)?.sentAfter(after) ?? [];
  }

  durablePoint(stream: StreamId): Lsn {
    const s = this.streams.get(stream);
    // Its writer may have moved it and not told; not beyond the end.
    if (this.isCutShort(s)) return s?.final ?? (Number.POSITIVE_INFINITY as Lsn);
    return s?.durable ?? ZERO_LSN;
  }

  supersederOf(stream: StreamId, at: Lsn): EntryFacts | undefined {
    return this.streams.get(stream)?.entry(at)?.superseder;
  }

  successor(page: PageId, base: PageVersion): PageVersion | undefined {
    return this.pages.successor(page, base);
  }

  isOvertaken(page: PageId, base: PageVersion): boolean {
    if (this.pages.successor(page, base) !== undefined) return true;
    const e = this.entry(base.stream, base.lsn);
    // Of a forgotten entry only what was committed is ever built on.
    return (e === undefined || isCommitted(e)) && this.pages.isOlder(page, base);
  }

  mayBeGift(page: PageId, version: PageVersion, to: StreamId): boolean {
    return this.givenTo(page, version) === to || this.isCutShort(this.streams.get(version.stream));
  }

  givenTo(page: PageId, version: PageVersion): StreamId | undefined {
    return this.gifts.get(giftKey(page, version));
  }

  checkersOf(page: PageId, base: PageVersion): readonly PageVersion[] {
    return this.pages.checkersOf(page, base);
  }

  acceptsOf(e: EntryFacts, slice: SentSliceFacts): number {
    const number = this.streams.get(e.stream)?.entry(e.lsn)?.number ?? 0;
    return this.countAccepts(e, slice, (process) => this.silences.mayHaveAccepted(process, number));
  }

  toldAcceptsOf(e: EntryFacts, slice: SentSliceFacts): number {
    return this.countAccepts(e, slice, () => false);
  }

  private countAccepts(e: EntryFacts, slice: SentSliceFacts, mayHave: (p: NodeName) => boolean): number {
    if (this.isExclusive(e.stream)) return this.countAt(slice.pg, e.stream, (s) => s.scl >= e.lsn, mayHave);
    const mask = this.streams.get(e.stream)?.entry(e.lsn)?.slice(slice.pg)?.accepts ?? 0n;
    const accepting = new Set<NodeName>();
    for (const { bit, process } of this.groups.get(slice.pg) ?? [])
      if ((mask & bit) !== 0n || mayHave(process)) accepting.add(process);
    return this.memberships.count(slice.pg, slice.epoch, accepting);
  }

  storedAt(pg: PgId, stream: StreamId, at: Lsn): number {
    return this.countAt(pg, stream, (s) => s.scl >= at);
  }

  fencesOf(pg: PgId, stream: StreamId): number {
    return this.countAt(pg, stream, (s) => s.isFenced);
  }

  decisionKnownAt(pg: PgId, stream: StreamId, at: Lsn): number {
    return this.countAt(pg, stream, (s) => s.decisionOf(at) !== undefined);
  }

  outcomeKnownAt(pg: PgId, stream: StreamId, at: Lsn): number {
    return this.countAt(pg, stream, (s) => s.scl >= at && s.decisionOf(at) !== undefined);
  }

  pgsOf(stream: StreamId): Iterable<PgId> {
    return this.streams.get(stream)?.pgs ?? [];
  }

  isFenced(process: NodeName, pg: PgId, stream: StreamId): boolean {
    return this.known(process, pg, stream)?.isFenced ?? false;
  }

  knowsClose(process: NodeName, pg: PgId, stream: StreamId): boolean {
    return this.known(process, pg, stream)?.knowsClose ?? false;
  }

  knownDecision(process: NodeName, pg: PgId, stream: StreamId, at: Lsn): Decision | undefined {
    return this.known(process, pg, stream)?.decisionOf(at);
  }

  storedThrough(process: NodeName, pg: PgId, stream: StreamId): Lsn {
    return this.known(process, pg, stream)?.scl ?? ZERO_LSN;
  }

  decidedThrough(process: NodeName, pg: PgId, stream: StreamId): Lsn {
    return this.known(process, pg, stream)?.through ?? ZERO_LSN;
  }

  claimsOn(process: NodeName, pg: PgId, page: PageId): readonly Claim[] {
    return this.segments.get(process)?.get(pg)?.claimsOn(page) ?? NO_CLAIMS;
  }

  openEnd(vector: ReadPoint): string | undefined {
    for (const s of this.streams.values()) {
      const at = vector.get(s.id);
      if (at === 0) continue;
      for (const [other, saw] of s.required(at)) {
        // Beyond a closed stream's end there is nothing to see.
        const needed = Math.min(saw, this.streams.get(other)?.final ?? saw);
        if (other > this.forgottenStreams && vector.get(other) < needed)
          return `it shows stream ${s.id} to ${at}, which saw stream ${other} to ${needed}, and that only to ${vector.get(other)}`;
      }
    }
    return undefined;
  }

  attemptsOf(transaction: TransactionId): readonly EntryFacts[] {
    return this.attempts.get(transaction) ?? NO_ATTEMPTS;
  }

  wasCalledAborted(transaction: TransactionId): boolean {
    return this.calledAborted.get(transaction) === true;
  }

  /** Not everything that its writer did was told. */
  private isCutShort(s: StreamFacts | undefined): boolean {
    return s?.writer === undefined || s.isCutShort;
  }

  private known(process: NodeName, pg: PgId, stream: StreamId): StreamAtSegment | undefined {
    const s = this.segments.get(process)?.get(pg)?.known(stream);
    return s === this.hidden ? undefined : s;
  }

  /** Those of whom it is known, and those of whom it may not have been told. */
  private countAt(
    pg: PgId,
    stream: StreamId,
    holds: (s: StreamAtSegment) => boolean,
    mayHold = (process: NodeName) => this.silences.has(process),
  ): number {
    let n = 0;
    for (const segment of this.groups.get(pg) ?? []) {
      const s = segment.known(stream);
      if ((s !== undefined && holds(s)) || mayHold(segment.process)) n += 1;
    }
    return n;
  }
}

const giftKey = (page: PageId, { stream, lsn: at }: PageVersion): string => `${page}:${stream}:${at}`;
