/**
 * This node's stream as others follow it.
 *
 * The frames that go to the segments go to the followers unchanged (encoded once). A node that
 * starts to follow gets the durable point first, then every frame that still holds something
 * undecided, then all that come after. Links keep order, so a follower never sees a hole unless
 * its link broke, and then it starts again.
 */
import { lsn, type Lsn, type PgId, type StreamId } from "@sixfold/model";
import type { Append, FeedStart } from "@sixfold/wire";

export class FeedSender {
  readonly stream: StreamId;
  /** Frames with a slice beyond the durable point, oldest first; those before `head` are done with. */
  private undecided: (Append | undefined)[] = [];
  private head = 0;
  private durable: Lsn = lsn(0);
  /** The last commit that a client may have been told of. It may lie beyond `durable`: an abort before it can hold that up. */
  private told: Lsn = lsn(0);
  /** Per PG the last LSN at or below `durable` with a slice there, as far as whole frames are behind it. */
  private readonly tails = new Map<PgId, Lsn>();

  constructor(stream: StreamId) {
    this.stream = stream;
  }

  get durablePoint(): Lsn {
    return this.durable;
  }

  /** How far others must show the stream to show every commit that clients were told of. */
  get committedPoint(): Lsn {
    return this.told > this.durable ? this.told : this.durable;
  }

  /** Commits come in LSN order. */
  committed(at: Lsn): void {
    this.told = at;
  }

  /** A frame is on its way to storage. */
  sent(append: Append): void {
    if (append.slices.length > 0) this.undecided.push(append);
  }

  /** The durable point moved: frames wholly behind it are no longer owed to newcomers. */
  advance(durable: Lsn): void {
    this.durable = durable;
    while (this.head < this.undecided.length) {
      const frame = this.undecided[this.head]!;
      if (frame.slices[frame.slices.length - 1]!.lsn > durable) break;
      raiseTails(this.tails, frame, durable);
      // At once, or it grows old here for nothing.
      this.undecided[this.head] = undefined;
      this.head++;
    }
    if (this.head > 64 && this.head * 2 > this.undecided.length) {
      this.undecided = this.undecided.slice(this.head);
      this.head = 0;
    }
  }

  /** What a newcomer gets before it joins the live frames. */
  start(): { readonly start: FeedStart; readonly frames: readonly Append[] } {
    const tails = new Map(this.tails);
    const frames = this.undecided.slice(this.head) as Append[];
    for (const frame of frames) raiseTails(tails, frame, this.durable);
    return { start: { type: "feedStart", stream: this.stream, durable: this.durable, tails }, frames };
  }
}

/** A frame's slices are of one PG, and ascend. */
function raiseTails(tails: Map<PgId, Lsn>, { pg, slices }: Append, durable: Lsn): void {
  let last = slices.length - 1;
  while (last >= 0 && slices[last]!.lsn > durable) last--;
  if (last >= 0 && slices[last]!.lsn > (tails.get(pg) ?? 0)) tails.set(pg, slices[last]!.lsn);
}
