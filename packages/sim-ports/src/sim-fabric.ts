/**
 * SimFabric: what lies between the nodes: distances, partitions, listening addresses, and all links, so
 * that faults can find them.
 *
 * A partition blocks directions, from one node to another. A blocked direction holds what is sent (as TCP
 * does, retransmitting); after `breakAfterMs` the sender's side gives the link up. The other side learns of it
 * when the direction is healed, or never: half-open links are as real here as they are outside.
 */
import { assert, type Random } from "@sixfold/model";
import type { Link, LinkHandlers, ListenAddress } from "@sixfold/ports";
import type { Delay } from "./delay.ts";
import { drawDelay, otherAzDelay, sameAzDelay } from "./delay.ts";
import type { Incarnation, Machine, Timeline } from "./timeline.ts";

export interface FabricOptions {
  /** One way, between nodes of one AZ, and of two. `setDelay` overrules both for a direction. */
  readonly sameAz: Delay;
  readonly otherAz: Delay;
  /** Of each direction of each link. Default 1 Gbit/s. */
  readonly bytesPerMs: number;
  /** How long what was sent may go unanswered before the sender's side breaks the link. Default 15 s. */
  readonly breakAfterMs: number;
  /** Chance that a frame's packets are lost once and come `retransmitMs` later, with all that was sent after them. */
  readonly lossChance: number;
  readonly retransmitMs: number;
  /** Checks at delivery that a frame is what it was when sent (see `Link.send`). Default true. */
  readonly checkFrames: boolean;
}

const defaults: FabricOptions = {
  sameAz: sameAzDelay,
  otherAz: otherAzDelay,
  bytesPerMs: 125_000,
  breakAfterMs: 15_000,
  lossChance: 0,
  retransmitMs: 200,
  checkFrames: true,
};

/** One end of a link, as the fabric sees it. */
export interface FabricLink extends Link {
  readonly owner: Incarnation;
  readonly isClient: boolean;
  /** The other end, once there is one. */
  readonly peer: FabricLink | undefined;
  /** Both ends are told, in events of their own; nothing more arrives at either. */
  breakBoth(reason: string): void;
  /** Its process is gone; `told`: the machine lives and resets the link. */
  ownerDied(told: boolean): void;
  /** `run` is called when this end has closed, after its handlers. */
  whenEnded(run: () => void): void;
}

/** Where a node listens. */
export interface ListenState {
  readonly owner: Incarnation;
  readonly at: ListenAddress;
  readonly handlers: LinkHandlers;
  readonly links: Set<FabricLink>;
  isOpen: boolean;
}

/** Ports given out for port 0 begin here. */
const firstFreePort = 20_000;

export class SimFabric {
  readonly options: FabricOptions;
  readonly random: Random;
  /** Directions of links that hold something, also of links that their sender has given up. */
  readonly holding = new Set<{ release(): void }>();
  /** Chance of loss may be changed while the world runs. */
  lossChance: number;
  readonly #world: Timeline;
  readonly #listeners = new Map<string, ListenState>();
  readonly #links = new Set<FabricLink>();
  readonly #blocked = new Set<string>();
  readonly #delays = new Map<string, Delay>();
  #linkIds = 0;

  constructor(world: Timeline, options: Partial<FabricOptions>) {
    this.#world = world;
    this.options = { ...defaults, ...options };
    this.lossChance = this.options.lossChance;
    this.random = world.random.fork("network");
  }

  // Faults

  /** Blocks one direction. */
  block(from: string, to: string): void {
    this.#blocked.add(direction(from, to));
  }

