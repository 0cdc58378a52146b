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
 */
import { SixfoldError } from "@sixfold/model";
import type { Link, LinkHandlers } from "@sixfold/ports";
import {
  decodeFrame,
  encodeMessage,
  PROTOCOL_VERSION,
  volumeTagOf,
  WireError,
  type ClientMessage,
  type Hello,
  type StorageMessage,
  type Welcome,
} from "@sixfold/wire";
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
  /** Exactly once, also if it was never up. */
  readonly down: (channel: Channel, reason: string) => void;
}

/** What this process is, and what it admits. */
export interface Identity {
  readonly role: "node" | "segment";
  readonly name: string;
  readonly volume: string;
  readonly token: string;
}

export class Channel {
  /** Known from hello or welcome on. */
  peer: Peer | undefined;
  private readonly link: Link;
  private readonly identity: Identity;
  private readonly events: ChannelEvents;
  private readonly journal: Journal;
  private readonly tag: number;
  private state: "greeting" | "up" | "closed" = "greeting";

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
    if (this.state === "up") this.sendMessage(message);
  }

  /** A frame that was encoded once for several channels of this volume. */
  sendFrame(frame: Uint8Array): void {
    if (this.state === "up") this.link.send(frame);
  }

  /** The peer broke the protocol, or this side stops. */
  close(code: string, reason: string): void {
    if (this.state === "closed") return;
    this.sendMessage({ type: "goodbye", code, reason });
    this.link.close(reason);
  }

  received(frame: Uint8Array): void {
    if (this.state === "closed") return;
    let message: AnyMessage;
    try {
      message = decodeFrame(frame, this.tag);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.refuse(error.code, error.message);
      return;
    }
    if (message.type === "goodbye") this.link.close(message.reason);
    else if (this.state === "up") this.events.message(this, message);
    else this.greeted(message);
  }

  closed(reason: string): void {
    if (this.state === "closed") return;
    this.state = "closed";
    this.events.down(this, reason);
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
    this.link.send(encodeMessage(message, this.tag));
  }
}

/** Channels for the links that a listener takes. */
export function listenerHandlers(identity: Identity, events: ChannelEvents, journal: Journal): LinkHandlers {
  const channels = new Map<Link, Channel>();
  return {
    open(link) {
      channels.set(link, new Channel(link, identity, events, journal));
    },
    frame(link, frame) {
      channels.get(link)?.received(frame);
    },
    closed(link, reason) {
      const channel = channels.get(link);
      channels.delete(link);
      channel?.closed(reason);
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
