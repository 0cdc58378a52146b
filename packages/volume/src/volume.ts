/**
 * The computing side of storage for one database node: the volume as seen by a writer or a replica.
 *
 *     Volume ── OwnStream ── StreamWriter ── Decider, DecisionLog, InFlight, PgProgress, SegmentCare
 *        │          └─ ManifestCommit                                          commits that votes cannot make
 *        ├── ManifestRegister, ManifestCheck                                   the manifest
 *        ├── StreamOpener, Recovery (one per stream), Closer                   streams coming and going
 *        └── PageReader, OutcomeFinder, TailHistory, Courtesy
 *
 * This file only dispatches and joins them; each rule stands in the part that its name says.
 */
import {
  assert,
  NO_BUGS,
  openStreams,
  pgOf,
  Random,
  streamState,
  type Entry,
  type Lsn,
  type Manifest,
  type Mode,
  type NodeName,
  type PageId,
  type PageVersion,
  type PgId,
  type PlantedBugs,
  type ReadPoint,
  type StreamId,
  type TransactionId,
} from "@sixfold/model";
import type { Append, StorageMessage } from "@sixfold/wire";
import { Closer } from "./closer.ts";
import { Courtesy } from "./courtesy.ts";
import { firstManifest } from "./first-manifest.ts";
import { settleLostStream } from "./lost-stream.ts";
import { ManifestCheck } from "./manifest-check.ts";
import { ManifestRegister } from "./manifest-register.ts";
import { MemberChanges } from "./member-changes.ts";
import { ModeSwitch } from "./mode-switch.ts";
import { NodeList } from "./node-list.ts";
import { OwnStream } from "./own-stream.ts";
import { Outbox } from "./outbox.ts";
import { OutcomeFinder } from "./outcome-finder.ts";
import type { PageOwnership } from "./page-ownership.ts";
import { PageReader } from "./page-reader.ts";
import { ReadersReport } from "./readers-report.ts";
import { Recoveries } from "./recoveries.ts";
import { DEFAULT_VOLUME_SETTINGS, type VolumeSettings } from "./settings.ts";
import { StreamOpener, type OpenResult } from "./stream-opener.ts";
import { StreamWriter } from "./stream-writer.ts";
import { TailHistory } from "./tails.ts";
import type {
  InitialManifest,
  ReplaceAnswer,
  VolumeEffect,
  VolumeFace,
  VolumeOptions,
  Rivals,
} from "./volume-api.ts";

export class Volume implements VolumeFace {
  private readonly options: VolumeOptions;
  private readonly settings: VolumeSettings;
  private readonly planted: PlantedBugs;
  private readonly out: Outbox;
  private readonly register: ManifestRegister;
  private readonly check: ManifestCheck;
  private readonly closer: Closer;
  private readonly members: MemberChanges;
  private readonly modes: ModeSwitch;
  /** Who the database nodes are. */
  readonly nodes: NodeList;
  private readonly reader: PageReader;
  private readonly finder: OutcomeFinder;
  private readonly readers: ReadersReport;
  private readonly tails = new TailHistory();
  private readonly courtesy: Courtesy;
  private readonly recoveries: Recoveries;
  private opener: StreamOpener | undefined;
  private own: OwnStream | undefined;
  private current: Manifest | undefined;
  private housekeptAt = 0;

  constructor(options: VolumeOptions) {
    this.options = options;
    const planted = (this.planted = options.planted ?? NO_BUGS);
    const settings = (this.settings = { ...DEFAULT_VOLUME_SETTINGS, ...options.settings });
    const out = (this.out = new Outbox(options.trace));
    this.register = new ManifestRegister({
      out,
      bootstrap: options.servers,
      proposer: `${options.node}/${options.seed.toString(36)}`,
      settings,
      random: new Random(options.seed),
      planted,
      learn: (m, now) => this.learnManifest(m, now),
    });
    const { register } = this;
    this.nodes = new NodeList(register);
    this.modes = new ModeSwitch(register);
    this.check = new ManifestCheck(out, register.firstSeats, settings.askAgainMs);
    const closer = (this.closer = new Closer({ out, settings, register, planted }));
    const closed = (stream: StreamId, final: Lsn, now: number): void => {
      closer.adopt(stream, now);
      out.effects.push({ kind: "closed", stream, final });
    };
    this.recoveries = new Recoveries({ out, settings, register, planted, known: () => this.current, closed });
    const isHeld = (m: Manifest, stream: StreamId, pg: PgId): boolean => closer.isHeld(m, stream, pg);
    this.members = new MemberChanges({ out, settings, register, servers: options.servers, isHeld });
    this.reader = new PageReader({ out, settings, tails: this.tails, az: options.az, planted });
    this.finder = new OutcomeFinder({ out, settings, register, planted });
    this.readers = new ReadersReport(out, settings.readersEveryMs, settings.readersAgainMs);
    this.courtesy = new Courtesy(out, settings.courtesyMs);
  }

