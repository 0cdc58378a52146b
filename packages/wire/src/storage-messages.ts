/**
 * What database nodes, segment servers and each other's feeds say (DESIGN sections 4, 6, 7).
 *
 * Types only; `codec` files give each its bytes. Every message is one frame. Requests carry
 * a `request` number, unique per link, that comes back in the answer.
 */
import type {
  AskDurable,
  AskPages,
  AskSnapshot,
  Durable,
  FeedStart,
  Follow,
  ManifestNews,
  PagesGiven,
  Snapshot,
} from "./feed-messages.ts";
import type {
  Decision,
  Decisions,
  EntryId,
  Lsn,
  Manifest,
  PageId,
  PageUse,
  PageVersion,
  PgId,
  ReadPoint,
  Slice,
  StreamId,
  TransactionId,
  Vote,
} from "@sixfold/model";

/** First frame of a link, from the side that connected. */
export interface Hello {
  readonly type: "hello";
  readonly protocol: number;
  /** `copier`: a segment server's second link, on which it only copies. */
  readonly role: "node" | "segment" | "client" | "copier";
  readonly name: string;
  readonly volume: string;
  readonly token: string;
}

/** Answer to `hello`; after it the link is open for messages. */
export interface Welcome {
  readonly type: "welcome";
  readonly protocol: number;
  readonly role: "node" | "segment";
  readonly name: string;
  readonly volume: string;
}

/** Last frame before a side closes a link on purpose. */
export interface Goodbye {
  readonly type: "goodbye";
  readonly code: string;
  readonly reason: string;
}

/** A sign of life, from a side that had nothing else to say. Never answered as such. */
export interface Ping {
  readonly type: "ping";
}

/**
 * The log: slices of one stream for one PG, in LSN order, with the decisions taken so far.
 * Encoded once; the same frame goes to the six segments of the PG and to the other nodes.
 * Without slices it only carries decisions.
 */
export interface Append {
  readonly type: "append";
  readonly pg: PgId;
  readonly stream: StreamId;
  /** The volume is exclusive: slices taken count as accepted. */
  readonly exclusive: boolean;
  readonly decisions: Decisions;
  /** Oldest read point in use at the sender. */
  readonly lowWater: ReadPoint;
  /** Everything that the entries of this batch were built on (foreign streams; conservative). Receivers apply the entries after it. */
  readonly builtOn: ReadPoint;
  readonly slices: readonly Slice[];
}

export interface SliceVote {
  readonly lsn: Lsn;
  readonly vote: Vote;
}

/** A foreign slice that waits on a page that the addressed stream claims (courtesy, DESIGN section 6). */
export interface ForeignWait extends EntryId {
  readonly page: PageId;
}

/** A segment's answer to `append`, and its later news of votes. Everything in it is durable there. */
export interface Ack {
  readonly type: "ack";
  readonly pg: PgId;
  readonly stream: StreamId;
  /** Highest LSN up to which no slice of the stream is missing here. */
  readonly scl: Lsn;
  /** Slices in (acceptedFrom, scl] are accepted, except those in `votes`. */
  readonly acceptedFrom: Lsn;
  /** Votes that are not `accept` in that range, and changed votes anywhere. */
  readonly votes: readonly SliceVote[];
  /** Decisions up to here are all known, durably. */
  readonly decidedThrough: Lsn;
  /** Aborts beyond `decidedThrough` known, durably. */
  readonly abortsKnown: readonly Lsn[];
  readonly waiting: readonly ForeignWait[];
  /** `fenced`: this stream can append no more here. `full`: the disk is; nothing was taken. */
  readonly state: "ok" | "fenced" | "full";
}

/** The writer asks for the present votes of these slices (manifest path). */
export interface AskVotes {
  readonly type: "askVotes";
  readonly request: number;
  readonly pg: PgId;
  readonly stream: StreamId;
  readonly lsns: readonly Lsn[];
}

