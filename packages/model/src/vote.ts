/**
 * Votes and decisions (DESIGN sections 4 and 6).
 *
 * A vote is what one segment says of one slice. A decision is what the entry's
 * writer, or its recovery, says of the entry: one per entry, final.
 */
import type { EntryId } from "./entry.ts";
import type { Lsn, PageId } from "./ids.ts";

/**
 * - `accept`: sticky until the entry is decided, a conflicting entry is committed or an own base is aborted
 * - `wait`: another stream's undecided claim (`blocker`) is in the way; nothing is claimed
 * - `reject`: `winner`, a committed version of `page`, is neither the base nor an ancestor of it: the entry can never commit
 * - `void`: an own base was aborted: counts as a reject
 * - `hold`: no vote yet; a base of the same stream is not here
 */
export type Vote =
  | { readonly kind: "accept" }
  | { readonly kind: "wait"; readonly page: PageId; readonly blocker: EntryId }
  | { readonly kind: "reject"; readonly page: PageId; readonly winner: EntryId }
  | { readonly kind: "void"; readonly base: Lsn }
  | { readonly kind: "hold" };

export type VoteKind = Vote["kind"];

export const ACCEPT: Vote = Object.freeze({ kind: "accept" });
export const HOLD: Vote = Object.freeze({ kind: "hold" });

/** Final word on an entry. */
export type Decision = "commit" | "abort";

/**
 * Decisions of one stream as a writer states them.
 *
 * Every LSN in `(from, through]` is decided: aborted if `aborts` lists it, else committed.
 * `earlyAborts` are aborted though beyond `through`. Explicit ranges let a segment that
 * missed a batch see that it missed decisions instead of guessing them.
 */
export interface Decisions {
  /** Exclusive. */
  readonly from: Lsn;
  /** Inclusive; equals `from` when the range is empty. It is also the stream's durable point. */
  readonly through: Lsn;
  /** Within `(from, through]`, ascending. */
  readonly aborts: readonly Lsn[];
  /** Beyond `through`, ascending. */
  readonly earlyAborts: readonly Lsn[];
}

/** What `decisions` says of `at`; undefined if nothing. */
export function decisionOf(decisions: Decisions, at: Lsn): Decision | undefined {
  if (at > decisions.through) return decisions.earlyAborts.includes(at) ? "abort" : undefined;
  if (at <= decisions.from) return undefined;
  return decisions.aborts.includes(at) ? "abort" : "commit";
}
