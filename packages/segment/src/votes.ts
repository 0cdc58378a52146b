/**
 * The vote (DESIGN section 4): what this segment says of a slice, given the pages as they are now.
 *
 * For every page that the slice changes or checks, in this order of precedence over the whole slice:
 *
 *   void     an own base was aborted (or is void itself)
 *   reject   a committed version is neither the base nor an ancestor of it (or an own base is rejected for a page that it changes)
 *   hold     a base is not here yet, or an own undecided delta on the page is no ancestor of the base
 *   wait     another stream's undecided claim is in the way
 *   accept   otherwise
 *
 * An undecided own base is judged by its root: the committed version at the foot of the own deltas under it.
 *
 *     head ── own 5 ── own 6 ── (this)          root of base 6 is the head: nothing is in the way
 *
 * Reading only: nothing here changes a chain, a claim or a fact.
 */
import {
  ACCEPT,
  HOLD,
  isNone,
  type PageId,
  type PageVersion,
  type PlantedBugs,
  type Slice,
  type StreamId,
  type Vote,
} from "@sixfold/model";
import type { PageChain } from "./page-chain.ts";
import type { StreamLog, Taken } from "./stream-log.ts";

/** What a vote may look at. */
export interface Ballots {
  readonly streams: ReadonlyMap<StreamId, StreamLog>;
  /** Streams up to it are closed, and here whole once their logs are complete, or forgotten. */
  readonly settledThrough: StreamId;
  /** `undefined` if there are none: every slice asks. */
  readonly planted: PlantedBugs | undefined;
}

type PageWord = Exclude<Vote, { kind: "accept" }> | undefined;
const RANK = { void: 4, reject: 3, hold: 2, wait: 1 } as const;

/** The vote on a slice that is here; `stands` are its pages, of its deltas and then of its checks. O(items x undecided slices on their pages). */
export function voteOn(b: Ballots, taken: Taken, stands: readonly PageChain[]): Vote {
  const { deltas, checks } = taken.slice;
  let word: PageWord = doomedBy(b, taken);
  for (let i = 0; i < stands.length; i++) {
    const writes = i < deltas.length;
    const { base } = writes ? deltas[i]! : checks[i - deltas.length]!;
    word = stronger(word, pageWord(b, taken, stands[i]!, base, writes));
  }
  return word ?? ACCEPT;
}

function stronger(a: PageWord, b: PageWord): PageWord {
  if (a === undefined || b === undefined) return a ?? b;
  return RANK[b.kind] > RANK[a.kind] ? b : a;
}

/** The word of the own bases: one that was aborted, is void or rejected dooms what is built on it. */
export function doomedBy(b: Ballots, taken: Taken): PageWord {
  if (b.planted?.has("no-void")) return undefined;
  const { slice, log } = taken;
  let word: PageWord;
  for (const base of slice.ownBases) word = stronger(word, ownBaseWord(b, log, base));
  for (const { base } of slice.deltas)
    if (base.stream === slice.stream) word = stronger(word, ownBaseWord(b, log, base.lsn));
  for (const { base } of slice.checks)
    if (base.stream === slice.stream) word = stronger(word, ownBaseWord(b, log, base.lsn));
  return word;
}

function ownBaseWord(b: Ballots, log: StreamLog, base: Slice["lsn"]): PageWord {
  const decision = log.decisionOf(base);
  if (decision === "abort") return { kind: "void", base };
  if (decision === "commit") return undefined;
  const under = log.find(base);
  if (under?.vote.kind === "reject")
    return isConclusive(under.slice, under.vote.page) || b.planted?.has("overtaken-check-dooms")
      ? under.vote
      : undefined;
  return under?.vote.kind === "void" ? under.vote : undefined;
}

/**
 * A page that was changed behind an entry that only checked it proves nothing of what is built on that entry: it may have been committed
 * before the change, and only its decision is not here yet (I2). Two deltas on one base are never both committed.
 */
function isConclusive(rejected: Slice, page: PageId): boolean {
  return !rejected.checks.some((check) => check.page === page);
}

function pageWord(b: Ballots, taken: Taken, chain: PageChain, base: PageVersion, writes: boolean): PageWord {
  if (b.planted?.has("base-unchecked")) return blockerOf(b, chain, taken, writes);
  const root = rootOf(taken.log, chain, base);
  if (root === undefined) return HOLD as PageWord;
  const overtaken = overtakenBy(b, chain, taken.slice, root, writes);
  if (overtaken !== undefined)
    return overtaken === "hold"
      ? (HOLD as PageWord)
      : { kind: "reject", page: chain.page, winner: overtaken };
  if (!isClaimed(taken.log, base) || !buildsOnOwn(b, chain, taken, base, writes)) return HOLD as PageWord;
  return blockerOf(b, chain, taken, writes);
}

/**
 * A base that waits or holds is not the newest version here: what is built on it is voted on after it. (It could be said to wait,
 * where a claim is in its base's way; but it is the base that must yield or be accepted, and its vote says so.)
 */
