/**
 * Conditions on streams, from opening to close: what a writer builds on and sends, its durable point, and what the manifest does
 * with its stream. DESIGN sections 6 and 7, I1, I5, I6.
 */
import {
  FENCE_QUORUM,
  isNone,
  lsn,
  OWNED_QUORUM,
  showVersion,
  sameVersion,
  type Lsn,
  type NodeName,
  type SentSliceFacts,
  type StreamId,
} from "@sixfold/model";
import { condition, type Condition, type Step } from "./condition.ts";
import { canNeverCommit } from "./commit-conditions.ts";
import { isCommitted, usesOf, type EntryFacts, type Facts } from "./facts.ts";
import { exclusivityFault, registerFault, sameRevisionFault } from "./manifest-steps.ts";

function notTheAuthor(facts: Facts, stream: StreamId, process: NodeName): string | undefined {
  const writer = facts.writerOf(stream);
  return writer === undefined || writer === process ? undefined : `stream ${stream} is ${writer}'s`;
}

type Sent = Extract<Step, { kind: "sent" }>;

/** What is wrong with the bases that are not committed: of the entry's own stream, or of others. */
function badBase(facts: Facts, { stream, lsn: at, slices }: Sent, own: boolean): string | undefined {
  for (const slice of slices)
    for (const { page, base } of usesOf(slice)) {
      if ((base.stream === stream) !== own || isNone(base) || facts.isForgotten(base.stream, base.lsn))
        continue;
      const under = facts.entry(base.stream, base.lsn);
      if (under !== undefined && isCommitted(under)) continue;
      const fault = own ? badOwnBase(under, base.lsn, at, slice) : "is not committed";
      if (fault !== undefined) return `page ${page}: its base ${showVersion(base)} ${fault}`;
    }
  return undefined;
}

/** It must be earlier, neither committed nor aborted, and named. */
function badOwnBase(
  under: EntryFacts | undefined,
  base: Lsn,
  at: Lsn,
  slice: SentSliceFacts,
): string | undefined {
  if (under === undefined) return "was never sent";
  if (base >= at) return "is later";
  if (under.decision === "abort") return "is aborted";
  return slice.ownBases.includes(base) ? undefined : "is undecided, and not named among its own bases";
}

/** Four of six are owed to whom owns everything it touches. A page never written may be of an extent of its own, which only the writer knows. */
function notOwned(facts: Facts, stream: StreamId, slice: SentSliceFacts): string | undefined {
  if (!slice.owned || facts.isExclusive(stream)) return undefined;
  for (const { page, base } of usesOf(slice))
    if (!isNone(base) && base.stream !== stream && !facts.mayBeGift(page, base, stream))
      return `page ${page} is ${showVersion(base)}'s, and is called owned`;
  return undefined;
}

/** Whoever gave a version away is as any other stream to it. */
function givenAway(facts: Facts, stream: StreamId, slice: SentSliceFacts): string | undefined {
  if (!slice.owned) return undefined;
  for (const { page, base } of usesOf(slice)) {
    const to = base.stream === stream ? facts.givenTo(page, base) : undefined;
    if (to !== undefined) return `page ${page} at ${showVersion(base)} was given to stream ${to}`;
  }
  return undefined;
}

/** Own entries on the version that are not over: a change that was not aborted for good, or a check that may be decided either way. */
function rivalsOfGift(
  facts: Facts,
  { stream, page, lsn }: Extract<Step, { kind: "gave" }>,
): string | undefined {
  const version = { stream, lsn };
  if (facts.successor(page, version)?.stream === stream) return "its own next version is committed";
  for (const at of facts.sentAfter(stream, facts.durablePoint(stream))) {
    const e = facts.entry(stream, at);
    if (e === undefined || (e.decision === "abort" && e.isAbortTold)) continue;
    for (const slice of e.slices) {
      const changes = slice.deltas.some((d) => d.page === page && sameVersion(d.base, version));
      const checks = slice.checks.some((c) => c.page === page && sameVersion(c.base, version));
      if (changes || (checks && !isCommitted(e))) return `its own entry ${at} is built on it`;
    }
  }
  return undefined;
}

