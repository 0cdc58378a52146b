/**
 * All foreign streams of this node: their feeds merged in causal order into the engine.
 *
 *     feed of B ──┐
 *     feed of C ──┼─> released when what an entry was built on is shown here ──> engine
 *     manifest ───┘   (closed streams jump to their final LSN)
 *
 * A *jump* closes a gap from storage: the node missed entries (it joined late, a link broke, a
 * writer died), so it forgets its cached pages and takes the position as given. Until everything
 * that the jumped-over entries may have been built on is shown too, the applied vector is not
 * causally closed (I5), and nobody may read at it: `isClosed` is false while
 *
 *     1. each other open stream's writer is asked for its durable point (asked after the jump, so the
 *        answer is at or past whatever the skipped entries saw), and
 *     2. the feeds have not yet brought the node there, and
 *     3. the manifest has not yet been looked at: what was jumped over may rest on a stream that was opened meanwhile, of which this
 *        node has not heard and whose writer nobody has asked, or on the end of this node's own, which a recovery has closed.
 *
 * A writer that does not answer is on its way out: its close in the manifest stands in for the answer.
 */
import {
  NO_BUGS,
  type Lsn,
  type Manifest,
  type NodeName,
  type PlantedBugs,
  type ReadPoint,
  type StreamId,
} from "@sixfold/model";
import { closeDecisions } from "@sixfold/volume";
import type { Append, FeedStart } from "@sixfold/wire";
import { FeedReceiver, type ForeignEntry } from "./feed-receiver.ts";
import type { Unfollowed } from "./suspicion.ts";

/** What applying needs of the node: engine and volume behind one face. */
export interface Applier {
  readonly applied: ReadPoint;
  applyForeign(stream: StreamId, entry: ForeignEntry): void;
  advance(stream: StreamId, to: Lsn): void;
  dropCleanPages(): void;
  /** Returns the question's number: numbers grow, and the answer carries it. */
  askDurable(node: NodeName): number;
  /** Asks for the feed from its start, with the tails that page reads need (I8): frames of it are lost on a link that lives. */
  followAgain(node: NodeName): void;
  /** Runs `then` once no stream was opened or closed without this node's knowing; what others had committed by now is shown then, too. */
  confirm(then: () => void): void;
}

/** A decided range, or an entry, that no frame has completed for so long is a gap. */
const GAP_PATIENCE_MS = 200;

export class ForeignStreams {
  private readonly node: Applier;
  private readonly planted: PlantedBugs;
  private readonly receivers = new Map<StreamId, FeedReceiver>();
  /** Open foreign streams by the manifest, with their writers. */
  private readonly open = new Map<StreamId, NodeName>();
  /** While closing a gap: streams whose durable point is asked for, with the first question that counts, and the positions to reach. */
  private readonly asked = new Map<StreamId, number>();
  private readonly targets = new Map<StreamId, Lsn>();
  /** Jumps after which the manifest is yet to be looked at. */
  private unconfirmed = 0;
  /** Closed streams, not yet settled, that are shown to their end. */
  private readonly ended = new Set<StreamId>();
  /** Feeds whose link was given up since it was silent: when they were heard last. */
  private readonly silentSince = new Map<StreamId, number>();
  /** Feeds whose link ended. */
  private readonly endedFeeds = new Set<StreamId>();
  /** What feeds had brought whose link is gone: a close may say what became of it. */
  private readonly broken = new Map<StreamId, FeedReceiver>();
  private readonly gaps = new Map<StreamId, { readonly decided: Lsn; readonly at: number }>();
  /** Every open stream has been followed at one moment. */
  private joined = false;
  private manifestKnown = false;
  /** Gaps closed from storage, for the status page. */
  jumps = 0;
  /** An entry waits for something that no feed may bring: a newer manifest could. */
  stalled = false;

  constructor(node: Applier, planted: PlantedBugs = NO_BUGS) {
    this.node = node;
    this.planted = planted;
  }

  /**
   * True while the applied vector is causally closed (I5). To begin with that takes a feed of every open stream;
   * later a writer that goes missing only stops its own component, for what was built on it waits too.
   */
  get isClosed(): boolean {
    if (!this.joined) return false;
    const isClosed = this.asked.size === 0 && this.targets.size === 0 && this.unconfirmed === 0;
    return isClosed || this.planted.has("gap-not-closed");
  }

