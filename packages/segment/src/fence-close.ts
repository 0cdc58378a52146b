/**
 * The end of a stream (DESIGN section 7): fence, then close.
 *
 * A fence is kept whatever the stream's writer says afterwards (I6), also if the stream was never heard of here.
 * The answer lists what recovery judges by: undecided slices with their votes, and facts. Close brings the
 * manifest's word, which overrides what this segment believed, and says whether anything is still missing.
 */
import { isNone, sameVersion, type PageId, type PageUse, type PageVersion } from "@sixfold/model";
import type { Close, CommittedVersion, Fence, Fenced, FencedSlice } from "@sixfold/wire";
import type { Decider } from "./decide.ts";
import type { Change } from "./detached.ts";
import type { PgState, Turn } from "./pg-state.ts";
import type { Link } from "./segment-api.ts";
import { statedVote, type ClosedAt, type StreamLog } from "./stream-log.ts";

export function fence(state: PgState, m: Fence, from: Link, turn: Turn): void {
  const log = state.log(m.stream);
  if (!log.isFenced) {
    log.isFenced = !state.planted?.has("fence-ignored");
    if (!state.planted?.has("fence-not-persisted"))
      turn.record({ kind: "fence", pg: m.pg, stream: m.stream });
    turn.steps?.fenced(log);
  }
  turn.tell(from, fencedAnswer(state, log, m));
}

function fencedAnswer(state: PgState, log: StreamLog, { request, uses: asked }: Fence): Fenced {
  const { pg, stream, scl, decided } = log;
  const slices: FencedSlice[] = [];
  const uses: PageUse[] = [...asked];
  for (let i = log.indexAfter(decided.through); i < log.slices.length; i++) {
    const taken = log.slices[i]!;
    slices.push({ slice: taken.slice, vote: statedVote(taken), decision: decided.of(taken.lsn) });
    // One by one: a slice may have more of them than a call takes arguments.
    for (const use of taken.slice.deltas) uses.push(use);
    for (const use of taken.slice.checks) uses.push(use);
  }
  return {
    type: "fenced",
    request,
    pg,
    stream,
    scl,
    decidedThrough: decided.through,
    tail: log.tailAt(decided.through),
    aborts: state.planted?.has("fenced-aborts-unlisted")
      ? []
      : decided.abortsIn(decided.floor, decided.through),
    earlyAborts: decided.earlyAborts(),
    slices,
    committed: [...whatFollows(state, uses), ...news(state, log, new Set(uses.map(({ page }) => page)))],
  };
}

/** Committed versions that follow a base in use: rivals of what builds on it. A page that every transaction changes has thousands of others. */
function whatFollows(state: PgState, uses: readonly PageUse[]): CommittedVersion[] {
  const found = new Map<Change | PageVersion, CommittedVersion>();
  for (const { page, base } of uses) {
    const chain = state.pages.at(page);
    const at = chain.indexOf(base);
    const next = at === undefined ? undefined : chain.changes[at + 1];
    const isMerged = at === undefined && sameVersion(chain.storedBase, base) && !isNone(chain.stored);
    if (next !== undefined) found.set(next, asCommitted(page, next));
    else if (isMerged) found.set(chain.stored, { page, base, version: chain.stored });
    for (const change of chain.detached.on(base)) found.set(change, asCommitted(page, change));
  }
  return [...found.values()];
}

/** Committed versions on these pages of which a commit of the stream is learnt beyond the decisions known. */
function news(state: PgState, log: StreamLog, pages: ReadonlySet<PageId>): CommittedVersion[] {
  const isNews = ({ stream, lsn }: PageVersion): boolean =>
    stream === log.stream && lsn > log.decided.through;
  const found: CommittedVersion[] = [];
  for (const page of pages) {
    const { changes, detached, stored, storedBase } = state.pages.at(page);
    if (isNews(stored)) found.push({ page, base: storedBase, version: stored });
    for (let i = changes.length - 1; i >= 0; i--) {
      const change = changes[i]!;
      const { slice } = change.taken;
      if (isNews(slice) || isNews(change.delta.base)) found.push(asCommitted(page, change));
      // LSNs of a stream ascend along a chain; and below an exclusive stream's there is none of it.
      else if (slice.stream === log.stream || log.exclusive) break;
    }
    for (const change of detached)
      if (isNews(change.taken) || isNews(change.delta.base)) found.push(asCommitted(page, change));
  }
  return found;
}

const asCommitted = (page: PageId, { taken, delta }: Change): CommittedVersion => ({
  page,
  base: delta.base,
  version: { stream: taken.stream, lsn: taken.lsn },
});

export function close(state: PgState, decider: Decider, m: Close, from: Link, turn: Turn): void {
  // Settled, whole, and forgotten: a log made anew would be empty.
  const isForgotten = m.stream <= state.settledThrough && !state.streams.has(m.stream);
  const log = isForgotten ? undefined : state.log(m.stream);
  if (log !== undefined) closeLog(state, decider, log, { final: m.final, tail: m.tail }, m.decisions, turn);
  const message = {
    type: "closed",
    request: m.request,
    pg: m.pg,
    stream: m.stream,
    complete: log?.isComplete ?? true,
  } as const;
  turn.tell(from, message);
}

/** The stream is closed at `final`; `decisions` are its outcomes as far as they were not known before. */
export function closeLog(
  state: PgState,
  decider: Decider,
  log: StreamLog,
  at: ClosedAt,
  decisions: Close["decisions"],
  turn: Turn,
): void {
  const { pg, stream } = log;
  let isNew = log.closed === undefined;
  const before = log.decided.through;
  const { isFenced } = log;
  if (state.planted?.has("manifest-word-ignored")) {
    log.closed = at;
    log.isFenced = true;
    log.decided.add(decisions);
  } else isNew = settleClosed(log, at, decisions) || isNew;
  if (state.planted?.has("close-does-not-fence")) log.isFenced = isFenced;
  turn.steps?.closed(log, at, decisions, isFenced);
  // In an exclusive stream only what is indexed already, for an abort may have been overridden; the rest follows by itself.
  const end = log.exclusive ? log.cursor : log.slices.length;
  for (let i = log.indexAfter(decisions.from); i < end; i++) decider.apply(log.slices[i]!, turn);
  if (log.exclusive) state.toIndex.add(log);
  else decider.advance(log, Number.POSITIVE_INFINITY, turn);
  decider.revote(turn);
  if (isNew || log.decided.through !== before)
    turn.record({ kind: "close", pg, stream, final: at.final, tail: at.tail, decisions });
}

/** The facts alone, as recovery from the log needs them too. Returns whether any of them was news. */
export function settleClosed(log: StreamLog, at: ClosedAt, decisions: Close["decisions"]): boolean {
  log.isFenced = true;
  log.closed = at;
  let isNew = log.decided.close(decisions, at.final);
  for (let i = log.indexAfter(at.tail); i < log.slices.length; i++)
    isNew = log.decided.set(log.slices[i]!.lsn, "abort", true) || isNew;
  log.closeGaps();
  return isNew;
}
