/**
 * Whole PGs that peers want to copy, and whose first answer is put off until what can be merged of them is merged: as pages it costs the peer
 * far less than as slices, which it would have to decode, index and log, and it begins as near to the present as the low-water
 * mark allows.
 *
 *     pullPages from the first page ──> put off ──> stored: all that could be merged when it came ──┐
 *                                               ──> nothing of it can be planned (a gap, damage) ───┼──> pulledPages
 *                                               ──> the peer would soon give up (I10) ──────────────┘
 *
 * What comes meanwhile is not waited for, or a busy writer would have the peer wait each time for as long as it may.
 */
import type { Lsn, PgId } from "@sixfold/model";
import type { PullPages } from "@sixfold/wire";
import type { Merger } from "./merge.ts";
import type { PgState } from "./pg-state.ts";
import type { Link, Peer } from "./segment-api.ts";
import type { StreamLog } from "./stream-log.ts";

/** Of the time after which a peer gives up: 300 ms, and more than twice that for reading the pages and the way. */
const SHARE_OF_TIMEOUT = 0.3;

export interface AskedCopy {
  readonly state: PgState;
  readonly peer: Peer;
  readonly question: PullPages;
  readonly at: number;
  /** How far the PG's logs could be merged when it was asked for. */
  readonly mergeable: ReadonlyMap<StreamLog, Lsn>;
}

export class AskedCopies {
  /** At most one of each PG and peer. */
  private asked: readonly AskedCopy[] = [];
  private readonly merger: Merger;
  private readonly waitMs: number;

  constructor(merger: Merger, pullTimeoutMs: number) {
    this.merger = merger;
    this.waitMs = pullTimeoutMs * SHARE_OF_TIMEOUT;
  }

  get size(): number {
    return this.asked.length;
  }

  /** To be merged before all others. */
  pgs(): ReadonlySet<PgId> {
    return new Set(this.asked.map(({ state }) => state.pg));
  }

  /** False: there is nothing to wait for. Who asks again has given up what it asked for before. */
  putOff(copy: AskedCopy): boolean {
    this.keep(({ state, peer }) => state !== copy.state || peer.name !== copy.peer.name);
    if (copy.mergeable.size === 0) return false;
    this.asked = [...this.asked, copy];
    return true;
  }

  /** Takes those that are to be answered now. `standsStill`: merging has just been planned, and nothing is under way. */
  due(now: number, standsStill: boolean): readonly AskedCopy[] {
    if (this.asked.length === 0) return this.asked;
    const due = this.asked.filter(
      (copy) => standsStill || now - copy.at >= this.waitMs || this.isMerged(copy),
    );
    this.keep((copy) => !due.includes(copy));
    return due;
  }

  /** Its PG has left. */
  forget(state: PgState): void {
    this.keep((copy) => copy.state !== state);
  }

  linkDown(link: Link): void {
    this.keep(({ peer }) => peer.link !== link);
  }

  private keep(which: (copy: AskedCopy) => boolean): void {
    this.asked = this.asked.filter(which);
  }

  private isMerged({ mergeable }: AskedCopy): boolean {
    for (const [log, upTo] of mergeable) if (this.merger.storedThrough(log).through < upTo) return false;
    return true;
  }
}
