/**
 * What a recovery may do (DESIGN section 7). Any node may recover any stream at any time, its writer alive or not, several at once.
 *
 *     read the manifest ──> fence, segment by segment ──> judge, compare-and-set ──> tell the segments
 */
import type { Stage } from "./stage.ts";
import { isOwnChangeAfter, ownBasesOf } from "./segment-rules.ts";
import { ACCEPT, HERE_AFTER_ACCEPT } from "./vote.ts";
import {
  ABORT,
  ACCEPTED,
  COMMIT,
  DONE,
  IDLE,
  KNOWN_ABORT,
  KNOWN_COMMIT,
  NO_DECISION,
  NOT_ACCEPTED,
  UNDER_WAY,
  UNSEEN,
  UNSENT,
} from "./marks.ts";
import type { EntryLayout, Use } from "./world.ts";
import { conflictsListed, isDurable } from "./writer-actions.ts";

export function recoveryActions(stage: Stage): void {
  const { w } = stage;
  (w.scenario.recoveries ?? []).forEach(({ stream, slow }, r) => {
    const phase = w.recoveryPhase(r);
    if (slow === true && phase === IDLE) begin(stage, r, stream);
    else if (phase !== DONE) {
      fence(stage, r, stream);
      judgeAndClose(stage, r, stream);
    }
  });
  for (let stream = 0; stream < w.ofStream.length; stream++)
    if (w.isClosed(stream)) {
      tellClose(stage, stream);
      dropOutcomes(stage, stream);
    }
}

/** Step 1: "read the manifest". */
function begin(stage: Stage, r: number, stream: number): void {
  const { w } = stage;
  stage.step(
    () => `recovery ${r + 1} of stream ${stream + 1} reads the manifest`,
    () => w.setRecovery(r, w.isClosed(stream) ? DONE : UNDER_WAY),
  );
}

/** Step 1: "a fenced segment persists the fence, takes nothing more, and returns its undecided slices with their votes, and the facts it knows." */
function fence(stage: Stage, r: number, stream: number): void {
  const { w } = stage;
  for (let pg = 0; pg < w.pgCount; pg++)
    for (let i = 0; i < w.width; i++) {
      if (w.isLost(pg, i) || w.isTwin(pg, i) || hasAnswered(stage, r, pg, i)) continue;
      stage.step(
        () => `segment ${i + 1} of PG ${pg} is fenced and answers recovery ${r + 1}`,
        () => {
          if (!w.isFenced(pg, i, stream)) stage.say(stage.segmentName(i), stage.events.fenced(pg, stream));
          w.setFenced(pg, i, stream);
          if (w.scenario.recoveries![r]!.slow === true)
            for (const e of w.entries) w.setAnswer(pg, i, r, e.index, answerOf(stage, pg, i, e, stream));
        },
      );
    }
}

/** A quick recovery has the answer of whoever is fenced. */
function hasAnswered(stage: Stage, r: number, pg: number, i: number): boolean {
  const { stream, slow } = stage.w.scenario.recoveries![r]!;
  return slow === true ? stage.w.hasAnswered(pg, i, r) : stage.w.isFenced(pg, i, stream);
}

function answer(stage: Stage, r: number, pg: number, i: number, e: EntryLayout): number {
  const { stream, slow } = stage.w.scenario.recoveries![r]!;
  return slow === true ? stage.w.answer(pg, i, r, e.index) : answerOf(stage, pg, i, e, stream);
}

/** Of the stream's entries everything; of others only what is committed here. */
function answerOf(stage: Stage, pg: number, i: number, e: EntryLayout, stream: number): number {
  const { w } = stage;
  const known = w.known(pg, i, e.index);
  if (e.stream !== stream) return known === COMMIT && w.isHere(pg, i, e.index) ? KNOWN_COMMIT : UNSEEN;
  if (known === COMMIT) return KNOWN_COMMIT;
  if (known === ABORT)
    return w.has("recovery-ignores-aborts") && w.vote(pg, i, e.index) === HERE_AFTER_ACCEPT
      ? ACCEPTED
      : KNOWN_ABORT;
  if (!w.isHere(pg, i, e.index)) return UNSEEN;
  return w.vote(pg, i, e.index) === ACCEPT ? ACCEPTED : NOT_ACCEPTED;
}

