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
import type { Fate, Mischief } from "./mischief.ts";
import { MischiefMaker } from "./mischief.ts";
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
  /** Its process is gone. */
  ownerDied(how: Death): void;
  /** `run` is called when this end has closed, after its handlers. */
  whenEnded(run: () => void): void;
}

/**
 * How a process ended, as its peers see it. `reset`: the machine lives and resets its links. `dark`: no power, and what had
 * not left by now never will. `spoke`: no power, just after all that it had sent had left.
 */
export type Death = "reset" | "dark" | "spoke";

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
  readonly #mischief: MischiefMaker;
  /** Direction -> by how many calls it is blocked. */
  readonly #blocked = new Map<string, number>();
  readonly #delays = new Map<string, Delay>();
  #linkIds = 0;

  constructor(world: Timeline, options: Partial<FabricOptions>) {
    this.#world = world;
    this.options = { ...defaults, ...options };
    this.lossChance = this.options.lossChance;
    this.random = world.random.fork("network");
    this.#mischief = new MischiefMaker(world.random.fork("mischief"));
  }

  // Faults

  /** Blocks one direction. What was blocked by several calls is free when as many have freed it. */
  block(from: string, to: string): void {
    const key = direction(from, to);
    this.#blocked.set(key, (this.#blocked.get(key) ?? 0) + 1);
  }

  /** Frees one direction; what it held goes on its way. No effect on a free one. */
  unblock(from: string, to: string): void {
    const key = direction(from, to);
    const calls = this.#blocked.get(key) ?? 0;
    if (calls > 1) this.#blocked.set(key, calls - 1);
    else if (this.#blocked.delete(key)) this.#releaseHeld();
  }

  /** Blocks every direction from `left` to `right`, and back unless `oneWay`. */
  partition(left: readonly string[], right: readonly string[], options: PartitionOptions = {}): void {
    each(left, right, options, (from, to) => this.block(from, to));
  }

  /** Takes back one `partition` of the same arguments; others that overlap with it stay. */
  unpartition(left: readonly string[], right: readonly string[], options: PartitionOptions = {}): void {
    each(left, right, options, (from, to) => this.unblock(from, to));
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

  /**
   * From now on single frames are lost, doubled and delayed as told (see mischief.ts); `undefined` ends it. What strays
   * already still comes. The links concerned should then be broken, for their senders rely on what was sent.
   */
  setMischief(mischief: Mischief | undefined): void {
    this.#mischief.set(mischief);
  }

  /** Frames that mischief has met so far. */
  get mischiefDone(): { readonly lost: number; readonly duplicated: number; readonly reordered: number } {
    return this.#mischief.done;
  }

  // For nodes and links

  /** What is to become of one frame that a trusted link sends. */
  fateOf(from: Machine, to: Machine): Fate {
    return this.#mischief.fateOf(from.name, to.name);
  }

  isBlocked(from: Machine, to: Machine): boolean {
    return this.#blocked.size > 0 && this.#blocked.has(direction(from.name, to.name));
  }

  /** Draws what one frame takes from node to node, transmission apart. */
  drawLatency(from: Machine, to: Machine): number {
    const { sameAz, otherAz, retransmitMs } = this.options;
    const set = this.#delays.size === 0 ? undefined : this.#delays.get(direction(from.name, to.name));
    const delay = set ?? (from.az === to.az ? sameAz : otherAz);
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

  /** A node's process has ended. */
  died(node: Machine, how: Death): void {
    for (const [key, state] of this.#listeners) {
      if (state.owner.node !== node) continue;
      state.isOpen = false;
      this.#listeners.delete(key);
    }
    for (const link of [...this.#links]) if (link.owner.node === node) link.ownerDied(how);
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

export interface PartitionOptions {
  /** Only from `left` to `right`. */
  readonly oneWay?: boolean;
}

function each(
  left: readonly string[],
  right: readonly string[],
  { oneWay }: PartitionOptions,
  run: (from: string, to: string) => void,
): void {
  for (const a of left) {
    for (const b of right) {
      if (a === b) continue;
      run(a, b);
      if (oneWay !== true) run(b, a);
    }
  }
}

function direction(from: string, to: string): string {
  return `${from}>${to}`;
}

function address(name: string, port: number): string {
  return `${name}:${port}`;
}
