/**
 * The other database nodes, as one of them sees the rest: whom it follows, who follows it, what it
 * shows of their streams, and what it asks them before a `cluster` read.
 *
 *     links this node dialled    it follows: append, feedStart, durable come in
 *     links others dialled       they follow: the same go out
 */
import type { Lsn, Manifest, NodeName, PageId, PlantedBugs, ReadPoint, StreamId } from "@sixfold/model";
import { NO_BUGS, openStreams, streamState } from "@sixfold/model";
import type { Append, AskPages, FeedStart, ManifestNews, PagesGiven, StorageMessage } from "@sixfold/wire";
import { ClusterReads } from "./cluster-reads.ts";
import { ClusterSnapshots, type BeginAt, type SnapshotIo } from "./cluster-snapshots.ts";
import type { ForeignEntry } from "./feed-receiver.ts";
import { FeedSender } from "./feed-sender.ts";
import { ForeignStreams } from "./foreign-streams.ts";
import { LagMeter, type LagStatus } from "./lag-meter.ts";
import type { NodeEffect } from "./node-api.ts";
import { SnapshotSequencer } from "./snapshot-sequencer.ts";
import type { Unfollowed } from "./suspicion.ts";

const STALLED_READ_MS = 100;

/** What the neighbours need of their node: its engine and its volume. */
export interface NeighbourIo {
  readonly now: number;
  readonly applied: ReadPoint;
  readonly manifest: Manifest | undefined;
  readonly applyForeign: (stream: StreamId, entry: ForeignEntry) => void;
  readonly advance: (stream: StreamId, to: Lsn) => void;
  readonly dropCleanPages: () => void;
  /** Frames and tails that feeds bring: what page reads need to know, and what others are about to change. */
  readonly noteForeign: (frame: Append) => void;
  readonly noteTails: (start: FeedStart) => void;
  /** Returns the check's number. */
  readonly checkManifest: () => number;
  readonly readManifest: () => void;
  /** Another node has changed the manifest. `successor`: who should write the exclusive volume now, or "". */
  readonly told: (news: ManifestNews) => void;
  readonly givePages: (asked: AskPages) => readonly PageId[];
  readonly pagesGiven: (answer: Pick<PagesGiven, "request" | "pages">) => void;
  readonly views: SnapshotIo["engine"];
  readonly emit: (effect: NodeEffect) => void;
}

export class Neighbours {
  private readonly name: NodeName;
  private readonly io: NeighbourIo;
  private readonly foreign: ForeignStreams;
  private readonly clusterReads: ClusterReads;
  private readonly sequencer: SnapshotSequencer;
  private readonly snapshots: ClusterSnapshots;
  private readonly lag: LagMeter;
  /** The last look at the manifest's seats: it stands for all before it. */
  private lastCheck = 0;
  /** The manifest and the own stream that the sequencer's present round goes by. */
  private sequencedBy = "";
  private readonly up = new Set<NodeName>();
  private readonly followers = new Set<NodeName>();
  private sender: FeedSender | undefined;
  private nextRequest = 1;

  constructor(name: NodeName, io: NeighbourIo, planted: PlantedBugs = NO_BUGS) {
    this.name = name;
    this.io = io;
    const applier = {
      get applied() {
        return io.applied;
      },
      applyForeign: io.applyForeign,
      advance: io.advance,
      dropCleanPages: io.dropCleanPages,
      askDurable: (peer: NodeName) => this.askDurable(peer),
      followAgain: (peer: NodeName) => this.toPeer(peer, { type: "follow", node: this.name }),
      confirm: (then: () => void) => this.clusterReads.begin(then),
    };
    this.foreign = new ForeignStreams(applier, planted);
    const checkManifest = (): void => this.look();
    const rounds = {
      get now() {
        return io.now;
      },
      askAll: () => this.askAllDurable(),
      checkManifest,
    };
    this.clusterReads = new ClusterReads(rounds, planted);
    const { foreign, clusterReads } = this;
    const sequencing = {
      get applied() {
        return io.applied;
      },
      get isClosed() {
        return foreign.isClosed;
      },
      get isExclusive() {
        return io.manifest?.mode === "single";
      },
      freshen: (then: () => void) => clusterReads.begin(then),
      checkManifest,
    };
    this.sequencer = new SnapshotSequencer(sequencing, planted);
    const asking = {
      engine: io.views,
      shows: (point: ReadPoint) => foreign.shows(point),
      askSequencer: () => this.askSequencer(),
    };
    this.snapshots = new ClusterSnapshots(asking, planted);
    this.lag = new LagMeter({
      get applied() {
        return io.applied;
      },
      feeds: () => foreign.feeds(),
      askDurable: (peer) => this.askDurable(peer),
    });
  }

  // --- this node's own stream ---------------------------------------------------------------------

  /** The own open stream, or 0. */
  get stream(): StreamId {
    return this.sender?.stream ?? (0 as StreamId);
  }

  get durable(): Lsn {
    return this.sender?.durablePoint ?? (0 as Lsn);
  }

