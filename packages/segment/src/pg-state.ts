/**
 * One segment: the state of one PG on this server, and the turn in which it changes.
 *
 * A turn is one input. What it changes in memory is collected here as log records and as news for
 * writers, and leaves as one persist effect when the turn ends: nothing is said before it is durable.
 */
import type { Ack, ForeignWait, LogRecord, SliceVote, StorageMessage } from "@sixfold/wire";
import {
  epoch,
  streamId,
  type Decision,
  type EntryId,
  type Epoch,
  type Lsn,
  type NodeName,
  type PgId,
  type PlantedBugs,
  type StreamId,
} from "@sixfold/model";
import { SETTLED_KEPT } from "./ended.ts";
import type { Kept } from "./kept.ts";
import { PageTable, type ChainCount, type PageChain } from "./page-chain.ts";
import type { Link, MergedPages, SegmentEffect } from "./segment-api.ts";
import { statedVote, StreamLog, type Taken } from "./stream-log.ts";
import type { TurnSteps } from "./turn-steps.ts";
import type { Ballots } from "./votes.ts";

/** Counters since the start; for `status` and metrics. */
export interface Counters {
  slicesTaken: number;
  votes: number;
  votesChanged: number;
  pagesMerged: number;
  /** Of these, by what was added to them. */
  pagesPatched: number;
  reads: number;
  readsBehind: number;
  pulls: number;
  slicesPulled: number;
  pagesCopied: number;
  pagesScrubbed: number;
  /** Found to be damaged, and what stood in them written anew. */
  logFilesDamaged: number;
  /** Found to be damaged, by scrubbing or when they were read. */
  pagesDamaged: number;
  /** Of these, copied anew from a peer. */
  pagesMended: number;
  /** Appends, because the disk is full or memory for slices is used up. */
  refused: number;
  forks: number;
  contradictions: number;
}

export const newCounters = (): Counters => ({
  slicesTaken: 0,
  votes: 0,
  votesChanged: 0,
  pagesMerged: 0,
  pagesPatched: 0,
  reads: 0,
  readsBehind: 0,
  pulls: 0,
  slicesPulled: 0,
  pagesCopied: 0,
  pagesScrubbed: 0,
  logFilesDamaged: 0,
  pagesDamaged: 0,
  pagesMended: 0,
  refused: 0,
  forks: 0,
  contradictions: 0,
});

/** What a peer segment said of a stream. */
export interface PeerPosition {
  readonly scl: Lsn;
  readonly decidedThrough: Lsn;
  readonly closed: boolean;
}

export class PgState implements Ballots {
  readonly pg: PgId;
  readonly pages: PageTable;
  readonly streams = new Map<StreamId, StreamLog>();
  readonly planted: PlantedBugs | undefined;
  settledThrough: StreamId = streamId(0);
  /** The epoch in which this server came to the PG; 0 if it has kept it from its beginning. */
  since: Epoch = epoch(0);
  /** False while a newcomer still lacks something of before: it answers no reads, settles nothing, and merges nothing. */
  isWhole = true;
  /** Pages whose waiters and holders must be voted on again this turn. */
  readonly dirty = new Set<PageChain>();
  /** Exclusive streams with decided slices that are not on the chains yet. */
  readonly toIndex = new Set<StreamLog>();
  readonly peers = new Map<NodeName, Map<StreamId, PeerPosition>>();
  /** Whose pages were copied last: what follows them is asked of it first. */
  copiedFrom: NodeName | undefined;
  arrivals = 0;
  readonly kept: Kept<StreamLog>;

  constructor(pg: PgId, store: MergedPages, planted: PlantedBugs, kept: Kept<StreamLog>, chains: ChainCount) {
    this.pg = pg;
    this.kept = kept;
    this.pages = new PageTable(store, planted, chains);
    this.planted = planted.size === 0 ? undefined : planted;
  }

  log(stream: StreamId): StreamLog {
    let log = this.streams.get(stream);
    if (log === undefined) {
      log = new StreamLog(this.pg, stream, this.kept);
      log.takesGaps = this.planted?.has("back-link-unchecked") === true;
      // Settled and forgotten: its fence holds for ever, and a writer that slept through all of it may still come (I6).
      log.isFenced = stream <= this.settledThrough;
      this.kept.ended.begin(this.pg, stream, this.mayForget(stream));
      this.streams.set(stream, log);
    }
    return log;
  }

  /**
   * It has settled, and had something here that nobody remembers; perhaps. Not where this server has kept the PG from its beginning: a stream that
   * settled before a PG was made had nothing in it.
   */
  mayForget(stream: StreamId): boolean {
    return stream <= this.settledThrough && (this.since > 0 || stream <= this.settledThrough - SETTLED_KEPT);
  }

  /** It is another's affair now: what it has taken in memory is free. */
  forget(): void {
    for (const log of this.streams.values()) log.forget();
    this.kept.ended.forgetPg(this.pg);
    this.pages.clear();
  }
}