  get effects(): VolumeEffect[] {
    return this.out.effects;
  }

  get manifest(): Manifest | undefined {
    return this.current;
  }

  get stream(): StreamId | undefined {
    return this.own?.writer.stream;
  }

  get ownership(): PageOwnership | undefined {
    return this.own?.writer.ownership;
  }

  get durable(): Lsn {
    return this.own?.writer.durable ?? (0 as Lsn);
  }

  // Servers

  serverUp(server: NodeName, now: number): void {
    this.out.linkUp(server);
    if (this.current !== undefined) this.out.send(server, { type: "manifestTold", value: this.current });
    this.readers.serverUp(server);
    this.register.serverUp(server);
    this.members.serverUp(server);
    this.own?.writer.serverUp(server, now);
    this.recoveries.serverUp(server);
    this.closer.serverUp(server);
  }

  serverDown(server: NodeName, _now: number): void {
    this.out.linkDown(server);
    this.own?.writer.serverDown(server);
  }

  receive(server: NodeName, message: StorageMessage, now: number): void {
    switch (message.type) {
      case "ack": {
        const own = this.own;
        if (own === undefined || message.stream !== own.writer.stream) return;
        own.writer.onAck(server, message, now);
        if (message.waiting.length > 0) this.courtesy.waiting(message.waiting, now);
        if (message.state === "fenced") own.checkFence(now);
        return;
      }
      case "pageRead":
        return this.reader.onPageRead(message, this.own?.writer, now);
      case "votes":
        if (message.stream !== this.own?.writer.stream) return;
        this.own.writer.onVotes(server, message, now);
        return this.own?.manifestCommit.onVotes(server, message, now);
      case "manifestPromise":
        return this.register.onPromise(server, message, now);
      case "manifestAccepted":
        return this.register.onAccepted(server, message, now);
      case "manifestPeeked":
        if (this.check.onPeeked(server, message)) this.register.read(() => {}, now);
        return;
      case "fenced":
        return this.recoveries.onFenced(server, message, now);
      case "closed":
        return this.closer.onClosed(server, message, now);
      case "copied":
        return this.members.onCopied(server, message);
      case "transactionFound":
        return this.finder.onFound(server, message);
      default:
        // Links, feeds and status are the owner's; segments send nothing else.
        return;
    }
  }

  // Manifest

  create(initial: InitialManifest, now: number): void {
    const { servers, volume } = this.options;
    const first = firstManifest(volume, servers, initial);
    this.register.change(
      (m) => (m === undefined ? first : undefined),
      ({ manifest }) => this.tellManifest(manifest),
      now,
    );
  }

  refresh(now: number): void {
    this.register.read(({ manifest }) => this.tellManifest(manifest), now);
  }

  wantMode(mode: Mode, done: (found: boolean, changed: boolean, now: number) => void, now: number): void {
    this.modes.want(
      mode,
      (found, changed, at) => {
        if (changed) this.out.effects.push({ kind: "modeChanged" });
        done(found, changed, at);
      },
      now,
    );
  }

  finishModeSwitch(now: number): void {
    this.modes.finish((changed) => {
      if (changed) this.out.effects.push({ kind: "modeChanged" });
    }, now);
  }

  told(manifest: Manifest, now: number): void {
    this.learnManifest(manifest, now);
  }

  checkManifest(now: number): number {
    return this.check.start(this.current, now);
  }

  /** A newer manifest was told by `learnManifest` already. */
  private tellManifest(manifest: Manifest | undefined): void {
    const last = this.out.effects[this.out.effects.length - 1];
    if (manifest === undefined || (last?.kind === "manifest" && last.manifest === manifest)) return;
    this.out.effects.push({ kind: "manifest", manifest });
  }