  opened(stream: StreamId): void {
    this.sender = new FeedSender(stream);
    this.learnManifest();
    for (const follower of this.followers) this.startFeeding(follower);
  }

  closed(): void {
    this.sender = undefined;
    this.learnManifest();
  }

  /** A frame is on its way to storage: these nodes get it too. */
  sent(append: Append): readonly NodeName[] {
    this.sender?.sent(append);
    return [...this.followers];
  }

  advance(durable: Lsn): void {
    this.sender?.advance(durable);
  }

  /** An own entry is committed, and its client may hear so before the durable point has passed it. */
  committed(at: Lsn): void {
    this.sender?.committed(at);
  }

  /** This node has changed the manifest: the others need not find out by themselves. `successor`: who is to write next. */
  tellManifest(successor: NodeName | undefined): void {
    const { manifest } = this.io;
    if (manifest === undefined) return;
    const news: ManifestNews = { type: "manifestNews", value: manifest, successor: successor ?? "" };
    for (const follower of this.followers) this.toFollower(follower, news);
    for (const peer of this.up) if (!this.followers.has(peer)) this.toPeer(peer, news);
  }

  // --- links ----------------------------------------------------------------------------------------

  peerUp(peer: NodeName): void {
    this.up.add(peer);
    this.toPeer(peer, { type: "follow", node: this.name });
    this.snapshots.askAgain();
  }

  /** This node is listed since just now: who did not know it as it said so first should look again. */
  followAll(): void {
    for (const peer of this.up) this.toPeer(peer, { type: "follow", node: this.name });
  }

  /** `silentSince`: the link did not end, the peer has been silent on it since then. */
  peerDown(peer: NodeName, silentSince?: number): void {
    this.up.delete(peer);
    this.foreign.linkLost(peer, silentSince);
    this.clusterReads.restart();
  }

  peers(): NodeName[] {
    return [...this.up];
  }

  isLinked(name: NodeName): boolean {
    return this.up.has(name);
  }

  /** From a node that this one follows. False: not a message that such a node sends. */
  peerMessage(peer: NodeName, message: StorageMessage): boolean {
    if (message.type === "append") {
      this.io.noteForeign(message);
      this.foreign.append(message);
    } else if (message.type === "feedStart") this.feedStarted(peer, message);
    else if (message.type === "durable") {
      this.foreign.durable(message.stream, message.durable, message.request);
      this.clusterReads.durable(message.stream, message.durable, message.request);
      this.lag.durable(message, this.io.now);
    } else if (message.type === "snapshot") this.snapshots.answered(message.request, message.point);
    else if (message.type === "manifestNews") this.io.told(message);
    else if (message.type === "pagesGiven") this.io.pagesGiven(message);
    else return false;
    return true;
  }

  /** From a node that dialled this one in order to follow it. */
  followerMessage(follower: NodeName, message: StorageMessage): boolean {
    if (message.type === "follow") this.startFeeding(follower);
    else if (message.type === "askDurable") this.tellDurable(follower, message.request);
    else if (message.type === "askSnapshot") this.tellSnapshot(follower, message.request);
    else if (message.type === "manifestNews") this.io.told(message);
    else if (message.type === "askPages") {
      const pages = this.io.givePages(message);
      this.toFollower(follower, { type: "pagesGiven", request: message.request, pages });
    } else return false;
    return true;
  }

  followerGone(follower: NodeName): void {
    this.followers.delete(follower);
    // It may have left for good.
    this.look();
  }

  // --- foreign streams ------------------------------------------------------------------------------

  /** The applied vector is causally closed (I5). */
  get isClosed(): boolean {
    return this.foreign.isClosed;
  }

  /** Everything is shown here that this read point shows. */
  shows(point: ReadPoint): boolean {
    return this.foreign.shows(point);
  }

  /**
   * How long to go without a look at the manifest. Where an entry waits, a newer one may be what is missing: sooner
   * than usual then, yet not so often that other nodes' proposals never win.
   */
  manifestPatienceMs(usualMs: number): number {
    return this.foreign.stalled ? Math.min(STALLED_READ_MS, usualMs) : usualMs;
  }

  /** How far what is shown here is behind the writers that are followed. */
  lagStatus(): LagStatus | undefined {
    return this.lag.status(this.io.now);
  }

  get lagMs(): number {
    return this.lag.ms(this.io.now);
  }

  /** Everything that was committed anywhere before this moment is known to be shown here. */
  get freshAt(): number {
    return this.clusterReads.freshAt;
  }

  get jumps(): number {
    return this.foreign.jumps;
  }

  unfollowed(): readonly Unfollowed[] {
    return this.foreign.unfollowed();
  }

  /** The manifest has changed, or this node's part in it. */
  learnManifest(): void {
    const { manifest } = this.io;
    if (manifest !== undefined) this.foreign.learnManifest(manifest, this.stream);
    this.clusterReads.restart();
    const by = `${manifest?.revision} ${this.stream}`;
    if (by === this.sequencedBy) return;
    this.sequencedBy = by;
    if (this.isSequencer) this.sequencer.restart();
    else this.sequencer.abandon();
    this.snapshots.askAgain();
  }

