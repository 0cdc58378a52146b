/**
 * Conditions on decisions: what a commit needs, whoever makes it; what an abort needs before a client may hear of it.
 * DESIGN section 6 ("Deciding") and section 7 (recovery's rules), I1, I2, I3.
 *
 *     accepts ──> decided (votes)  ──┐
 *     accepts ──> ruled (manifest) ──┼──> committed: in LSN order, on committed bases, nobody else on its bases
 *     fences  ──> ruled (close)    ──┘
 */
import {
  FENCE_QUORUM,
  isNone,
  OWNED_QUORUM,
  quorumFor,
  REPLICAS,
  sameVersion,
  showVersion,
  streamState,
  type Lsn,
  type PageUse,
  type StreamId,
} from "@sixfold/model";
import { condition, type Condition } from "./condition.ts";
import { isCommitted, isOwnAfter, type EntryFacts, type Facts } from "./facts.ts";

/** A step that commits the entry named in it, for the first time. */
interface Committing {
  readonly stream: StreamId;
  readonly lsn: Lsn;
  readonly decision: "commit" | "abort";
}

/** The entry that this step commits; undefined if it commits none, one already committed, or one forgotten. */
function committing(facts: Facts, step: Committing): EntryFacts | undefined {
  if (step.decision !== "commit") return undefined;
  const e = facts.entry(step.stream, step.lsn);
  return e === undefined || isCommitted(e) ? undefined : e;
}

const isItself = (e: EntryFacts, v: PageUse["base"]): boolean => v.stream === e.stream && v.lsn === e.lsn;

/** I3: nothing else that is committed lies on one of its bases. */
function forks(facts: Facts, step: Committing): string | undefined {
  const e = step.decision === "commit" ? facts.entry(step.stream, step.lsn) : undefined;
  for (const slice of e?.slices ?? [])
    for (const { page, base } of slice.deltas) {
      const next = facts.successor(page, base);
      if (next !== undefined && !isItself(e!, next))
        return `page ${page}: ${showVersion(next)} is committed on ${showVersion(base)} already`;
    }
  return undefined;
}

/**
 * Committed, or accepted by so many in each PG that nothing can stop it: the manifest may record what lies on an entry whose votes are
 * decisive before its writer says so, since whoever closes the stream comes to the same.
 */
function isSure(facts: Facts, e: EntryFacts): boolean {
  if (isCommitted(e)) return true;
  const isOpen = e.decision === undefined && e.ruling === undefined;
  return isOpen && e.slices.length > 0 && tooFewAccepts(facts, e, quorumFor, "it") === undefined;
}

/** I3: what is committed lies on what is committed. */
function baseNotCommitted(facts: Facts, step: Committing): string | undefined {
  const e = step.decision === "commit" ? facts.entry(step.stream, step.lsn) : undefined;
  for (const slice of e?.slices ?? [])
    for (const { page, base } of slice.deltas) {
      if (isNone(base) || facts.isForgotten(base.stream, base.lsn)) continue;
      const under = facts.entry(base.stream, base.lsn);
      const isOwn = base.stream === step.stream;
      if (under === undefined || !(isOwn ? isSure(facts, under) : isCommitted(under)))
        return `page ${page}: its base ${showVersion(base)} is not committed`;
    }
  return undefined;
}

/** A checked page has not been changed by an entry committed before, unless by a later one of its stream. */
function checkOvertaken(facts: Facts, step: Committing): string | undefined {
  const e = committing(facts, step);
  if (e === undefined) return undefined;
  for (const slice of e.slices)
    for (const { page, base } of slice.checks) {
      const next = facts.successor(page, base);
      if (next !== undefined && !isOwnAfter(e, next))
        return `page ${page}, checked at ${showVersion(base)}: ${showVersion(next)} is committed`;
    }
  return undefined;
}

