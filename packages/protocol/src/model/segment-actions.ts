/**
 * What segments may do (DESIGN section 4): take what was sent, hear decisions, tell each other. Which of it happens, and when, is
 * left open; a segment to which nothing of this happens any more is one that is lost.
 */
import type { Stage } from "./stage.ts";
import { HERE } from "./vote.ts";
import { ABORT, ABORTED, COMMIT, COMMITTED, NO_DECISION, UNSENT } from "./marks.ts";
import type { EntryLayout } from "./world.ts";

export function segmentActions(stage: Stage): void {
  const { w } = stage;
  for (let pg = 0; pg < w.pgCount; pg++)
    for (let i = 0; i < w.width; i++) {
      // Twins may do the same: one of them stands for both.
      if (w.isLost(pg, i) || w.isTwin(pg, i)) continue;
      for (const e of w.entries) {
        if (!e.pgs.includes(pg)) continue;
        take(stage, pg, i, e);
        hearWriter(stage, pg, i, e);
        if (w.scenario.gossip === true) hearPeer(stage, pg, i, e);
      }
    }
}

const name = (e: EntryLayout): string => `${e.stream + 1}:${e.lsn}`;

/** A frame with the slice arrives: first the decisions that it carries, then the slice. */
function take(stage: Stage, pg: number, i: number, e: EntryLayout): void {
  const { w, segments } = stage;
  if (w.status(e.index) === UNSENT || !segments.canTake(pg, i, e)) return;
  stage.step(
    () => `segment ${i + 1} of PG ${pg} takes ${name(e)}`,
    () => {
      learnCarried(stage, pg, i, e, w.carried(e.index, pg, false));
      // "Freed waiters come before new slices of the same batch."
      segments.revote(pg, i);
      segments.take(pg, i, e);
      segments.revote(pg, i);
    },
  );
}

/** Decisions of the whole stream: also of entries that have no slice in this PG. */
function learnCarried(stage: Stage, pg: number, i: number, e: EntryLayout, mask: number): void {
  const { w, segments } = stage;
  for (const d of w.ofStream[e.stream]!)
    if ((mask & (1 << d.index)) !== 0)
      segments.learn(pg, i, d, w.status(d.index) === COMMITTED ? COMMIT : ABORT, "writer");
}

/** The frame that first brought this decision, with those that it carried. Nothing from the stream's writer once it is fenced. */
function hearWriter(stage: Stage, pg: number, i: number, e: EntryLayout): void {
  const { w, segments } = stage;
  const status = w.status(e.index);
  if ((status !== COMMITTED && status !== ABORTED) || w.known(pg, i, e.index) !== NO_DECISION) return;
  if (w.isFenced(pg, i, e.stream) && !w.has("fence-ignored")) return;
  stage.step(
    () => `segment ${i + 1} of PG ${pg} hears the ${status === COMMITTED ? "commit" : "abort"} of ${name(e)}`,
    () => {
      learnCarried(stage, pg, i, e, w.carried(e.index, pg, true));
      segments.learn(pg, i, e, status === COMMITTED ? COMMIT : ABORT, "writer");
      segments.revote(pg, i);
    },
  );
}

/** "Segments pull decided slices they miss"; with them comes the news of a close. Before that a fenced segment takes nothing from peers. */
function hearPeer(stage: Stage, pg: number, i: number, e: EntryLayout): void {
  const { w, segments } = stage;
  if (w.known(pg, i, e.index) !== NO_DECISION && w.isHere(pg, i, e.index)) return;
  if (!segments.meetsBackLink(pg, i, e)) return;
  for (let j = 0; j < w.width; j++) {
    if (j === i || w.isTwin(pg, j) || !w.isHere(pg, j, e.index)) continue;
    const decision = w.known(pg, j, e.index);
    if (decision === NO_DECISION) continue;
    const closes = w.knowsClose(pg, j, e.stream);
    if (w.isFenced(pg, i, e.stream) && !w.knowsClose(pg, i, e.stream) && !closes) continue;
    stage.step(
      () =>
        `segment ${i + 1} of PG ${pg} gets ${name(e)} and its ${decision === COMMIT ? "commit" : "abort"} from segment ${j + 1}`,
      () => {
        if (closes) w.setKnowsClose(pg, i, e.stream);
        segments.learn(pg, i, e, decision, closes ? "close" : "peer");
        if (!w.isHere(pg, i, e.index)) {
          w.putVote(pg, i, e.index, HERE);
          segments.settle(pg, i, e);
        }
        segments.revote(pg, i);
      },
    );
  }
}