export interface Votes {
  readonly type: "votes";
  readonly request: number;
  readonly pg: PgId;
  readonly stream: StreamId;
  /** The slices asked for that are here, with their votes as of this answer. */
  readonly votes: readonly SliceVote[];
}

/** Recovery, step 1: take nothing more of this stream from its writer. */
export interface Fence {
  readonly type: "fence";
  readonly request: number;
  readonly pg: PgId;
  readonly stream: StreamId;
  /** Of entries that other segments have undecided: what is committed on these bases counts, whether their slices are here or not. */
  readonly uses: readonly PageUse[];
}

/** An undecided or decided slice as a fenced segment knows it. */
export interface FencedSlice {
  readonly slice: Slice;
  readonly vote: Vote;
  readonly decision: Decision | undefined;
}

export interface Fenced {
  readonly type: "fenced";
  readonly request: number;
  readonly pg: PgId;
  readonly stream: StreamId;
  readonly scl: Lsn;
  /** Decisions up to here are all known; later ones are in `slices` and `earlyAborts`. */
  readonly decidedThrough: Lsn;
  /** Last committed LSN at or below `decidedThrough` with a slice here. */
  readonly tail: Lsn;
  /**
   * Aborted LSNs at or below `decidedThrough` that are still remembered here, ascending, with or without a slice in this PG
   * (decisions name all of a stream's aborts). A recovery needs them where another segment knows fewer decisions: without them
   * it could take an abort that this segment counts as decided, and that was told, for a commit (I2). Keep those of at least the last 2^20 LSNs.
   */
  readonly aborts: readonly Lsn[];
  readonly earlyAborts: readonly Lsn[];
  /** Every slice here beyond `decidedThrough`, in LSN order. */
  readonly slices: readonly FencedSlice[];
  /**
   * Committed versions of pages, in no order: at least those that follow a base of `slices` or of the fence's `uses`, and those that are, or follow,
   * one of this stream beyond `decidedThrough`.
   */
  readonly committed: readonly CommittedVersion[];
}

export interface CommittedVersion extends PageUse {
  readonly version: PageVersion;
}

/** The manifest's word on a stream, told to a segment: it is closed at `final`. Fences, and overrides decisions. */
export interface Close {
  readonly type: "close";
  readonly request: number;
  readonly pg: PgId;
  readonly stream: StreamId;
  readonly final: Lsn;
  /** Last committed LSN with a slice in this PG; 0 if none. */
  readonly tail: Lsn;
  readonly decisions: Decisions;
}

export interface Closed {
  readonly type: "closed";
  readonly request: number;
  readonly pg: PgId;
  readonly stream: StreamId;
  /** Every committed slice up to `tail` is here. */
  readonly complete: boolean;
}

/** An outcome that stands in the manifest, told to segments (it overrides). */
export interface Outcomes {
  readonly type: "outcomes";
  readonly request: number;
  readonly pg: PgId;
  readonly outcomes: readonly { readonly stream: StreamId; readonly lsn: Lsn; readonly decision: Decision }[];
}

export interface OutcomesKnown {
  readonly type: "outcomesKnown";
  readonly request: number;
  readonly pg: PgId;
}

export interface ReadPage {
  readonly type: "readPage";
  readonly request: number;
  readonly pg: PgId;
  readonly page: PageId;
  readonly readPoint: ReadPoint;
  /** Per stream the last LSN with a slice in this PG that `readPoint` includes (I8). Streams without one are absent. */
  readonly need: readonly (readonly [StreamId, Lsn])[];
  /** Streams of `need` that the reader knows to be closed: who has not heard of it may hold for aborted what the close committed. */
  readonly closed: readonly StreamId[];
}

export type PageAnswer =
  | { readonly kind: "page"; readonly version: PageVersion; readonly image: Uint8Array }
  /** Never written, as of the read point. */
  | { readonly kind: "empty" }
  /** A slice or decision is missing here: ask another. */
  | { readonly kind: "behind" }
  /** Older than what was merged away. */
  | { readonly kind: "too-old" }
  /** This copy failed its check and is being repaired: ask another. */
  | { readonly kind: "corrupt" };

