/**
 * Votes counted: what the six segments of a PG say of each slice of a shared volume (DESIGN sections 4 and 6).
 *
 * Per slice two masks of six bits: who accepts, who waits. A segment in neither has not voted, or
 * holds. Rejections need no counting: one is enough. In an exclusive volume nothing of this runs:
 * a slice taken counts as accepted, so the PGCL says it all.
 */
import { NO_BUGS, OWNED_QUORUM, quorumFor, type PlantedBugs, type StreamId, type Vote } from "@sixfold/model";
import type { Ack, SliceVote } from "@sixfold/wire";
import type { InFlightEntry, SentSlice } from "./in-flight.ts";
import type { PgProgress } from "./pg-progress.ts";
import type { Blocker } from "./sent.ts";

/** What the decider wants to hear at once. */
export interface VoteListener {
  /** A vote that ends the entry: `reject` or `void`. */
  refused(entry: InFlightEntry, vote: Extract<Vote, { kind: "reject" | "void" }>, now: number): void;
  waits(entry: InFlightEntry, now: number): void;
}

/** Takes the votes of an ack: accepts by range, others one by one. */
export function countAck(
  pg: PgProgress,
  member: number,
  ack: Ack,
  listener: VoteListener,
  now: number,
  planted: PlantedBugs = NO_BUGS,
): void {
  const bit = 1 << member;
  const kept = pg.kept;
  for (let i = kept.indexAfter(ack.acceptedFrom); ; i++) {
    const sent = kept.at(i);
    if (sent === undefined || sent.lsn > ack.scl) break;
    sent.accepts |= bit;
    sent.waits &= ~bit;
  }
  if (ack.votes.length > 0) countVotes(pg, member, ack.votes, listener, now, planted);
}

/** Takes single votes; each replaces what this segment said of the slice before. */
export function countVotes(
  pg: PgProgress,
  member: number,
  votes: readonly SliceVote[],
  listener: VoteListener,
  now: number,
  planted: PlantedBugs = NO_BUGS,
): void {
  const bit = 1 << member;
  for (const { lsn, vote } of votes) {
    const sent = pg.kept.find(lsn);
    if (sent === undefined) continue;
    if (vote.kind === "reject" && planted.has("reject-ignored")) continue;
    const counts = vote.kind === "accept" || (vote.kind === "wait" && planted.has("wait-as-accept"));
    sent.accepts = counts ? sent.accepts | bit : sent.accepts & ~bit;
    sent.waits = vote.kind === "wait" ? sent.waits | bit : sent.waits & ~bit;
    if (vote.kind === "wait") {
      sent.blockers ??= pg.members.map(() => undefined);
      sent.blockers[member] = { stream: vote.blocker.stream, lsn: vote.blocker.lsn, page: vote.page };
      listener.waits(sent.entry, now);
    } else if (vote.kind === "reject" || vote.kind === "void") listener.refused(sent.entry, vote, now);
  }
}

/** `q` accepts in each of its PGs. */
export function hasQuorum(entry: InFlightEntry): boolean {
  for (const sent of entry.slices)
    if (sent.pg.count(sent.accepts) < quorumFor(sent.slice.owned)) return false;
  return true;
}

/** Planted: what else passes for a quorum. */
export function seemsQuorum(
  entry: InFlightEntry,
  next: InFlightEntry | undefined,
  planted: PlantedBugs,
): boolean {
  const bound = planted.has("quorum-of-three") ? -1 : 0;
  const meets = (s: SentSlice): boolean => s.pg.count(s.accepts) >= quorumFor(s.slice.owned) + bound;
  if (planted.has("quorum-in-one-pg")) return entry.slices.some(meets);
  if (planted.has("durable-ahead-of-gap") && next?.state === "sent" && hasQuorum(next)) return true;
  return entry.slices.every(meets);
}

/**
 * The blocker to yield to: of a higher (older) stream, in a PG where fewer than `q` segments accept or may yet answer.
 * `silent` tells the mask of the PG's segments of which no answer to the entry is to be expected.
 */
export function blockerToYieldTo(
  entry: InFlightEntry,
  own: StreamId,
  silent: (pg: PgProgress) => number,
): Blocker | undefined {
  for (const sent of entry.slices) {
    if (sent.waits === 0) continue;
    const higher = sent.blockers?.find(
      (b, i) => b !== undefined && (sent.waits & (1 << i)) !== 0 && b.stream < own,
    );
    if (higher === undefined) continue;
    const unanswered = sent.pg.all & ~(sent.accepts | sent.waits) & ~silent(sent.pg);
    if (sent.pg.count(sent.accepts | unanswered) < quorumFor(sent.slice.owned)) return higher;
  }
  return undefined;
}

/**
 * Four accept in every PG, and where `q` is not reached it is because the others are silent, not because they wait. One that waited and
 * is `gone` since is silent: nobody will hear what it votes next.
 */
export function needsManifest(
  entry: InFlightEntry,
  silent: (pg: PgProgress) => number,
  absent: (pg: PgProgress) => number,
): boolean {
  let short = false;
  for (const sent of entry.slices) {
    const accepts = sent.pg.count(sent.accepts);
    if (accepts < OWNED_QUORUM) return false;
    if (accepts >= quorumFor(sent.slice.owned)) continue;
    const waits = sent.waits === 0 ? 0 : sent.waits & ~absent(sent.pg);
    if (waits !== 0 || (sent.pg.all & ~sent.accepts & ~silent(sent.pg)) !== 0) return false;
    short = true;
  }
  return short;
}
