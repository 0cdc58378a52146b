/**
 * One connection to one database node, from dialling to its end. Another attempt is another object.
 *
 *     connecting ──open──> hello ──> [welcome] ──clientWelcome──> topology ──> up ──> down        down: exactly once
 *
 * Requests of one turn travel in one frame: they gather in `outgoing` until the clock's `soon`, which is after
 * every answer of this turn was handed out. Answers find their waiter by number; nothing is allocated for a request but
 * its body, its waiter and an entry in a map.
 *
 * What waits here is bounded: beyond as many requests without an answer as may, or as many bytes that the network has not taken, a
 * request is answered with `overloaded` here, as the node itself would answer it.
 *
 * Both sides speak at least once a second, if only to say that they live. A node that falls silent is taken for lost,
 * as TCP alone would notice only after minutes, whether or not it owes answers: the next request must not find out.
 */
import { ERRORS, LIMITS, streamId, YoungMap } from "@sixfold/model";
import type { Beating, Link, LinkHandlers, Timer } from "@sixfold/ports";
import {
  decodeFrame,
  decodeSessionToken,
  encodeMessage,
  frameVolumeTag,
  PROTOCOL_VERSION,
  WireError,
  type ClientRequest,
  type ClientRequestBody,
  type ClientResponses,
  type ClientResult,
  type ClientWelcome,
  type ErrorData,
  type Topology,
  type TopologyNode,
} from "@sixfold/wire";
import type { ClientPorts } from "./client-ports.ts";
import { Interruption } from "./interruption.ts";

/** Requests of a turn beyond this go into a further frame: far below the limit, as one may itself be half of it. */
const FRAME_BYTES_SOFT = LIMITS.frameBytes / 4;

/** What may wait to be taken by the network: some of the largest requests. */
const BUFFER_BYTES = 2 * LIMITS.frameBytes;

/** A token is read for the stream's position that often. */
const REACHED_EVERY_MS = 20;

/** Who waits for an answer. Exactly one of the two is called. */
export interface Waiter {
  readonly deadlineMs: number;
  /** `session`: the node's token; it includes what the answer shows. */
  answered(result: ClientResult, session: Uint8Array): void;
  failed(interruption: Interruption): void;
}

/** Why a connection ended: what the node said, if it did. */
export interface Ending {
  readonly code: string | undefined;
  readonly reason: string;
}

export interface ConnectionEvents {
  up(connection: NodeConnection): void;
  /** The node's welcome changed. */
  changed(connection: NodeConnection): void;
  down(connection: NodeConnection, ending: Ending): void;
  /** There are deadlines to watch. */
  waiting(): void;
}

export interface Introduction {
  readonly name: string;
  readonly token: string;
  /** For dialling, and again for the node's welcome. */
  readonly timeoutMs: number;
}

export class NodeConnection implements LinkHandlers, Beating {
  readonly url: string;
  state: "connecting" | "up" | "down" = "connecting";
  framesReceived = 0;
  framesSent = 0;
  /** Counts frames of requests: a read may join a request only in the turn in which that was made. */
  turn = 0;
  /** It said that it takes no writes; until its next welcome. */
  refusesWrites = false;
  /** A stream that it believes to write is closed, as others know; until its next welcome. */
  isDeposed = false;
  /** From hello to welcome. */
  rttMs = 0;
  private readonly ports: ClientPorts;
  private readonly events: ConnectionEvents;
  private readonly introduction: Introduction;
  private readonly link: Link;
  private readonly greetingTimer: Timer;
  private readonly pending = new YoungMap<number, Waiter>();
  private outgoing: ClientRequest[] = [];
  private outgoingBytes = 0;
  private nextRequest = 1;
  /** Requests up to this number were handed to the link. */
  private sentThrough = 0;
  private flushing = false;
  private openedAt = 0;
  /** It has owed answers since then, or gave one then. */
  private heardAt = 0;
  private volumeTag = 0;
  private said: ClientWelcome | undefined;
  private goodbye: Ending | undefined;
  private told: readonly TopologyNode[] = [];
  /** Its last token; and how far its stream was by one of the last. */
  private session: Uint8Array | undefined;
  private readonly position = { of: undefined as Uint8Array | undefined, stream: 0, lsn: 0, at: 0 };

