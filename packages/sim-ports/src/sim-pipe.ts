/**
 * SimPipe: one direction of a link. Keeps order, as TCP does: an item arrives no earlier than the one before it. Only what
 * mischief has made a straggler comes later than that, and lets others pass.
 *
 *      put ──> [held while blocked] ──> line (bytesPerMs) ──> latency ──> arrives at the peer's node
 */
import { inOrder } from "./mischief.ts";
import type { SimFabric } from "./sim-fabric.ts";
import type { Incarnation, Machine, Timeline, WorldEvent } from "./timeline.ts";

/** What travels: a frame, or a step of the link's opening and closing. */
export interface PipeItem {
  readonly kind: string;
  readonly bytes: number;
  readonly detail: number;
  /** How much later than in its turn it comes; `inOrder` if it does not stray. */
  readonly lateMs: number;
  readonly arrive: () => void;
}

/** An item on its way, and its arrival. */
class Parcel implements WorldEvent {
  readonly owner: Incarnation;
  readonly kind: string;
  readonly detail: number;
  readonly pipe: SimPipe;
  readonly leavesAtMs: number;
  readonly arrive: () => void;

  constructor(owner: Incarnation, item: PipeItem, pipe: SimPipe, leavesAtMs: number) {
    this.owner = owner;
    this.kind = item.kind;
    this.detail = item.detail;
    this.pipe = pipe;
    this.leavesAtMs = leavesAtMs;
    this.arrive = item.arrive;
  }

  run(): void {
    if (this.pipe.lets(this.leavesAtMs)) this.arrive();
  }
}

export class SimPipe {
  /** Items on their way; they have left but not arrived. */
  inFlight = 0;
  readonly #world: Timeline;
  readonly #fabric: SimFabric;
  readonly #from: Machine;
  /** Whose events arrivals are. */
  readonly #to: Incarnation;
  #held: PipeItem[] = [];
  #heldBytes = 0;
  #lineFreeAtMs = 0;
  #lastArrivalMs = 0;
  /** What had not left by then never will: the sender lost its power. */
  #cutAtMs = Infinity;
  #isBroken = false;

  constructor(world: Timeline, fabric: SimFabric, from: Machine, to: Incarnation) {
    this.#world = world;
    this.#fabric = fabric;
    this.#from = from;
    this.#to = to;
  }

  /** Bytes that have not left yet. */
  get bufferedBytes(): number {
    const line = Math.max(0, this.#lineFreeAtMs - this.#world.nowMs) * this.#fabric.options.bytesPerMs;
    return Math.ceil(line) + this.#heldBytes;
  }

  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  put(item: PipeItem): void {
    if (this.#isBroken) return;
    if (this.#held.length > 0 || this.#fabric.isBlocked(this.#from, this.#to.node)) {
      this.#held.push(item);
      this.#heldBytes += item.bytes;
      this.#fabric.holding.add(this);
    } else this.#launch(item);
  }

  /** Sends what was held, if the direction is free again. */
  release(): void {
    if (this.#held.length === 0 || this.#fabric.isBlocked(this.#from, this.#to.node)) return;
    const held = this.#held;
    this.dropHeld();
    for (const item of held) this.#launch(item);
  }

  /** The sender has given the link up: of what is held nothing will be sent. */
  dropHeld(): void {
    this.#held = [];
    this.#heldBytes = 0;
    this.#fabric.holding.delete(this);
  }

  /** The sender lost its power: now, or (`isFlushed`) when all that it had given away so far was on its way. */
  cut(isFlushed: boolean): void {
    this.#cutAtMs = isFlushed ? Math.max(this.#world.nowMs, this.#lineFreeAtMs) : this.#world.nowMs;
    this.dropHeld();
  }

  /** For parcels: one ends its way; does it arrive? */
  lets(leftAtMs: number): boolean {
    this.inFlight -= 1;
    return !this.#isBroken && leftAtMs <= this.#cutAtMs;
  }

  /** Nothing arrives any more, not even what is on its way. */
  breakNow(): void {
    this.#isBroken = true;
    this.dropHeld();
  }

  #launch(item: PipeItem): void {
    const world = this.#world;
    const leavesAtMs =
      Math.max(world.nowMs, this.#lineFreeAtMs) + item.bytes / this.#fabric.options.bytesPerMs;
    this.#lineFreeAtMs = leavesAtMs;
    const arrivesAtMs = leavesAtMs + this.#fabric.drawLatency(this.#from, this.#to.node);
    const inTurnMs = Math.max(this.#lastArrivalMs, arrivesAtMs);
    if (item.lateMs === inOrder) this.#lastArrivalMs = inTurnMs;
    this.inFlight += 1;
    const dueMs = item.lateMs === inOrder ? inTurnMs : inTurnMs + item.lateMs;
    world.schedule(dueMs, new Parcel(this.#to, item, this, leavesAtMs));
  }
}
