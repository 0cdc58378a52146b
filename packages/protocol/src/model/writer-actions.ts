/**
 * What a writer may do (DESIGN sections 5 and 6).
 *
 * What it has heard is not part of the state. A vote that was cast may have been heard at any moment since, or not at all; so a step that
 * votes allow is possible as soon as the votes have been there, and every other step stays possible besides it. A vote that
 * was taken back may have been heard before: `*_AFTER_ACCEPT` still counts for the writer, though for nobody else. What the stream's writer
 * can have heard stops at the fence, for a fenced segment casts no votes.
 */
import type { PlannedGift } from "./scenario.ts";
import type { Stage } from "./stage.ts";
import { writerName } from "./model-facts.ts";
import { baseOn, ownBasesOf } from "./segment-rules.ts";
import {
  ACCEPT,
  HERE_AFTER_ACCEPT,
  isTakenBack,
  OVERTAKEN_AFTER_ACCEPT,
  REJECT,
  REJECT_AFTER_ACCEPT,
  VOID,
  WAIT,
} from "./vote.ts";
import { ABORT, ABORTED, COMMIT, COMMITTED, NO_DECISION, SENT, UNSENT } from "./marks.ts";
import type { EntryLayout } from "./world.ts";

export function writerActions(stage: Stage): void {
  const { w } = stage;
  for (const e of w.entries) {
    const status = w.status(e.index);
    if (status === UNSENT) send(stage, e);
    else if (status === SENT) {
      commitByVotes(stage, e);
      abort(stage, e);
    }
  }
  for (let stream = 0; stream < w.ofStream.length; stream++) commitThroughManifest(stage, stream);
  dropOutcomes(stage);
  w.scenario.gifts?.forEach((gift, i) => give(stage, gift, i));
}

/** "An owner gives a version only if its newest change of the page is that version, and nothing in flight uses it." */
function give(stage: Stage, { page, to }: PlannedGift, gift: number): void {
  const { w } = stage;
  if (w.isGiven(gift)) return;
  const home = w.scenario.pages[page]!.home!;
  const isUsed = (e: EntryLayout): boolean => {
    const status = w.status(e.index);
    return e.uses.some((u) => {
      if (u.page !== page || status === UNSENT) return false;
      return u.writes || status === SENT || (status === ABORTED && !w.isTold(e.index));
    });
  };
  if (w.ofStream[home]!.some(isUsed) && !w.has("gift-of-claimed-page")) return;
  stage.step(
    () => `writer ${home + 1} gives page ${page} to stream ${to + 1}`,
    () => w.setGiven(gift),
  );
}

const name = (e: EntryLayout): string => `${e.stream + 1}:${e.lsn}`;

/** "Entries of a stream are numbered and sent in order; each may build on the one before." */
function send(stage: Stage, e: EntryLayout): void {
  const { w } = stage;
  const after = w.scenario.streams[e.stream]!.after;
  // "A writer opens its stream after reading the closes in the manifest."
  if (after !== undefined && !w.isClosed(after)) return;
  if (e.retries >= 0 && w.status(e.retries) !== ABORTED) return;
  for (const before of w.ofStream[e.stream]!)
    if (before.lsn < e.lsn && before.retries < 0 && w.status(before.index) === UNSENT) return;
  chooseBases(stage, e, []);
}

/** Every combination of versions that the writer may have in its buffer pool; `bases`: those chosen for its first pages. */
function chooseBases(stage: Stage, e: EntryLayout, bases: readonly number[]): void {
  const { w } = stage;
  const use = e.uses[bases.length];
  if (use === undefined) {
    stage.step(
      () =>
        `writer ${e.stream + 1} sends ${name(e)} on ${bases.map((b, i) => `page ${e.uses[i]!.page}: ${b === 0 ? "none" : name(w.entries[b - 1]!)}`).join(", ")}`,
      () => {
        e.uses.forEach((u, i) => w.setBase(u, bases[i]!));
        w.setOwned(e);
        stage.say(writerName(e.stream), stage.events.sent(e.index));
        w.setStatus(e.index, SENT);
        if (w.isClosed(e.stream)) w.setRuling(e.index, ABORT);
        for (const pg of e.pgs) w.setCarried(e.index, pg, false, toCarry(stage, e.stream, pg));
      },
    );
    return;
  }
  for (const base of candidates(stage, e, use.page)) chooseBases(stage, e, [...bases, base]);
}