/** Two committed entries that each changed what the other checked (write skew): whoever was first, the other is wrong. */
function mutualCheck(facts: Facts, step: Committing): string | undefined {
  const e = committing(facts, step);
  if (e === undefined) return undefined;
  for (const slice of e.slices)
    for (const { page, base } of slice.deltas)
      for (const checker of facts.checkersOf(page, base)) {
        if (isItself(e, checker)) continue;
        for (const mine of e.slices)
          for (const check of mine.checks) {
            const next = facts.successor(check.page, check.base);
            if (next !== undefined && sameVersion(next, checker))
              return `${showVersion(checker)} checked page ${page} and changed page ${check.page}, this one the other way round`;
          }
      }
  return undefined;
}

/** The entry that is committed among the earlier and later attempts of this one's transaction. */
function otherAttempt(facts: Facts, step: Committing): string | undefined {
  const e = committing(facts, step);
  if (e === undefined) return undefined;
  for (let x: EntryFacts | undefined = facts.entry(e.stream, e.supersedes); x !== undefined;) {
    if (isCommitted(x)) return `it supersedes ${x.lsn}, which is committed`;
    x = facts.entry(x.stream, x.supersedes);
  }
  for (let x = facts.supersederOf(e.stream, e.lsn); x !== undefined; x = facts.supersederOf(x.stream, x.lsn))
    if (isCommitted(x)) return `${x.lsn} supersedes it, and is committed`;
  return undefined;
}

/** Own bases come first (I5): an entry is not committed before what it was built on. */
function baseOpen(facts: Facts, step: Committing): string | undefined {
  const e = step.decision === "commit" ? facts.entry(step.stream, step.lsn) : undefined;
  for (const base of e?.ownBases ?? []) {
    if (facts.isForgotten(step.stream, base)) continue;
    const under = facts.entry(step.stream, base);
    if (under === undefined || !isSure(facts, under)) return `its own base ${base} is not committed`;
  }
  return undefined;
}

function contradicts(facts: Facts, step: Committing): string | undefined {
  const e = facts.entry(step.stream, step.lsn);
  if (e === undefined) return undefined;
  if (step.decision === "commit") {
    if (e.isAbortTold) return "a client was told that it aborted";
    if (e.ruling === "abort") return "the manifest aborted it";
  } else if (isCommitted(e)) return "it is committed";
  return undefined;
}

function wasCalledAborted(facts: Facts, step: Committing): string | undefined {
  const id = committing(facts, step)?.slices.find((s) => s.transaction !== "")?.transaction;
  return id !== undefined && facts.wasCalledAborted(id) ? "its transaction was called aborted" : undefined;
}

/** What a commit needs, by votes and by the manifest alike. */
const everyCommit = (on: "decided" | "ruled", suffix: string): Condition[] => [
  condition({
    name: `one-decision${suffix}`,
    rule: "I2, 1 decision",
    says: "nothing is committed that was told or ruled aborted, nothing aborted that is committed",
    on,
    // A zombie's abort comes to nothing; what it tells is judged when it tells it.
    order: "any",
    fails: (facts, step) =>
      step.kind === "decided" && step.decision === "abort" ? undefined : contradicts(facts, step),
  }),
  condition({
    name: `one-successor${suffix}`,
    rule: "I3",
    says: "two committed entries never share a base",
    on,
    order: "any",
    fails: forks,
  }),
  condition({
    name: `committed-base${suffix}`,
    rule: "I3",
    says: "what is committed lies on what is committed",
    on,
    order: "true",
    fails: baseNotCommitted,
  }),
  condition({
    name: `check-holds${suffix}`,
    rule: "4 vote 1, 8 serializable",
    says: "what a committed entry checked had not been changed when it was committed",
    on,
    order: "true",
    fails: checkOvertaken,
  }),
  condition({
    name: `no-write-skew${suffix}`,
    rule: "8 serializable",
    says: "no two committed entries each changed what the other checked",
    on,
    order: "any",
    fails: mutualCheck,
  }),
  condition({
    name: `one-attempt${suffix}`,
    rule: "5 commit 4, 6 decisions",
    says: "of the attempts of one transaction at most one is committed",
    on,
    order: "any",
    fails: otherAttempt,
  }),
  condition({
    name: `called-aborted-stays${suffix}`,
    rule: "8 outcome, I2",
    says: "a transaction that somebody was told had aborted is not committed later",
    on,
    order: "any",
    fails: wasCalledAborted,
  }),
  condition({
    name: `own-bases-first${suffix}`,
    rule: "6 commit, I5",
    says: "an entry is committed after its own bases",
    on,
    order: "true",
    fails: baseOpen,
  }),
];

