/**
 * The face of the segment server: what its driver feeds in and what it must do (DESIGN sections 4 and 10).
 *
 * The server is a machine with no I/O of its own. Inputs are calls with the time as a value; outputs are
 * effects in an array that the driver drains after each turn, in order:
 *
 *     link frame --receive--> [ SegmentServer ] --effects--> send | persist | storePages | readPages | removePages | trimLog | log | disconnect
 *                                  ^                              |            |
 *                                  `---- pagesStored, checkpoint, pagesRead ---'
 *
 * Durability is in the data: whatever may be said only after a sync is the `then` of a persist effect.
 * The driver may merge all persists that wait for a running sync into one log block (group commit), keeping
 * their order; it must do each `then` after its block is durable, and in order.
 */
import type { Geometry, NodeName, PageId, PlantedBugs, SegmentEvent } from "@sixfold/model";
import type { LogRecord, StorageMessage } from "@sixfold/wire";

/** A connection, numbered by the driver; a number is never used twice. */
export type Link = number;

export interface Peer {
  readonly link: Link;
  /** `copier`: another link of a segment server, on which it asks for pages to copy. */
  readonly role: "node" | "segment" | "copier";
  /** From its hello. Segments know each other by name. */
  readonly name: NodeName;
}

/** The page store as the machine sees it: merged pages, read at once. */
export interface MergedPages {
  /** The stored value, owned by the caller; undefined if never stored. Shows a batch no later than its `pagesStored`. */
  get(page: PageId): Uint8Array | undefined;
  /** The end of it, at most so many bytes; fewer only if they are all, or all that was put or added last. */
  tail(page: PageId, bytesMax: number): Uint8Array | undefined;
  /** At most `limit` ids of stored pages from `from` on, ascending: for scrubbing, and for copying a segment. */
  pages(from: PageId, limit: number): readonly PageId[];
  /** How many are stored. O(1). */
  count(): number;
}

export type SegmentEffect =
  | { readonly kind: "send"; readonly to: Link; readonly message: StorageMessage }
  /** Append to the log and sync; then do `then`. Without records `then` still waits for every persist before it. */
  | {
      readonly kind: "persist";
      readonly records: readonly LogRecord[];
      readonly then: readonly SegmentEffect[];
    }
  /** Store these anew, or add to what is stored of them, all or none; then call `pagesStored(token)`. */
  | {
      readonly kind: "storePages";
      readonly token: number;
      readonly pages: readonly (readonly [page: PageId, stored: Uint8Array, how?: "add" | undefined])[];
    }
  /** Read so many from there on, as they stand when this effect is taken, and call `pagesRead(token, pages)`. Where much is read that nobody waits for. */
  | {
      readonly kind: "readPages";
      readonly token: number;
      readonly from: PageId;
      readonly limit: number;
    }
  /** These are another server's affair now. */
  | { readonly kind: "removePages"; readonly pages: readonly PageId[] }
  /** Nothing in log files before this one is needed any more. */
  | { readonly kind: "trimLog"; readonly beforeFile: number }
  | {
      readonly kind: "log";
      readonly level: "info" | "warn" | "error";
      readonly event: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  /** For whoever listens: a step of the protocol that is now a fact. Only if `traced`. */
  | { readonly kind: "trace"; readonly event: SegmentEvent }
  /** The peer broke the protocol. */
  | { readonly kind: "disconnect"; readonly link: Link; readonly code: string; readonly reason: string };

export interface SegmentOptions {
  readonly name: NodeName;
  readonly pages: MergedPages;
  readonly settings?: Partial<SegmentSettings>;
  /** Rules to break on purpose: only for tests that must show that a broken rule is noticed (STYLE 29). */
  readonly planted?: PlantedBugs;
  /** Say each step of the protocol in a `trace` effect, durable ones once they are durable. */
  readonly traced?: boolean;
}

export interface SegmentSettings {
  /** Sizes of pages and PGs, if they are known before the manifest says so. */
  readonly geometry?: Geometry;
  /** Time between two rounds of gossip. */
  readonly gossipMs: number;
  /** A pull without an answer is given up after this, and another peer asked. */
  readonly pullTimeoutMs: number;
  /** Slices in one answer to a pull, at most (but at least one). */
  readonly pullBytesMax: number;
  /** Pages in one answer, when a segment is copied. */
  readonly copyStepBytes: number;
  /** The same on a link that has other things to carry as well. */
  readonly copyTurnBytes: number;
  /** Asked for and not stored yet, over all segments that are copied. */
  readonly copyAheadBytes: number;
  /** Copied from peers at most, over all segments: of a lost server's, or after a long absence. */
  readonly copyBytesPerSecond: number;
  /** Images kept so that a hot page is read without applying its deltas anew. */
  readonly imageCacheBytes: number;
  /** Slices not merged kept in memory before merging begins: below it, pages that change often are not rewritten each time. This and the next two are bytes of memory, of slices (`kept`) and of the pages that they have changed (`ChainCount`). */
  readonly mergeAboveBytes: number;
  /** A page with so many changes is merged, however little there is, when there are so many of the kind. */
  readonly ripeChanges: number;
  readonly ripePages: number;
  /** From here on merged slices are not kept for peers that are away; these copy pages instead. */
  readonly retainBytesMax: number;
  /** Beyond it appends are refused until merging has gone on. From three quarters of it on, old readers are overtaken. */
  readonly keepBytesMax: number;
  /** Log files before the current one in which slices may stand: older ones are merged, dropped, or carried forward. */
  readonly logFilesKept: number;
  /** A low-water mark reported longer ago holds nothing back: no transaction is so old. */
  readonly lowWaterAgeMs: number;
  /** Chains of pages that only the store has anything to say of, kept for their next use. */
  readonly idleChainsMax: number;
  /** Commits whose slices have left, remembered for `outcome`; and how many of them a checkpoint states. */
  readonly outcomesKept: number;
  readonly outcomesCheckpointed: number;
  /** Work of one tick. */
  readonly mergePagesPerTick: number;
  readonly mergeChangesPerTick: number;
  /** More, up to `mergePagesPerTick` whole pages, the more waits. */
  readonly mergeBytesPerTick: number;
  readonly indexSlicesPerTick: number;
  readonly removePagesPerTick: number;
  readonly scrubPagesPerTick: number;
  /** All stored pages are scrubbed once in this time. */
  readonly scrubPassMs: number;
}
