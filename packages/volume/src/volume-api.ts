/**
 * The volume's face: what a database node asks of the computing side of storage, and gets back.
 *
 * The volume is a synchronous machine. Every method takes its input and the time in milliseconds,
 * and appends to `effects`, which the owner drains after each turn. A turn is any number of inputs,
 * then one `flush`: what was submitted in it travels as one batch.
 *
 *     owner                                        volume
 *       serverUp / serverDown / receive     ->       send, append           (to segment servers)
 *       create / refresh / openStream       ->       manifest, opened
 *       submit / giveUp / flush             ->       decided, told, durable, hold, release
 *       readPage / findTransaction / ...    ->       page, outcome, manifestChecked
 *       recover / closeOwn                  ->       closed
 *                                                    fenced                 (own stream lost)
 */
import type {
  ConflictPhase,
  DecidedBy,
  Decision,
  Entry,
  Geometry,
  Lsn,
  Manifest,
  Mode,
  NodeInfo,
  NodeName,
  PageId,
  PageVersion,
  PgId,
  PlantedBugs,
  ReadPoint,
  SegmentServerInfo,
  StreamId,
  Trace,
  TransactionId,
  TransactionOutcome,
} from "@sixfold/model";
import type { Append, AskPages, PageAnswer, PagesGiven, StorageMessage } from "@sixfold/wire";
import type { VolumeSettings } from "./settings.ts";

export interface VolumeOptions {
  /** This database node. Unique in the cluster: it is the proposer's name in ballots. */
  readonly node: NodeName;
  readonly volume: string;
  /** The six manifest seats, which also host every PG of a new volume. */
  readonly servers: readonly SegmentServerInfo[];
  readonly seed: number;
  /** Pages are read from this availability zone first. */
  readonly az?: string;
  readonly settings?: Partial<VolumeSettings>;
  /** Rules to break on purpose: only for tests that must show that a broken rule is noticed (STYLE 29). */
  readonly planted?: PlantedBugs;
  /** Hears each step of the protocol as it happens. */
  readonly trace?: Trace | undefined;
}

export interface InitialManifest {
  readonly mode: Mode;
  readonly geometry: Geometry;
  /** The database nodes that are to be listed from the beginning. */
  readonly nodes?: readonly NodeInfo[];
}

/** Why an own entry was aborted. */
export interface AbortCause {
  /** The foreign entry in the way: committed if the entry was rejected, undecided if it yielded. */
  readonly winner?: PageVersion;
  readonly page?: PageId;
  readonly phase: ConflictPhase;
  readonly by: DecidedBy;
  /** No committed rival is known: a client may hear of the abort only after `told`. */
  readonly yielded?: boolean;
}

/** What a page read came to. `unavailable`: no segment could answer within the time limit. */
export type ReadAnswer =
  Extract<PageAnswer, { kind: "page" | "empty" | "too-old" }> | { readonly kind: "unavailable" };

/** `absent`: storage has no trace of it and its stream is open: whoever writes the stream can say that it shall never come. */
export type FoundOutcome = TransactionOutcome | "absent";

export type VolumeEffect =
  | { readonly kind: "send"; readonly to: NodeName; readonly message: StorageMessage }
  /** Encode once, send to all of `to`, which may be empty, and to the nodes that follow this one. */
  | { readonly kind: "append"; readonly to: readonly NodeName[]; readonly message: Append }
  /** A question to another database node; if there is no link to it, `ownership.answered` without pages. */
  | { readonly kind: "ask"; readonly to: NodeName; readonly message: AskPages }
  /** Own entry: commits strictly in LSN order, aborts in any. A commit may be told at once; an abort only after its `told`. `cause` is there for aborts. */
  | {
      readonly kind: "decided";
      readonly lsn: Lsn;
      readonly decision: Decision;
      readonly cause: AbortCause | undefined;
    }
  /** The abort of this entry may now be told to its client (once per aborted entry, never before its `decided`). */
  | { readonly kind: "told"; readonly lsn: Lsn }
  /** Every own entry up to here is decided, the committed ones durable in all their PGs. Comes after their `decided`. */
  | { readonly kind: "durable"; readonly through: Lsn }
  /** `readPoint` is the object of the request. */
  | {
      readonly kind: "page";
      readonly page: PageId;
      readonly readPoint: ReadPoint;
      readonly answer: ReadAnswer;
    }
  | { readonly kind: "outcome"; readonly transaction: TransactionId; readonly outcome: FoundOutcome }
  /** Whenever a newer manifest was learned, and once per `refresh` and `create`. */
  | { readonly kind: "manifest"; readonly manifest: Manifest }
  /**
   * Three of six seats hold nothing newer than the revision known when `checkManifest` was last called, or something does (then a
   * read follows by itself). `check`: what `checkManifest` returned.
   */
  | { readonly kind: "manifestChecked"; readonly check: number; readonly unchanged: boolean }
  | { readonly kind: "opened"; readonly stream: StreamId; readonly exclusive: boolean }
  /** No stream could be opened: the limit of writers is reached, or the volume does not exist. */
  | { readonly kind: "openRefused"; readonly reason: RefusedOpening }
  /** This node has changed the mode that is wanted, or the mode. */
  | { readonly kind: "modeChanged" }
  /**
   * A stream that this node was asked to recover or close is closed, whoever did it. `final`: of an own one that was settled before
   * that was learned, only the durable point that its writer knew of.
   */
  | { readonly kind: "closed"; readonly stream: StreamId; readonly final: Lsn }
  /** Own stream lost to a recovery. In-flight entries whose outcome the manifest tells were `decided` before; of the others nothing is known (`outcome` will tell). */
  | { readonly kind: "fenced"; readonly stream: StreamId; readonly undecided: readonly Lsn[] }
  | { readonly kind: "hold"; readonly pages: readonly PageId[] }
  | { readonly kind: "release"; readonly pages: readonly PageId[] }
  | {
      readonly kind: "log";
      readonly level: "info" | "warn" | "error";
      readonly event: string;
      readonly fields: Readonly<Record<string, unknown>>;
    };