function isClaimed(log: StreamLog, base: PageVersion): boolean {
  if (base.stream !== log.stream || log.decisionOf(base.lsn) !== undefined) return true;
  return log.find(base.lsn)?.vote.kind === "accept";
}

/** Roots of what undecided slices do to one page; good until something is decided. */
export type Roots = Map<Taken, PageVersion>;

/**
 * The version at the foot of the own undecided deltas under `base`; undefined if one of them is not here.
 * A base of another stream is its own root. O(own undecided deltas down to one in `known`).
 */
export function rootOf(
  log: StreamLog,
  chain: PageChain,
  base: PageVersion,
  known?: Roots,
): PageVersion | undefined {
  let at = base;
  // What a copied image holds is committed, although its decision is yet to come.
  while (at.stream === log.stream && log.decisionOf(at.lsn) === undefined && !chain.isMerged(at)) {
    const under = log.find(at.lsn);
    const root = under === undefined ? undefined : known?.get(under);
    if (root !== undefined) return root;
    const delta = under?.slice.deltas.find((d) => d.page === chain.page);
    if (delta === undefined) return undefined;
    at = delta.base;
  }
  return at;
}

/**
 * The committed version that rules `root` out as the base of `judged`, which changes the page (`writes`) or checks it; "hold" while that
 * cannot be told; undefined if it is the newest.
 */
export function overtakenBy(
  b: Ballots,
  chain: PageChain,
  judged: PageVersion,
  root: PageVersion,
  writes: boolean,
): PageVersion | "hold" | undefined {
  // What the damaged image was a version of is not known before it is mended.
  if (chain.isCorrupt) return "hold";
  // A copied image may be further than the copy's positions: it holds what is judged, whose decision is yet to come (I2).
  if (chain.isMerged(judged)) return "hold";
  // A committed delta beyond a gap: what is judged may be beaten by it, or be in the gap, and so committed itself (I2).
  if (chain.isHead(root)) return chain.detached.size === 0 ? undefined : "hold";
  const index = chain.indexOf(root);
  if (index !== undefined) {
    const next = nameOf(chain.changes[index + 1]!.taken);
    // An own change behind an own check: commits go in LSN order, so the check was decided first, and nobody here knows how (I2).
    const isLaterOwn = next.stream === judged.stream && next.lsn > judged.lsn;
    return isLaterOwn && !writes && !b.planted?.has("own-change-overtakes-check") ? "hold" : next;
  }
  if (chain.detached.has(root)) return "hold";
  if (isNone(root) || chain.isMerged(root) || wasReceived(b, root))
    return nameOf(chain.changes[0]?.taken ?? chain.stored);
  return "hold";
}

/** It came here and was committed; as it is not on the chain, it has been merged. */
function wasReceived(b: Ballots, v: PageVersion): boolean {
  const log = b.streams.get(v.stream);
  // A newcomer knows that a stream has settled before it has all of it.
  if (v.stream <= b.settledThrough && (log?.isComplete ?? true)) return true;
  if (log === undefined || log.scl < v.lsn || log.decisionOf(v.lsn) !== "commit") return false;
  const taken = log.find(v.lsn);
  return taken === undefined || taken.phase === "committed";
}

/**
 * Every own undecided (accepted or waiting) delta on the page is an ancestor of the base. A later one never is: it was judged while this
 * slice was on hold, and does not build on it (I3). After a check it may come.
 */
function buildsOnOwn(
  b: Ballots,
  chain: PageChain,
  taken: Taken,
  base: PageVersion,
  writes: boolean,
): boolean {
  const { log, slice } = taken;
  let own = 0;
  for (const u of chain.undecided) {
    if (!u.writes || u.taken.log !== log || u.taken === taken || !mayStand(u.taken)) continue;
    if (u.taken.lsn < slice.lsn) own += 1;
    else if (writes && !b.planted?.has("later-own-claim-ignored")) return false;
  }
  let at = base;
  while (own > 0 && at.stream === log.stream && log.decisionOf(at.lsn) === undefined) {
    const under = log.find(at.lsn);
    if (under === undefined) break;
    if (mayStand(under)) own -= 1;
    at = under.slice.deltas.find((d) => d.page === chain.page)!.base;
  }
  return own === 0;
}

const mayStand = (taken: Taken): boolean => taken.vote.kind === "accept" || taken.vote.kind === "wait";

/** Another stream's claim: deltas claim alone, checks share. */
function blockerOf(b: Ballots, chain: PageChain, taken: Taken, writes: boolean): PageWord {
  if (b.planted?.has("votes-not-sticky")) return undefined;
  for (const u of chain.undecided) {
    if (u.taken.log === taken.log || u.taken.vote.kind !== "accept" || u.taken === taken) continue;
    if (u.writes || (writes && !b.planted?.has("no-read-claims")))
      return {
        kind: "wait",
        page: chain.page,
        blocker: nameOf(u.taken),
      };
  }
  return undefined;
}

const nameOf = (v: PageVersion): PageVersion => ({ stream: v.stream, lsn: v.lsn });
