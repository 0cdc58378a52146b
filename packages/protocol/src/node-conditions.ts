/**
 * Conditions on segments one by one, and on what database nodes show and say. DESIGN section 4 (vote, decide, read), section 6 ("What
 * nodes see"), I3, I4, I5, I8.
 */
import {
  isNone,
  lsn,
  OWNED_QUORUM,
  sameVersion,
  showVersion,
  streamState,
  type Decision,
  type Decisions,
  type Lsn,
  type NodeName,
  type PageId,
  type PageVersion,
  type PgId,
  type SentSliceFacts,
  type StreamId,
} from "@sixfold/model";
import { condition, type Condition, type Step } from "./condition.ts";
import { isCommitted, isOwnAfter, usesOf, type EntryFacts, type Facts } from "./facts.ts";

interface Vote {
  readonly pg: PgId;
  readonly stream: StreamId;
  readonly lsn: Lsn;
  readonly vote: string;
}

/** The slice that this step newly accepts, with its entry; undefined if it is decided here, or forgotten. */
function accepted(
  facts: Facts,
  step: Vote,
  process: NodeName,
): { e: EntryFacts; slice: SentSliceFacts } | undefined {
  if (step.vote !== "accept") return undefined;
  const e = facts.entry(step.stream, step.lsn);
  const slice = e?.slices.find((s) => s.pg === step.pg);
  if (e === undefined || slice === undefined) return undefined;
  return facts.knownDecision(process, step.pg, step.stream, step.lsn) === undefined
    ? { e, slice }
    : undefined;
}

/** It had accepted the slice before, and says so again: it was started anew. */
function holds(facts: Facts, step: Vote, slice: SentSliceFacts, process: NodeName): boolean {
  return usesOf(slice).some(({ page }) =>
    facts
      .claimsOn(process, step.pg, page)
      .some((claim) => claim.stream === step.stream && claim.lsn === step.lsn),
  );
}

/** Later than any entry. */
const NEVER = lsn(Number.MAX_SAFE_INTEGER);

/** Is `old` among the own versions of the page that `from` was built on? */
function buildsOn(facts: Facts, stream: StreamId, page: PageId, from: PageVersion, old: Lsn): boolean {
  let at = from;
  while (at.stream === stream && at.lsn >= old) {
    if (at.lsn === old) return true;
    let under: PageVersion | undefined;
    for (const slice of facts.entry(stream, at.lsn)?.slices ?? [])
      under ??= slice.deltas.find((d) => d.page === page)?.base;
    if (under === undefined) return true; // forgotten: nothing is demanded
    at = under;
  }
  return false;
}

/**
 * Another stream's claim, or an own delta on the page: an earlier one that this slice was not built on, or a later one that was not built on
 * this slice. The nearest on each side stand for all, since each of them was judged so.
 */