/** Entries up to `through` that are committed are with a write quorum in each of their PGs. */
function notDurable(facts: Facts, stream: StreamId, through: Lsn): string | undefined {
  for (const at of facts.sentAfter(stream, facts.durablePoint(stream))) {
    if (at > through) break;
    const e = facts.entry(stream, at);
    if (e === undefined || !isCommitted(e)) continue;
    for (const { pg } of e.slices) {
      const there = facts.storedAt(pg, stream, at);
      if (there < OWNED_QUORUM) return `entry ${at} is on ${there} segments of PG ${pg}`;
    }
  }
  return undefined;
}

/** Fenced at four of six wherever it sent anything; or else its writer has decided all it sent. */
function unfenced(facts: Facts, stream: StreamId): string | undefined {
  const quiet = (): boolean => {
    for (const at of facts.sentAfter(stream, lsn(facts.firstUndecided(stream) - 1)))
      if (facts.entry(stream, at)?.decision === undefined) return false;
    return true;
  };
  for (const pg of facts.pgsOf(stream)) {
    const fences = facts.fencesOf(pg, stream);
    if (fences < FENCE_QUORUM && !quiet())
      return `closed with ${fences} fences in PG ${pg}, and undecided entries`;
  }
  return undefined;
}

export const streamConditions: readonly Condition[] = [
  condition({
    name: "one-author",
    rule: "I6",
    says: "a stream is opened by one node, once",
    on: "opened",
    order: "any",
    fails: (facts, { stream }) => {
      const writer = facts.writerOf(stream);
      return writer === undefined ? undefined : `stream ${stream} was opened by ${writer} already`;
    },
  }),
  condition({
    name: "own-stream-only",
    rule: "I6",
    says: "a node sends on its own stream only, each LSN once",
    on: "sent",
    order: "any",
    fails: (facts, { stream, lsn: at }, process) =>
      notTheAuthor(facts, stream, process) ??
      (facts.entry(stream, at) === undefined ? undefined : `entry ${at} was sent or decided already`),
  }),
  condition({
    name: "own-decisions-only",
    rule: "I6",
    says: "a node decides on its own stream only",
    on: "decided",
    order: "any",
    fails: (facts, { stream }, process) => notTheAuthor(facts, stream, process),
  }),
  condition({
    name: "built-on-committed",
    rule: "4 vote",
    says: "of other streams' versions an entry is built on committed ones only",
    on: "sent",
    order: "true",
    fails: (facts, step) => badBase(facts, step, false),
  }),
  condition({
    name: "built-on-own",
    rule: "6 own base",
    says: "of its own stream's versions an entry is built on committed ones, and on undecided ones that it names",
    on: "sent",
    order: "any",
    fails: (facts, step) => badBase(facts, step, true),
  }),
  condition({
    name: "owned-is-owned",
    rule: "6 quorum",
    says: "only a stream that wrote the base of every page of a slice or was given it, or an exclusive one, may call it owned",
    on: "sent",
    order: "true",
    fails: (facts, { stream, slices }) => {
      for (const slice of slices) {
        const fault = notOwned(facts, stream, slice);
        if (fault !== undefined) return fault;
      }
      return undefined;
    },
  }),
  condition({
    name: "given-is-given",
    rule: "6 quorum",
    says: "who gave a version away does not call it owned",
    on: "sent",
    order: "any",
    fails: (facts, { stream, slices }) => {
      for (const slice of slices) {
        const fault = givenAway(facts, stream, slice);
        if (fault !== undefined) return fault;
      }
      return undefined;
    },
  }),
  condition({
    name: "gift-unclaimed",
    rule: "6 quorum",
    says: "a version is given away while no own entry is built on it",
    on: "gave",
    order: "any",
    fails: rivalsOfGift,
  }),
  condition({
    name: "supersedes-aborted",
    rule: "5 commit 4",
    says: "an entry supersedes only an aborted one",
    on: "sent",
    order: "any",
    fails: (facts, { stream, slices }) => {
      const older = slices[0]?.supersedes ?? 0;
      if (older === 0 || facts.isForgotten(stream, lsn(older))) return undefined;
      const decision = facts.entry(stream, lsn(older))?.decision;
      return decision === "abort" ? undefined : `entry ${older} is ${decision ?? "undecided"}`;
    },
  }),
  condition({
    name: "durable-without-gaps",
    rule: "1 durable point",
    says: "the durable point passes only what is decided",
    on: "durable",
    order: "any",
    fails: (facts, { stream, through }, process) => {
      const fault = notTheAuthor(facts, stream, process);
      if (fault !== undefined) return fault;
      if (through < facts.durablePoint(stream)) return "the durable point goes back";
      const first = facts.firstUndecided(stream);
      return first <= through ? `entry ${first} is undecided` : undefined;
    },
  }),
  condition({
    name: "durable-is-final",
    rule: "1 durable point, 6 told, I4",
    says: "the durable point passes an abort only once nothing can commit the entry any more",
    on: "durable",
    order: "true",
    fails: (facts, { stream, through }) => {
      for (const at of facts.sentAfter(stream, facts.durablePoint(stream))) {
        if (at > through) break;
        const e = facts.entry(stream, at);
        if (e?.decision === "abort" && !canNeverCommit(facts, e)) return `entry ${at} may still be committed`;
      }
      return undefined;
    },
  }),
  condition({
    name: "told-is-stored",
    rule: "I1",
    says: "a client hears of a commit once four of six segments of each of its PGs have it",
    on: "told",
    order: "true",
    fails: (facts, { stream, lsn: at, decision }) => {
      if (decision !== "commit" || facts.isForgotten(stream, at)) return undefined;
      for (const { pg } of facts.entry(stream, at)?.slices ?? []) {
        const there = facts.storedAt(pg, stream, at);
        if (there < OWNED_QUORUM) return `entry ${at} is on ${there} segments of PG ${pg}`;
      }
      return undefined;
    },
  }),
  condition({
    name: "durable-on-four",
    rule: "1 durable point, I1",
    says: "committed entries up to the durable point are stored on four of six segments of each of their PGs",
    on: "durable",
    order: "true",
    fails: (facts, { stream, through }) => notDurable(facts, stream, through),
  }),
  condition({
    name: "register",
    rule: "7 manifest",
    says: "the manifest is one register: a revision has one content, streams stay closed, outcomes do not turn",
    on: "manifest",
    order: "any",
    fails: (facts, { manifest }) => {
      const before = facts.manifest;
      if (before === undefined || manifest.revision < before.revision) return undefined;
      return manifest.revision === before.revision
        ? sameRevisionFault(before, manifest)
        : registerFault(before, manifest);
    },
  }),
  condition({
    name: "exclusive-alone",
    rule: "7 mode",
    says: "an exclusive stream is open alone",
    on: "manifest",
    order: "any",
    fails: (_, { manifest }) => exclusivityFault(manifest),
  }),
  condition({
    name: "fenced-before-closed",
    rule: "7 step 1, I6",
    says: "a stream is closed when four of six segments of each PG are fenced, or by its writer with everything decided",
    on: "closed",
    order: "true",
    fails: (facts, { stream }) => unfenced(facts, stream),
  }),
  condition({
    name: "close-leaves-nothing",
    rule: "7 step 2, I2",
    says: "what was committed lies at or below the final LSN",
    on: "closed",
    order: "any",
    fails: (facts, { stream, final }) => {
      for (const at of facts.sentAfter(stream, final)) {
        const e = facts.entry(stream, at);
        if (e !== undefined && isCommitted(e)) return `entry ${at} is committed, the final LSN is ${final}`;
      }
      return undefined;
    },
  }),
  condition({
    name: "closed-with-all-decided",
    rule: "7 step 3",
    says: "every entry up to the final LSN of a closed stream has a decision",
    on: "closed",
    order: "true",
    fails: (facts, { stream, final }) => {
      const outcomes = facts.manifest?.outcomes ?? [];
      if (outcomes.some((o) => o.stream === stream)) return undefined;
      const first = facts.firstUndecided(stream);
      if (first > final || facts.isForgotten(stream, first)) return undefined;
      return `entry ${first} is undecided, the final LSN is ${final}`;
    },
  }),
  condition({
    name: "outcome-kept-until-known",
    rule: "6 manifest, 7 step 4",
    says: "a commit leaves the manifest once four of six segments of every PG concerned know it and have the slice",
    on: "left",
    order: "true",
    fails: (facts, { stream, lsn: at, decision, pgs }) => {
      const settled = facts.manifest?.settledThrough ?? 0;
      if (decision !== "commit" || stream <= settled || facts.isForgotten(stream, at)) return undefined;
      for (const pg of pgs) {
        const known = facts.outcomeKnownAt(pg, stream, at);
        if (known < OWNED_QUORUM) return `${known} segments of PG ${pg} know it and have it`;
      }
      return undefined;
    },
  }),
];