  private learnManifest(m: Manifest, now: number): void {
    const before = this.current;
    if (before !== undefined && m.revision <= before.revision) return;
    this.current = m;
    // Before anything that rests on it.
    if (
      before === undefined ||
      before.epoch !== m.epoch ||
      before.pgs.length !== m.pgs.length ||
      before.servers.length !== m.servers.length
    )
      for (const { name } of m.servers) this.out.send(name, { type: "manifestTold", value: m });
    this.out.trace?.({ kind: "manifest", manifest: m });
    this.tails.learnManifest(m);
    this.reader.learnManifest(m);
    this.closer.learnManifest(m);
    this.own?.writer.learnManifest(m, now);
    this.members.learnManifest(m);
    this.recoveries.learnManifest(m, now);
    // The loss comes first: what a recovery committed of the own stream is shown to others' entries only once nothing here counts as undecided.
    const { own } = this;
    if (own !== undefined && own.isLostIn(m)) this.loseStream(own, m, now);
    this.out.effects.push({ kind: "manifest", manifest: m });
  }

  replaceServer(
    leaving: NodeName,
    joining: NodeName | undefined,
    done: (answer: ReplaceAnswer) => void,
    now: number,
  ): void {
    this.members.replace(leaving, joining === undefined ? undefined : [joining], done, now);
  }

  // Streams

  openStream(now: number, rivals: Rivals = "close"): void {
    this.openerFor(rivals)?.start(now);
  }

  takeOver(stream: StreamId, now: number): void {
    const opener = this.openerFor("respect");
    if (opener === undefined) return this.recover(stream, now);
    const goOn = (at: number): void => opener.resume(this.current, at);
    this.recoveries.start(stream, goOn, now, (closed) => opener.opened(closed) ?? closed);
  }

  /** Undefined: a stream is open, or on its way. */
  private openerFor(rivals: Rivals): StreamOpener | undefined {
    if (this.opener !== undefined || this.own !== undefined) return undefined;
    this.opener = new StreamOpener({
      node: this.options.node,
      rivals,
      register: this.register,
      planted: this.planted,
      recover: (stream, done, at) => this.recoveries.start(stream, done, at),
      done: (result, at) => this.streamOpened(result, at),
    });
    return this.opener;
  }

  private streamOpened(result: OpenResult, now: number): void {
    this.opener = undefined;
    if (result.kind === "refused") {
      this.out.effects.push({ kind: "openRefused", reason: result.reason });
      return;
    }
    const { out, settings, register, planted, tails } = this;
    const { stream, exclusive, manifest } = result;
    const writer = new StreamWriter({
      out,
      settings,
      stream,
      exclusive,
      manifest: this.current ?? manifest,
      tails,
      planted,
    });
    this.own = new OwnStream({
      out,
      settings,
      register,
      writer,
      planted,
      closed: (final, at) => this.ownClosed(stream, final, at),
      recover: (at) => {
        if (!this.recoveries.has(stream)) this.recover(stream, at);
      },
    });
    out.effects.push({ kind: "opened", stream, exclusive });
    out.trace?.({ kind: "opened", stream, exclusive });
    out.log("info", "stream opened", { stream, exclusive });
    this.closer.adoptAll(now);
  }

  recover(stream: StreamId, now: number): void {
    this.recoveries.start(stream, () => {}, now);
  }

  closeOwn(now: number): void {
    this.own?.close(now);
  }

  private ownClosed(stream: StreamId, final: Lsn, now: number): void {
    this.dropOwn();
    this.closer.adopt(stream, now);
    this.out.effects.push({ kind: "closed", stream, final });
  }

  private loseStream(own: OwnStream, m: Manifest, now: number): void {
    const { writer } = own;
    const state = streamState(m, writer.stream);
    const { inFlight, untold } = writer.decider;
    const undecided = settleLostStream(
      this.out,
      writer.stream,
      inFlight,
      state?.state === "closed" ? state : undefined,
      m,
      untold,
      this.planted,
    );
    this.dropOwn();
    this.closer.adopt(writer.stream, now);
    this.out.effects.push({ kind: "fenced", stream: writer.stream, undecided });
    this.out.log("warn", "own stream lost", { stream: writer.stream, undecided: undecided.length });
    if (own.closing !== "deciding") return;
    // A settled stream is in no list any more.
    const final = state?.state === "closed" ? state.final : writer.durable;
    this.out.effects.push({ kind: "closed", stream: writer.stream, final });
  }

  private dropOwn(): void {
    this.own = undefined;
    this.courtesy.releaseAll();
  }

