/**
 * Snapshots at `consistency: "cluster"`: read points that the sequencer gives (see `snapshot-sequencer`).
 *
 *     begin ──> a view at `applied` is opened ──> sequencer is asked ──> its point is shown here ──> a view at that point
 *
 * A transaction reads at the sequencer's point and not at what this node shows by then, or the order would be lost. So this node must
 * still be able to read there. The view opened before the question (its *base*) sees to that: whatever `applied` shows was
 * decided before the question, so the point shows it, too; what is kept for the base is enough for the point. The
 * same holds of a session's token, which is a vector that some node showed before: the point covers it, and need not be joined
 * with it. (It must not be: the join might lie beside other points.)
 *
 * Those that begin while a question is under way share the next one. It is asked again until an answer comes: a link may have
 * broken, or the node asked may not know yet that it is the sequencer, or may not be it any more.
 */
import type { ReadView } from "@sixfold/engine";
import { NO_BUGS, type PlantedBugs, type ReadPoint } from "@sixfold/model";
import { SharedRounds } from "./shared-rounds.ts";

export interface SnapshotIo {
  readonly engine: {
    openView(): ReadView;
    viewAbove(base: ReadView, point: ReadPoint): ReadView;
    closeView(view: ReadView): void;
  };
  /** Everything is shown here that this read point shows. */
  shows(point: ReadPoint): boolean;
  /** Puts the question to whom it concerns; answered through `answered`, with the number returned: numbers grow. */
  askSequencer(): number;
}

/** Borrowed: open as long as the call lasts. Undefined: what the node shows when the transaction first reads. */
export type BeginAt = (view: ReadView | undefined) => void;

interface Question {
  readonly base: ReadView;
  /** The first of the question's numbers: the answer to any of them will do. */
  readonly first: number;
  point: ReadPoint | undefined;
  askedAt: number | undefined;
}

const ASK_AGAIN_MS = 100;

export class ClusterSnapshots {
  private readonly io: SnapshotIo;
  private readonly unordered: boolean;
  private readonly questions: SharedRounds<Question, BeginAt>;

  constructor(io: SnapshotIo, planted: PlantedBugs = NO_BUGS) {
    this.io = io;
    this.unordered = planted.has("cluster-snapshot-unordered");
    this.questions = new SharedRounds(() => this.ask(), planted.has("cluster-read-joins-round"));
  }

  /** Runs `then` with a view of everything committed anywhere before now, ordered with all others. */
  begin(then: BeginAt): void {
    this.questions.join(then);
  }

  answered(request: number, point: ReadPoint): void {
    const { current } = this.questions;
    if (current !== undefined && request >= current.first) current.point ??= point;
  }

  /** There may be another sequencer now, or a new link to it. */
  askAgain(): void {
    const { current } = this.questions;
    if (current === undefined || current.point !== undefined) return;
    this.io.askSequencer();
    current.askedAt = undefined;
  }

  tick(now: number): void {
    const { current } = this.questions;
    if (current === undefined) return;
    current.askedAt ??= now;
    if (now - current.askedAt >= ASK_AGAIN_MS) this.askAgain();
  }

  /** Call when answers came or the applied vector moved. */
  advance(): void {
    const { current } = this.questions;
    if (current?.point === undefined || !this.io.shows(current.point)) return;
    const { engine } = this.io;
    const view = engine.viewAbove(current.base, current.point);
    engine.closeView(current.base);
    this.questions.finish((begin) => begin(this.unordered ? undefined : view));
    engine.closeView(view);
  }

  private ask(): Question {
    const base = this.io.engine.openView();
    return { base, first: this.io.askSequencer(), point: undefined, askedAt: undefined };
  }
}
