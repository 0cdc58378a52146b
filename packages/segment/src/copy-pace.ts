/**
 * How fast segments are copied, and from whom. Copies keep a survivor and this server's store busy, and stand in nobody's way:
 *
 *     a step      one answer has some pages: what a peer does for a copy before it looks at what others want of it
 *     per peer    few steps asked for
 *     ahead       what was asked for and is not stored yet is bounded, whatever the number of segments
 *     bandwidth   what has come is paid for in time
 *     one peer    gives at a time. Four others then have nothing to do with copies, before the change and after it: a write quorum, so that
 *                 commits wait for nobody who gives pages or takes them. Five that give at once gain little, for what bounds a copy is
 *                 who takes it
 */
import type { NodeName } from "@sixfold/model";
import type { SegmentSettings } from "./segment-api.ts";

/** Steps asked of one peer at a time: one is read there, one is on its way, one is taken here. */
export const STEPS_OF_PEER = 3;
/** Segments copied from it at a time: the end of one and the beginning of the next take a way each. */
const COPIES_OF_PEER = 2;
/** Then it is the next one's turn, once these are here. */
const COPIES_IN_TURN = 8;
/** A peer that did not answer is asked last for so long. */
const FAILED_MS = 10_000;

/** Old members of a PG that a newcomer can ask. */
export interface Sources {
  readonly peers: readonly NodeName[];
  /** Is it the one whose place is taken? That may be for a reason, and it is asked only if there is nobody else. */
  readonly leaves: (peer: NodeName) => boolean;
  /** Which of the six the newcomer is: of those that come together each begins with another peer. */
  readonly place: number;
}

export class CopyPace {
  private readonly settings: Pick<SegmentSettings, "copyStepBytes" | "copyAheadBytes" | "copyBytesPerSecond">;
  /** What has come by now is what the bandwidth allows until then. */
  private paidUntil = 0;
  /** Bytes that have come and are not stored. */
  private unstored = 0;
  /** Steps that are asked for. */
  private steps = new Map<NodeName, number>();
  private stepsInAll = 0;
  private readonly failedAt = new Map<NodeName, number>();
  private turns = 0;
  private givenInTurn = 0;

  constructor(settings: CopyPace["settings"]) {
    this.settings = settings;
  }

  /** Steps that are asked for by now, per peer. */
  begin(asked: Map<NodeName, number>): void {
    this.steps = asked;
    this.stepsInAll = 0;
    for (const steps of asked.values()) this.stepsInAll += steps;
  }

  mayAsk(peer: NodeName, now: number): boolean {
    const { copyStepBytes, copyAheadBytes } = this.settings;
    if (now < this.paidUntil || (this.steps.get(peer) ?? 0) >= STEPS_OF_PEER) return false;
    const ahead = this.unstored + this.stepsInAll * copyStepBytes;
    return ahead === 0 || ahead + copyStepBytes <= copyAheadBytes;
  }

  asked(peer: NodeName): void {
    this.steps.set(peer, (this.steps.get(peer) ?? 0) + 1);
    this.stepsInAll += 1;
  }

  came(bytes: number, now: number): void {
    this.unstored += bytes;
    this.paidUntil = Math.max(now, this.paidUntil) + (bytes * 1000) / this.settings.copyBytesPerSecond;
  }

  stored(bytes: number): void {
    this.unstored -= bytes;
  }

  failed(peer: NodeName, now: number): void {
    this.failedAt.set(peer, now);
  }

  /**
   * Who gives the next segment: the survivors in turn, one at a time; undefined while that one has enough to do. `copies`: per peer, those under
   * way.
   */
  sourceOf(
    { peers, leaves, place }: Sources,
    copies: ReadonlyMap<NodeName, number>,
    now: number,
  ): NodeName | undefined {
    const [giving] = copies.keys();
    if (giving !== undefined) {
      const hasEnough = copies.get(giving)! >= COPIES_OF_PEER || this.givenInTurn >= COPIES_IN_TURN;
      if (hasEnough || !peers.includes(giving)) return undefined;
      this.givenInTurn += 1;
      return giving;
    }
    this.givenInTurn = 1;
    const isWell = (p: NodeName): boolean =>
      now - (this.failedAt.get(p) ?? Number.NEGATIVE_INFINITY) >= FAILED_MS;
    const well = peers.filter(isWell);
    const asked = [well.filter((peer) => !leaves(peer)), well, peers].find(({ length }) => length > 0) ?? [];
    return asked[(place + this.turns++) % Math.max(1, asked.length)];
  }
}
