/**
 * Who is suspected dead: the failure detector of a node.
 *
 * A writer is suspected when its stream stays open in the manifest while no link to it brings its
 * feed for `suspectAfterMs`. A wrong suspicion costs the suspect its stream, never safety: recovery
 * fences before it judges (DESIGN section 7). Nodes wait a little longer the later they come in the
 * list, so that one of them usually recovers alone.
 */
import type { NodeName, StreamId } from "@sixfold/model";

export class Suspicion {
  private readonly suspectAfterMs: number;
  private readonly missingSince = new Map<StreamId, number>();

  /** `order`: this node's place among the nodes, from 0. */
  constructor(suspectAfterMs: number, order: number) {
    this.suspectAfterMs = suspectAfterMs * (1 + order / 8);
  }

  /** Streams that have had no feed for too long, oldest first. Each is named again after as long. */
  check(
    unfollowed: readonly { readonly stream: StreamId; readonly node: NodeName }[],
    now: number,
  ): StreamId[] {
    const missing = new Set(unfollowed.map((u) => u.stream));
    for (const stream of this.missingSince.keys()) if (!missing.has(stream)) this.missingSince.delete(stream);
    const suspects: StreamId[] = [];
    for (const stream of missing) {
      const since = this.missingSince.get(stream);
      if (since === undefined) this.missingSince.set(stream, now);
      else if (now - since >= this.suspectAfterMs) {
        suspects.push(stream);
        this.missingSince.set(stream, now);
      }
    }
    return suspects.sort((a, b) => a - b);
  }
}
