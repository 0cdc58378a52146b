/**
 * A database node: engine and volume joined, other nodes' streams applied, clients served.
 *
 *     clients <──> ClientDesk <──> Engine ──submit──> Volume <──> six segment servers
 *                                    ^  <──decided──    │
 *        other nodes ──feeds──> ForeignStreams          └──append──> FeedSender ──> other nodes
 *
 * One machine with a role: a writer opens a stream, a replica only follows. It owns no timer and
 * no socket; `NodeHost` in `cluster` drives it. Within a turn, engine and volume are run against
 * each other until neither has anything to say; `flush` then sends one batch (natural batching).
 *
 * Whether it opens a stream, follows, or ends is the affair of `NodeLife`. Nothing durable lives here: a restarted node is a
 * new node with the same name.
 */
import { Engine, type EngineEffect } from "@sixfold/engine";
import {
  NO_BUGS,
  NONE,
  Random,
  streamOfTransaction,
  type Lsn,
  type Manifest,
  type NodeName,
  type PlantedBugs,
  type StreamId,
  type TransactionId,
} from "@sixfold/model";
import { Volume, type FoundOutcome, type VolumeEffect } from "@sixfold/volume";
import { encodeSessionToken, type Append, type ClientRequest, type StorageMessage } from "@sixfold/wire";
import { ClientDesk } from "./client-desk.ts";
import { drain } from "./drain.ts";
import { asWhole, type ForeignEntry } from "./feed-receiver.ts";
import { nameWinner } from "./name-winner.ts";
import { nameWriter } from "./name-writer.ts";
import { Introductions, knownNodes, welcomeOf, type Self } from "./introductions.ts";
import { ConflictInjector } from "./conflict-injector.ts";
import { Neighbours, type NeighbourIo } from "./neighbours.ts";
import { pageRead } from "./page-read.ts";
import {
  DEFAULT_SETTINGS,
  type ClientLink,
  type NodeEffect,
  type NodeOptions,
  type NodeSettings,
} from "./node-api.ts";
import { NodeLife, type LifeIo } from "./node-life.ts";
import { nodeItself, Roster, type RosterIo } from "./roster.ts";
import { TransactionLog } from "./transaction-log.ts";

export class DatabaseNode {
  readonly effects: NodeEffect[] = [];
  private readonly options: NodeOptions;
  private readonly settings: NodeSettings;
  private readonly planted: PlantedBugs;
  private readonly engine: Engine;
  /** Storage, as its operator may command it; call `flush` afterwards. */
  readonly volume: Volume;
  private readonly desk: ClientDesk;
  private readonly neighbours: Neighbours;
  private readonly log: TransactionLog;
  /** Whether it writes; call `flush` afterwards. */
  readonly life: NodeLife;
  private readonly introductions: Introductions;
  private readonly roster: Roster;
  /** The node leaves for good once its stream is closed. */
  private isLeaving = false;
  /** Own aborted entries whose clients wait until the abort may be told. */
  private readonly untold = new Set<Lsn>();
  private manifestReadAt = Number.NEGATIVE_INFINITY;
  private readonly conflicts: ConflictInjector;
  private now = 0;
  /** Moved last, since anything ran. */
  private shown: { readonly stream: StreamId; readonly through: Lsn } | undefined;

  constructor(options: NodeOptions) {
    this.options = options;
    this.settings = { ...DEFAULT_SETTINGS, ...options.settings };
    const { geometry, poolPages, piecePages, conflicts, seed, planted = NO_BUGS, trace } = options;
    this.planted = planted;
    this.engine = new Engine({ geometry, poolPages, piecePages, conflicts, seed, planted });
    const self = nodeItself(options);
    const { volume, servers, volumeSettings: settings = {} } = options;
    const { az } = self;
    this.volume = new Volume({ node: options.name, volume, servers, seed, az, settings, planted, trace });
    this.roster = new Roster(self, options.nodes, servers, this.rosterIo());
    this.conflicts = new ConflictInjector(options.injectConflicts, new Random(seed));
    this.log = new TransactionLog(this.settings.rememberedOutcomes, planted);
    this.desk = new ClientDesk(this.deskIo(), this.log, this.settings.waitLimitMs, planted, trace);
    this.introductions = new Introductions({
      welcome: () => welcomeOf(options, this.roster.nodes, this.volume.manifest, this.self().stream),
      nodes: () => knownNodes(options.name, this.roster.nodes, this.volume.manifest, this.self()),
      session: () => encodeSessionToken(this.engine.applied),
      send: (link, message) => void this.effects.push({ kind: "toClient", link, message }),
    });
    this.neighbours = new Neighbours(options.name, this.neighbourIo(), planted);
    this.life = new NodeLife(this.lifeIo());
  }

