/**
 * `consistency: "cluster"`: everything committed anywhere before the transaction began (DESIGN section 8).
 *
 * One round asks each open stream's writer how far others must show it (its last commit that was told, or its durable point
 * if that is further) and, in parallel, three of six manifest seats whether a stream was opened or fenced meanwhile (a fenced writer must not serve
 * stale reads as fresh). All transactions that begin while a round is under way share the next
 * one, never the present one: it may have begun before their predecessors committed.
 *
 * A finished round stays worth something: whatever was committed before it began is shown from then on. So `freshAt` is what
 * bounded staleness goes by (`maxLagMs`): a read that may miss what was committed less than so long ago needs no round of
 * its own while the last one is younger.
 */
import { NO_BUGS, type Lsn, type PlantedBugs, type ReadPoint, type StreamId } from "@sixfold/model";
import { SharedRounds } from "./shared-rounds.ts";

export interface ClusterRoundIo {
  readonly now: number;
  /** Open foreign streams, each with the number of the question put to it; one without a feed gets a number that no answer has. */
  askAll(): ReadonlyMap<StreamId, number>;
  /** Asks the manifest's seats; answered through `manifestChecked`. */
  checkManifest(): void;
}

interface Round {
  readonly beganAt: number;
  readonly unanswered: Map<StreamId, number>;
  readonly targets: Map<StreamId, Lsn>;
  manifestChecked: boolean;
  /** The manifest has changed since: the round is in vain. */
  isStale: boolean;
}

export class ClusterReads {
  private readonly io: ClusterRoundIo;
  private readonly planted: PlantedBugs;
  private readonly rounds: SharedRounds<Round, () => void>;
  /** Everything that was committed anywhere before this moment is shown here. By this node's clock. */
  freshAt = Number.NEGATIVE_INFINITY;

  constructor(io: ClusterRoundIo, planted: PlantedBugs = NO_BUGS) {
    this.io = io;
    this.planted = planted;
    this.rounds = new SharedRounds(() => this.startRound(), planted.has("cluster-read-joins-round"));
  }

  /** Runs `then` once this node shows everything that was committed anywhere when `begin` was called. */
  begin(then: () => void): void {
    this.rounds.join(then);
  }

  /** An answer. One to a question of before the round says nothing of it. */
  durable(stream: StreamId, durable: Lsn, request: number): void {
    const round = this.rounds.current;
    const question = round?.unanswered.get(stream);
    if (round === undefined || question === undefined || request < question) return;
    round.unanswered.delete(stream);
    round.targets.set(stream, durable);
  }

  /**
   * The seats agree on the manifest that this node knows. `false`: it has changed. The round starts over when the newer one is known,
   * or with the next tick: at once it would find the same, as fast as the seats answer.
   */
  manifestChecked(unchanged: boolean): void {
    const round = this.rounds.current;
    if (round === undefined) return;
    if (unchanged) round.manifestChecked = true;
    else round.isStale = true;
  }

  tick(): void {
    if (this.rounds.current?.isStale === true) this.restart();
  }

  /** Streams were opened or closed, or a writer is out of reach: ask anew. */
  restart(): void {
    this.rounds.restart();
  }

  /** Call when answers came or the applied vector moved. */
  advance(applied: ReadPoint): void {
    const round = this.rounds.current;
    if (round === undefined || !round.manifestChecked || round.unanswered.size > 0) return;
    for (const [stream, target] of round.targets) if (applied.get(stream) < target) return;
    this.freshAt = round.beganAt;
    this.rounds.finish((run) => run());
  }

  private startRound(): Round {
    const round = {
      beganAt: this.io.now,
      unanswered: new Map(this.planted.has("cluster-read-asks-nobody") ? [] : this.io.askAll()),
      targets: new Map(),
      manifestChecked: this.planted.has("cluster-read-unchecked-manifest"),
      isStale: false,
    };
    this.io.checkManifest();
    return round;
  }
}
