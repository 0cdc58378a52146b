/**
 * Append: the only foreground work (DESIGN section 4).
 *
 *     check back-link, fence, limits -> take -> [vote] -> record -> (sync) -> ack
 *
 * In an exclusive volume no page is looked at: a slice taken counts as accepted, and goes on its pages' chains
 * in the background. Resends of what is here are answered again with the same votes. A slice beyond a gap is
 * left: the ack shows the SCL, and the writer resends or gossip brings what is missing.
 */
import { ACCEPT, minLsn, type Lsn, type ReadCheck, type Slice } from "@sixfold/model";
import type { Append, SliceVote } from "@sixfold/wire";
import type { Decider } from "./decide.ts";
import { ackOf, type PgState, type Turn } from "./pg-state.ts";
import type { Link } from "./segment-api.ts";
import { statedVote, Taken, type StreamLog } from "./stream-log.ts";
import type { TurnSteps } from "./turn-steps.ts";

/** What is wrong with a batch from a peer, apart from where it fits; undefined if nothing. */
export function checkSlices(
  m: { readonly pg: number; readonly stream: number; readonly slices: readonly Slice[] },
  pageBytes: number,
  /** 0: not known yet. */
  pagesPerPg: number,
): string | undefined {
  // Before the geometry is known, what wire has checked must do.
  const isKnown = pagesPerPg > 0;
  const firstPage = isKnown ? m.pg * pagesPerPg : 0;
  const endPage = isKnown ? firstPage + pagesPerPg : 2 ** 32;
  let before: Slice | undefined;
  for (const slice of m.slices) {
    if (slice.stream !== m.stream) return "a slice of another stream";
    if (slice.pg !== m.pg) return "a slice of another PG";
    // Also what keeps the walk along own bases finite.
    if (slice.deltas.some(isNotEarlier, slice) || slice.checks.some(isNotEarlier, slice))
      return "a base that is not earlier";
    if (slice.back >= slice.lsn) return "a slice that comes before what it follows";
    if (before !== undefined && slice.back !== before.lsn) return "slices out of order";
    for (const delta of slice.deltas) {
      if (delta.page < firstPage || delta.page >= endPage) return `page ${delta.page} is not in PG ${m.pg}`;
      const fault = isKnown ? delta.fault(pageBytes) : undefined;
      if (fault !== undefined) return fault;
    }
    for (const check of slice.checks)
      if (check.page < firstPage || check.page >= endPage) return `page ${check.page} is not in PG ${m.pg}`;
    before = slice;
  }
  return undefined;
}

function isNotEarlier(this: Slice, { base }: ReadCheck): boolean {
  return base.stream === this.stream && base.lsn >= this.lsn;
}

/** Takes what fits of a checked batch of an unfenced stream, and acknowledges. Returns what is wrong with its place, if anything. */
export function takeAppend(
  state: PgState,
  decider: Decider,
  log: StreamLog,
  m: Append,
  from: Link,
  file: number,
  turn: Turn,
): string | undefined {
  const sclBefore = log.scl;
  const start = firstNew(log, m.slices);
  const next = m.slices[start];
  if (next !== undefined && next.back < sclBefore && !log.takesGaps)
    return `slice ${next.lsn} follows ${next.back}, not ${sclBefore}`;
  if (log.count === 0 && log.scl === 0) log.exclusive = m.exclusive;
  if (decider.take(log, m.decisions, turn, "writer") && !state.planted?.has("decisions-not-persisted"))
    turn.record({ kind: "decisions", pg: m.pg, stream: m.stream, decisions: m.decisions });
  decider.revote(turn);
  log.writer = from;
  let votes: SliceVote[] = [];
  if (next !== undefined && (next.back === sclBefore || log.takesGaps)) {
    const fresh = start === 0 ? m.slices : m.slices.slice(start);
    const firstIndex = log.slices.length;
    if (log.exclusive) takeExclusive(state, log, fresh, file);
    else takeShared(state, decider, log, fresh, file, turn);
    if (!log.exclusive) votes = notAccepted(log, firstIndex);
    if (turn.steps !== undefined) sayVotes(log, firstIndex, turn.steps);
    turn.record({
      kind: "slices",
      pg: m.pg,
      stream: m.stream,
      exclusive: log.exclusive,
      slices: fresh,
      votes: state.planted?.has("vote-not-persisted") ? [] : votes,
    });
    log.gapSeen = false;
  } else if (next !== undefined) log.gapSeen = true;
  acknowledge(log, m, from, { sclBefore, votes, turn });
  return undefined;
}

function firstNew(log: StreamLog, slices: readonly Slice[]): number {
  let start = 0;
  while (start < slices.length && slices[start]!.lsn <= log.scl) start++;
  return start;
}

function takeExclusive(state: PgState, log: StreamLog, slices: readonly Slice[], file: number): void {
  for (const slice of slices) {
    const taken = new Taken(slice, log, state.arrivals++, file, ACCEPT);
    taken.recorded = true;
    log.push(taken);
  }
  // Decisions may have come before their slices.
  if (log.decided.through > slices[0]!.back || log.decided.hasHoles) state.toIndex.add(log);
}

function takeShared(
  state: PgState,
  decider: Decider,
  log: StreamLog,
  slices: readonly Slice[],
  file: number,
  turn: Turn,
): void {
  const firstIndex = log.slices.length;
  for (const slice of slices) {
    const taken = new Taken(slice, log, state.arrivals++, file, ACCEPT);
    log.push(taken);
    decider.admit(taken, turn);
  }
  for (let i = firstIndex; i < log.slices.length; i++) log.slices[i]!.recorded = true;
}

function sayVotes(log: StreamLog, fromIndex: number, steps: TurnSteps): void {
  steps.stored(log);
  if (log.exclusive) return;
  for (let i = fromIndex; i < log.slices.length; i++)
    steps.voted(log, log.slices[i]!.lsn, statedVote(log.slices[i]!).kind);
}

function notAccepted(log: StreamLog, fromIndex: number): SliceVote[] {
  const votes: SliceVote[] = [];
  for (let i = fromIndex; i < log.slices.length; i++) {
    const taken = log.slices[i]!;
    const vote = statedVote(taken);
    if (vote.kind !== "accept") votes.push({ lsn: taken.lsn, vote });
  }
  return votes;
}

/** A writer that is heard for the first time on its link is told every vote that is not decided; else what is new or was asked again. */
function acknowledge(
  log: StreamLog,
  m: Append,
  from: Link,
  o: { sclBefore: Lsn; votes: SliceVote[]; turn: Turn },
): void {
  const { sclBefore, turn } = o;
  const first = m.slices[0];
  let acceptedFrom = first === undefined ? sclBefore : minLsn(first.back, sclBefore);
  if (log.introduced !== from) acceptedFrom = minLsn(acceptedFrom, log.decided.through);
  log.introduced = from;
  const news = turn.takeNews(log);
  let votes: SliceVote[] = o.votes;
  if (acceptedFrom < sclBefore && !log.exclusive) votes = notAccepted(log, log.indexAfter(acceptedFrom));
  if (news.votes.length > 0) {
    const told = new Set(votes.map((v) => v.lsn));
    votes = [...news.votes.filter((v) => !told.has(v.lsn)), ...votes].sort((a, b) => a.lsn - b.lsn);
  }
  turn.after({ kind: "send", to: from, message: ackOf(log, acceptedFrom, votes, news.waiting) });
}