function claimInTheWay(facts: Facts, step: Vote, process: NodeName): string | undefined {
  const found = accepted(facts, step, process);
  if (found === undefined) return undefined;
  const { stream } = step;
  const against = (page: PageId, base: PageVersion, writes: boolean): string | undefined => {
    let [before, after] = [lsn(0), NEVER];
    for (const claim of facts.claimsOn(process, step.pg, page)) {
      if (claim.stream !== stream) {
        if (claim.writes || writes)
          return `page ${page}: ${claim.stream}:${claim.lsn} is accepted and undecided here`;
      } else if (!claim.writes) continue;
      else if (claim.lsn < step.lsn) before = lsn(Math.max(before, claim.lsn));
      else if (claim.lsn > step.lsn) after = lsn(Math.min(after, claim.lsn));
    }
    if (before > 0 && !buildsOn(facts, stream, page, base, before))
      return `page ${page}: it was not built on own undecided ${before}`;
    if (writes && after !== NEVER && !buildsOn(facts, stream, page, { stream, lsn: after }, step.lsn))
      return `page ${page}: own undecided ${after} was not built on it`;
    return undefined;
  };
  for (const d of found.slice.deltas) {
    const fault = against(d.page, d.base, true);
    if (fault !== undefined) return fault;
  }
  for (const c of found.slice.checks) {
    const fault = against(c.page, c.base, false);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** A committed version that this segment has and knows follows one of the bases. */
function baseOvertaken(facts: Facts, step: Vote, process: NodeName): string | undefined {
  const found = accepted(facts, step, process);
  if (found === undefined) return undefined;
  for (const use of usesOf(found.slice)) {
    const { page, base } = use;
    const next = facts.successor(page, base);
    if (next === undefined || (next.stream === step.stream && next.lsn === step.lsn)) continue;
    // Said again by a segment that was started anew; it was given before that.
    if (isOwnAfter(found.e, next) && !found.slice.deltas.includes(use)) continue;
    const isHere = facts.storedThrough(process, step.pg, next.stream) >= next.lsn;
    if (isHere && facts.knownDecision(process, step.pg, next.stream, next.lsn) === "commit")
      return `page ${page}: ${showVersion(next)} is known to be committed on ${showVersion(base)}`;
  }
  return undefined;
}

type DecisionSource = Extract<Step, { kind: "learned" }>["source"];

/** The manifest's word overrides what a segment believed. */
const isWord = (source: DecisionSource): boolean => source === "manifest" || source === "close";

interface Learned {
  readonly pg: PgId;
  readonly stream: StreamId;
  readonly decisions: Decisions;
  readonly source: DecisionSource;
}

/** Every decision that is news here. Amortised O(1) an entry. */
export function forNews(
  facts: Facts,
  step: Learned,
  process: NodeName,
  visit: (at: Lsn, decision: Decision) => string | undefined,
): string | undefined {
  const { from, through, aborts, earlyAborts } = step.decisions;
  for (const at of earlyAborts) {
    if (facts.knownDecision(process, step.pg, step.stream, at) !== undefined) continue;
    const fault = visit(at, "abort");
    if (fault !== undefined) return fault;
  }
  // The manifest's word overrides what was known; of the others only news counts.
  const known = isWord(step.source)
    ? facts.forgottenThrough(step.stream)
    : facts.decidedThrough(process, step.pg, step.stream);
  let next = 0;
  for (let at = lsn(Math.max(from, known) + 1); at <= through; at = lsn(at + 1)) {
    while (next < aborts.length && aborts[next]! < at) next++;
    const decision = aborts[next] === at ? "abort" : "commit";
    if (facts.knownDecision(process, step.pg, step.stream, at) === decision) continue;
    const fault = visit(at, decision);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function untrueCommit(facts: Facts, step: Learned, process: NodeName): string | undefined {
  return forNews(facts, step, process, (at, decision) => {
    if (decision !== "commit" || facts.isForgotten(step.stream, at)) return undefined;
    const e = facts.entry(step.stream, at);
    // No slice of it here that the range could commit: the segment is not owed the abort.
    if (e !== undefined && !e.slices.some((s) => s.pg === step.pg)) return undefined;
    return e !== undefined && isCommitted(e) ? undefined : `${step.stream}:${at} is not committed`;
  });
}

function untrueAbort(facts: Facts, step: Learned, process: NodeName): string | undefined {
  return forNews(facts, step, process, (at, decision) => {
    if (decision !== "abort" || facts.isForgotten(step.stream, at)) return undefined;
    const e = facts.entry(step.stream, at);
    // Beyond the stream's last slice in the PG an overruled abort may stay known there: it is nothing's fate.
    const isNothing = step.source === "close" && e?.slices.every(({ pg }) => pg !== step.pg) === true;
    if (isNothing) return undefined;
    const known = isWord(step.source) ? (e?.ruling ?? e?.decision) : (e?.decision ?? e?.ruling);
    return known === "abort" ? undefined : `nobody aborted ${step.stream}:${at}`;
  });
}

export const segmentConditions: readonly Condition[] = [
  condition({
    name: "sticky-accept",
    rule: "4 vote 1",
    says: "no segment accepts a slice while another stream's accepted, undecided slice claims one of its pages, or an own one beside it",
    on: "voted",
    order: "any",
    fails: claimInTheWay,
  }),
  condition({
    name: "newest-base",
    rule: "4 vote 1, 2",
    says: "no segment accepts a slice whose base it knows to be overtaken by a committed version",
    on: "voted",
    order: "any",
    fails: baseOvertaken,
  }),
  condition({
    name: "fence-holds-votes",
    rule: "7 step 1, I6",
    says: "a fenced segment accepts nothing more of the stream",
    on: "voted",
    order: "any",
    fails: (facts, step, process) => {
      const found = accepted(facts, step, process);
      if (found === undefined || !facts.isFenced(process, step.pg, step.stream)) return undefined;
      return holds(facts, step, found.slice, process) ? undefined : "it is fenced here";
    },
  }),
  condition({
    name: "fence-holds-decisions",
    rule: "7 step 1, I6",
    says: "a fenced segment takes no decision from the stream's writer, nor from a peer before it has heard the close",
    on: "learned",
    order: "any",
    fails: (facts, step, process) => {
      if (step.source !== "writer" && step.source !== "peer") return undefined;
      if (!facts.isFenced(process, step.pg, step.stream)) return undefined;
      if (step.source === "peer" && facts.knowsClose(process, step.pg, step.stream)) return undefined;
      return forNews(facts, step, process, (at) => `${step.stream}:${at}, and it is fenced here`);
    },
  }),
  condition({
    name: "fence-holds-log",
    rule: "7 step 1, I6",
    says: "a fenced segment's log of the stream does not grow before it has heard the close",
    on: "stored",
    order: "any",
    fails: (facts, { pg, stream, scl }, process) =>
      facts.isFenced(process, pg, stream) &&
      !facts.knowsClose(process, pg, stream) &&
      scl > facts.storedThrough(process, pg, stream)
        ? "it is fenced here"
        : undefined,
  }),
  condition({
    name: "commits-are-true",
    rule: "4 decide",
    says: "a segment takes for committed only what is",
    on: "learned",
    order: "true",
    fails: untrueCommit,
  }),
  condition({
    name: "aborts-are-true",
    rule: "4 decide",
    says: "a segment takes for aborted only what the writer or the manifest aborted",
    on: "learned",
    order: "true",
    fails: untrueAbort,
  }),
  condition({
    name: "one-chain",
    rule: "I3",
    says: "a version goes on a page's chain if it is committed, on the base that its entry named",
    on: "chained",
    order: "true",
    fails: (facts, { pg, page, version, base }) => {
      if (facts.isForgotten(version.stream, version.lsn)) return undefined;
      const e = facts.entry(version.stream, version.lsn);
      if (e === undefined || !isCommitted(e)) return `page ${page}: ${showVersion(version)} is not committed`;
      const delta = e.slices.find((s) => s.pg === pg)?.deltas.find((d) => d.page === page);
      return delta !== undefined && sameVersion(delta.base, base)
        ? undefined
        : `page ${page}: ${showVersion(version)} was not built on ${showVersion(base)}`;
    },
  }),
  condition({
    name: "whole-chain-read",
    rule: "I8",
    says: "a page read is answered with the newest committed version that the read point shows",
    on: "answered",
    order: "true",
    fails: (facts, { page, version, readPoint }) => {
      const next = facts.successor(page, version);
      if (next !== undefined && readPoint.includes(next))
        return `page ${page}: answered ${showVersion(version)}, but ${showVersion(next)} is visible`;
      if (isNone(version) || facts.isForgotten(version.stream, version.lsn)) return undefined;
      const e = facts.entry(version.stream, version.lsn);
      if (e === undefined || !isCommitted(e)) return `page ${page}: ${showVersion(version)} is not committed`;
      return readPoint.includes(version) ? undefined : `page ${page}: ${showVersion(version)} is not visible`;
    },
  }),
];

export const nodeConditions: readonly Condition[] = [
  condition({
    name: "shown-is-durable",
    rule: "6 what nodes see, I4",
    says: "a node shows a stream up to its durable point, or to its end",
    on: "shown",
    order: "true",
    fails: (facts, { stream, through }) => {
      const state = facts.manifest === undefined ? undefined : streamState(facts.manifest, stream);
      if (state === undefined || through <= facts.durablePoint(stream)) return undefined;
      if (state.state === "closed")
        return through <= state.final ? undefined : "beyond the end of the stream";
      return `beyond the durable point ${facts.durablePoint(stream)}`;
    },
  }),
  condition({
    name: "causally-closed",
    rule: "I5",
    says: "where a node lets transactions begin, it shows everything that what it shows was built on",
    on: "shown",
    order: "true",
    fails: (facts, { vector, readable }) => (readable ? facts.openEnd(vector) : undefined),
  }),
  condition({
    name: "outcome-is-true",
    rule: "8 outcome, I2",
    says: "a transaction is called committed when an attempt is, on four of six; aborted when none is or will be",
    on: "outcome",
    order: "true",
    fails: (facts, { transaction, outcome }) => {
      const attempts = facts.attemptsOf(transaction);
      const committed = attempts.find(isCommitted);
      if (outcome === "aborted")
        return committed === undefined ? undefined : `attempt ${committed.lsn} is committed`;
      if (attempts.length === 0) return undefined; // forgotten
      if (committed === undefined)
        return attempts.some((e) => facts.isForgotten(e.stream, e.lsn))
          ? undefined
          : "no attempt is committed";
      for (const { pg } of committed.slices) {
        const there = facts.storedAt(pg, committed.stream, committed.lsn);
        if (there < OWNED_QUORUM) return `attempt ${committed.lsn} is on ${there} segments of PG ${pg}`;
      }
      return undefined;
    },
  }),
];
