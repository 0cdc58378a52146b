/**
 * SimLink: one end of a simulated connection. Behaves as a WebSocket over TCP does:
 *
 *   client: connecting ──accepted──> open ──close()──> closing ──peer's answer or 2 s──> closed
 *   server:        (accept) ───────> open
 *   either: any ──reset, peer's close, give-up──> closed
 *
 * `closed` is called exactly once, in an event of its own. The receive buffer is unbounded: a paused peer does not push
 * back, a slow line does.
 */
import { assert } from "@sixfold/model";
import type { LinkHandlers } from "@sixfold/ports";
import { highMarkBytes, lowMarkBytes } from "@sixfold/ports";
import { inOrder, ordinary } from "./mischief.ts";
import type { Death, FabricLink, SimFabric } from "./sim-fabric.ts";
import { SimPipe } from "./sim-pipe.ts";
import type { Incarnation, Timeline } from "./timeline.ts";
import { hashBytes } from "./trace-hash.ts";

export interface LinkOptions {
  readonly owner: Incarnation;
  readonly remote: string;
  readonly handlers: LinkHandlers;
  readonly maxFrameBytes: number;
  readonly isClient: boolean;
  /** Between processes of the cluster: mischief may meet it. */
  readonly trusted: boolean;
}

/** As on the real ports: how long the answer to a close is waited for. */
const closeTimeoutMs = 2000;

/** A frame's header, roughly: so that empty frames take time too. */
const headerBytes = 8;

type State = "connecting" | "open" | "closing" | "closed";

export class SimLink implements FabricLink {
  readonly remote: string;
  readonly owner: Incarnation;
  readonly isClient: boolean;
  readonly id: number;
  /** The other end, once there is one. */
  peer: SimLink | undefined;
  readonly #world: Timeline;
  readonly #fabric: SimFabric;
  readonly #handlers: LinkHandlers;
  readonly #maxFrameBytes: number;
  readonly trusted: boolean;
  /** The first frame has been sent: from now on mischief may meet them. */
  #hasGreeted = false;
  #state: State = "connecting";
  #out: SimPipe | undefined;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #aboveHigh = false;
  #watchesDrain = false;
  #watchesPeer = false;
  #onEnd: (() => void) | undefined;

  constructor(world: Timeline, fabric: SimFabric, options: LinkOptions) {
    this.#world = world;
    this.#fabric = fabric;
    this.owner = options.owner;
    this.remote = options.remote;
    this.isClient = options.isClient;
    this.#handlers = options.handlers;
    this.#maxFrameBytes = options.maxFrameBytes;
    this.trusted = options.trusted;
    this.id = this.#fabric.add(this);
  }

