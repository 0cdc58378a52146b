/**
 * The life of a database node: when it opens a stream, when it only follows, when it ends.
 *
 *     starting ──> opening ──> writing ──> closing ──> opening, or following again      a switch of modes, a planned failover
 *        │            ^           │
 *        │            └─ fenced ──┘                                                     multi: a new stream at once
 *        ├──> standby (a writer while another one writes an exclusive volume) ──> writing
 *        └──> following (a replica) ──> writing, where no writer is left
 *     any of them ──> stopping ──> stopped
 *
 * In a shared volume every writer opens a stream of its own. In an exclusive one nobody does while another has one open: a standby
 * follows it with a warm buffer pool, and recovers its stream once it is suspected (see `suspicion`). Several may do so at
 * once; the compare-and-set that opens a stream lets one be first, and the others go on standing by. Where nobody writes, a candidate opens
 * after its wait (see `candidacy`). A replica that was promoted serves as the writer until its stream is closed; then it follows again.
 *
 * While the manifest wants another mode than it has, writers close their streams and open none; what is still open
 * after `suspectAfterMs` is recovered by others, alive or not. Whoever sees that no stream is open ends the switch.
 */
import type { Engine } from "@sixfold/engine";
import {
  lsn,
  openStreams,
  SixfoldError,
  streamState,
  type Manifest,
  type NodeName,
  type StreamId,
} from "@sixfold/model";
import type { Volume } from "@sixfold/volume";
import { Candidacy } from "./candidacy.ts";
import { Handover, type HandoverAnswer } from "./handover.ts";
import type { Neighbours } from "./neighbours.ts";
import type { NodeOptions, NodeSettings, NodeState } from "./node-api.ts";
import { Suspicion } from "./suspicion.ts";

/** What the life of a node changes in it. */
export interface LifeIo {
  readonly options: NodeOptions;
  readonly settings: NodeSettings;
  readonly engine: Engine;
  readonly volume: Volume;
  readonly neighbours: Neighbours;
  readManifest(now: number): void;
  /** The own stream is gone: nobody waits any more for what was said of it. */
  forgetUntold(): void;
  /** Tells clients what has changed about this node. */
  announce(): void;
  say(level: "info" | "warn" | "error", event: string, fields: Readonly<Record<string, unknown>>): void;
  /** The process may end. */
  stopped(): void;
}

const FIRST_LSN = lsn(1);

export class NodeLife {
  private readonly io: LifeIo;
  private readonly candidacy: Candidacy;
  private readonly suspicion: Suspicion;
  private readonly handover = new Handover();
  private current: NodeState = { state: "starting" };
  /** Since when it is known that the mode is to change. */
  private switchingSince: number | undefined;
  private closingSince = 0;
  /** The own stream is to be closed at the end of the turn. */
  private isClosingDue = false;

  constructor(io: LifeIo) {
    this.io = io;
    this.candidacy = new Candidacy(io.options, io.neighbours);
    this.suspicion = new Suspicion(io.settings, (suspect) =>
      this.candidacy.placeAfter(suspect, io.volume.manifest),
    );
  }

  get state(): NodeState {
    return this.current;
  }

  /** The own stream is on its way to its end, so nothing may run that adds to it. */
  get isClosing(): boolean {
    return this.current.state === "stopping" || this.current.state === "closing";
  }

  /** It serves reads, and has no stream. */
  get isFollowing(): boolean {
    return this.current.state === "following" || this.current.state === "standby";
  }

  /** Reads can be served here, as far as the node's own life is concerned. */
  get isServing(): boolean {
    return this.current.state === "writing" || this.isFollowing;
  }

  tick(now: number): void {
    const { state } = this.current;
    const { manifest } = this.io.volume;
    if (manifest === undefined || state === "starting" || state === "stopping" || state === "stopped") return;
    this.handover.tick(now);
    if (state === "closing") this.hurry(now);
    else {
      this.suspect(manifest, now);
      const isWaiting = manifest.mode === "single" || manifest.nextMode !== manifest.mode;
      if (state !== "writing" && isWaiting) this.place(manifest, now);
    }
  }

  learnManifest(manifest: Manifest, now: number): void {
    const { state } = this.current;
    this.handover.learnManifest(manifest, now);
    if (state === "stopping" || state === "stopped" || state === "closing") return;
    if (state !== "writing") this.place(manifest, now);
    else if (manifest.nextMode !== manifest.mode) this.close(undefined, now);
  }

