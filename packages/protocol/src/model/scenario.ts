/**
 * A scenario of the formal model: who may send what, and which of the protocol's mechanisms take part. Everything else is left to
 * chance: which message arrives when, or never; who falls silent; when a recovery suspects a live writer.
 *
 * Entries are planned, not their bases: an entry is built on whatever its writer may have seen when it is sent.
 */
import type { PlantedBug } from "@sixfold/model";

export interface PlannedPage {
  readonly pg: number;
  /** Index of the stream of whose extent the page is: while it was never written, that stream owns it. */
  readonly home?: number;
}

export interface PlannedEntry {
  /** Index of the stream. A stream's entries are sent in the order of the plan, with LSNs 1, 2, 3 … */
  readonly stream: number;
  /** Pages changed, and pages only checked, by index. */
  readonly writes: readonly number[];
  readonly checks?: readonly number[];
  /** Index of the entry of which this is the next attempt: sent only after that one was aborted. */
  readonly retries?: number;
  /** Its transaction read a row of this own entry: an own base besides those of its pages. */
  readonly reads?: number;
}

export interface PlannedStream {
  readonly exclusive?: boolean;
  /** Opens only when this stream, by index, is closed in the manifest. */
  readonly after?: number;
  /** May commit through the manifest. */
  readonly manifest?: boolean;
}

export interface PlannedRecovery {
  /** Index of the stream. */
  readonly stream: number;
  /**
   * The answers of fenced segments travel and grow old, and the manifest may change between its reading and the close. Otherwise fences come
   * one by one, but answers, judgement and close are one moment: far fewer states.
   */
  readonly slow?: boolean;
}

export interface PlannedGift {
  readonly page: number;
  readonly to: number;
}

export interface Scenario {
  readonly name: string;
  /** What it is about, for people. */
  readonly says: string;
  readonly pages: readonly PlannedPage[];
  readonly streams: readonly PlannedStream[];
  readonly entries: readonly PlannedEntry[];
  /** Several of one stream race. */
  readonly recoveries?: readonly PlannedRecovery[];
  /** Pages that their home may give away, to the stream of this index, while they were never written. */
  readonly gifts?: readonly PlannedGift[];
  /** Segments tell each other of decided slices. */
  readonly gossip?: boolean;
  /**
   * The six segments of each PG as groups that act as one, by their sizes; `[1, 1, 1, 1, 1, 1]` if left out. Every run of grouped segments is
   * a run of single ones, so what is found is real; but only such runs are searched.
   */
  readonly groups?: readonly number[];
  /** So many of the last groups of each PG never answer: as if they were lost. */
  readonly lost?: number;
  /** Stops after so many states; the search is then not complete. */
  readonly statesMax?: number;
}

/** Rules of DESIGN that the model can be told to break, by the names of the planted bugs in the code. */
export const MODEL_BREAKS = [
  "transferred-on-four",
  "gift-of-claimed-page",
  "gift-kept",
  "recovery-bound-off-by-one",
  "fence-ignored",
  "fence-of-three",
  "manifest-commit-without-compare-and-set",
  "recovery-without-compare-and-set",
  "manifest-commit-without-conflict-check",
  "recovery-without-conflict-check",
  "manifest-commit-on-old-votes",
  "outcomes-dropped-early",
  "votes-not-sticky",
  "base-unchecked",
  "rivals-kept",
  "wait-as-accept",
  "abort-told-early",
  "superseded-told-early",
  "decisions-not-carried",
  "own-base-learned",
  "no-read-claims",
  "own-bases-ignored",
  "quorum-in-one-pg",
  "recovery-ignores-manifest",
  "recovery-ignores-commits",
  "recovery-ignores-aborts",
  "recovery-ignores-supersedes",
  "recovery-without-own-bases",
  "overtaken-check-dooms",
  "own-change-overtakes-check",
  "later-own-claim-ignored",
  "read-checks-not-sent",
] as const satisfies readonly PlantedBug[];

export type ModelBreak = (typeof MODEL_BREAKS)[number];
