/**
 * How a newcomer comes to have everything (DESIGN section 7, "Membership"): it takes new slices like any other segment, but may know
 * nothing of streams that had settled, and left every log, before it came.
 *
 *     all pages of an old member ──> what that member still has as slices ──> whole
 *                                    (gossip; told by its positions)
 *
 * What the old member has merged is in the pages; what it has not, it lists in its positions. Until then the newcomer answers no reads,
 * settles nothing and gives nobody pages: an empty page of its own would pass for one never written (I8).
 */
import type { NodeName } from "@sixfold/model";
import { EVERYTHING } from "./ended.ts";
import type { Decider } from "./decide.ts";
import type { PgState, PeerPosition } from "./pg-state.ts";
import type { Copied } from "./segment-copy.ts";
import type { StreamLog } from "./stream-log.ts";

export class Newcomers {
  /** Whose pages are all here; what that one knows beyond them is still to come. */
  private readonly sources = new Map<PgState, NodeName>();

  /** The last page of a member has come: what it tells from now on counts. */
  hasAllPages(state: PgState, peer: NodeName): void {
    if (!state.isWhole) state.peers.delete(peer);
  }

  needsPages(state: PgState): boolean {
    return !state.isWhole && !this.sources.has(state);
  }

  /** All pages of a member have come. Streams that it has settled and forgotten are wholly in them. */
  copied(state: PgState, { peer, merged, settledThrough }: Copied, decider: Decider): void {
    if (state.isWhole) return;
    for (const [stream, log] of state.streams) {
      if (stream > settledThrough || merged.has(stream)) continue;
      decider.release(log, log.scl);
      state.kept.ended.lost(state.pg, stream, EVERYTHING);
      state.streams.delete(stream);
    }
    // What that member still knew is here, or still to come.
    for (const stream of merged.keys()) state.log(stream);
    // A peer that has not forgotten the others would bring them back, as streams of which nothing is here.
    if (settledThrough > state.settledThrough) state.settledThrough = settledThrough;
    this.sources.set(state, peer);
  }

  /** Is what that member has told of since its last page all here? Returns its name then. */
  completes(state: PgState): NodeName | undefined {
    const peer = state.isWhole ? undefined : this.sources.get(state);
    const told = peer === undefined ? undefined : state.peers.get(peer);
    if (told === undefined) return undefined;
    for (const [stream, there] of told) {
      const log = state.streams.get(stream);
      if (log === undefined && stream <= state.settledThrough) continue;
      if (!hasReached(log, there)) return undefined;
    }
    this.sources.delete(state);
    return peer;
  }

  peerDown(peer: NodeName): void {
    for (const [state, source] of this.sources) if (source === peer) this.sources.delete(state);
  }

  forget(state: PgState): void {
    this.sources.delete(state);
  }
}

function hasReached(log: StreamLog | undefined, there: PeerPosition): boolean {
  if (log === undefined) return false;
  if (there.closed) return log.isComplete;
  return log.scl >= Math.min(there.scl, there.decidedThrough);
}
