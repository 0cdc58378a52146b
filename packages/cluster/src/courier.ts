/**
 * Pages on a link of their own (DESIGN section 4, "Gossip"): what a segment server copies comes beside all that its other links have to carry.
 *
 *     newcomer                      survivor
 *     hello, a copier ─────────────>           its ordinary listener, its ordinary handshake
 *     pullPages ═══════════════════> core, readPages
 *               <═══ cargo, pages ══           as they lie in its store: neither copied nor summed there
               <── no more, positions ─       on the common link, in order with what is said there
 *     checksums of the pages
 *     the core takes them as if they had come on the common link
 *
 * They come into memory that is used again, which their owner gives back when they are stored (rooms.ts).
 *
 * Nothing depends on it. Whatever goes wrong here, a link that cannot be had or breaks, a cargo that is not what was said, a page whose checksum
 * is wrong, comes back as a question that was not answered, and its owner asks it on the common link, where the survivor looks at each
 * page itself and finds the damaged one. What is not answered at all the core gives up, and asks another peer.
 */
import type { NodeName } from "@sixfold/model";
import type { Clock, Network } from "@sixfold/ports";
import { isSound } from "@sixfold/segment";
import {
  unpackCargo,
  volumeTagOf,
  WireError,
  type Cargo,
  type PulledPages,
  type PullPages,
} from "@sixfold/wire";
import type { AnyMessage, Channel, Identity } from "./channel.ts";
import { Dialler } from "./dialler.ts";
import { Heartbeats, type LivenessSettings } from "./heartbeats.ts";
import type { Journal } from "./journal.ts";
import { Rooms } from "./rooms.ts";

/** A link that nothing was asked on for so long is let go. */
const IDLE_MS = 10_000;
/** The core has given up long before. */
const FORGOTTEN_MS = 10_000;
const TICK_MS = 50;

/** Who is asked. */
export interface Source {
  readonly name: NodeName;
  readonly url: string;
  /** One way. */
  readonly latencyMs: number;
}

export interface CourierEvents {
  /** An answer of this peer. The pages' checksums are right; they are views of `frame`, which is the receiver's. */
  readonly brought: (peer: NodeName, answer: PulledPages, frame: Uint8Array) => void;
  /** These are not answered here any more. */
  readonly failed: (peer: NodeName, questions: readonly PullPages[], reason: string) => void;
  /** The last link was let go: nothing has been asked for a while. */
  readonly idle?: () => void;
}

export interface Courier {
  ask(source: Source, question: PullPages): void;
  /** Answered on the common link, perhaps: there is nothing to bring any more. */
  forget(peer: NodeName, request: number): void;
  /** The memory of an answer's pages, which nobody looks at any more: it is gone, or others are written there. */
  giveBack(memory: ArrayBufferLike): void;
  stop(): void;
}

export interface CourierOptions {
  readonly clock: Clock;
  readonly network: Network;
  readonly identity: Identity;
  readonly journal: Journal;
  readonly liveness: Partial<LivenessSettings> | undefined;
}

interface Route {
  readonly dialler: Dialler;
  channel: Channel | undefined;
  asked: { readonly question: PullPages; readonly at: number }[];
  usedAt: number;
}

/** A courier on this thread. */
export class LinkCourier implements Courier {
  private readonly o: CourierOptions;
  private readonly events: CourierEvents;
  private readonly heartbeats: Heartbeats;
  private readonly routes = new Map<NodeName, Route>();
  private readonly tag: number;
  private rooms = new Rooms();
  private ticks = false;

  constructor(o: CourierOptions, events: CourierEvents) {
    this.o = { ...o, identity: { ...o.identity, role: "copier" } };
    this.events = events;
    this.heartbeats = new Heartbeats(o.liveness);
    this.tag = volumeTagOf(o.identity.volume);
  }

  ask(source: Source, question: PullPages): void {
    const route = this.routes.get(source.name) ?? this.open(source);
    route.usedAt = this.o.clock.nowMs();
    route.asked.push({ question, at: route.usedAt });
    route.channel?.send(question);
  }

  forget(peer: NodeName, request: number): void {
    const route = this.routes.get(peer);
    if (route !== undefined) this.answered(route, request);
  }

  giveBack(memory: ArrayBufferLike): void {
    this.rooms.giveBack(memory);
  }

  stop(): void {
    for (const [name, route] of this.routes) this.close(name, route);
  }

  private open({ name, url, latencyMs }: Source): Route {
    const { clock, network, identity, journal } = this.o;
    const { heartbeats } = this;
    const roomFor = (bytes: number): Uint8Array | undefined => this.rooms.take(bytes);
    const survivor = { url, expected: name, latencyMs };
    const dialling = { clock, network, identity, ...survivor, roomFor, journal, heartbeats };
    const events = {
      up: (channel: Channel) => {
        route.channel = channel;
        for (const { question } of route.asked) channel.send(question);
      },
      message: (channel: Channel, { type }: AnyMessage) =>
        channel.refuse("bad-frame", `${type} is not for copiers`),
      cargo: (channel: Channel, head: Cargo, frame: Uint8Array) =>
        this.unpack(name, route, channel, head, frame),
      down: () => {},
      ended: (reason: string) => this.ended(name, route, reason),
    };
    const route: Route = {
      dialler: new Dialler({ ...dialling, events }),
      channel: undefined,
      asked: [],
      usedAt: 0,
    };
    this.routes.set(name, route);
    this.tick();
    return route;
  }

  private unpack(name: NodeName, route: Route, channel: Channel, head: Cargo, frame: Uint8Array): void {
    if (this.routes.get(name) !== route) return this.giveBack(frame.buffer);
    try {
      const answer = unpackCargo(head, frame, this.tag);
      const question = this.answered(route, head.request);
      const damaged = question && answer.pages.find(({ page, stored }) => !isSound(page, stored));
      if (question !== undefined && damaged === undefined) return this.events.brought(name, answer, frame);
      this.giveBack(frame.buffer);
      if (damaged !== undefined) this.events.failed(name, [question!], `page ${damaged.page} came damaged`);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.giveBack(frame.buffer);
      channel.refuse(error.code, error.message);
    }
  }

  private answered(route: Route, request: number): PullPages | undefined {
    const at = route.asked.findIndex(({ question }) => question.request === request);
    return at === -1 ? undefined : route.asked.splice(at, 1)[0]!.question;
  }

  private ended(name: NodeName, route: Route, reason: string): void {
    if (this.routes.get(name) !== route) return;
    this.close(name, route);
    const questions = route.asked.map(({ question }) => question);
    this.events.failed(name, questions, reason);
  }

  private close(name: NodeName, route: Route): void {
    this.routes.delete(name);
    route.dialler.stop();
  }

  private tick(): void {
    if (this.ticks) return;
    this.ticks = true;
    this.o.clock.after(TICK_MS, () => {
      this.ticks = false;
      const now = this.o.clock.nowMs();
      this.heartbeats.tick(now);
      for (const [name, route] of this.routes) {
        route.asked = route.asked.filter(({ at }) => now - at < FORGOTTEN_MS);
        if (now - route.usedAt > IDLE_MS) this.close(name, route);
      }
      if (this.routes.size > 0) this.tick();
      else this.idle();
    });
  }

  /** No room is kept for long, and those that were lost are made anew. */
  private idle(): void {
    this.rooms = new Rooms();
    this.events.idle?.();
  }
}