  // --- inputs -------------------------------------------------------------------------------

  /** Begins: reads or creates the manifest as soon as a majority of the seats is in reach. */
  start(now: number): void {
    this.now = now;
    const { mode, geometry } = this.options;
    this.volume.create({ mode, geometry, nodes: [nodeItself(this.options)] }, now);
  }

  serverUp(server: NodeName, now: number): void {
    this.now = now;
    this.volume.serverUp(server, now);
  }

  serverDown(server: NodeName, now: number): void {
    this.now = now;
    this.volume.serverDown(server, now);
  }

  serverMessage(server: NodeName, message: StorageMessage, now: number): void {
    this.now = now;
    this.volume.receive(server, message, now);
  }

  peerUp(peer: NodeName, now: number): void {
    this.now = now;
    this.neighbours.peerUp(peer);
  }

  /** `silentMs`: the link did not end, but had been silent for so long. */
  peerDown(peer: NodeName, now: number, silentMs = 0): void {
    this.now = now;
    this.neighbours.peerDown(peer, silentMs === 0 ? undefined : now - silentMs);
  }

  /** From a node that this one dialled, in order to follow it. */
  peerMessage(peer: NodeName, message: StorageMessage, now: number): void {
    this.now = now;
    this.engine.pause();
    if (!this.neighbours.peerMessage(peer, message))
      this.say("warn", "unexpected-message", { peer, type: message.type });
  }

  /** From a node that dialled this one, in order to follow it. */
  followerMessage(follower: NodeName, message: StorageMessage, now: number): void {
    this.now = now;
    if (!this.neighbours.followerMessage(follower, message))
      this.say("warn", "unexpected-message", { peer: follower, type: message.type });
  }

  followerGone(follower: NodeName, now: number): void {
    this.now = now;
    this.neighbours.followerGone(follower);
  }

  clientOpened(link: ClientLink, now: number): void {
    this.now = now;
    this.introductions.opened(link);
    this.desk.linkOpened(link);
  }

  clientRequests(link: ClientLink, requests: readonly ClientRequest[], now: number): void {
    this.now = now;
    this.desk.receive(link, requests, now);
  }

  clientClosed(link: ClientLink, now: number): void {
    this.now = now;
    this.introductions.closed(link);
    this.desk.linkClosed(link, now);
  }

  /** Every few milliseconds. */
  tick(now: number): void {
    this.now = now;
    this.engine.tick(now);
    this.volume.tick(now);
    this.desk.expire(now);
    this.introductions.tick(now);
    this.neighbours.tick(now);
    const patience = this.neighbours.manifestPatienceMs(this.settings.manifestEveryMs);
    if (now - this.manifestReadAt >= patience) this.readManifest(now);
    this.life.tick(now);
  }

  /** Ends a turn: everything that the inputs caused stands in `effects` afterwards. */
  flush(now: number): void {
    this.now = now;
    this.engine.newTurn(now);
    this.settle(now);
    this.life.turned(now);
    this.volume.flush(this.engine.oldestReadPoint(), this.engine.applied, now);
    this.settle(now);
    const answers = this.desk.takeAnswers();
    if (answers.length === 0) return;
    const session = encodeSessionToken(this.engine.applied);
    for (const [link, responses] of answers)
      this.effects.push({ kind: "toClient", link, message: { type: "responses", session, responses } });
  }

  /** Clean stop: decides what is in flight, closes the own stream, then says `stopped`. */
  stop(now: number): void {
    this.now = now;
    this.settle(now);
    this.life.stop();
  }

  /** The same, and the node leaves the manifest's list: it is not expected back. */
  retire(now: number): void {
    this.isLeaving = true;
    this.stop(now);
  }

  /** Strikes off another node, that has gone without leaving; if it is alive after all, it ends. */
  strikeOff(name: NodeName, done: () => void, now: number): void {
    this.now = now;
    this.volume.nodes.leave(name, done, now);
  }

  /** When the next turn is wanted at the latest: at once if reads were cut short in this one, or when what gathers for a batch is to go. */
  get dueAt(): number | undefined {
    return this.engine.hasMore ? this.now : this.volume.dueAt;
  }

  get isReady(): boolean {
    return this.life.isServing && this.neighbours.isClosed;
  }

  status(): Record<string, unknown> {
    const { name, role, mode } = this.options;
    const { manifest } = this.volume;
    return {
      name,
      role,
      mode: manifest?.mode ?? mode,
      nextMode: manifest?.nextMode ?? mode,
      state: this.life.state.state,
      ready: this.isReady,
      stream: this.neighbours.stream,
      durable: this.neighbours.durable,
      applied: Object.fromEntries(this.engine.applied.entries()),
      settledThrough: this.engine.applied.settledThrough,
      clients: this.introductions.size,
      waiting: this.desk.waiting,
      nodes: this.roster.nodes,
      peers: this.neighbours.peers(),
      jumps: this.neighbours.jumps,
      lag: this.neighbours.lagStatus(),
      engine: this.engine.stats,
      pressure: this.engine.pressure,
      volume: this.volume.status(),
    };
  }