  /** Open foreign streams without a feed, with the node that should give it. */
  unfollowed(): Unfollowed[] {
    const out: Unfollowed[] = [];
    for (const [stream, node] of this.open) {
      if (this.receivers.has(stream)) continue;
      const silentSince = this.silentSince.get(stream);
      out.push({ stream, node, silentSince, hasEnded: this.endedFeeds.has(stream) });
    }
    return out;
  }

  feeds(): readonly FeedReceiver[] {
    return [...this.receivers.values()];
  }

  /** A newer manifest: closed streams jump to their end, newly opened ones must be followed. `own` is this node's open stream, or 0. */
  learnManifest(manifest: Manifest, own: StreamId): void {
    this.manifestKnown = true;
    this.open.clear();
    for (const state of manifest.streams)
      if (state.state === "open" && state.id !== own) this.open.set(state.id, state.node);
    this.endFeeds(manifest);
    for (const state of manifest.streams) {
      if (state.state === "open") continue;
      this.forget(state.id);
      this.ended.add(state.id);
      const isNew = this.node.applied.get(state.id) < state.final;
      if (isNew && !this.planted.has("opened-on-stale-pages")) this.jump(state.id, state.final);
    }
    for (let s = this.node.applied.settledThrough + 1; s <= manifest.settledThrough; s++)
      this.settled(s as StreamId);
    this.apply();
  }

  /**
   * A close says what became of the stream's last entries. A feed that has brought all of them needs no more than that: it comes to the end
   * without a gap, and the pages here stay warm (a failover would cost each of them a read else).
   */
  private endFeeds(manifest: Manifest): void {
    if (this.planted.has("opened-on-stale-pages") || this.planted.has("gap-keeps-pages")) return;
    let some = false;
    for (const state of manifest.streams) {
      if (state.state !== "closed") continue;
      const receiver = this.receivers.get(state.id) ?? this.broken.get(state.id);
      if (receiver === undefined) continue;
      this.receivers.set(state.id, receiver);
      receiver.close(closeDecisions(manifest, state));
      some = true;
    }
    if (some) this.apply();
  }

  /** The stream is visible whole from now on. If its end was never met here, it was closed and settled behind this node's back. */
  private settled(stream: StreamId): void {
    this.forget(stream);
    if (!this.ended.delete(stream)) this.jump(stream, this.node.applied.get(stream));
  }

  /** The writer of a stream begins to feed this node. */
  feedStart(node: NodeName, start: FeedStart): void {
    const isSettled = this.node.applied.get(start.stream) === Number.POSITIVE_INFINITY;
    // A writer that does not know yet that its stream was closed: what it has to say is shown here, or never existed.
    if (isSettled || this.ended.has(start.stream)) return;
    const known = this.receivers.get(start.stream);
    const shown = known?.released ?? this.node.applied.get(start.stream);
    // Frames between the old link and this one are lost; only what is undecided comes again.
    const receiver = new FeedReceiver(node, start.stream, start.durable, this.planted);
    this.receivers.set(start.stream, receiver);
    this.silentSince.delete(start.stream);
    this.endedFeeds.delete(start.stream);
    this.broken.delete(start.stream);
    if (start.durable > shown) this.jumpGap(start.stream, start.durable);
    this.apply();
  }

  append(append: Append): void {
    this.receivers.get(append.stream)?.take(append);
  }

  /** An answer to `askDurable`. One to a question of before the gap says nothing of it. */
  durable(stream: StreamId, durable: Lsn, request: number): void {
    const first = this.asked.get(stream);
    if (first === undefined || request < first) return;
    this.asked.delete(stream);
    if (durable > this.node.applied.get(stream)) this.targets.set(stream, durable);
  }