/** The PGs that are on the way, or why nothing has begun. */
export type ReplaceAnswer = { readonly pgs: readonly PgId[] } | { readonly refused: string };

/** The whole face, for owners who want to name it. `Volume` implements it. */
/** `occupied`: another node writes an exclusive volume. `switching`: its mode is on the way to another. */
export type RefusedOpening = "too-many-writers" | "no-volume" | "occupied" | "switching";

/** What an opening does to another node's stream in an exclusive volume. */
export type Rivals = "close" | "respect";

/** Page versions that change hands between writers (docs/notes/page-gifts.md). */
export interface PageGifts {
  /** Another node's question: the pages of these that its stream owns from now on. */
  give(asked: AskPages): readonly PageId[];
  /** The answer to this node's; none of the pages if there was nobody to ask. */
  answered(answer: Pick<PagesGiven, "request" | "pages">): void;
}

export interface VolumeFace {
  readonly effects: VolumeEffect[];
  /** As last learned. */
  readonly manifest: Manifest | undefined;
  /** The own open stream; undefined while there is none. */
  readonly stream: StreamId | undefined;
  /** Every own entry up to here is decided. */
  readonly durable: Lsn;
  serverUp(server: NodeName, now: number): void;
  serverDown(server: NodeName, now: number): void;
  /** Anything from a segment server. */
  receive(server: NodeName, message: StorageMessage, now: number): void;
  /** Compare-and-set "none -> first manifest". Idempotent; racing creators end with one manifest. Effect `manifest`. */
  create(initial: InitialManifest, now: number): void;
  /** A linearizable read of the manifest. Effect `manifest`. */
  refresh(now: number): void;
  /**
   * Has what `leaving` keeps moved to other servers of its zone, those that keep least, or to `joining`. `done` hears that it has begun,
   * or why not; the rest is done by the writer of the oldest open stream, as the manifest tells.
   */
  replaceServer(
    leaving: NodeName,
    joining: NodeName | undefined,
    done: (answer: ReplaceAnswer) => void,
    now: number,
  ): void;
  /** Begins a switch of modes, or takes one back. `done` hears whether there is a volume, and whether this was news to it. Effect `modeChanged`. */
  wantMode(mode: Mode, done: (found: boolean, changed: boolean, now: number) => void, now: number): void;
  /** Ends it, if no stream is open (DESIGN section 7). Effect `modeChanged`. */
  finishModeSwitch(now: number): void;
  /** Another node says that this manifest stands: a read of it is spared. Effect `manifest`, if it is news. */
  told(manifest: Manifest, now: number): void;
  /**
   * Recovers own older incarnations first, in an exclusive volume every open stream (failover), unless `rivals` are to be respected.
   * Effect `opened` or `openRefused`.
   */
  openStream(now: number, rivals?: Rivals): void;
  /**
   * Somebody suspects the writer of an exclusive volume, and is to write next: closes its stream, and opens one in the same step unless
   * another was faster. Effects `closed`, and `opened` or `openRefused`.
   */
  takeOver(stream: StreamId, now: number): void;
  /** Somebody suspects this stream's writer. Effect `closed`. */
  recover(stream: StreamId, now: number): void;
  /** Clean stop: decides what is in flight, then closes the own stream at its last LSN. Effect `closed`. Nothing may be submitted after it. */
  closeOwn(now: number): void;
  /** LSNs are dense from 1 in each stream. The volume owns the entry from here on. */
  submit(entry: Entry, now: number): void;
  /**
   * A *committed* foreign entry beats this own one: abort it. No effect if it is decided already. The winner must not be built on
   * the own entry (a recovery may have committed that one): foreign entries are applied only once all they were built on is shown (I5).
   */
  giveUp(lsn: Lsn, winner: PageVersion, now: number): void;
  /** True once the abort of this own entry may be told, that is, after its `told` effect. */
  abortTold(lsn: Lsn): boolean;
  /** End of turn. `lowWater`: oldest read point in use here; `builtOn`: what this node showed when it built the entries (conservative). */
  flush(lowWater: ReadPoint, builtOn: ReadPoint, now: number): void;
  /** The owner has applied this stream up to `lsn`: courtesy to entries up to it ends. */
  foreignSeen(stream: StreamId, lsn: Lsn): void;
  /** Foreign frames and tails as feeds bring them: what `need` is made of. Closed streams come from the manifest, own ones are known. */
  noteForeign(frame: Append): void;
  noteTails(stream: StreamId, tails: ReadonlyMap<PgId, Lsn>): void;
  /** Effect `page`. */
  readPage(page: PageId, readPoint: ReadPoint, now: number): void;
  /** Effect `outcome`. */
  /** What the own stream owns: takes other nodes' questions, and their answers to its own. */
  readonly ownership: PageGifts | undefined;
  findTransaction(id: TransactionId, now: number): void;
  /** A newer call replaces an older one that is still under way. Effect `manifestChecked`. */
  checkManifest(now: number): number;
  /** About every 10 ms. Follow it with `flush`. */
  tick(now: number): void;
  status(): Readonly<Record<string, unknown>>;
}