  /** A node that has changed the manifest wants this one to write the exclusive volume next, or another one; "": whoever will. */
  named(name: string, now: number): void {
    if (name === this.io.options.name) this.candidacy.named();
    else if (name !== "") this.candidacy.standBack(now);
  }

  opened(stream: StreamId, exclusive: boolean, now: number): void {
    const { neighbours, engine, volume } = this.io;
    const { state } = this.current;
    this.candidacy.isFilled();
    // Asked to end meanwhile.
    if (state === "stopping" || state === "stopped") return volume.closeOwn(now);
    this.current = { state: "writing", stream, exclusive };
    neighbours.opened(stream);
    engine.open(stream, exclusive, FIRST_LSN, now);
    this.io.announce();
    this.io.say("info", "stream-opened", { stream, exclusive });
    const { manifest } = volume;
    if (manifest !== undefined && manifest.nextMode !== manifest.mode) this.close(undefined, now);
  }

  openRefused(reason: string): void {
    const isUsual = reason === "occupied" || reason === "switching";
    this.io.say(isUsual ? "info" : "error", "stream-refused", { reason });
  }

  /** A recovery closed our stream: what was in flight is answered. A writer of a shared volume opens another at once. */
  fenced(stream: StreamId, now: number): void {
    // Nobody has asked for its close yet, and so nobody will say that it is closed.
    if (this.isClosingDue && this.io.neighbours.stream === stream) {
      this.isClosingDue = false;
      return this.closed(stream, now);
    }
    if (this.current.state !== "writing" || this.current.stream !== stream) return;
    const { options, volume } = this.io;
    this.io.say("warn", "stream-fenced", { stream });
    this.suspicion.fenced(now);
    this.leaveStream(
      new SixfoldError("fenced", `stream ${stream} of ${options.name} was closed by a recovery`),
      now,
    );
    this.current = { state: "opening" };
    // Whoever recovered it comes first: it can see storage and the others, and this node perhaps cannot.
    const { manifest } = volume;
    this.candidacy.standBack(now);
    if (manifest?.mode === "single") this.follow();
    if (manifest !== undefined) this.place(manifest, now);
    this.io.announce();
  }

  closed(stream: StreamId, now: number): void {
    const { options, neighbours, volume } = this.io;
    const isOwn = neighbours.stream === stream;
    if (this.current.state === "stopping" && isOwn) {
      this.leaveStream(new SixfoldError("unavailable", `${options.name} is stopping`), now);
      neighbours.tellManifest(this.successor());
      this.end();
    } else if (this.current.state === "closing" && isOwn) this.released(this.current.to, now);
    else {
      neighbours.tellManifest(undefined);
      const { manifest } = volume;
      if (manifest !== undefined && streamState(manifest, stream)?.state === "open")
        this.io.readManifest(now);
    }
  }

  /** Decides what is in flight, closes the own stream, then says `stopped`. */
  stop(): void {
    const { state } = this.current;
    if (state === "stopping" || state === "stopped") return;
    const hasStream = state === "writing" || state === "closing";
    this.current = { state: "stopping" };
    this.lastCall();
    if (!hasStream) this.end();
  }

  /** Everything that the turn's inputs caused has been done. */
  turned(now: number): void {
    if (!this.isClosingDue) return;
    this.isClosingDue = false;
    this.io.volume.closeOwn(now);
  }

  /** Planned failover: closes the own stream and lets `to` open the next. `done` hears when it has. */
  handOver(to: NodeName | undefined, done: (answer: HandoverAnswer) => void, now: number): void {
    const { current, io } = this;
    const { manifest } = io.volume;
    if (manifest?.mode === "multi")
      return done({ refused: "in mode multi all writers write: there is nothing to hand over" });
    if (current.state !== "writing")
      return done({ refused: `${io.options.name} does not write now`, writer: this.writer() });
    const successor = to ?? this.successor();
    if (successor === undefined) return done({ refused: "no other database node is up" });
    if (successor === io.options.name) return done({ refused: `${successor} is the writer already` });
    if (!io.neighbours.isLinked(successor)) return done({ refused: `${successor} is not up, or unknown` });
    this.handover.begin(io.options.name, successor, current.stream, done, now);
    this.close(successor, now);
  }