  /**
   * A link broke, or was given up after a silence: its feed ends where it is. The stream counts as unfollowed until the
   * writer feeds again or is closed.
   */
  linkLost(node: NodeName, silentSince?: number): void {
    for (const [stream, receiver] of this.receivers) {
      if (receiver.node !== node) continue;
      this.receivers.delete(stream);
      this.broken.set(stream, receiver);
      if (silentSince === undefined) this.endedFeeds.add(stream);
      else this.silentSince.set(stream, silentSince);
    }
  }

  /** Shows every entry whose time has come; call at the end of a turn. */
  apply(): void {
    this.stalled = false;
    if (this.manifestKnown && !this.joined) this.joined = this.unfollowed().length === 0;
    for (let progress = true; progress;) {
      progress = false;
      for (const [stream, receiver] of this.receivers) if (this.applyFrom(stream, receiver)) progress = true;
    }
    for (const [stream, target] of this.targets)
      if (this.node.applied.get(stream) >= target) this.targets.delete(stream);
  }

  /**
   * Is everything shown here that this point shows, but for the component of `except`? A closed stream is shown to its end,
   * and beyond the end there are only aborts: a writer that lost its stream may have counted some of them in its vector.
   * A point that has seen more streams settle than this node waits for the manifest to arrive here too.
   */
  shows(point: ReadPoint, except?: StreamId): boolean {
    const { applied } = this.node;
    if (point.settledThrough > applied.settledThrough) return false;
    for (const [stream, at] of point.entries())
      if (stream !== except && at > applied.get(stream) && !this.ended.has(stream)) return false;
    return true;
  }

  private applyFrom(stream: StreamId, receiver: FeedReceiver): boolean {
    const before = receiver.released;
    let shown: ReadPoint | undefined; // entries of one batch share the vector they were built on
    for (;;) {
      const next = receiver.next();
      if (next.kind === "none" || next.kind === "missing") break;
      if (next.kind === "entry") {
        const isShown = next.entry.builtOn === shown || this.shows(next.entry.builtOn, stream);
        if (!isShown && !this.planted.has("causal-order-ignored")) {
          this.stalled = true;
          break;
        }
        shown = next.entry.builtOn;
        this.node.applyForeign(stream, next.entry);
      }
      receiver.release();
    }
    if (receiver.released === before) return false;
    this.node.advance(stream, receiver.released);
    return true;
  }

  /** A jump that the manifest did not ask for: what that says may be old. */
  private jumpGap(stream: StreamId, to: Lsn): void {
    this.unconfirmed++;
    this.node.confirm(() => void this.unconfirmed--);
    this.jump(stream, to);
  }

  private jump(stream: StreamId, to: Lsn): void {
    this.jumps++;
    for (const [other, node] of this.open) {
      if (other === stream) continue;
      this.asked.set(
        other,
        this.receivers.has(other) ? this.node.askDurable(node) : Number.POSITIVE_INFINITY,
      );
    }
    if (!this.planted.has("gap-keeps-pages")) this.node.dropCleanPages();
    this.node.advance(stream, to);
  }

  /** From time to time: asks again, since a question may have met a broken link, and for feeds with gaps that no frame will fill. */
  tick(now: number): void {
    for (const [stream, first] of this.asked) {
      const writer = this.open.get(stream);
      if (writer === undefined) this.asked.delete(stream);
      else if (this.receivers.has(stream)) {
        const request = this.node.askDurable(writer);
        if (first === Number.POSITIVE_INFINITY) this.asked.set(stream, request);
      }
    }
    for (const [stream, receiver] of this.receivers) {
      const since = this.gaps.get(stream);
      const isStuck = receiver.gapTo !== 0 || receiver.next().kind === "missing";
      if (!isStuck || since?.decided !== receiver.decided) this.gaps.delete(stream);
      if (!isStuck) continue;
      if (since === undefined || since.decided !== receiver.decided)
        this.gaps.set(stream, { decided: receiver.decided, at: now });
      else if (now - since.at >= GAP_PATIENCE_MS) {
        this.gaps.delete(stream);
        this.node.followAgain(receiver.node);
      }
    }
  }

  private forget(stream: StreamId): void {
    this.receivers.delete(stream);
    this.silentSince.delete(stream);
    this.endedFeeds.delete(stream);
    this.broken.delete(stream);
    this.asked.delete(stream);
    this.targets.delete(stream);
  }
}
