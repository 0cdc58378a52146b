/**
 * Facts: what the conditions of the protocol are written over.
 *
 *     trace events ──> facts ──> conditions ──> violations
 *
 * Two things hold facts: the monitor, which gathers them from the events of a running cluster (`fact-store.ts`), and the
 * formal model, whose state they are (`model/model-facts.ts`). The conditions cannot tell which of the two they judge.
 *
 * Whoever gathers may forget what is long settled. Of a forgotten entry nothing is demanded.
 */
import type {
  Decision,
  Lsn,
  Manifest,
  NodeName,
  PageId,
  PageUse,
  PageVersion,
  PgId,
  ReadPoint,
  SentSliceFacts,
  StreamId,
  TransactionId,
} from "@sixfold/model";

export interface EntryFacts {
  readonly stream: StreamId;
  readonly lsn: Lsn;
  /** Empty: it was decided, but never sent. */
  readonly slices: readonly SentSliceFacts[];
  readonly supersedes: Lsn;
  readonly ownBases: readonly Lsn[];
  /** Its writer's decision. A zombie's abort may stand against the manifest's commit, as long as it was not told. */
  readonly decision: Decision | undefined;
  /** The manifest's word: an outcome that stands or once stood there, or what a close made of it. */
  readonly ruling: Decision | undefined;
  readonly isAbortTold: boolean;
}

export const isCommitted = (e: EntryFacts): boolean => e.decision === "commit" || e.ruling === "commit";

/**
 * The entry itself, or one that its stream sent later. Where that changed what the entry had checked, the check was decided before: commits go in
 * LSN order, whoever hears of them first.
 */
export const isOwnAfter = (e: { readonly stream: StreamId; readonly lsn: Lsn }, v: PageVersion): boolean =>
  v.stream === e.stream && v.lsn >= e.lsn;

/** Every page that the slice changes or checks. */
export const usesOf = (s: SentSliceFacts): readonly PageUse[] =>
  s.checks.length === 0 ? s.deltas : [...s.deltas, ...s.checks];

/** What an undecided accepted slice holds of a page at one segment. */
export interface Claim {
  readonly stream: StreamId;
  readonly lsn: Lsn;
  /** A delta claims alone, a read check shares. */
  readonly writes: boolean;
}

export interface Facts {
  // Streams and entries
  /** Undefined: neither sent nor decided, or forgotten. */
  entry(stream: StreamId, at: Lsn): EntryFacts | undefined;
  /** Settled so long ago that nothing is known of it any more. */
  isForgotten(stream: StreamId, at: Lsn): boolean;
  /** Everything up to here is forgotten, if anything is. */
  forgottenThrough(stream: StreamId): Lsn;
  /** The process that opened the stream; undefined if that was not seen. */
  writerOf(stream: StreamId): NodeName | undefined;
  isExclusive(stream: StreamId): boolean;
  /** Every LSN below it is decided by the writer or ruled on by the manifest. */
  firstUndecided(stream: StreamId): Lsn;
  /** LSNs of entries sent, beyond `after`, ascending. */
  sentAfter(stream: StreamId, after: Lsn): Iterable<Lsn>;
  durablePoint(stream: StreamId): Lsn;
  /** The entry sent that supersedes this one. */
  supersederOf(stream: StreamId, at: Lsn): EntryFacts | undefined;

  // Pages, as far as committed entries changed and checked them
  /** The committed version that was built on `base`; one of them, should there be two (I3). */
  successor(page: PageId, base: PageVersion): PageVersion | undefined;
  /** Another committed version was built on this one, or so many were that it is forgotten which. */
  isOvertaken(page: PageId, base: PageVersion): boolean;
  /** Committed entries that checked the page at this version. */
  checkersOf(page: PageId, base: PageVersion): readonly PageVersion[];

  /** The stream to which the version's writer gave it. */
  givenTo(page: PageId, version: PageVersion): StreamId | undefined;
  /** It was given to this stream, or its writer has died and may have done so. */
  mayBeGift(page: PageId, version: PageVersion, to: StreamId): boolean;

  // Segments of a PG, counted
  /**
   * How many accept the slice, durably, and have not taken it back. A slice of an exclusive stream counts when it is stored. Here and below
   * those count, too, who may have died before they told.
   */
  acceptsOf(e: EntryFacts, slice: SentSliceFacts): number;
  /** Only those who told. */
  toldAcceptsOf(e: EntryFacts, slice: SentSliceFacts): number;
  /** How many have every slice of the stream up to `at`. */
  storedAt(pg: PgId, stream: StreamId, at: Lsn): number;
  fencesOf(pg: PgId, stream: StreamId): number;
  /** How many know the decision on the entry in this PG. */
  decisionKnownAt(pg: PgId, stream: StreamId, at: Lsn): number;
  /** How many know the decision and have the slice: what it takes to see a conflict with it. */
  outcomeKnownAt(pg: PgId, stream: StreamId, at: Lsn): number;
  /** The PGs in which anything of the stream was sent. */
  pgsOf(stream: StreamId): Iterable<PgId>;

  // One segment
  isFenced(process: NodeName, pg: PgId, stream: StreamId): boolean;
  /** It has taken in the manifest's close of the stream. */
  knowsClose(process: NodeName, pg: PgId, stream: StreamId): boolean;
  /** What it says of the entry, if it knows the decision. */
  knownDecision(process: NodeName, pg: PgId, stream: StreamId, at: Lsn): Decision | undefined;
  storedThrough(process: NodeName, pg: PgId, stream: StreamId): Lsn;
  /** Every LSN up to here is decided for it. */
  decidedThrough(process: NodeName, pg: PgId, stream: StreamId): Lsn;
  claimsOn(process: NodeName, pg: PgId, page: PageId): readonly Claim[];

  // The manifest and the nodes
  readonly manifest: Manifest | undefined;
  /** What a readable vector lacks to be causally closed, in words; undefined if it is (I5). */
  openEnd(vector: ReadPoint): string | undefined;
  /** Every known attempt of a transaction. */
  attemptsOf(transaction: TransactionId): readonly EntryFacts[];
  /** Somebody was told that this transaction aborted. */
  wasCalledAborted(transaction: TransactionId): boolean;
}
