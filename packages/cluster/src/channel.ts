/**
 * A channel: one link that speaks Sixfold's frames, from hello to goodbye.
 *
 *     dialler ──hello──> listener          who I am, which volume, which token
 *             <─welcome─                   who you reached
 *             <═══════>                    messages
 *
 * Whatever a peer gets wrong ends here: a bad frame or checksum, an unknown message, a frame that is
 * too large or for another volume, a message before hello, a wrong token. The channel says goodbye with
 * the reason, closes, counts it and logs it once; nothing else is harmed.
 *
 * A peer that says nothing any more ends here too: the channel is down at once, whether or not the link below it can
 * be closed in an orderly way (it is cut if the peer does not answer), so that its owner dials again or does without.
 *
 * And so does one that takes what it is sent too slowly: heartbeats come through, but what waits for it here would grow for ever. Who
 * follows a writer begins anew; a segment server that lags is left to gossip long before (volume/segment-care.ts).
 */
import { assert, LIMITS, SixfoldError } from "@sixfold/model";
import type { Beating, Link, LinkHandlers } from "@sixfold/ports";
import {
  decodeFrame,
  encodeMessage,
  PROTOCOL_VERSION,
  volumeTagOf,
  WireError,
  type Cargo,
  type ClientMessage,
  type Hello,
  type PackedCargo,
  type StorageMessage,
  type Welcome,
} from "@sixfold/wire";
import type { Heartbeats } from "./heartbeats.ts";
import type { Journal } from "./journal.ts";

export type AnyMessage = StorageMessage | ClientMessage;
export type PeerRole = Hello["role"];

/** Who is at the other end. */
export interface Peer {
  readonly role: PeerRole;
  readonly name: string;
}

export interface ChannelEvents {
  /** The handshake is done. */
  readonly up: (channel: Channel) => void;
  readonly message: (channel: Channel, message: AnyMessage) => void;
  /** A cargo and the frame that is its own. Who has no use for one is not sent any. */
  readonly cargo?: (channel: Channel, head: Cargo, frame: Uint8Array) => void;
  /** Exactly once, also if it was never up. `silentMs`: how long the peer had not been heard, if that is why. */
  readonly down: (channel: Channel, reason: string, silentMs: number) => void;
}

/** What this process is, and what it admits. */
export interface Identity {
  readonly role: "node" | "segment" | "copier";
  readonly name: string;
  readonly volume: string;
  readonly token: string;
}

/**
 * What may wait for a process of the cluster: four of the largest frames. A writer's undecided entries and what it lets a segment server
 * lag come to less.
 */
export const PROCESS_BUFFER_BYTES = 4 * LIMITS.frameBytes;
/** The same for a client, which may have asked for many large answers in one turn. */
export const CLIENT_BUFFER_BYTES = 8 * LIMITS.frameBytes;

export class Channel implements Beating {
  /** Known from hello or welcome on. */
  peer: Peer | undefined;
  framesReceived = 0;
  framesSent = 0;
  private readonly link: Link;
  private readonly identity: Identity;
  private readonly events: ChannelEvents;
  private readonly journal: Journal;
  private readonly tag: number;
  private state: "greeting" | "up" | "closed" = "greeting";
  /** Whose frame comes next. */
  private awaited: Cargo | undefined;

  constructor(link: Link, identity: Identity, events: ChannelEvents, journal: Journal) {
    this.link = link;
    this.identity = identity;
    this.events = events;
    this.journal = journal;
    this.tag = volumeTagOf(identity.volume);
  }

  get isUp(): boolean {
    return this.state === "up";
  }

  get bufferedBytes(): number {
    return this.link.bufferedBytes;
  }

  /** Says hello; for the side that dialled. */
  greet(): void {
    const { role, name, volume, token } = this.identity;
    this.sendMessage({ type: "hello", protocol: PROTOCOL_VERSION, role, name, volume, token });
  }

  send(message: AnyMessage): void {
    if (this.state === "up" && this.drains()) this.sendMessage(message);
  }

  /** A frame that was encoded once for several channels of this volume. */
  sendFrame(frame: Uint8Array): void {
    if (this.state !== "up" || !this.drains()) return;
    this.framesSent++;
    this.link.send(frame);
  }

  /** A cargo and its frame, which must not be changed before `sent` is called. */
  sendCargo({ head, frame }: PackedCargo, sent: () => void): void {
    if (this.state !== "up" || !this.drains()) return;
    this.sendMessage(head);
    this.framesSent++;
    this.link.send(frame, sent);
  }

  /** A sign of life. Who has not said hello, or was not admitted, has nothing to say. */
  ping(): void {
    this.send({ type: "ping" });
  }

  /** The peer is silent: hung, cut off, or without power. Does not wait for it to agree. */
  dead(silentMs: number): void {
    if (this.state === "closed") return;
    const reason = `silent for ${silentMs} ms`;
    this.journal.count("deadPeers");
    this.journal.say("warn", "peer-dead", { peer: this.peer?.name ?? this.link.remote, silentMs });
    this.close("dead", reason);
    this.closed(reason, silentMs);
  }