  // --- engine and volume against each other -------------------------------------------------------

  /**
   * Runs engine, volume and feeds until none has anything more to say. Several streams may move at once, a settled one with those that were
   * built on it: meanwhile the applied vector is not closed (I5), and nothing runs.
   */
  private settle(now: number): void {
    do {
      this.engine.pause();
      // Before the engine's: of an entry built while the stream was being lost the volume must not hear any more.
      drain(this.volume.effects, (effect) => this.onVolume(effect, now));
      this.neighbours.apply();
      if (this.neighbours.isClosed && !this.life.isClosing) this.resume(now);
      this.desk.advance(now);
      drain(this.engine.effects, (effect) => this.onEngine(effect, now));
    } while (this.engine.effects.length > 0 || this.volume.effects.length > 0);
  }

  private resume(now: number): void {
    const { shown } = this;
    if (shown !== undefined) {
      this.shown = undefined;
      this.options.trace?.({ kind: "shown", ...shown, vector: this.engine.applied, readable: true });
    }
    this.engine.resume(now);
  }

  private onEngine(effect: EngineEffect, now: number): void {
    switch (effect.kind) {
      case "submit": {
        this.volume.submit(effect.entry, now);
        const { state } = this.life;
        if (state.state === "writing" && this.conflicts.injects(effect.entry, state.exclusive))
          this.volume.giveUp(effect.entry.lsn, NONE, now);
        return;
      }
      case "reply":
        return this.desk.replied(effect.request, effect.result);
      case "load":
        for (const page of effect.pages) this.volume.readPage(page, effect.readPoint, now);
        return;
      case "giveUp":
        return this.volume.giveUp(effect.lsn, effect.winner, now);
      case "abandonAbort":
        if (this.volume.abortTold(effect.lsn)) this.engine.abortDurable(effect.lsn, now);
        else this.untold.add(effect.lsn);
        return;
    }
  }

  private onVolume(effect: VolumeEffect, now: number): void {
    switch (effect.kind) {
      case "send":
        this.effects.push({ kind: "toServer", to: effect.to, message: effect.message });
        return;
      case "ask":
        return this.neighbours.ask(effect.to, effect.message);
      case "append":
        return this.onAppend(effect.to, effect.message);
      case "decided":
        if (effect.decision === "commit") this.neighbours.committed(effect.lsn);
        return this.engine.decided(effect.lsn, effect.decision, effect.cause, now);
      case "told":
        if (this.untold.delete(effect.lsn)) this.engine.abortDurable(effect.lsn, now);
        return;
      case "durable":
        this.neighbours.advance(effect.through);
        if (this.neighbours.stream !== 0) this.show(this.neighbours.stream, effect.through, now);
        return;
      case "page":
        return pageRead(this.engine, effect, now);
      case "outcome":
        return this.onOutcome(effect.transaction, effect.outcome);
      case "manifest":
        return this.onManifest(effect.manifest, now);
      case "manifestChecked":
        return this.neighbours.manifestChecked(effect.check, effect.unchanged);
      case "modeChanged":
        return this.neighbours.tellManifest(undefined);
      case "opened":
        return this.life.opened(effect.stream, effect.exclusive, now);
      case "openRefused":
        return this.life.openRefused(effect.reason);
      case "fenced":
        return this.life.fenced(effect.stream, now);
      case "closed":
        return this.life.closed(effect.stream, now);
      case "hold":
        return this.engine.holdPages(effect.pages, now);
      case "release":
        return this.engine.releasePages(effect.pages, now);
      case "log":
        return this.say(effect.level, effect.event, effect.fields);
    }
  }

  private onAppend(servers: readonly NodeName[], message: Append): void {
    const followers = this.neighbours.sent(message);
    if (servers.length === 0 && followers.length === 0) return;
    this.effects.push({ kind: "append", servers, followers, message });
  }

  // --- lifecycle ----------------------------------------------------------------------------

  private onManifest(manifest: Manifest, now: number): void {
    this.manifestReadAt = now;
    for (const state of manifest.streams) if (state.state === "closed") this.engine.streamClosed(state.id);
    this.roster.learnManifest(manifest, now);
    this.neighbours.learnManifest();
    this.introductions.check(now);
    if (manifest.settledThrough > this.engine.applied.settledThrough)
      this.engine.settle(manifest.settledThrough);
    // Nobody serves who is not listed.
    if (this.roster.isListed) this.life.learnManifest(manifest, now);
  }