function tooFewAccepts(
  facts: Facts,
  e: EntryFacts,
  needed: (owned: boolean) => number,
  what: string,
): string | undefined {
  for (const slice of e.slices) {
    const accepts = facts.acceptsOf(e, slice);
    const q = needed(slice.owned);
    if (accepts < q) return `PG ${slice.pg}: ${accepts} accept, ${what} needs ${q}`;
  }
  return undefined;
}

/**
 * May a client hear that the entry aborted? Once it can never be committed: it was never sent, the manifest says so, the abort is durable
 * on four of six of its first PG, what supersedes it is committed, somebody else's version follows one of its bases, or the like is true
 * of an own base. (DESIGN section 6.)
 */
export function canNeverCommit(facts: Facts, e: EntryFacts): boolean {
  const first = e.slices[0];
  if (first === undefined || e.ruling === "abort") return true;
  return facts.decisionKnownAt(first.pg, e.stream, e.lsn) >= OWNED_QUORUM || isDoomed(facts, e);
}

/** What is committed already forbids it. */
function isDoomed(facts: Facts, e: EntryFacts): boolean {
  const superseder = facts.supersederOf(e.stream, e.lsn);
  if (superseder !== undefined && isCommitted(superseder)) return true;
  for (const slice of e.slices)
    for (const { page, base } of slice.deltas) {
      const next = facts.successor(page, base);
      if (next === undefined ? facts.isOvertaken(page, base) : !isItself(e, next)) return true;
    }
  for (const base of e.ownBases) {
    const under = facts.entry(e.stream, base);
    if (under !== undefined && !isCommitted(under) && canNeverCommit(facts, under)) return true;
  }
  return false;
}

/** A committed entry changed what this one checked, or checked what this one changes. */
function hasRivalCheck(facts: Facts, e: EntryFacts): boolean {
  return e.slices.some(
    (slice) =>
      slice.checks.some(({ page, base }) => {
        const next = facts.successor(page, base);
        return next !== undefined && !isOwnAfter(e, next);
      }) || slice.deltas.some(({ page, base }) => facts.checkersOf(page, base).some((c) => !isItself(e, c))),
  );
}

