/**
 * Where cluster snapshots come from: read points of one node, the *sequencer* (DESIGN section 8).
 *
 * Freshness alone does not order snapshots: if each node read at its own newest vector, two of them could see two
 * independent commits in opposite orders (a long fork), however fresh both were. So all snapshots are moments of one vector. The
 * sequencer is the writer of the oldest open stream; it works in rounds, shared by all who ask meanwhile:
 *
 *     1. a round of `ClusterReads`     everything committed before the round is shown here
 *     2. point := the applied vector   once that is causally closed
 *     3. the manifest's seats          asked after 2: nothing was opened or closed before then
 *     4. the point is the answer
 *
 * Ordered, because
 *     - one node's applied vector only grows, so the rounds of one sequencer are ordered;
 *     - a successor is sequencer by a manifest that a predecessor's step 3 did not meet, so that manifest is younger than the
 *       predecessor's point. All that the point shows was decided before then; the successor's step 1 asks the open streams'
 *       writers after then, and shows the closed streams to their end. So the successor's points show it, too.
 *     - `ClusterReads` asks in parallel with *its* look at the manifest, which may end before 2. It cannot stand in for 3.
 *
 * Fresh by step 1, which begins after the question. Closed (I5) because it is a vector that this node may read at.
 *
 * Where streams never overlap the closed vectors are ordered by themselves: in an exclusive volume, and while no stream is
 * open, each node is its own sequencer, and an exclusive one leaves out step 3.
 */
import { NO_BUGS, type PlantedBugs, type ReadPoint } from "@sixfold/model";
import { SharedRounds } from "./shared-rounds.ts";

export interface SequencerIo {
  readonly applied: ReadPoint;
  /** `applied` is causally closed. */
  readonly isClosed: boolean;
  /** Any two closed vectors are ordered: streams do not overlap. */
  readonly isExclusive: boolean;
  /** Runs `then` once everything committed anywhere before now is shown here. */
  freshen(then: () => void): void;
  /** Asks the manifest's seats; answered through `manifestChecked`. */
  checkManifest(): void;
}

interface Round {
  isFresh: boolean;
  point: ReadPoint | undefined;
  /** The manifest has changed since: the round is in vain. */
  isStale: boolean;
}

export class SnapshotSequencer {
  private readonly io: SequencerIo;
  private readonly unchecked: boolean;
  private readonly rounds: SharedRounds<Round, (point: ReadPoint) => void>;

  constructor(io: SequencerIo, planted: PlantedBugs = NO_BUGS) {
    this.io = io;
    this.unchecked = planted.has("cluster-read-unchecked-manifest");
    this.rounds = new SharedRounds(() => this.begin(), planted.has("cluster-read-joins-round"));
  }

  /** Answers with a read point that shows everything committed before now, by the next round. */
  ask(answer: (point: ReadPoint) => void): void {
    this.rounds.join(answer);
  }

  manifestChecked(unchanged: boolean): void {
    const round = this.rounds.current;
    if (round?.point === undefined) return;
    if (unchanged) this.finish(round.point);
    else round.isStale = true;
  }

  /** A stale round starts over with the newer manifest, or, should that not come, from time to time. */
  tick(): void {
    if (this.rounds.current?.isStale === true) this.restart();
  }

  /** Streams were opened or closed. */
  restart(): void {
    this.rounds.restart();
  }

  /** Another node is the sequencer now: who waits here will ask it. */
  abandon(): void {
    this.rounds.abandon();
  }

  /** Call when the applied vector has moved, or has become closed. */
  advance(): void {
    const round = this.rounds.current;
    if (round === undefined || !round.isFresh || round.point !== undefined || !this.io.isClosed) return;
    round.point = this.io.applied.clone();
    if (this.io.isExclusive || this.unchecked) this.finish(round.point);
    else this.io.checkManifest();
  }

  private begin(): Round {
    const round: Round = { isFresh: false, point: undefined, isStale: false };
    this.io.freshen(() => void (round.isFresh = true));
    return round;
  }

  private finish(point: ReadPoint): void {
    this.rounds.finish((answer) => answer(point));
  }
}