  constructor(ports: ClientPorts, url: string, introduction: Introduction, events: ConnectionEvents) {
    this.ports = ports;
    this.url = url;
    this.introduction = introduction;
    this.events = events;
    const { timeoutMs } = introduction;
    this.link = ports.network.connect(
      url,
      { maxFrameBytes: LIMITS.frameBytes, trusted: isLoopback(url), timeoutMs },
      this,
    );
    this.greetingTimer = ports.clock.after(2 * timeoutMs, () =>
      this.end({ code: undefined, reason: `no welcome within ${2 * timeoutMs} ms` }),
    );
  }

  /** What the node said of itself. Only once up. */
  get welcome(): ClientWelcome {
    if (this.said === undefined) throw new Error("the node has not said who it is");
    return this.said;
  }

  /** The database nodes as this one knows them. */
  get nodes(): readonly TopologyNode[] {
    return this.told;
  }

  /** An LSN that its stream has reached; a little less than the last one known. */
  get reached(): number {
    const { position, session } = this;
    const { stream } = this.welcome;
    const now = this.ports.clock.nowMs();
    if (position.stream === stream && (position.of === session || now - position.at < REACHED_EVERY_MS))
      return position.lsn;
    const reached = session === undefined ? 0 : decodeSessionToken(session).get(streamId(stream));
    const lsn = stream === 0 || !Number.isFinite(reached) ? 0 : reached;
    Object.assign(position, { of: session, stream, lsn, at: now });
    return lsn;
  }

  /** Sends a request in this turn's frame. `bytes` is about its size. A connection that is down fails it at once. */
  send(body: ClientRequestBody, waiter: Waiter | undefined, bytes = 0): void {
    if (this.state !== "up") {
      waiter?.failed(new Interruption("lost", false, "the connection is gone"));
      return;
    }
    if (waiter !== undefined && this.isCrowded) return waiter.answered(this.overloaded(), NO_TOKEN);
    const request = this.nextRequest++;
    if (waiter !== undefined) {
      if (this.pending.size === 0) this.heardAt = this.ports.clock.nowMs();
      this.pending.set(request, waiter);
      this.events.waiting();
    }
    if (this.outgoingBytes + bytes > FRAME_BYTES_SOFT) this.flush();
    this.outgoing.push({ request, body });
    this.outgoingBytes += bytes;
    if (this.flushing) return;
    this.flushing = true;
    this.ports.clock.soon(() => {
      this.flushing = false;
      this.flush();
    });
  }

  private get isCrowded(): boolean {
    const { pending, link, outgoingBytes } = this;
    return pending.size >= LIMITS.requestsPerConnection || link.bufferedBytes + outgoingBytes >= BUFFER_BYTES;
  }

  private overloaded(): ClientResult {
    const { retryable, outcome } = ERRORS.overloaded;
    const actual = this.pending.size;
    const details = {
      limit: { name: "requestsPerConnection", max: LIMITS.requestsPerConnection, actual },
      bufferedBytes: this.link.bufferedBytes + this.outgoingBytes,
    } as const;
    const message = `${actual} requests to ${this.url} have no answer yet`;
    const error: ErrorData = { code: "overloaded", message, retryable, outcome, details };
    return { op: "error", error };
  }

  /** Answers that are to come. */
  get owed(): number {
    return this.pending.size;
  }

  /** How long it has owed answers without giving any. */
  silentMs(now: number): number {
    return this.pending.size === 0 ? 0 : now - this.heardAt;
  }