/** The newest own version not aborted, if there is one that no foreign commit has followed; else any committed version not older than that. */
function candidates(stage: Stage, e: EntryLayout, page: number): number[] {
  const { w } = stage;
  const own = w.ofStream[e.stream]!.filter(
    (o) => o.lsn < e.lsn && w.status(o.index) !== UNSENT && o.uses.some((u) => u.page === page && u.writes),
  );
  const undecided = own.filter((o) => w.status(o.index) === SENT);
  const last = undecided[undecided.length - 1];
  if (last !== undefined) return [last.index + 1];
  const chain = [0];
  for (
    let next = committedOn(stage, page, 0);
    next !== undefined && chain.length <= w.entries.length;
    next = committedOn(stage, page, chain[chain.length - 1]!)
  )
    chain.push(next);
  // What its own commits and the closes before its opening left is known to it.
  const planned = w.scenario.streams[e.stream]!;
  let oldest = 0;
  chain.forEach((v, at) => {
    if (v === 0) return;
    const by = w.entries[v - 1]!.stream;
    if (by === e.stream || by === planned.after) oldest = at;
  });
  return chain.slice(oldest);
}

function committedOn(stage: Stage, page: number, base: number): number | undefined {
  const { w } = stage;
  for (const e of w.entries)
    if (w.isCommitted(e.index) && e.uses.some((u) => u.page === page && u.writes && w.base(u) === base))
      return e.index + 1;
  return undefined;
}

/** "A batch carries every decision taken before it was built until that is known durable on 4 of 6 segments of its PG." As bits. */
function toCarry(stage: Stage, stream: number, pg: number): number {
  const { w } = stage;
  if (w.has("decisions-not-carried")) return 0;
  let mask = 0;
  for (const d of w.ofStream[stream]!) {
    const status = w.status(d.index);
    if (status !== COMMITTED && status !== ABORTED) continue;
    if (w.count((i) => w.known(pg, i, d.index) !== NO_DECISION) < 4) mask |= 1 << d.index;
  }
  return mask;
}

/** "Commits go strictly in LSN order"; and "all own bases committed". */
function isNext(stage: Stage, e: EntryLayout): boolean {
  const { w } = stage;
  for (const before of w.ofStream[e.stream]!)
    if (before.lsn < e.lsn && w.status(before.index) === SENT) return false;
  return w.has("own-bases-ignored") || ownBasesOf(w, e).every((base) => w.status(base) === COMMITTED);
}

/** "q accepts in every PG, every earlier entry of the stream decided, all own bases committed." */
function commitByVotes(stage: Stage, e: EntryLayout): void {
  const { w } = stage;
  if (!isNext(stage, e)) return;
  const enough = (pg: number): boolean => w.count((i) => wasAccepted(stage, pg, i, e)) >= w.quorum(e, pg);
  const has = w.has("quorum-in-one-pg") ? e.pgs.some(enough) : e.pgs.every(enough);
  if (!has) return;
  stage.step(
    () => `writer ${e.stream + 1} commits ${name(e)} by votes`,
    () => decide(stage, e, "commit", "votes"),
  );
}

/** The writer may have heard an accept of it. */
function wasAccepted(stage: Stage, pg: number, i: number, e: EntryLayout): boolean {
  const vote = stage.w.vote(pg, i, e.index);
  if (vote === WAIT) return stage.w.has("wait-as-accept");
  return vote === ACCEPT || vote === HERE_AFTER_ACCEPT || isTakenBack(vote);
}

type Ground = "votes" | "manifest" | "reject" | "own-base" | "yield" | "rival";

