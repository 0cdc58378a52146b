/**
 * The database node's face: what a driver feeds it and the effects it gets back.
 *
 * A turn is: any number of inputs, then one `flush`, then the driver empties `effects` and puts
 * them on the network in their order. All appends of a turn travel as one batch that way, and all
 * answers to one client as one frame.
 */
import type {
  Conflicts,
  Geometry,
  Mode,
  NodeInfo,
  NodeName,
  PlantedBugs,
  Role,
  SegmentServerInfo,
  StreamId,
  Trace,
} from "@sixfold/model";
import type { Append, ClientResponses, ClientWelcome, StorageMessage, Topology } from "@sixfold/wire";
import type { VolumeSettings } from "@sixfold/volume";
import type { Procedure } from "./procedures.ts";

export interface NodeSettings {
  /**
   * A writer that was not heard for so long is suspected dead and its stream recovered; in a shared volume by the writer of a younger
   * stream after twice as long (see `suspicion`). Longer than the hosts' `deadAfterMs`.
   */
  readonly suspectAfterMs: number;
  /** The same of one whose link has ended, which a dead process's does at once. Longer than a link takes to be dialled again. */
  readonly endedAfterMs: number;
  /** Requests that wait for the node to be ready, or for a session's read point, fail after so long. */
  readonly waitLimitMs: number;
  /** A read with `maxLagMs` waits so long for the node to catch up, before it is to ask another: some round trips between regions. */
  readonly catchUpLimitMs: number;
  /** How often the manifest is read without another reason. */
  readonly manifestEveryMs: number;
  /** Transactions whose outcome a node remembers by itself; older ones are asked of storage. */
  readonly rememberedOutcomes: number;
}

export const DEFAULT_SETTINGS: NodeSettings = Object.freeze({
  suspectAfterMs: 3000,
  endedAfterMs: 300,
  waitLimitMs: 10_000,
  catchUpLimitMs: 250,
  manifestEveryMs: 1000,
  rememberedOutcomes: 100_000,
});

export interface NodeOptions {
  readonly name: NodeName;
  readonly role: Role;
  readonly volume: string;
  readonly mode: Mode;
  readonly geometry: Geometry;
  readonly conflicts: Conflicts;
  /** The six manifest seats, which host every protection group of a new volume. */
  readonly servers: readonly SegmentServerInfo[];
  /** Database nodes that are known from the beginning, this one included; the manifest lists all (see `roster`). */
  readonly nodes: readonly NodeInfo[];
  readonly procedures: ReadonlyMap<string, Procedure>;
  readonly poolPages: number;
  /** Of the pieces in which long values of a large commit go ahead; the engine's default unless given. */
  readonly piecePages?: number | undefined;
  /** Fault injection for comparisons: the probability that an entry's first attempt is treated as a lost page race. */
  readonly injectConflicts: number;
  readonly seed: number;
  readonly settings?: Partial<NodeSettings>;
  /** Times and bounds of the computing side of storage. */
  readonly volumeSettings?: Partial<VolumeSettings>;
  /** Rules to break on purpose: only for tests that must show that a broken rule is noticed (STYLE 29). */
  readonly planted?: PlantedBugs | undefined;
  /** Hears each step of the protocol as it happens. */
  readonly trace?: Trace | undefined;
}

/** A client's connection, numbered by the driver. */
export type ClientLink = number;

export type NodeEffect =
  | { readonly kind: "toServer"; readonly to: NodeName; readonly message: StorageMessage }
  /** To a node that this one follows. */
  | { readonly kind: "toPeer"; readonly to: NodeName; readonly message: StorageMessage }
  /** To a node that follows this one. */
  | { readonly kind: "toFollower"; readonly to: NodeName; readonly message: StorageMessage }
  /** The other nodes, or the segment servers, are these from now on: keep a link to each, to no others. */
  | { readonly kind: "peers"; readonly nodes: readonly NodeInfo[] }
  | { readonly kind: "servers"; readonly servers: readonly SegmentServerInfo[] }
  /** Encode once; send to these servers and these nodes. */
  | {
      readonly kind: "append";
      readonly servers: readonly NodeName[];
      readonly followers: readonly NodeName[];
      readonly message: Append;
    }
  | {
      readonly kind: "toClient";
      readonly link: ClientLink;
      readonly message: ClientResponses | ClientWelcome | Topology;
    }
  | {
      readonly kind: "log";
      readonly level: "info" | "warn" | "error";
      readonly event: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  /** The own stream is closed after `stop`, or because the node was struck off: the process may end. */
  | { readonly kind: "stopped" };

/** Where the node stands between starting and serving. */
export type NodeState =
  /** No manifest yet. */
  | { readonly state: "starting" }
  /** On the way to a stream of its own: closes older ones, or waits for a switch of modes to end. */
  | { readonly state: "opening" }
  | { readonly state: "writing"; readonly stream: StreamId; readonly exclusive: boolean }
  /** The own stream takes nothing more and is being closed: for the node that is to write next, or for a switch of modes. */
  | { readonly state: "closing"; readonly stream: StreamId; readonly to: NodeName | undefined }
  /** A writer that follows another one, in an exclusive volume. */
  | { readonly state: "standby" }
  /** A replica. */
  | { readonly state: "following" }
  | { readonly state: "stopping" }
  | { readonly state: "stopped" };