  /** Nothing that it was asked so far is waited for any longer. */
  giveUp(reason: string): void {
    const pending = [...this.pending];
    this.pending.clear();
    for (const [request, waiter] of pending)
      waiter.failed(new Interruption("lost", request <= this.sentThrough, reason));
  }

  close(reason: string): void {
    this.link.close(reason);
    this.end({ code: undefined, reason });
  }

  /** Fails what is overdue. True while something is owed. */
  sweep(now: number): boolean {
    if (this.pending.size === 0 || this.state !== "up") return false;
    for (const [request, waiter] of this.pending) {
      if (waiter.deadlineMs > now) continue;
      this.pending.delete(request);
      waiter.failed(new Interruption("late", request <= this.sentThrough, "the deadline passed"));
    }
    return this.pending.size > 0;
  }

  ping(): void {
    this.framesSent += 1;
    this.link.send(encodeMessage({ type: "ping" }, this.volumeTag));
  }

  dead(silentMs: number): void {
    this.close(`the node is silent for ${silentMs} ms`);
  }

  open(link: Link): void {
    const { name, token } = this.introduction;
    this.openedAt = this.ports.clock.nowMs();
    link.send(
      encodeMessage(
        { type: "hello", protocol: PROTOCOL_VERSION, role: "client", name, volume: "", token },
        0,
      ),
    );
  }

  frame(_link: Link, frame: Uint8Array): void {
    if (this.state === "down") return;
    this.framesReceived += 1;
    try {
      const message = decodeFrame(frame, this.volumeTag);
      if (message.type === "responses") this.handOut(message);
      else if (message.type === "clientWelcome") this.greeted(message, frame);
      else if (message.type === "topology") this.toldOfNodes(message);
      else if (message.type === "goodbye") this.goodbye = { code: message.code, reason: message.reason };
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.link.close(error.code);
      this.end({ code: "protocol", reason: error.message });
    }
  }

  closed(_link: Link, reason: string): void {
    this.end(this.goodbye ?? { code: undefined, reason });
  }

  private handOut(message: ClientResponses): void {
    // A view on the frame would keep the frame.
    const session = message.session.slice();
    this.session = session;
    this.heardAt = this.ports.clock.nowMs();
    for (const { request, result } of message.responses) {
      const waiter = this.pending.get(request);
      if (waiter === undefined) continue;
      this.pending.delete(request);
      waiter.answered(result, session);
    }
  }

  private toldOfNodes({ nodes }: Topology): void {
    if (this.said === undefined) return;
    this.told = nodes;
    if (this.state === "up") return this.events.changed(this);
    this.greetingTimer.cancel();
    this.state = "up";
    this.events.up(this);
  }

  private greeted(welcome: ClientWelcome, frame: Uint8Array): void {
    if (this.said === undefined) this.rttMs = this.ports.clock.nowMs() - this.openedAt;
    this.said = welcome;
    this.refusesWrites = false;
    this.isDeposed = false;
    this.volumeTag = frameVolumeTag(frame);
    if (this.state === "up") this.events.changed(this);
  }

  private flush(): void {
    if (this.outgoing.length === 0 || this.state !== "up") return;
    const requests = this.outgoing;
    this.outgoing = [];
    this.outgoingBytes = 0;
    this.turn += 1;
    this.sentThrough = requests[requests.length - 1]!.request;
    this.framesSent += 1;
    this.link.send(encodeMessage({ type: "requests", requests }, this.volumeTag));
  }

  private end(ending: Ending): void {
    if (this.state === "down") return;
    this.state = "down";
    this.greetingTimer.cancel();
    this.link.close();
    this.outgoing = [];
    this.events.down(this, ending);
    this.giveUp(ending.reason);
  }
}

const NO_TOKEN = new Uint8Array(0);

/** Masking only protects proxies between, and there is none on the way to oneself. */
function isLoopback(url: string): boolean {
  return /^wss?:\/\/(127\.|localhost[:/]|\[::1\])/.test(url);
}