function decide(stage: Stage, e: EntryLayout, decision: "commit" | "abort", by: Ground): void {
  const { w } = stage;
  const { stream, lsn } = stage.facts.entries[e.index]!;
  const node = writerName(e.stream);
  stage.say(node, { kind: "decided", stream, lsn, decision, by });
  for (const pg of e.pgs) w.setCarried(e.index, pg, true, toCarry(stage, e.stream, pg) & ~(1 << e.index));
  w.setStatus(e.index, decision === "commit" ? COMMITTED : ABORTED);
  w.setBlocked(e.index, false);
  if (decision === "commit") stage.say(node, { kind: "told", stream, lsn, decision });
}

/** Aborts the entry and every own entry built on it. "A client hears `aborted` at once if a committed rival is known" (`final`). */
function decideAbort(stage: Stage, e: EntryLayout, by: Ground, final: boolean): void {
  decide(stage, e, "abort", by);
  if (final) tell(stage, e);
  if (stage.w.has("own-bases-ignored")) return;
  for (const later of stage.w.ofStream[e.stream]!)
    if (stage.w.status(later.index) === SENT && ownBasesOf(stage.w, later).includes(e.index))
      decideAbort(stage, later, "own-base", final);
}

function tell(stage: Stage, e: EntryLayout): void {
  const { stream, lsn } = stage.facts.entries[e.index]!;
  stage.say(writerName(e.stream), { kind: "told", stream, lsn, decision: "abort" });
  stage.w.setTold(e.index);
  stage.note(`the abort of ${name(e)} is told`);
}

/** "Abort, in any order: a reject; an own base aborted; or a yield." And a committed rival that the node itself meets. */
function abort(stage: Stage, e: EntryLayout): void {
  const { w } = stage;
  const attempt = (by: Ground, final: boolean): void => {
    stage.step(
      () => `writer ${e.stream + 1} aborts ${name(e)}: ${by}${final ? ", for good" : ""}`,
      () => decideAbort(stage, e, by, final),
    );
  };
  if (hasVote(stage, e, REJECT, REJECT_AFTER_ACCEPT)) attempt("reject", true);
  if (hasVote(stage, e, VOID, OVERTAKEN_AFTER_ACCEPT)) attempt("reject", false);
  if (hasRival(stage, e)) attempt("rival", true);
  // Silent segments may not answer: whoever has met a higher stream's claim may take them for silent.
  if (w.isBlocked(e.index)) attempt("yield", false);
}

/** A vote from the first to the last of these. */
function hasVote(stage: Stage, e: EntryLayout, first: number, last: number): boolean {
  const { w } = stage;
  for (const pg of e.pgs)
    for (let i = 0; i < w.width; i++) {
      const vote = w.vote(pg, i, e.index);
      if (vote >= first && vote <= last) return true;
    }
  return false;
}

/** Another stream's committed version follows the root of a page that the entry changes. */
function hasRival(stage: Stage, e: EntryLayout): boolean {
  const { w } = stage;
  return e.uses.some((use) => {
    if (!use.writes) return false;
    let root = w.base(use);
    while (root !== 0 && w.entries[root - 1]!.stream === e.stream && !w.isCommitted(root - 1))
      root = baseOn(w, root - 1, use.page);
    const next = committedOn(stage, use.page, root);
    return next !== undefined && w.entries[next - 1]!.stream !== e.stream;
  });
}

/**
 * "After a yield the client hears `aborted` when the abort is durable on 4 of 6 segments of the first PG, or when an entry that supersedes it is
 * committed." Done in the very step that allows it: nothing depends on it, and the earlier it is told, the more it can be wrong.
 */
export function tellDueAborts(stage: Stage): void {
  const { w } = stage;
  for (const e of w.entries)
    if (w.status(e.index) === ABORTED && !w.isTold(e.index) && mayTell(stage, e)) tell(stage, e);
}

function mayTell(stage: Stage, e: EntryLayout): boolean {
  const { w } = stage;
  const pg = e.pgs[0]!;
  const next = w.entries.find((x) => x.retries === e.index);
  const superseded = next === undefined ? UNSENT : w.status(next.index);
  return (
    w.has("abort-told-early") ||
    w.ruling(e.index) === ABORT ||
    superseded === COMMITTED ||
    (superseded === ABORTED && w.has("superseded-told-early")) ||
    w.count((i) => w.known(pg, i, e.index) === ABORT) >= 4
  );
}

