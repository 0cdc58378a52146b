/**
 * What a running cluster says of its protocol steps: plain data, one event a step.
 *
 * The runtime monitor (package `protocol`) judges these events; so does the formal model, which emits the same ones from
 * its abstract steps. An event states a *fact that has happened*, never an intention:
 *
 *     segment server    stored voted learned copied fenced chained answered     said once durable (in the `then` of its persist)
 *     writer            opened sent decided told gave durable                        said in the turn in which it happened
 *     any database node manifest shown outcome                                  as learned, shown, answered
 *     whoever runs it   died wiped                                              the simulator, or the supervisor of processes
 *
 * Order. Events of one process come in the order in which they happened. Within one turn of a segment, what frees comes first:
 * `learned` and `copied`, then votes that are not accepts, then accepts, then `stored`. A writer's `sent` comes before any segment's
 * event about that entry; `decided` before what depends on it leaves the node. A simulator passes events in true order across
 * processes; real processes only roughly, so the monitor can be told to judge later (package `protocol`).
 *
 * A restart may have swallowed facts that were durable and not yet told. So a segment that starts again says first what it read from its log:
 * `learned` (source `log`), `fenced`, votes on what is undecided, `stored`.
 *
 * Cost. Events refer to objects that exist already (slices, decisions, manifests, read points), and are read at once: whoever
 * keeps one copies what may change. Nobody builds events while nobody listens: emitters hold a `Trace | undefined`.
 */
import type { PageUse, Slice } from "./entry.ts";
import type { Epoch, Lsn, NodeName, PageId, PgId, StreamId, TransactionId } from "./ids.ts";
import type { Manifest } from "./manifest.ts";
import type { ReadPoint } from "./read-point.ts";
import type { TransactionOutcome } from "./transaction.ts";
import type { PageVersion } from "./version.ts";
import type { Decision, Decisions, VoteKind } from "./vote.ts";

/** Where the events of one process go. The host binds the process's name; cores do not know it. */
export type Trace = (event: TraceEvent) => void;

/** An event with its process: segment server or database node. For journals, and for `Monitor.observe`. */
export interface Traced {
  readonly process: NodeName;
  readonly event: TraceEvent;
}

/** From a segment server, of one of its segments: durable facts, but for `answered`. */
export type SegmentEvent =
  /** Every slice of the stream in this PG up to `scl` is durable here. In an exclusive stream this is the accept. After each advance, however it came. */
  | { readonly kind: "stored"; readonly pg: PgId; readonly stream: StreamId; readonly scl: Lsn }
  /** The vote on a slice of a shared stream, at first and at each change. The vote as an ack states it (a committed slice: `accept`). Not for slices that gossip brought. */
  | {
      readonly kind: "voted";
      readonly pg: PgId;
      readonly stream: StreamId;
      readonly lsn: Lsn;
      readonly vote: VoteKind;
    }
  /**
   * New decisions are known here: from the stream's writer, from a peer, from the manifest (an outcome of an open stream, or its `close`), since
   * a foreign entry builds on the entry (`base`), or read from the `log` after a restart. What was known before may be in the range again.
   */
  | {
      readonly kind: "learned";
      readonly pg: PgId;
      readonly stream: StreamId;
      readonly decisions: Decisions;
      readonly source: "writer" | "peer" | "manifest" | "close" | "base" | "log";
    }
  /** Pages copied from a peer hold everything of the stream up to `through`: claims up to there are free. */
  | { readonly kind: "copied"; readonly pg: PgId; readonly stream: StreamId; readonly through: Lsn }
  /** The fence is durable: nothing more is taken from the stream's writer here. Also when a close is what fences. */
  | { readonly kind: "fenced"; readonly pg: PgId; readonly stream: StreamId }
  /** A committed delta was put on its page's chain (I3). */
  | {
      readonly kind: "chained";
      readonly pg: PgId;
      readonly page: PageId;
      readonly version: PageVersion;
      readonly base: PageVersion;
    }
  /** A page read was answered with this version (`NONE`: the page is empty there). Behind, too-old and corrupt answers are not events (I8). */
  | {
      readonly kind: "answered";
      readonly pg: PgId;
      readonly page: PageId;
      readonly version: PageVersion;
      readonly readPoint: ReadPoint;
    };

