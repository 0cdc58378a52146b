/**
 * How fast segments are copied, and from whom. Copies keep all survivors and this server's store busy, and stand in nobody's way:
 *
 *     a step      one answer has some pages: what a peer does for a copy before it looks at what others want of it
 *     per peer    few steps asked for: one is answered while the next is on its way
 *     ahead       what was asked for and is not stored yet is bounded, whatever the number of segments
 *     bandwidth   what has come is paid for in time
 *     sources     the segments of a lost server come from different survivors, each of one: the one with the least to do
 */
import type { NodeName } from "@sixfold/model";
import type { SegmentSettings } from "./segment-api.ts";

/** Steps asked of one peer at a time. */
const STEPS_PER_PEER = 2;
/** Segments copied from one peer at a time: one may be asked for while the other's step is on its way. */
const COPIES_PER_PEER = 2;
/** A peer that did not answer is asked last for so long. */
const FAILED_MS = 10_000;

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
    if (now < this.paidUntil || (this.steps.get(peer) ?? 0) >= STEPS_PER_PEER) return false;
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

  /** Of those that may be asked, the one with the least to do; undefined if all have enough. `copies`: per peer, those under way. */
  sourceOf(
    peers: readonly NodeName[],
    copies: ReadonlyMap<NodeName, number>,
    now: number,
  ): NodeName | undefined {
    const well = peers.filter((p) => now - (this.failedAt.get(p) ?? Number.NEGATIVE_INFINITY) >= FAILED_MS);
    const asked = well.length > 0 ? well : peers;
    const first = this.turns++;
    let best: NodeName | undefined;
    let least = COPIES_PER_PEER;
    for (let i = 0; i < asked.length; i++) {
      const peer = asked[(first + i) % asked.length]!;
      const load = copies.get(peer) ?? 0;
      if (load >= least) continue;
      [best, least] = [peer, load];
    }
    return best;
  }
}