export const commitConditions: readonly Condition[] = [
  condition({
    name: "decided-once",
    rule: "1 decision, I2",
    says: "a writer decides an entry once",
    on: "decided",
    order: "any",
    fails: (facts, { stream, lsn }) =>
      facts.entry(stream, lsn)?.decision === undefined ? undefined : "it had been decided before",
  }),
  ...everyCommit("decided", ""),
  ...everyCommit("ruled", "-ruled"),
  condition({
    name: "votes-decide",
    rule: "6 commit, I1",
    says: "a commit by votes has q durable accepts in each of its PGs: 4 if it owns the pages, else 5",
    on: "decided",
    order: "true",
    fails: (facts, step) => {
      // Once a recovery has committed it, segments may take accepts of it back: of what was only checked.
      const e = committing(facts, step);
      if (step.by !== "votes" || e === undefined) return undefined;
      return tooFewAccepts(facts, e, quorumFor, "a commit by votes");
    },
  }),
  condition({
    name: "manifest-decides",
    rule: "6, I2",
    says: "a commit without the votes is in the manifest",
    on: "decided",
    order: "true",
    fails: (facts, { stream, lsn, by, decision }) => {
      if ((by !== "manifest" && by !== "recovery") || facts.isForgotten(stream, lsn)) return undefined;
      const e = facts.entry(stream, lsn);
      return e === undefined || e.slices.length === 0 || e.ruling === decision
        ? undefined
        : `the manifest says ${e.ruling ?? "nothing"}`;
    },
  }),
  condition({
    name: "lsn-order",
    rule: "6 commit",
    says: "commits go in LSN order: every earlier entry of the stream is decided",
    on: "decided",
    order: "any",
    fails: (facts, { stream, lsn, decision, by }) => {
      const first = facts.firstUndecided(stream);
      return decision === "commit" && by !== "recovery" && first < lsn
        ? `entry ${first} is undecided`
        : undefined;
    },
  }),
  condition({
    name: "manifest-commit-accepted",
    rule: "6 manifest, I1",
    says: "a commit goes through the manifest only with four accepts in each of its PGs",
    on: "ruled",
    order: "true",
    fails: (facts, step) => {
      const e = committing(facts, step);
      if (e === undefined || step.byClose) return undefined;
      return tooFewAccepts(facts, e, () => OWNED_QUORUM, "a commit through the manifest");
    },
  }),
  condition({
    name: "recovery-bound",
    rule: "7 step 2",
    says: "recovery commits an undecided entry only if at most 6 - q of the fenced segments lack its accept",
    on: "ruled",
    order: "true",
    fails: (facts, step) => {
      const e = committing(facts, step);
      if (e === undefined || !step.byClose || e.ruling !== undefined) return undefined;
      return tooFewAccepts(facts, e, (owned) => FENCE_QUORUM - (REPLICAS - quorumFor(owned)), "a recovery");
    },
  }),
  condition({
    name: "recovery-keeps",
    rule: "7 step 2, I1",
    says: "recovery aborts nothing that a write quorum has accepted, unless something else forbids it",
    on: "ruled",
    order: "true",
    fails: (facts, { stream, lsn, decision, byClose }) => {
      if (decision !== "abort" || !byClose) return undefined;
      const e = facts.entry(stream, lsn);
      if (e === undefined || e.slices.length === 0 || e.decision !== undefined) return undefined;
      const isAccepted = e.slices.every((s) => facts.toldAcceptsOf(e, s) >= quorumFor(s.owned));
      if (!isAccepted || isDoomed(facts, e)) return undefined;
      return hasRivalCheck(facts, e) ? undefined : "a write quorum has accepted it";
    },
  }),
  condition({
    name: "manifest-commit-open",
    rule: "6 manifest, I6",
    says: "a commit goes through the manifest only while its stream is open there",
    on: "ruled",
    order: "any",
    fails: (facts, { stream, decision, byClose }) => {
      if (decision !== "commit" || byClose || facts.manifest === undefined) return undefined;
      return streamState(facts.manifest, stream)?.state === "closed" ? "the stream is closed" : undefined;
    },
  }),
  condition({
    name: "told-is-true",
    rule: "I2",
    says: "what a client hears is so: committed, or aborted and never to be committed",
    on: "told",
    order: "true",
    fails: (facts, { stream, lsn, decision }) => {
      if (facts.isForgotten(stream, lsn)) return undefined;
      const e = facts.entry(stream, lsn);
      if (e === undefined) return "nobody decided it";
      if (decision === "commit") return isCommitted(e) ? undefined : "it is not committed";
      if (e.decision === undefined && e.ruling === undefined) return "it is undecided";
      return canNeverCommit(facts, e) ? undefined : "it may still be committed";
    },
  }),
  condition({
    name: "told-once-committed",
    rule: "I2",
    says: "no client hears that a committed entry aborted",
    on: "told",
    order: "any",
    fails: (facts, step) => (step.decision === "abort" ? contradicts(facts, step) : undefined),
  }),
];