  /** Shows what has become ready; lets cluster reads go on. */
  apply(): void {
    this.foreign.apply();
    this.lag.advance(this.io.now);
    this.clusterReads.advance(this.io.applied);
    this.sequencer.advance();
    this.snapshots.advance();
  }

  tick(now: number): void {
    this.foreign.tick(now);
    // A writer has its own stream to think of, and nobody reads there to spare it.
    if (this.sender === undefined) this.lag.tick(now);
    this.clusterReads.tick();
    this.sequencer.tick();
    this.snapshots.tick(now);
  }

  /** Runs `then` once everything committed anywhere before now is shown here. */
  clusterRead(then: () => void): void {
    this.clusterReads.begin(then);
  }

  /**
   * Runs `then` with a view of everything committed anywhere before now, ordered with all such views of all nodes. One that `locks` rows
   * of an exclusive volume sees them as they are when it has the locks: later, and ordered all the same.
   */
  clusterSnapshot(locks: boolean, then: BeginAt): void {
    if (locks && this.io.manifest?.mode === "single") this.clusterReads.begin(() => then(undefined));
    else this.snapshots.begin(then);
  }

  manifestChecked(check: number, unchanged: boolean): void {
    if (check < this.lastCheck) return;
    this.clusterReads.manifestChecked(unchanged);
    this.sequencer.manifestChecked(unchanged);
  }

  /** A question of the volume's to another writer. */
  ask(peer: NodeName, message: AskPages): void {
    if (this.up.has(peer)) this.toPeer(peer, message);
    else this.io.pagesGiven({ request: message.request, pages: [] });
  }

  /** Asks whether the manifest has changed; what has is read. */
  private look(): void {
    this.lastCheck = this.io.checkManifest();
  }

  // --- helpers ----------------------------------------------------------------------------------------

  private startFeeding(follower: NodeName): void {
    this.followers.add(follower);
    // It is new: so is the manifest that lists it.
    if (this.io.manifest?.nodes.some((node) => node.name === follower) === false) this.look();
    if (this.sender === undefined) return;
    const { start, frames } = this.sender.start();
    this.toFollower(follower, start);
    for (const frame of frames) this.toFollower(follower, frame);
  }

  private feedStarted(peer: NodeName, start: FeedStart): void {
    this.io.noteTails(start);
    this.foreign.feedStart(peer, start);
    this.lag.restarted(start.stream);
    this.clusterReads.restart();
    const { manifest } = this.io;
    if (manifest === undefined || streamState(manifest, start.stream) === undefined) this.io.readManifest();
  }

  private tellDurable(follower: NodeName, request: number): void {
    const { manifest } = this.io;
    if (this.sender === undefined || manifest === undefined) return;
    // Not the durable point, which waits at an abort that may be overruled, while commits beyond it are told (DESIGN section 8).
    const { stream, committedPoint } = this.sender;
    this.toFollower(follower, {
      type: "durable",
      request,
      stream,
      durable: committedPoint,
      atUs: Math.round(this.io.now * 1000),
      epoch: manifest.epoch,
    });
  }

  private tellSnapshot(follower: NodeName, request: number): void {
    if (!this.isSequencer) return;
    this.sequencer.ask((point) => this.toFollower(follower, { type: "snapshot", request, point }));
  }

  /** The node that gives cluster snapshots: the oldest open stream's writer, or each node for itself where streams do not overlap. */
  private get sequencerNode(): NodeName | undefined {
    const { manifest } = this.io;
    if (manifest === undefined) return undefined;
    const oldest = manifest.mode === "single" ? undefined : openStreams(manifest)[0];
    if (oldest === undefined || oldest.id === this.stream) return this.name;
    // A stream of this node that is not its present one is yet to be closed, and the question waits for that.
    return oldest.node === this.name ? undefined : oldest.node;
  }

  private get isSequencer(): boolean {
    return this.sequencerNode === this.name;
  }

  private askSequencer(): number {
    const request = this.nextRequest++;
    const node = this.sequencerNode;
    if (node === this.name) this.sequencer.ask((point) => this.snapshots.answered(request, point));
    else if (node !== undefined) this.toPeer(node, { type: "askSnapshot", request });
    return request;
  }

  private askAllDurable(): Map<StreamId, number> {
    const asked = new Map<StreamId, number>();
    for (const { stream } of this.foreign.unfollowed()) asked.set(stream, Number.POSITIVE_INFINITY);
    for (const feed of this.foreign.feeds()) asked.set(feed.stream, this.askDurable(feed.node));
    return asked;
  }

  private askDurable(peer: NodeName): number {
    const request = this.nextRequest++;
    this.toPeer(peer, { type: "askDurable", request });
    return request;
  }

  private toPeer(to: NodeName, message: StorageMessage): void {
    if (this.up.has(to)) this.io.emit({ kind: "toPeer", to, message });
  }

  private toFollower(to: NodeName, message: StorageMessage): void {
    this.io.emit({ kind: "toFollower", to, message });
  }
}