/** Steps 2 and 3: judge every entry, then compare-and-set "closed, with these outcomes". "If another was faster, start again." */
function judgeAndClose(stage: Stage, r: number, stream: number): void {
  const { w } = stage;
  const needed = w.has("fence-of-three") ? 3 : 4;
  for (let pg = 0; pg < w.pgCount; pg++) if (w.count((i) => hasAnswered(stage, r, pg, i)) < needed) return;
  const tooLate = w.isRecoveryStale(r) && !w.has("recovery-without-compare-and-set");
  if (tooLate || w.isClosed(stream)) {
    stage.step(
      () => `recovery ${r + 1} finds the manifest changed`,
      () => w.setRecovery(r, IDLE),
    );
    return;
  }
  stage.step(
    () => `recovery ${r + 1} closes stream ${stream + 1}: ${verdicts(stage, r, stream)}`,
    () => {
      const judged = judgeEntries(stage, r, stream);
      stage.changeManifest(stage.recoverer, () => {
        w.setClosed(stream);
        for (const [e, decision] of judged) w.setListed(e, decision);
      });
      w.setRecovery(r, DONE);
    },
  );
}

function verdicts(stage: Stage, r: number, stream: number): string {
  const { w } = stage;
  const words = [...judgeEntries(stage, r, stream)].map(
    ([e, d]) => `${w.entries[e]!.lsn} ${d === COMMIT ? "commit" : "abort"}`,
  );
  return words.length === 0 ? "nothing was sent" : words.join(", ");
}

/** Step 2: "for each entry in LSN order, the first rule that applies". */
function judgeEntries(stage: Stage, r: number, stream: number): Map<number, number> {
  const { w } = stage;
  const judged = new Map<number, number>();
  for (const e of w.ofStream[stream]!) {
    if (w.status(e.index) === UNSENT) continue;
    judged.set(e.index, judgeEntry(stage, r, e, judged));
  }
  return judged;
}

function judgeEntry(stage: Stage, r: number, e: EntryLayout, judged: ReadonlyMap<number, number>): number {
  const { w } = stage;
  const listed = w.listed(e.index);
  if (listed !== NO_DECISION && !w.has("recovery-ignores-manifest")) return listed;
  if (!w.has("recovery-ignores-commits") && isSeenCommitted(stage, r, e)) return COMMIT;
  if (!w.has("recovery-ignores-aborts") && isAnswered(stage, r, e, KNOWN_ABORT)) return ABORT;
  if (!w.has("recovery-ignores-supersedes") && isSuperseded(stage, r, e)) return ABORT;
  if (!w.has("recovery-without-conflict-check") && conflicts(stage, r, e, judged)) return ABORT;
  if (!w.has("recovery-without-own-bases") && ownBasesOf(w, e).some((base) => judged.get(base) !== COMMIT))
    return ABORT;
  return acceptedByEnough(stage, r, e) ? COMMIT : ABORT;
}

function isAnswered(stage: Stage, r: number, e: EntryLayout, wanted: number): boolean {
  const { w } = stage;
  for (let pg = 0; pg < w.pgCount; pg++)
    for (let i = 0; i < w.width; i++)
      if (hasAnswered(stage, r, pg, i) && answer(stage, r, pg, i, e) === wanted) return true;
  return false;
}

/** "A commit seen anywhere": told, or since something committed was built on it; in its own stream that may be seen in the same way. */
function isSeenCommitted(stage: Stage, r: number, e: EntryLayout): boolean {
  const { w } = stage;
  if (isAnswered(stage, r, e, KNOWN_COMMIT)) return true;
  return w.entries.some((o) => {
    if (o === e || w.status(o.index) === UNSENT) return false;
    if (o.stream === e.stream) return ownBasesOf(w, o).includes(e.index) && isSeenCommitted(stage, r, o);
    return o.uses.some((u) => w.base(u) === e.index + 1) && isAnswered(stage, r, o, KNOWN_COMMIT);
  });
}

