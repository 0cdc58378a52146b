/**
 * The life of a database node: when it opens a stream, when it only follows, when it ends.
 *
 *     starting ──> switching ──> opening ──> writing ──> stopping ──> stopped
 *        │                         ^            │
 *        └──> following            └── fenced ──┘
 *
 * Nothing durable lives here: a restarted node is a new node with the same name.
 */
import type { Engine } from "@sixfold/engine";
import { lsn, openStreams, SixfoldError, type Manifest, type StreamId } from "@sixfold/model";
import type { Volume } from "@sixfold/volume";
import type { Neighbours } from "./neighbours.ts";
import type { NodeOptions, NodeState } from "./node-api.ts";
import type { Suspicion } from "./suspicion.ts";

/** What the life of a node changes in it. */
export interface LifeIo {
  readonly options: NodeOptions;
  readonly engine: Engine;
  readonly volume: Volume;
  readonly neighbours: Neighbours;
  readonly suspicion: Suspicion;
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
  private current: NodeState = { state: "starting" };

  constructor(io: LifeIo) {
    this.io = io;
  }

  get state(): NodeState {
    return this.current;
  }

  get isStopping(): boolean {
    return this.current.state === "stopping";
  }

  /** Reads can be served here, as far as the node's own life is concerned. */
  get isServing(): boolean {
    return this.current.state === "writing" || this.current.state === "following";
  }

  tick(now: number): void {
    const { options, neighbours, suspicion, volume } = this.io;
    if (this.isStopping || options.role !== "writer") return;
    for (const stream of suspicion.check(neighbours.unfollowed(), neighbours.stream, now)) {
      this.io.say("warn", "writer-suspected", { stream });
      volume.recover(stream, now);
    }
  }

  learnManifest(manifest: Manifest, now: number): void {
    const { state } = this.current;
    if (state === "starting") this.begin(manifest, now);
    else if (state === "switching") this.switchMode(manifest, now);
    // Where that was refused, a writer may have gone meanwhile; nothing happens if it is under way.
    else if (state === "opening") this.openStream(now);
  }

  /** Refused: somebody was faster to open a stream. Its close is in a manifest to come. */
  modeChanged(changed: boolean, now: number): void {
    if (changed) this.openStream(now);
  }

  opened(stream: StreamId, exclusive: boolean, now: number): void {
    const { neighbours, engine } = this.io;
    this.current = { state: "writing", stream, exclusive };
    neighbours.opened(stream);
    engine.open(stream, exclusive, FIRST_LSN, now);
    this.io.announce();
    this.io.say("info", "stream-opened", { stream, exclusive });
  }

  openRefused(reason: string): void {
    this.io.say("error", "stream-refused", { reason });
  }

  /** A recovery closed our stream: what was in flight is answered, and a new stream opened. */
  fenced(stream: StreamId, now: number): void {
    if (this.current.state !== "writing" || this.current.stream !== stream) return;
    const { options, neighbours, engine, suspicion } = this.io;
    this.io.say("warn", "stream-fenced", { stream });
    suspicion.fenced(now);
    engine.closeStream(
      new SixfoldError("fenced", `stream ${stream} of ${options.name} was closed by a recovery`),
      now,
    );
    this.io.forgetUntold();
    neighbours.closed();
    this.openStream(now);
    this.io.announce();
  }

  closed(stream: StreamId, now: number): void {
    const { options, neighbours, engine } = this.io;
    if (this.isStopping && neighbours.stream === stream) {
      engine.closeStream(new SixfoldError("unavailable", `${options.name} is stopping`), now);
      this.end();
    } else this.io.readManifest(now);
  }

  /** Decides what is in flight, closes the own stream, then says `stopped`. */
  stop(now: number): void {
    const writing = this.current.state === "writing";
    this.current = { state: "stopping" };
    // A stream that is being closed takes nothing more.
    this.io.engine.pause();
    this.io.announce();
    if (writing) this.io.volume.closeOwn(now);
    else this.end();
  }

  /** The manifest is known: a writer opens its stream, a replica follows. */
  private begin(manifest: Manifest, now: number): void {
    const { options } = this.io;
    if (options.role === "replica") {
      this.current = { state: "following" };
      this.io.announce();
    } else if (manifest.mode === options.mode) this.openStream(now);
    else {
      this.current = { state: "switching" };
      this.switchMode(manifest, now);
    }
  }

  /** The volume was last used in another mode: it changes while no stream is open. Own old ones are closed here, others by their nodes or on suspicion. */
  private switchMode(manifest: Manifest, now: number): void {
    const { options, volume } = this.io;
    const open = openStreams(manifest);
    if (manifest.mode === options.mode) this.openStream(now);
    else if (open.length === 0) volume.changeMode(options.mode, now);
    else for (const stream of open) if (stream.node === options.name) volume.recover(stream.id, now);
  }

  private openStream(now: number): void {
    this.current = { state: "opening" };
    this.io.volume.openStream(now);
  }

  private end(): void {
    this.current = { state: "stopped" };
    this.io.stopped();
  }
}