interface News {
  readonly votes: Map<Lsn, Taken>;
  readonly waiting: ForeignWait[];
}

/** What an ack says beside its own news. */
interface ToldNews {
  readonly votes: readonly SliceVote[];
  readonly waiting: readonly ForeignWait[];
}
const NO_NEWS: ToldNews = { votes: [], waiting: [] };

export class Turn {
  private readonly records: LogRecord[] = [];
  private readonly then: SegmentEffect[] = [];
  /** Most turns have none, of both. */
  private news: Map<StreamLog, News> | undefined;
  private facts: Map<PgId, (EntryId & { readonly decision: Decision })[]> | undefined;
  private readonly out: SegmentEffect[];
  private readonly early: boolean;
  private readonly forgetsVotes: boolean;
  /** What this turn makes a fact, if anybody listens. */
  readonly steps: TurnSteps | undefined;

  constructor(out: SegmentEffect[], planted: PlantedBugs, steps?: TurnSteps) {
    this.out = out;
    this.steps = steps;
    this.early = planted.has("early-ack");
    this.forgetsVotes = planted.has("vote-not-persisted");
  }

  record(record: LogRecord): void {
    this.records.push(record);
  }

  /** To be said once everything of this turn, and of the turns before, is durable. */
  after(effect: SegmentEffect): void {
    this.then.push(effect);
  }

  /** An answer that may be given only then. */
  tell(to: Link, message: StorageMessage): undefined {
    this.then.push({ kind: "send", to, message });
  }

  /** A fact learned, not stated by the stream's writer: recorded by itself. */
  fact(pg: PgId, entry: EntryId, decision: Decision): void {
    this.facts ??= new Map();
    let facts = this.facts.get(pg);
    if (facts === undefined) this.facts.set(pg, (facts = []));
    facts.push({ stream: entry.stream, lsn: entry.lsn, decision });
  }

  voteChanged(taken: Taken): void {
    if (taken.recorded) this.newsOf(taken.log).votes.set(taken.lsn, taken);
  }

  foreignWaits(claimant: StreamLog, wait: ForeignWait): void {
    this.newsOf(claimant).waiting.push(wait);
  }

  /** Takes what is news to a stream's writer, for the ack that is going there anyway. */
  takeNews(log: StreamLog): ToldNews {
    const news = this.news?.get(log);
    if (news === undefined) return NO_NEWS;
    const votes = this.recordVotes(log, news);
    this.news!.delete(log);
    return { votes, waiting: news.waiting };
  }

  say(level: "info" | "warn" | "error", event: string, fields: Readonly<Record<string, unknown>>): void {
    this.out.push({ kind: "log", level, event, fields });
  }

  /** Ends the turn: one persist effect, if anything must be durable or wait for it. */
  end(): void {
    if (this.news !== undefined) for (const log of [...this.news.keys()]) this.tellNews(log);
    if (this.facts !== undefined)
      for (const [pg, outcomes] of this.facts) this.records.push({ kind: "outcomes", pg, outcomes });
    const said = this.steps?.effects() ?? [];
    if (this.records.length === 0 && this.then.length === 0 && said.length === 0) return;
    if (this.early) {
      this.out.push(...this.then, { kind: "persist", records: this.records, then: said });
    } else {
      const then = said.length === 0 ? this.then : [...said, ...this.then];
      this.out.push({ kind: "persist", records: this.records, then });
    }
  }

  private tellNews(log: StreamLog): void {
    const { votes, waiting } = this.takeNews(log);
    if (log.writer === undefined || (votes.length === 0 && waiting.length === 0)) return;
    this.after({ kind: "send", to: log.writer, message: ackOf(log, log.scl, votes, waiting) });
  }

  private recordVotes(log: StreamLog, news: News): SliceVote[] {
    if (news.votes.size === 0) return [];
    const votes = [...news.votes.values()].map((t) => ({ lsn: t.slice.lsn, vote: statedVote(t) }));
    votes.sort((a, b) => a.lsn - b.lsn);
    for (const { lsn, vote } of votes) this.steps?.voted(log, lsn, vote.kind);
    if (!this.forgetsVotes) this.records.push({ kind: "votes", pg: log.pg, stream: log.stream, votes });
    return votes;
  }

  private newsOf(log: StreamLog): News {
    this.news ??= new Map();
    let news = this.news.get(log);
    if (news === undefined) this.news.set(log, (news = { votes: new Map(), waiting: [] }));
    return news;
  }
}

/** An ack as of now. It may leave only after the turn's sync. */
export function ackOf(
  log: StreamLog,
  acceptedFrom: Lsn,
  votes: readonly SliceVote[],
  waiting: readonly ForeignWait[],
  state: "ok" | "fenced" | "full" = "ok",
): Ack {
  const { pg, stream, scl, decided } = log;
  return {
    type: "ack",
    pg,
    stream,
    scl,
    acceptedFrom,
    votes,
    decidedThrough: decided.through,
    abortsKnown: decided.earlyAborts(),
    waiting,
    state,
  };
}
