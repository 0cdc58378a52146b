/**
 * What the own stream knows of each segment server: how long its answers take, and how far its segments lag.
 *
 *     reached   bytes of a PG's slices that a write quorum has (its PGCL)
 *     behind    of these, what one segment has not acknowledged: it is on the way to it, or waits on its link
 *
 * Only what a quorum has counts: at most two segments of a PG can be behind, so leaving those to gossip never costs a quorum. What no
 * quorum has yet is bounded by the in-flight bytes.
 */
import { OWNED_QUORUM, REPLICAS, type Lsn, type NodeName } from "@sixfold/model";
import type { PgProgress } from "./pg-progress.ts";

/** Weight of a new answer in the average. */
const FRESH = 1 / 8;
/** So many times as slow as the fourth fastest of its PG is slow. */
const SLOW_FACTOR = 4;

export interface ServerLoad {
  readonly server: NodeName;
  /** Of its live segments. */
  behindBytes: number;
  /** Segments that are left to gossip. */
  left: number;
  /** From a slice's sending to its ack, on average; 0 before the first. */
  rttMs: number;
}

export class ServerLoads {
  private readonly loads = new Map<NodeName, ServerLoad>();

  of(server: NodeName): ServerLoad {
    let load = this.loads.get(server);
    if (load === undefined) this.loads.set(server, (load = { server, behindBytes: 0, left: 0, rttMs: 0 }));
    return load;
  }

  /** A slice was acknowledged so long after it was sent. */
  answered(server: NodeName, ms: number): void {
    const load = this.of(server);
    load.rttMs += load.rttMs === 0 ? ms : (ms - load.rttMs) * FRESH;
  }

  /** Counts anew what the segment is behind, towards its server if it is live. Returns its server's load. */
  count(pg: PgProgress, member: number): ServerLoad {
    const load = this.of(pg.members[member]!);
    const isLive = (pg.live & (1 << member)) !== 0;
    const behind = isLive ? behindBytes(pg, member) : 0;
    load.behindBytes += behind - pg.behind[member]!;
    pg.behind[member] = behind;
    return load;
  }

  /** Within so many milliseconds segments of this PG answer that are not slow. */
  usual(pg: PgProgress): number {
    const rtts = scratch.subarray(0, pg.members.length);
    for (let i = 0; i < rtts.length; i++) rtts[i] = this.of(pg.members[i]!).rttMs;
    rtts.sort();
    return SLOW_FACTOR * rtts[OWNED_QUORUM - 1]!;
  }
}

const scratch = new Float64Array(2 * REPLICAS);

/** What a write quorum has of the PG and this segment, as far as known, has not. */
export function behindBytes(pg: PgProgress, member: number): number {
  const scl = pg.scl[member]! as Lsn;
  return scl >= pg.pgcl ? 0 : Math.max(0, pg.kept.reachedBytes - pg.kept.bytesUpTo(scl));
}