/**
 * On what ground an entry was decided. `votes` and `manifest` commit, `recovery` does either (the writer met its stream closed), the
 * others abort: `reject` (a vote `reject` or `void`), `own-base`, `yield`, `rival` (the node itself met a committed rival).
 */
export type DecidedBy = "votes" | "manifest" | "recovery" | "reject" | "own-base" | "yield" | "rival";

/** From the writer of a stream. */
export type WriterEvent =
  /** The stream is this node's, and open in the manifest. */
  | { readonly kind: "opened"; readonly stream: StreamId; readonly exclusive: boolean }
  /**
   * The entry was cut into slices and leaves with this turn's batch. `builtOn`: the frame's, what the node shows (conservative). An entry that
   * is aborted before it was cut has a `decided` and a `told`, but no `sent`.
   */
  | {
      readonly kind: "sent";
      readonly stream: StreamId;
      readonly lsn: Lsn;
      readonly slices: readonly (Slice | SentSliceFacts)[];
      readonly builtOn: ReadPoint;
    }
  /** The one decision on an own entry; commits in LSN order. `winner`: for `reject` and `rival` the committed entry that stands in the way. */
  | {
      readonly kind: "decided";
      readonly stream: StreamId;
      readonly lsn: Lsn;
      readonly decision: Decision;
      readonly by: DecidedBy;
      readonly winner?: PageVersion | undefined;
    }
  /** From now on a client may hear it. A commit: with its `decided`. An abort: by the rule of DESIGN section 6. */
  | { readonly kind: "told"; readonly stream: StreamId; readonly lsn: Lsn; readonly decision: Decision }
  /** It owns this version of its own no longer; stream `to` does (docs/notes/page-gifts.md). */
  | {
      readonly kind: "gave";
      readonly stream: StreamId;
      readonly page: PageId;
      readonly lsn: Lsn;
      readonly to: StreamId;
    }
  /** The durable point. */
  | { readonly kind: "durable"; readonly stream: StreamId; readonly through: Lsn };

/** From any database node. */
export type NodeEvent =
  /** A manifest not known here before, read or written. Every node that learns it says so; a writer of a revision says so before it acts on it. */
  | { readonly kind: "manifest"; readonly manifest: Manifest }
  /**
   * The node's applied vector after `stream` moved to `through`: what it shows. `readable`: transactions may begin at it (not while a gap is being
   * closed, I5).
   */
  | {
      readonly kind: "shown";
      readonly stream: StreamId;
      readonly through: Lsn;
      readonly vector: ReadPoint;
      readonly readable: boolean;
    }
  /** A client was told what became of a transaction, from storage or from memory. `unknown` is no event. */
  | {
      readonly kind: "outcome";
      readonly transaction: TransactionId;
      readonly outcome: Exclude<TransactionOutcome, "unknown">;
    };

/** From whoever runs the processes. */
export type WorldEvent =
  /** The process ended without a word: facts it had made durable may never have been told. */
  | { readonly kind: "died" }
  /** Its disk is gone or was replaced by an empty one: nothing it said counts as kept any more. */
  | { readonly kind: "wiped" };

export type TraceEvent = SegmentEvent | WriterEvent | NodeEvent | WorldEvent;
export type TraceKind = TraceEvent["kind"];

/** What the monitor reads of a slice: any `Slice` will do, the model has no bytes to offer. */
export interface SentSliceFacts {
  readonly pg: PgId;
  /** That its writer knew. */
  readonly epoch: Epoch;
  readonly owned: boolean;
  readonly supersedes: Lsn;
  readonly ownBases: readonly Lsn[];
  /** In the entry's first slice; else empty. */
  readonly transaction: TransactionId;
  readonly deltas: readonly PageUse[];
  readonly checks: readonly PageUse[];
}