/**
 * "When at least 4 accept in every PG but some PG stays short of q: the writer reads the manifest, asks the segments again, and if 4 still accept
 * in every PG compare-and-sets what it read." One entry at a time here: the first undecided.
 */
function commitThroughManifest(stage: Stage, stream: number): void {
  const { w } = stage;
  if (w.scenario.streams[stream]!.manifest !== true) return;
  const e = w.ofStream[stream]!.find((x) => w.status(x.index) === SENT);
  if (w.isAsking(stream)) return writeManifest(stage, stream, e);
  if (e === undefined || !isNext(stage, e) || w.isClosed(stream)) return;
  if (!e.pgs.every((pg) => w.count((i) => wasAccepted(stage, pg, i, e)) >= 4)) return;
  if (
    !w.has("manifest-commit-without-conflict-check") &&
    w.entries.some((o) => conflictsListed(stage, e, o))
  ) {
    stage.step(
      () => `writer ${stream + 1} reads the manifest and aborts ${name(e)}: a rival is committed there`,
      () => decideAbort(stage, e, "rival", true),
    );
    return;
  }
  stage.step(
    () => `writer ${stream + 1} reads the manifest for ${name(e)}`,
    () => w.setAsking(stream, true),
  );
}

/** A listed commit of another stream that changed a page from the base that this entry has on it. */
export function conflictsListed(stage: Stage, e: EntryLayout, other: EntryLayout): boolean {
  const { w } = stage;
  if (other.stream === e.stream || w.listed(other.index) !== COMMIT) return false;
  return other.uses.some((o) => o.writes && e.uses.some((u) => u.page === o.page && w.base(u) === w.base(o)));
}

function writeManifest(stage: Stage, stream: number, e: EntryLayout | undefined): void {
  const { w } = stage;
  const stale = w.isAskingStale(stream) && !w.has("manifest-commit-without-compare-and-set");
  if (e === undefined || !isNext(stage, e) || stale || w.isClosed(stream)) {
    stage.step(
      () => `writer ${stream + 1} gives up its commit through the manifest`,
      () => w.setAsking(stream, false),
    );
    return;
  }
  const confirmed = (pg: number, i: number): boolean =>
    w.has("manifest-commit-on-old-votes") ? wasAccepted(stage, pg, i, e) : w.isFresh(pg, i, e.index);
  if (!e.pgs.every((pg) => w.count((i) => confirmed(pg, i)) >= 4)) return;
  stage.step(
    () => `writer ${stream + 1} commits ${name(e)} through the manifest`,
    () => {
      w.setAsking(stream, false);
      stage.changeManifest(writerName(stream), () => w.setListed(e.index, COMMIT));
      decide(stage, e, "commit", "manifest");
    },
  );
}

/**
 * "Outcomes leave the manifest once durable on 4 of 6 segments of every PG concerned." Durable is more than known: a segment without the slice
 * cannot see a conflict with it. Of an open stream: one by one.
 */
function dropOutcomes(stage: Stage): void {
  const { w } = stage;
  for (const e of w.entries) {
    if (w.listed(e.index) === NO_DECISION || w.isClosed(e.stream) || !isDurable(stage, e)) continue;
    stage.step(
      () => `the outcome of ${name(e)} leaves the manifest`,
      () => stage.changeManifest(writerName(e.stream), () => w.setListed(e.index, NO_DECISION)),
    );
  }
}

/** The outcome that the manifest lists is on four of six segments, a commit with its slice. */
export function isDurable(stage: Stage, e: EntryLayout): boolean {
  const { w } = stage;
  const enough = w.has("outcomes-dropped-early") ? 1 : 4;
  const hasIt = (pg: number, i: number): boolean =>
    w.known(pg, i, e.index) === w.listed(e.index) &&
    (w.isHere(pg, i, e.index) || w.listed(e.index) === ABORT);
  return e.pgs.every((pg) => w.count((i) => hasIt(pg, i)) >= enough);
}
