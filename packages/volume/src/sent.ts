/**
 * Entries and slices between submit and decision, as the writer's parts share them. `P` is the progress of a
 * protection group, which itself keeps slices: the two know each other by type only.
 */
import type { Entry, Lsn, Slice } from "@sixfold/model";
import type { AbortCause } from "./volume-api.ts";

/** A slice on its way, with what the six segments said of it. Segments are numbered as in `PgProgress.members`; masks have a bit for each. */
export interface SentOn<P> {
  readonly slice: Slice;
  readonly lsn: Lsn;
  readonly bytes: number;
  /** Bytes of all slices in this PG up to and including this one. */
  readonly end: number;
  readonly entry: EntryOn<P>;
  readonly pg: P;
  accepts: number;
  waits: number;
  /** For each segment that waits, on whom. Made when the first wait comes. */
  blockers: (Blocker | undefined)[] | undefined;
}

export interface Blocker {
  readonly stream: number;
  readonly lsn: number;
  readonly page: number;
}

export interface EntryOn<P> {
  readonly lsn: Lsn;
  readonly entry: Entry;
  readonly bytes: number;
  /**
   * `writing`: its commit is being written to the manifest, so that nothing else may decide it meanwhile.
   * `manifest`: it stands there, and waits for its turn in LSN order.
   */
  state: "queued" | "sent" | "writing" | "manifest" | "committed" | "aborted";
  /** An abort that came while `writing`; takes effect if the manifest refuses. */
  deferred: AbortCause | undefined;
  /** Where its slices go, by PG; known once it is sent. */
  pgs: readonly P[];
  /** In a shared volume, one per PG: where votes are counted. */
  slices: readonly SentOn<P>[];
  sentAt: number;
  /** Later own entries that have this one as an own base. Made when needed. */
  dependents: EntryOn<P>[] | undefined;
}