export interface PageRead {
  readonly type: "pageRead";
  readonly request: number;
  readonly pg: PgId;
  readonly page: PageId;
  readonly answer: PageAnswer;
}

/** Gossip, and catching up from storage: slices of `stream` with lsn in (after, through], and what is known of their fate. */
export interface PullSlices {
  readonly type: "pullSlices";
  readonly request: number;
  readonly pg: PgId;
  readonly stream: StreamId;
  readonly after: Lsn;
  readonly through: Lsn;
}

export interface PulledSlices {
  readonly type: "pulledSlices";
  readonly request: number;
  readonly pg: PgId;
  readonly stream: StreamId;
  /** In LSN order; a prefix of what was asked for if it would not fit a frame. */
  readonly slices: readonly Slice[];
  readonly decisions: Decisions;
  /** Slices at or before it were merged and are gone: copy pages instead. 0 if none. */
  readonly mergedThrough: Lsn;
  /** The stream is fenced or closed here. */
  readonly closed: { readonly final: Lsn; readonly tail: Lsn } | undefined;
}

/** Copying a segment, or one damaged page: the stored values of the pages of `pg` from `from` on. */
export interface PullPages {
  readonly type: "pullPages";
  readonly request: number;
  readonly pg: PgId;
  readonly from: PageId;
  /** Pages at most. */
  readonly limit: number;
  /** To mend this one page: what its copy must hold, for the slices have been dropped here. Undefined: pages as they are stored. */
  readonly mends: MergedHere | undefined;
}

/** Streams' slices that a segment has put on their pages, and may have merged and dropped. */
export interface MergedHere {
  /** Of streams up to here that are not listed: all. */
  readonly settledThrough: StreamId;
  readonly streams: readonly { readonly stream: StreamId; readonly through: Lsn }[];
}

export interface PulledPages {
  readonly type: "pulledPages";
  readonly request: number;
  readonly pg: PgId;
  /** By page ascending: the values as the page store holds them, checksum included. */
  readonly pages: readonly { readonly page: PageId; readonly stored: Uint8Array }[];
  /** Where to go on; undefined after the last page. */
  readonly next: PageId | undefined;
  /** Per stream that is still known here, up to where its slices are merged into the pages stored here, and with them its fate. */
  readonly merged: readonly { readonly stream: StreamId; readonly through: Lsn; readonly tail: Lsn }[];
  /** Of streams up to this that `merged` does not name everything is in the pages. */
  readonly settledThrough: StreamId;
}

/** An answer to a copier: all of `PulledPages` but the pages' bytes, which are in the next frame (cargo.ts). */
export interface Cargo extends Omit<PulledPages, "type" | "pages"> {
  readonly type: "cargo";
  /** By page ascending: where in the next frame. */
  readonly pages: readonly { readonly page: PageId; readonly at: number; readonly bytes: number }[];
  /** Of the next frame. */
  readonly bytes: number;
}

/** Gossip: what a segment has. Sent to the other five from time to time and when a gap is noticed. */
export interface Positions {
  readonly type: "positions";
  readonly pg: PgId;
  readonly streams: readonly {
    readonly stream: StreamId;
    readonly scl: Lsn;
    readonly decidedThrough: Lsn;
    readonly closed: boolean;
  }[];
}

/** Which entry carries this transaction? Answered from slices still kept, and from memory of those that have left. */
export interface FindTransaction {
  readonly type: "findTransaction";
  readonly request: number;
  readonly pg: PgId;
  readonly stream: StreamId;
  readonly transaction: TransactionId;
}