  /** The peer broke the protocol, or this side stops. */
  close(code: string, reason: string): void {
    if (this.state === "closed") return;
    this.sendMessage({ type: "goodbye", code, reason });
    this.link.close(reason);
  }

  received(frame: Uint8Array): void {
    if (this.state === "closed") return;
    this.framesReceived++;
    const { awaited } = this;
    if (awaited !== undefined) {
      this.awaited = undefined;
      return this.events.cargo?.(this, awaited, frame);
    }
    let message: AnyMessage;
    try {
      message = decodeFrame(frame, this.tag);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.refuse(error.code, error.message);
      return;
    }
    if (message.type === "goodbye") this.link.close(message.reason);
    else if (this.state === "up") {
      if (message.type === "cargo" && this.events.cargo !== undefined) this.awaited = message;
      else if (message.type !== "ping") this.events.message(this, message);
    } else this.greeted(message);
  }

  closed(reason: string, silentMs = 0): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.events.down(this, reason, silentMs);
  }

  /** Closes on a peer that broke the protocol; counted, logged once a channel. */
  refuse(code: string, reason: string): void {
    if (this.state === "closed") return;
    this.journal.count("refusedConnections");
    this.journal.say("warn", "connection-refused", {
      peer: this.peer?.name ?? this.link.remote,
      code,
      reason,
    });
    this.close(code, reason);
  }

  /** False, and the end of the channel, if more waits for the peer than may. */
  private drains(): boolean {
    const { bufferedBytes } = this.link;
    if (bufferedBytes <= PROCESS_BUFFER_BYTES) return true;
    if (this.peer?.role === "client" && bufferedBytes <= CLIENT_BUFFER_BYTES) return true;
    const reason = `too slow: ${bufferedBytes} bytes wait for it`;
    this.journal.count("slowPeers");
    this.journal.say("warn", "peer-too-slow", { peer: this.peer?.name ?? this.link.remote, bufferedBytes });
    this.link.close(reason);
    this.closed(reason);
    return false;
  }

  private greeted(message: AnyMessage): void {
    if (message.type === "hello") this.admit(message);
    else if (message.type === "welcome") this.admitted(message);
    else this.refuse("no-hello", `${message.type} before hello`);
  }

  private admit(hello: Hello): void {
    const { volume, token, name, role } = this.identity;
    if (hello.protocol !== PROTOCOL_VERSION)
      return this.refuse("wrong-protocol", `protocol ${hello.protocol} is not ${PROTOCOL_VERSION}`);
    if (hello.role !== "client" && hello.volume !== volume)
      return this.refuse("wrong-volume", `this is volume "${volume}", not "${hello.volume}"`);
    if (hello.token !== token) return this.refuse("unauthorized", "the token is missing or wrong");
    this.peer = { role: hello.role, name: hello.name };
    assert(role !== "copier", "a copier dials");
    this.sendMessage({ type: "welcome", protocol: PROTOCOL_VERSION, role, name, volume });
    this.state = "up";
    this.events.up(this);
  }

  private admitted(welcome: Welcome): void {
    if (welcome.volume !== this.identity.volume)
      return this.refuse("wrong-volume", `${welcome.name} serves volume "${welcome.volume}"`);
    this.peer = { role: welcome.role, name: welcome.name };
    this.state = "up";
    this.events.up(this);
  }

  private sendMessage(message: AnyMessage): void {
    this.framesSent++;
    this.link.send(encodeMessage(message, this.tag));
  }
}

/** Channels for the links that a listener takes. */
export function listenerHandlers(
  identity: Identity,
  events: ChannelEvents,
  journal: Journal,
  heartbeats: Heartbeats,
): LinkHandlers {
  const channels = new Map<Link, Channel>();
  const up = (channel: Channel): void => {
    if (channel.peer?.role === "client") heartbeats.toClient(channel);
    events.up(channel);
  };
  return {
    open(link) {
      const channel = new Channel(link, identity, { ...events, up }, journal);
      channels.set(link, channel);
      heartbeats.opened(channel);
    },
    frame(link, frame) {
      channels.get(link)?.received(frame);
    },
    closed(link, reason) {
      const channel = channels.get(link);
      channels.delete(link);
      if (channel === undefined) return;
      heartbeats.closed(channel);
      channel.closed(reason);
    },
  };
}

/** Listening beyond loopback without a token is refused. */
export function checkListen(host: string, token: string): void {
  const loopback = host === "localhost" || host === "::1" || host.startsWith("127.");
  if (!loopback && token === "")
    throw new SixfoldError(
      "bad-request",
      `listening on ${host} needs a token (--token or SIXFOLD_TOKEN): only loopback goes without`,
    );
}