  // Writing

  submit(entry: Entry, now: number): void {
    const { own } = this;
    assert(own !== undefined && own.closing === "no", "entries are submitted to an open stream");
    own.writer.submit(entry, now);
  }

  giveUp(lsn: Lsn, winner: PageVersion, now: number): void {
    const { own } = this;
    const entry = own?.writer.decider.inFlight.get(lsn);
    if (own === undefined || entry === undefined) return;
    // An exclusive stream has a rival only when it was closed and its writer does not know yet: the next one's feed was faster.
    // A rival on a page that was only read proves nothing (see decider): with checks, be careful.
    const cause = { winner, phase: "delta", by: "rival" } as const;
    own.writer.decider.abort(entry, entry.entry.checks.length > 0 ? { ...cause, yielded: true } : cause, now);
    own.writer.advance(now);
  }

  abortTold(lsn: Lsn): boolean {
    const decider = this.own?.writer.decider;
    if (decider === undefined || decider.untold.has(lsn)) return false;
    const entry = decider.inFlight.get(lsn);
    return entry === undefined || entry.state === "aborted";
  }

  flush(lowWater: ReadPoint, builtOn: ReadPoint, now: number): void {
    const { own } = this;
    this.readers.flush({ lowWater, shown: builtOn, stream: this.stream }, this.current, now);
    if (own === undefined) return;
    own.writer.flush(lowWater, builtOn, now);
    own.flushed(now);
  }

  /** When `flush` is to be called again at the latest, though nothing came in. */
  get dueAt(): number | undefined {
    return this.own?.writer.dueAt;
  }

  // Reading

  foreignSeen(stream: StreamId, lsn: Lsn): void {
    this.courtesy.foreignSeen(stream, lsn);
  }

  noteForeign({ stream, pg, slices }: Append): void {
    this.tails.noteForeign(stream, pg, slices);
  }

  noteTails(stream: StreamId, tails: ReadonlyMap<PgId, Lsn>): void {
    this.tails.noteTails(stream, tails);
  }

  readPage(page: PageId, readPoint: ReadPoint, now: number): void {
    if (this.reader.read(page, readPoint, this.own?.writer, now)) return;
    // Another writer may have grown the volume: the manifest's present state tells.
    this.register.read(({ manifest }, at) => {
      const exists = manifest !== undefined && pgOf(manifest.geometry, page) < manifest.pgs.length;
      if (exists) this.reader.read(page, readPoint, this.own?.writer, at);
      else this.reader.answerEmpty(page, readPoint);
    }, now);
  }

  findTransaction(id: TransactionId, now: number): void {
    this.finder.find(id, now);
  }

  // Time

  tick(now: number): void {
    this.register.tick(now);
    const check = this.check.tick(now);
    if (check !== undefined) this.register.read(({ manifest }) => this.check.onRead(check, manifest), now);
    this.recoveries.tick(now);
    this.reader.tick(this.own?.writer, now);
    this.finder.tick(now);
    this.own?.tick(now);
    this.members.tick(this.own?.writer, now);
    this.courtesy.tick(now);
    this.closer.tick(now);
    if (now - this.housekeptAt >= this.settings.housekeepingMs) this.housekeep(now);
  }

  /** The writer of the oldest open stream completes the closes of all. */
  private housekeep(now: number): void {
    this.housekeptAt = now;
    const m = this.current;
    if (m === undefined || this.own === undefined) return;
    if (openStreams(m)[0]?.id === this.own.writer.stream) this.closer.adoptAll(now);
  }

  status(): Readonly<Record<string, unknown>> {
    return {
      revision: this.current?.revision ?? 0,
      epoch: this.current?.epoch,
      servers: this.members.status(),
      mode: this.current?.mode,
      streams: this.current?.streams.length ?? 0,
      settledThrough: this.current?.settledThrough ?? 0,
      outcomes: this.current?.outcomes.length ?? 0,
      own: this.own?.writer.status(),
      manifestCommits: this.own?.manifestCommit.commits ?? 0,
      manifestRounds: this.register.rounds,
      recoveries: this.recoveries.streams,
      closing: this.closer.open,
      reads: this.reader.reads,
      readsWaiting: this.reader.waiting,
      hedges: this.reader.hedges,
      behind: this.reader.behinds,
      readsFrom: this.reader.standings(),
      pagesHeld: this.courtesy.held,
    };
  }
}
