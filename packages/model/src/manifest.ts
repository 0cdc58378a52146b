/**
 * The manifest: the small linearizable record of the volume (DESIGN section 7).
 *
 * One register, changed by compare-and-set through six seats among the segment
 * servers. It changes rarely: streams opening and closing, mode, members, growth,
 * and commits that votes alone could not decide.
 */
import type { EntryId } from "./entry.ts";
import type { Epoch, Lsn, NodeName, PageId, PgId, StreamId } from "./ids.ts";
import type { Geometry } from "./geometry.ts";
import type { Decision } from "./vote.ts";
import type { Role } from "./transaction.ts";
import type { PageVersion } from "./version.ts";

export type Mode = "single" | "multi";

export interface SegmentServerInfo {
  readonly name: NodeName;
  readonly az: string;
  readonly url: string;
}

/** A database node: what it is for, and where it is reached. */
export interface NodeInfo {
  readonly name: NodeName;
  readonly role: Role;
  readonly az: string;
  /** Where clients and other nodes reach it. */
  readonly url: string;
}

export interface OpenStream {
  readonly state: "open";
  readonly id: StreamId;
  /** The database node that writes it. */
  readonly node: NodeName;
  /** Opened in an exclusive (single-master) volume: a slice taken counts as accepted. */
  readonly exclusive: boolean;
  /** Its writer knows of this epoch, and has decided all entries of earlier ones, durably on four of each set of their PGs. */
  readonly epoch: Epoch;
}

export interface ClosedStream {
  readonly state: "closed";
  readonly id: StreamId;
  readonly node: NodeName;
  readonly exclusive: boolean;
  /** Entries beyond it never existed. */
  readonly final: Lsn;
  /** Per PG the last committed LSN with a slice there: what a segment must have to be complete. PGs without one are absent. */
  readonly tails: ReadonlyMap<PgId, Lsn>;
}

export type StreamState = OpenStream | ClosedStream;

/** A decision that the manifest holds, with what is needed to see conflicts with it. */
export interface Outcome extends EntryId {
  readonly decision: Decision;
  readonly pgs: readonly PgId[];
  /** Pages the entry changed, with the versions they were built on. Empty for an abort. */
  readonly changes: readonly { readonly page: PageId; readonly base: PageVersion }[];
  readonly checks: readonly { readonly page: PageId; readonly base: PageVersion }[];
}

/** A PG on the way from its six members to six others (see `membership`). */
export interface MemberChange {
  readonly pg: PgId;
  readonly to: readonly NodeName[];
  /** The epoch that began it: entries of it and later ones need their quorum in both sets. */
  readonly since: Epoch;
}

export interface Manifest {
  readonly volume: string;
  /** Counts changes of this record; grows by one with each compare-and-set. */
  readonly revision: number;
  readonly epoch: Epoch;
  readonly mode: Mode;
  /** The mode that is wanted: another one while a switch is under way. No stream is opened until then. */
  readonly nextMode: Mode;
  readonly geometry: Geometry;
  /** All segment servers: those that keep segments, and spare ones. */
  readonly servers: readonly SegmentServerInfo[];
  /** All database nodes, in the order in which they joined, but those that have left for good. */
  readonly nodes: readonly NodeInfo[];
  /** The six segment servers that hold this record. */
  readonly seats: readonly NodeName[];
  /** Those that are to hold it; empty unless that is under way. */
  readonly nextSeats: readonly NodeName[];
  /** Per PG, by its number, the names of its six segment servers. */
  readonly pgs: readonly (readonly NodeName[])[];
  /** By PG. */
  readonly changes: readonly MemberChange[];
  /** The id the next stream gets. */
  readonly nextStream: StreamId;
  /** Streams later than `settledThrough`, by id ascending. */
  readonly streams: readonly StreamState[];
  /** Streams up to this are closed, and complete on all six segments of every PG. */
  readonly settledThrough: StreamId;
  /** Decisions that are not yet durable everywhere they must be. By stream, then LSN. */
  readonly outcomes: readonly Outcome[];
}

export function streamState(manifest: Manifest, id: StreamId): StreamState | undefined {
  return manifest.streams.find((s) => s.id === id);
}

export function openStreams(manifest: Manifest): OpenStream[] {
  return manifest.streams.filter((s): s is OpenStream => s.state === "open");
}

/** Does an entry that builds `pages` on these bases conflict with a committed outcome? (It changes a page that the outcome changed from another line.) */
export function conflictsWithOutcome(
  pages: readonly { readonly page: PageId; readonly base: PageVersion }[],
  outcome: Outcome,
): boolean {
  if (outcome.decision !== "commit") return false;
  return outcome.changes.some((won) =>
    pages.some(
      (p) => p.page === won.page && p.base.stream === won.base.stream && p.base.lsn === won.base.lsn,
    ),
  );
}