  get isConnecting(): boolean {
    return this.#state === "connecting";
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  get bufferedBytes(): number {
    if (this.#state === "connecting") return this.#queuedBytes;
    return this.#state === "open" ? this.#out!.bufferedBytes : 0;
  }

  send(frame: Uint8Array): void {
    const { owner } = this;
    if (!owner.alive) this.#world.unwind(owner);
    if (this.#state !== "connecting" && this.#state !== "open") return;
    if (owner.node.endsAt("before-send")) {
      this.#world.unwind(owner);
      return;
    }
    if (this.#state === "open") this.#transmit(frame);
    else {
      this.#queue.push(frame);
      this.#queuedBytes += frame.byteLength;
    }
    if (owner.node.endsAt("after-send")) this.#world.unwind(owner);
  }

  close(reason = "closed"): void {
    if (this.#state === "connecting") {
      this.#state = "closing";
      this.#later(0, "close", () => this.end(reason));
    } else if (this.#state === "open") {
      this.#state = "closing";
      const peer = this.peer!;
      this.#put("close", headerBytes + reason.length, 0, () => peer.#closeArrived(reason));
      this.#later(closeTimeoutMs, "give-up", () => this.end(reason));
    }
  }

  // For the network: opening

  /** Joins the two ends; the server's end opens at once, the client's when word of it has come back. */
  static join(client: SimLink, server: SimLink): void {
    client.peer = server;
    server.peer = client;
    client.#out = new SimPipe(client.#world, client.#fabric, client.owner.node, server.owner);
    server.#out = new SimPipe(server.#world, server.#fabric, server.owner.node, client.owner);
    server.#put("accepted", headerBytes, 0, () => client.#accepted());
    server.#open();
  }

  /** Is called when this end has closed, after its handlers. */
  whenEnded(run: () => void): void {
    this.#onEnd = run;
  }

  // For the fabric: faults

  breakBoth(reason: string): void {
    for (const link of [this, this.peer]) {
      if (link === undefined) continue;
      link.#out?.breakNow();
      link.#later(0, "broken", () => link.end(reason));
    }
  }

  ownerDied(how: Death): void {
    const peer = this.peer;
    this.#state = "closed";
    this.#fabric.drop(this);
    if (peer === undefined || peer.isClosed) return;
    if (how === "reset") {
      this.#reset(peer);
    } else {
      this.#out!.cut(how === "spoke");
      // Whatever is on its way to the dead goes unanswered, and so will all that is sent from now on.
      if (peer.#out!.inFlight > 0 || peer.#out!.isHolding) peer.#watchPeer();
    }
  }

  /** The end of this end: `closed` is called here and nowhere else. */
  end(reason: string): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#queue = [];
    this.#fabric.drop(this);
    this.#handlers.closed(this, reason);
    this.#onEnd?.();
  }

  /** Gives the link up on this side; the other learns of it if and when it can. */
  abandon(reason: string): void {
    if (this.#state === "closed") return;
    this.#out?.dropHeld();
    if (this.peer !== undefined && !this.peer.isClosed) this.#reset(this.peer);
    this.end(reason);
  }

  #open(): void {
    this.#state = "open";
    this.#handlers.open?.(this);
  }

  #accepted(): void {
    if (this.#state !== "connecting") {
      // Given up meanwhile: the server's end must not stay.
      if (this.peer !== undefined) this.#reset(this.peer);
      return;
    }
    this.#open();
    const queue = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const frame of queue) this.#transmit(frame);
  }

  #transmit(frame: Uint8Array): void {
    const hash = hashBytes(frame);
    const peer = this.peer!;
    const bytes = frame.byteLength + headerBytes;
    const isMischiefs = this.trusted && this.#hasGreeted;
    this.#hasGreeted = true;
    const fate = isMischiefs ? this.#fabric.fateOf(this.owner.node, peer.owner.node) : ordinary;
    for (let i = 0; i < fate.length; i++) {
      // A second copy would have come in a buffer of its own; the first is the receiver's by then.
      const copy = i === 0 ? frame : new Uint8Array(frame);
      this.#put("frame", bytes, hash, () => peer.#frameArrived(copy, hash), fate[i]);
    }
    if (!this.#aboveHigh && this.bufferedBytes > highMarkBytes) {
      this.#aboveHigh = true;
      this.#watchDrain();
    }
  }

  #frameArrived(frame: Uint8Array, hash: number): void {
    if (this.#state !== "open") return;
    if (this.#fabric.options.checkFrames)
      assert(hashBytes(frame) === hash, "a frame is not changed after it was sent");
    if (frame.byteLength <= this.#maxFrameBytes) {
      this.#handlers.frame(this, frame);
      return;
    }
    const reason = "frame too large";
    const peer = this.peer!;
    this.#put("close", headerBytes, 0, () => peer.#closeArrived(reason));
    this.end(reason);
  }

  #closeArrived(reason: string): void {
    const peer = this.peer!;
    if (this.#state === "open") this.#put("close-answer", headerBytes, 0, () => peer.end(reason));
    this.end(reason);
  }

  #reset(peer: SimLink): void {
    this.#out?.put("reset", 0, this.id, () => peer.end("connection reset"));
  }

  #put(kind: string, bytes: number, detail: number, arrive: () => void, lateMs = inOrder): void {
    this.#out!.put(kind, bytes, detail ^ this.id, arrive, lateMs);
    const unheard = this.#out!.isHolding || !this.peer!.owner.alive;
    if (unheard) this.#watchPeer();
  }

  /** Something sent goes unanswered: after `breakAfterMs`, or at the first answer of a restarted machine, it is over. */
  #watchPeer(): void {
    if (this.#watchesPeer) return;
    this.#watchesPeer = true;
    const { node } = this.peer!.owner;
    const knowsNothing = !this.peer!.owner.alive && !node.isDark;
    const roundTripMs = 2 * this.#fabric.drawLatency(this.owner.node, node);
    const waitMs = knowsNothing ? roundTripMs : this.#fabric.options.breakAfterMs;
    this.#later(waitMs, "unheard", () => {
      this.#watchesPeer = false;
      if (!this.peer!.owner.alive) this.end(knowsNothing ? "connection reset" : "connection timed out");
      else if (this.#out!.isHolding) this.abandon("connection timed out");
    });
  }

  #watchDrain(): void {
    if (this.#watchesDrain) return;
    this.#watchesDrain = true;
    const tooMuch = Math.max(0, this.bufferedBytes - lowMarkBytes);
    const waitMs = tooMuch / this.#fabric.options.bytesPerMs + 1 / 1024;
    this.#later(waitMs, "drain", () => {
      this.#watchesDrain = false;
      if (this.#state !== "open") return;
      if (this.bufferedBytes > lowMarkBytes) {
        this.#watchDrain();
        return;
      }
      this.#aboveHigh = false;
      this.#handlers.drain?.(this);
    });
  }

  #later(delayMs: number, kind: string, run: () => void): void {
    this.#world.schedule(this.#world.nowMs + delayMs, { owner: this.owner, kind, detail: this.id, run });
  }
}
