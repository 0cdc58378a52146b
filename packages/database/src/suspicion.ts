/**
 * Who is suspected dead: the failure detector of a node.
 *
 * A writer is suspected when its stream stays open in the manifest while no link to it brings its
 * feed for `suspectAfterMs`. A wrong suspicion costs the suspect its stream, never safety: recovery
 * fences before it judges (DESIGN section 7).
 *
 *     feed heard last ──deadAfterMs──> link given up ───> ... ───> suspected
 *                     └──────────── suspectAfterMs ──────────────┘
 *
 * A link that ends says at once that the feed has: its writer's process is gone, most likely. One that falls silent says so
 * only when its heartbeat gives it up, and then the silence counts from its beginning.
 *
 * Silence may also mean that two masters are cut from each other, but not from storage: each then sees a dead one. So streams
 * are ranked, as in conflicts: the node with the older stream suspects first, one with a younger stream (or none) waits twice
 * as long, and a node that has itself been fenced begins to count anew. Normally only the younger loses its stream. Nodes wait
 * a little longer, too, the later they come in the list, so that one of them usually recovers alone.
 */
import type { NodeName, StreamId } from "@sixfold/model";

/** An open stream without a feed, and its writer. */
export interface Unfollowed {
  readonly stream: StreamId;
  readonly node: NodeName;
  /** Since when the feed has been silent, if that is why its link was given up. */
  readonly silentSince: number | undefined;
}

/** A younger stream's patience with silence, in units of an older one's: enough for a recovery to end in between. */
const YOUNGER_WAITS = 2;

export class Suspicion {
  private readonly suspectAfterMs: number;
  private readonly missingSince = new Map<StreamId, number>();

  /** `order`: this node's place among the nodes, from 0. */
  constructor(suspectAfterMs: number, order: number) {
    this.suspectAfterMs = suspectAfterMs * (1 + order / 8);
  }

  /**
   * Streams that have had no feed for too long, oldest first. Each is named again after as long. `own`: this node's open
   * stream, or 0.
   */
  check(unfollowed: readonly Unfollowed[], own: StreamId, now: number): StreamId[] {
    const missing = new Set(unfollowed.map((u) => u.stream));
    for (const stream of this.missingSince.keys()) if (!missing.has(stream)) this.missingSince.delete(stream);
    const suspects: StreamId[] = [];
    for (const { stream, silentSince } of unfollowed) {
      const since = this.missingSince.get(stream);
      if (since === undefined) this.missingSince.set(stream, silentSince ?? now);
      else if (now - since >= this.patienceMs(silentSince !== undefined, own, stream)) {
        suspects.push(stream);
        this.missingSince.set(stream, now);
      }
    }
    return suspects.sort((a, b) => a - b);
  }

  /** This node was itself suspected: whoever did so may be one that it misses. */
  fenced(now: number): void {
    for (const stream of this.missingSince.keys()) this.missingSince.set(stream, now);
  }

  private patienceMs(isSilent: boolean, own: StreamId, suspect: StreamId): number {
    const isOlder = own !== 0 && own < suspect;
    return isSilent && !isOlder ? YOUNGER_WAITS * this.suspectAfterMs : this.suspectAfterMs;
  }
}