export interface TransactionFound {
  readonly type: "transactionFound";
  readonly request: number;
  readonly pg: PgId;
  readonly stream: StreamId;
  /** Attempts found, oldest first, with what is known of each. */
  readonly attempts: readonly { readonly lsn: Lsn; readonly decision: Decision | undefined }[];
  /** What was committed at or before it may have been forgotten: "not found" says nothing of that. */
  readonly forgottenThrough: Lsn;
  readonly scl: Lsn;
  /** It has been told that the stream is closed: what it knows may come of a recovery. */
  readonly isClosed: boolean;
}

/** CASPaxos ballots: `(round, proposer)`; a higher pair wins. */
export interface Ballot {
  readonly round: number;
  readonly proposer: string;
}

export interface ManifestPrepare {
  readonly type: "manifestPrepare";
  readonly request: number;
  readonly ballot: Ballot;
}

export interface ManifestPromise {
  readonly type: "manifestPromise";
  readonly request: number;
  /** False: `promised` is a higher ballot seen before. */
  readonly granted: boolean;
  readonly promised: Ballot;
  readonly accepted: { readonly ballot: Ballot; readonly value: Manifest } | undefined;
}

export interface ManifestAccept {
  readonly type: "manifestAccept";
  readonly request: number;
  readonly ballot: Ballot;
  readonly value: Manifest;
}

export interface ManifestAccepted {
  readonly type: "manifestAccepted";
  readonly request: number;
  readonly granted: boolean;
  readonly promised: Ballot;
}

/** A look at a seat without a ballot: for `cluster` reads (3 of 6 agree that nothing changed) and for segments that missed closes. */
export interface ManifestPeek {
  readonly type: "manifestPeek";
  readonly request: number;
}

export interface ManifestPeeked {
  readonly type: "manifestPeeked";
  readonly request: number;
  readonly promised: Ballot | undefined;
  readonly value: Manifest | undefined;
}

/** The chosen manifest, to every segment server, seat or not: who keeps what. Said before anything that rests on it. */
export interface ManifestTold {
  readonly type: "manifestTold";
  readonly value: Manifest;
}

/**
 * From every node, replicas too, to every segment server, now and then: what its readers need. Appends say the same for the nodes that
 * write just now.
 */
export interface Readers {
  readonly type: "readers";
  /** The node's open stream, if it has one. */
  readonly stream: StreamId | undefined;
  /** Oldest read point in use at the node. */
  readonly lowWater: ReadPoint;
  /** What it shows to new readers. */
  readonly shown: ReadPoint;
}

/** Has the newcomer everything of this PG that was decided before it came? */
export interface AskCopied {
  readonly type: "askCopied";
  readonly request: number;
  readonly pg: PgId;
}

export interface Copied {
  readonly type: "copied";
  readonly request: number;
  readonly pg: PgId;
  readonly isWhole: boolean;
}

export interface AskStatus {
  readonly type: "askStatus";
  readonly request: number;
}

/** Free-form numbers and words for people: `sixfold status`, metrics. */
export interface Status {
  readonly type: "status";
  readonly request: number;
  readonly status: Readonly<Record<string, unknown>>;
}

export type StorageMessage =
  | Hello
  | Welcome
  | Goodbye
  | Ping
  | Append
  | Ack
  | AskVotes
  | Votes
  | Fence
  | Fenced
  | Close
  | Closed
  | Outcomes
  | OutcomesKnown
  | ReadPage
  | PageRead
  | PullSlices
  | PulledSlices
  | PullPages
  | PulledPages
  | Cargo
  | Positions
  | FindTransaction
  | TransactionFound
  | ManifestPrepare
  | ManifestPromise
  | ManifestAccept
  | ManifestAccepted
  | ManifestPeek
  | ManifestPeeked
  | ManifestTold
  | ManifestNews
  | Readers
  | AskCopied
  | Copied
  | Follow
  | FeedStart
  | AskDurable
  | AskSnapshot
  | AskPages
  | PagesGiven
  | Durable
  | Snapshot
  | AskStatus
  | Status;