  /** Frees one direction; what it held goes on its way. */
  unblock(from: string, to: string): void {
    if (this.#blocked.delete(direction(from, to))) this.#releaseHeld();
  }

  /** Blocks every direction from `left` to `right`, and back unless `oneWay`. */
  partition(
    left: readonly string[],
    right: readonly string[],
    options: { readonly oneWay?: boolean } = {},
  ): void {
    for (const a of left) {
      for (const b of right) {
        if (a === b) continue;
        this.block(a, b);
        if (options.oneWay !== true) this.block(b, a);
      }
    }
  }

  /** Parts a node from all others that exist now. */
  isolate(name: string): void {
    this.partition(
      [name],
      this.#world.nodes.map((node) => node.name),
    );
  }

  /** Frees all directions. */
  heal(): void {
    this.#blocked.clear();
    this.#releaseHeld();
  }

  /** Breaks all links of `name`, or those to `other`, on both sides at once; what was on its way is lost. Returns how many. */
  breakLinks(name: string, other?: string): number {
    let broken = 0;
    for (const link of [...this.#links]) {
      const here = link.owner.node.name;
      const there = link.peer?.owner.node.name;
      // Each link once: from its client's side, or from the side that is named.
      if (!link.isClient) continue;
      const touches = here === name || there === name;
      if (!touches || (other !== undefined && here !== other && there !== other)) continue;
      link.breakBoth("connection broken");
      broken += 1;
    }
    return broken;
  }

  /** Overrules the AZs' distance for one direction; `undefined` restores it. */
  setDelay(from: string, to: string, delay: Delay | undefined): void {
    if (delay === undefined) this.#delays.delete(direction(from, to));
    else this.#delays.set(direction(from, to), delay);
  }

  // For nodes and links

  isBlocked(from: Machine, to: Machine): boolean {
    return this.#blocked.size > 0 && this.#blocked.has(direction(from.name, to.name));
  }

  /** Draws what one frame takes from node to node, transmission apart. */
  drawLatency(from: Machine, to: Machine): number {
    const { sameAz, otherAz, retransmitMs } = this.options;
    const delay = this.#delays.get(direction(from.name, to.name)) ?? (from.az === to.az ? sameAz : otherAz);
    const lost = this.lossChance > 0 && this.random.chance(this.lossChance);
    return drawDelay(delay, this.random) + (lost ? retransmitMs : 0);
  }

  /** The state of a new listening address; an Error if it is taken. */
  listen(
    owner: Incarnation,
    at: ListenAddress,
    handlers: LinkHandlers,
  ): { state: ListenState; port: number } | Error {
    const { name } = owner.node;
    let { port } = at;
    if (port === 0) for (port = firstFreePort; this.#listeners.has(address(name, port));) port += 1;
    if (this.#listeners.has(address(name, port))) return new Error(`address in use: ${address(name, port)}`);
    const state: ListenState = { owner, at, handlers, links: new Set(), isOpen: true };
    this.#listeners.set(address(name, port), state);
    return { state, port };
  }

  listener(name: string, port: number): ListenState | undefined {
    return this.#listeners.get(address(name, port));
  }

  unlisten(name: string, port: number): void {
    const state = this.#listeners.get(address(name, port));
    if (state !== undefined) state.isOpen = false;
    this.#listeners.delete(address(name, port));
  }

  add(link: FabricLink): number {
    this.#links.add(link);
    this.#linkIds += 1;
    return this.#linkIds;
  }

  drop(link: FabricLink): void {
    this.#links.delete(link);
  }

  /** Links that are not closed, for tests that look for leaks. */
  get linkCount(): number {
    return this.#links.size;
  }

  /** A node's process has ended; `told`: its machine lives and resets the links. */
  died(node: Machine, told: boolean): void {
    for (const [key, state] of this.#listeners) {
      if (state.owner.node !== node) continue;
      state.isOpen = false;
      this.#listeners.delete(key);
    }
    for (const link of [...this.#links]) if (link.owner.node === node) link.ownerDied(told);
  }

  /** A new incarnation begins: whatever of the old one was left is gone. */
  restarted(node: Machine): void {
    for (const link of this.#links) {
      assert(link.owner.node !== node || link.owner.alive, "a dead incarnation has no links");
    }
  }

  #releaseHeld(): void {
    for (const pipe of [...this.holding]) pipe.release();
  }
}

function direction(from: string, to: string): string {
  return `${from}>${to}`;
}

function address(name: string, port: number): string {
  return `${name}:${port}`;
}
