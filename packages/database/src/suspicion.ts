/**
 * Who is suspected dead: the failure detector of a node.
 *
 * A writer is suspected when its stream stays open in the manifest while no link to it brings its
 * feed. A wrong suspicion costs the suspect its stream, never safety: recovery fences before it judges (DESIGN section 7).
 *
 *     feed's link ends                                            ──endedAfterMs──> suspected
 *     feed heard last ──deadAfterMs──> link given up ───> ... ──suspectAfterMs───> suspected       both from the feed's last sign
 *     stream open, its feed never came                        ──suspectAfterMs───> suspected
 *
 * A link that ends says at once that the feed has: the system below closes a dead process's links, so its writer is gone, most
 * likely, and if only the link is, it is back within some tens of milliseconds. One that falls silent says so only when its
 * heartbeat gives it up, and then the silence counts from its beginning. A stream whose feed never came has lost nothing: its
 * writer has just opened it, or it and this node cannot reach each other, and to fence it again and again, quickly, would help nobody.
 *
 * Silence may also mean that two masters are cut from each other, but not from storage: each then sees a dead one. So streams
 * are ranked, as in conflicts: the node with the older stream suspects first, one with a younger stream (or none) waits twice
 * as long, and a node that has itself been fenced begins to count anew. Normally only the younger loses its stream. An exclusive
 * volume has one stream, and nothing to rank. Nodes wait a little longer, too, the later they come among those that are there, so that
 * one of them usually recovers alone.
 */
import type { NodeName, StreamId } from "@sixfold/model";

/** An open stream without a feed, and its writer. */
export interface Unfollowed {
  readonly stream: StreamId;
  readonly node: NodeName;
  /** Since when the feed has been silent, if that is why its link was given up. */
  readonly silentSince: number | undefined;
  /** There was a feed, and its link has ended. */
  readonly hasEnded: boolean;
}

export interface SuspicionSettings {
  readonly suspectAfterMs: number;
  readonly endedAfterMs: number;
}

/** A younger stream's patience, in units of an older one's: enough for a recovery to end in between. */
const YOUNGER_WAITS = 2;

export class Suspicion {
  private readonly settings: SuspicionSettings;
  private readonly placeAfter: (suspect: NodeName) => number;
  private readonly missingSince = new Map<StreamId, number>();

  /** `placeAfter`: this node's place among those that may recover the suspect's stream, from 0. */
  constructor(settings: SuspicionSettings, placeAfter: (suspect: NodeName) => number) {
    this.settings = settings;
    this.placeAfter = placeAfter;
  }

  /**
   * Streams that have had no feed for too long, oldest first. Each is named again after as long. `own`: this node's open
   * stream, or 0.
   */
  check(unfollowed: readonly Unfollowed[], own: StreamId, isExclusive: boolean, now: number): StreamId[] {
    const missing = new Set(unfollowed.map((u) => u.stream));
    for (const stream of this.missingSince.keys()) if (!missing.has(stream)) this.missingSince.delete(stream);
    const suspects: StreamId[] = [];
    for (const u of unfollowed) {
      const since = this.missingSince.get(u.stream);
      if (since === undefined) this.missingSince.set(u.stream, u.silentSince ?? now);
      else if (now - since >= this.patienceMs(u, own, isExclusive)) {
        suspects.push(u.stream);
        this.missingSince.set(u.stream, now);
      }
    }
    return suspects.sort((a, b) => a - b);
  }

  /** This node was itself suspected: whoever did so may be one that it misses. */
  fenced(now: number): void {
    for (const stream of this.missingSince.keys()) this.missingSince.set(stream, now);
  }

  private patienceMs(u: Unfollowed, own: StreamId, alone: boolean): number {
    const { stream, node, silentSince, hasEnded } = u;
    const place = this.placeAfter(node);
    const endedAfterMs = this.settings.endedAfterMs * (1 + place / 2);
    const suspectAfterMs = this.settings.suspectAfterMs * (1 + place / 8);
    const isOlder = own !== 0 && own < stream;
    const rank = isOlder || alone ? 1 : YOUNGER_WAITS;
    // Never longer than for one that is silent; but ranked still.
    if (hasEnded) return Math.min(rank * endedAfterMs, ((7 + rank) / 8) * suspectAfterMs);
    return silentSince === undefined ? suspectAfterMs : rank * suspectAfterMs;
  }
}