function isSuperseded(stage: Stage, r: number, e: EntryLayout): boolean {
  const { w } = stage;
  const next = w.entries.find((x) => x.retries === e.index);
  if (next === undefined || w.status(next.index) === UNSENT) return false;
  const answers = [NOT_ACCEPTED, ACCEPTED, KNOWN_COMMIT, KNOWN_ABORT];
  return answers.some((a) => isAnswered(stage, r, next, a));
}

/** "It conflicts with an entry committed in the manifest, at a fenced segment, or earlier in this list." An own later change is none with a check. */
function conflicts(stage: Stage, r: number, e: EntryLayout, judged: ReadonlyMap<number, number>): boolean {
  const { w } = stage;
  for (const other of w.entries) {
    if (other === e) continue;
    if (conflictsListed(stage, e, other)) return true;
    const committed = judged.get(other.index) === COMMIT || isAnswered(stage, r, other, KNOWN_COMMIT);
    if (!committed) continue;
    for (const o of other.uses) {
      if (!o.writes) continue;
      const beats = (u: Use): boolean =>
        u.page === o.page && w.base(u) === w.base(o) && !isOwnChangeAfter(w, e, u, other.index);
      if (e.uses.some(beats)) return true;
    }
  }
  return false;
}

/** "In each of its PGs at most 6 - q of the fenced segments did not accept it." */
function acceptedByEnough(stage: Stage, r: number, e: EntryLayout): boolean {
  const { w } = stage;
  for (const pg of e.pgs) {
    const answered = w.count((i) => hasAnswered(stage, r, pg, i));
    const accepts = w.count((i) => hasAnswered(stage, r, pg, i) && answer(stage, r, pg, i, e) === ACCEPTED);
    const bound = 6 - w.quorum(e, pg) - (w.has("recovery-bound-off-by-one") ? 1 : 0);
    if (answered - accepts > bound) return false;
  }
  return true;
}

/** Step 4: "tell the segments"; the manifest's word overrides what they believed, and the close fences. */
function tellClose(stage: Stage, stream: number): void {
  const { w, segments } = stage;
  for (let pg = 0; pg < w.pgCount; pg++)
    for (let i = 0; i < w.width; i++) {
      if (w.isLost(pg, i) || w.isTwin(pg, i) || w.knowsClose(pg, i, stream)) continue;
      const words = w.ofStream[stream]!.filter(
        (e) => w.listed(e.index) !== NO_DECISION && e.pgs.includes(pg),
      );
      stage.step(
        () => `segment ${i + 1} of PG ${pg} hears that stream ${stream + 1} is closed`,
        () => {
          w.setKnowsClose(pg, i, stream);
          for (const e of words) segments.learn(pg, i, e, w.listed(e.index), "close");
          segments.revote(pg, i);
        },
      );
    }
}

/** "Outcomes leave the manifest once durable on 4 of 6 segments of every PG concerned." Of a closed stream: all at once. */
function dropOutcomes(stage: Stage, stream: number): void {
  const { w } = stage;
  const listed = w.ofStream[stream]!.filter((e) => w.listed(e.index) !== NO_DECISION);
  if (listed.length === 0) return;
  for (let pg = 0; pg < w.pgCount; pg++)
    if (w.count((i) => w.knowsClose(pg, i, stream)) < 4 && !w.has("outcomes-dropped-early")) return;
  if (!listed.every((e) => isDurable(stage, e))) return;
  stage.step(
    () => `the outcomes of stream ${stream + 1} leave the manifest`,
    () =>
      stage.changeManifest(stage.recoverer, () => {
        for (const e of listed) w.setListed(e.index, NO_DECISION);
      }),
  );
}