  private readManifest(now: number): void {
    this.manifestReadAt = now;
    this.volume.refresh(now);
  }

  private lifeIo(): LifeIo {
    const { options, settings, engine, volume, neighbours } = this;
    return {
      ...{ options, settings, engine, volume, neighbours },
      readManifest: (now) => this.readManifest(now),
      forgetUntold: () => this.untold.clear(),
      announce: () => this.introductions.announce(this.now),
      say: (level, event, fields) => this.say(level, event, fields),
      stopped: () => {
        const stopped = (): void => void this.effects.push({ kind: "stopped" });
        if (this.isLeaving) this.roster.leave(stopped, this.now);
        else stopped();
      },
    };
  }

  private rosterIo(): RosterIo {
    const { nodes } = this.volume;
    return {
      join: (node, done, now) => nodes.join(node, done, now),
      leave: (name, done, now) => nodes.leave(name, done, now),
      joined: () => this.neighbours.followAll(),
      retired: () => this.life.stop(),
      emit: (effect) => void this.effects.push(effect),
    };
  }

  private neighbourIo(): NeighbourIo {
    const node = this;
    return {
      get now() {
        return node.now;
      },
      get applied() {
        return node.engine.applied;
      },
      get manifest() {
        return node.volume.manifest;
      },
      applyForeign: (stream, entry) => node.applyForeign(stream, entry),
      advance: (stream, to) => node.show(stream, to, node.now),
      dropCleanPages: () => node.engine.dropCleanPages(node.now),
      noteForeign: (frame) => {
        node.volume.noteForeign(frame);
        node.engine.foreignClaims(frame.stream, frame.slices, node.now);
      },
      noteTails: (start) => node.volume.noteTails(start.stream, start.tails),
      checkManifest: () => node.volume.checkManifest(node.now),
      readManifest: () => node.readManifest(node.now),
      told: ({ value, successor }) => {
        node.life.named(successor, node.now);
        node.volume.told(value, node.now);
      },
      givePages: (asked) => node.volume.ownership?.give(asked) ?? [],
      pagesGiven: (answer) => node.volume.ownership?.answered(answer),
      views: node.engine,
      emit: (effect) => void node.effects.push(effect),
    };
  }

  private show(stream: StreamId, through: Lsn, now: number): void {
    this.engine.advance(stream, through, now);
    if (this.options.trace === undefined) return;
    this.shown = { stream, through };
    this.options.trace({ kind: "shown", stream, through, vector: this.engine.applied, readable: false });
  }

  private applyForeign(stream: StreamId, { lsn: at, slices }: ForeignEntry): void {
    this.engine.applyForeign(asWhole(stream, at, slices, this.planted.has("shown-in-part")), this.now);
    this.volume.foreignSeen(stream, at);
  }

  // --- clients ------------------------------------------------------------------------------

  private deskIo(): ConstructorParameters<typeof ClientDesk>[0] {
    const node = this;
    return {
      get now() {
        return node.now;
      },
      get isReady() {
        return node.isReady;
      },
      get isFollower() {
        return node.life.isFollowing;
      },
      get freshAt() {
        return node.neighbours.freshAt;
      },
      name: this.options.name,
      catchUpLimitMs: this.settings.catchUpLimitMs,
      engine: this.engine,
      procedures: this.options.procedures,
      shows: (point) => this.neighbours.shows(point),
      clusterRead: (then) => this.neighbours.clusterRead(then),
      clusterSnapshot: (locks, then) => this.neighbours.clusterSnapshot(locks, then),
      isOwn: (id) => {
        const { stream } = this.neighbours;
        return stream === 0 || streamOfTransaction(id) === stream;
      },
      findOutcome: (id) => this.volume.findTransaction(id, this.now),
      status: () => this.status(),
      explain: (error) => nameWriter(nameWinner(error, this.volume.manifest), this.volume.manifest),
    };
  }

  /** Storage's word on a transaction. */
  private onOutcome(id: TransactionId, found: FoundOutcome): void {
    const ours = streamOfTransaction(id) === this.neighbours.stream;
    this.desk.outcomeFound(id, this.log.judge(id, found, ours));
  }

  private self(): Self {
    const { isClosing, isServing } = this.life;
    // A stream that is being closed takes nothing more.
    const stream = isClosing ? 0 : this.neighbours.stream;
    return { stream, ready: isServing, lagMs: stream === 0 ? this.neighbours.lagMs : 0 };
  }

  private say(
    level: "info" | "warn" | "error",
    event: string,
    fields: Readonly<Record<string, unknown>>,
  ): void {
    this.effects.push({ kind: "log", level, event, fields });
  }
}