  /** Where this node belongs by this manifest, as long as it has no stream. */
  private place(manifest: Manifest, now: number): void {
    const { options, volume } = this.io;
    const open = openStreams(manifest);
    if (manifest.nextMode !== manifest.mode) return this.awaitSwitch(manifest, now);
    this.switchingSince = undefined;
    if (manifest.mode === "multi") return options.role === "writer" ? this.open(now) : this.follow();
    const isOwn = open.some((s) => s.node === options.name);
    if (open.length > 0 && !isOwn) {
      this.candidacy.isFilled();
      return this.follow();
    }
    // A replica's clients read meanwhile; a writer's first ones wait.
    if (options.role === "replica") this.follow();
    else if (this.current.state === "starting") this.current = { state: "opening" };
    if (isOwn || this.candidacy.mayOpen(manifest, now)) volume.openStream(now, "respect");
  }

  /** A switch is under way: nobody opens, what is open is closed by its writer or, after a while, for it. */
  private awaitSwitch(manifest: Manifest, now: number): void {
    const { options, volume, settings } = this.io;
    this.switchingSince ??= now;
    if (this.current.state === "starting") this.current = { state: "opening" };
    const open = openStreams(manifest);
    const isLate = now - this.switchingSince >= settings.suspectAfterMs;
    for (const { id, node } of open) if (node === options.name || isLate) volume.recover(id, now);
    if (open.length === 0 && this.candidacy.mayOpen(manifest, now)) volume.finishModeSwitch(now);
  }

  private open(now: number): void {
    this.current = { state: "opening" };
    this.io.volume.openStream(now, "respect");
  }

  private follow(): void {
    const state = this.io.options.role === "writer" ? "standby" : "following";
    if (this.current.state === state) return;
    this.current = { state };
    this.io.announce();
  }

  private suspect(manifest: Manifest, now: number): void {
    const { neighbours, volume } = this.io;
    const isExclusive = manifest.mode === "single";
    if (!this.candidacy.isEligible(manifest)) return;
    for (const stream of this.suspicion.check(neighbours.unfollowed(), neighbours.stream, isExclusive, now)) {
      this.io.say("warn", "writer-suspected", { stream });
      if (isExclusive) volume.takeOver(stream, now);
      else volume.recover(stream, now);
    }
  }

  /** Closes the own stream: for a successor, or for a switch of modes. */
  private close(to: NodeName | undefined, now: number): void {
    const { stream } = this.current as Extract<NodeState, { state: "writing" }>;
    this.current = { state: "closing", stream, to };
    this.closingSince = now;
    this.lastCall();
  }

  /** Nothing is built from here on; what was built in this turn is still to be submitted. */
  private lastCall(): void {
    this.io.engine.pause();
    this.io.announce();
    this.isClosingDue = true;
  }

  /** What cannot be decided is left to a recovery: a stream must not be half closed for ever. */
  private hurry(now: number): void {
    const { settings, volume } = this.io;
    if (this.current.state !== "closing" || now - this.closingSince < settings.suspectAfterMs) return;
    this.closingSince = now;
    volume.recover(this.current.stream, now);
  }

  /** The own stream is closed, and somebody else's turn it is; in a switch, nobody's yet. */
  private released(to: NodeName | undefined, now: number): void {
    const { options, neighbours, volume } = this.io;
    const reason =
      to === undefined
        ? new SixfoldError("unavailable", "the volume's mode is being switched")
        : new SixfoldError("not-a-writer", `${options.name} has handed over to ${to}`, {
            details: { writer: to },
          });
    this.leaveStream(reason, now);
    this.current = { state: "opening" };
    if (to !== undefined) {
      this.candidacy.standBack(now);
      this.follow();
    }
    neighbours.tellManifest(to);
    this.io.announce();
    if (volume.manifest !== undefined) this.place(volume.manifest, now);
  }

  /** Answers whoever waits for the own stream, which is closed. */
  private leaveStream(reason: SixfoldError, now: number): void {
    this.io.engine.closeStream(reason, now);
    this.io.forgetUntold();
    this.io.neighbours.closed();
  }

  private successor(): NodeName | undefined {
    const { manifest } = this.io.volume;
    return manifest?.mode === "single" ? this.candidacy.successor(manifest) : undefined;
  }

  private writer(): NodeName | undefined {
    const { manifest } = this.io.volume;
    return manifest === undefined ? undefined : openStreams(manifest)[0]?.node;
  }

  private end(): void {
    this.current = { state: "stopped" };
    this.io.stopped();
  }
}
