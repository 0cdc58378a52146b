/**
 * SimPipe: one direction of a link. Keeps order, as TCP does: an item arrives no earlier than the one before it. Only what
 * mischief has made a straggler comes later than that, and lets others pass.
 *
 *      put ──> [held while blocked] ──> line (bytesPerMs) ──> latency ──> arrives at the peer's node
 */
import { inOrder } from "./mischief.ts";
import type { SimFabric } from "./sim-fabric.ts";
import type { Incarnation, Machine, Timeline, WorldEvent } from "./timeline.ts";

/** What travels (a frame, or a step of the link's opening and closing), and its arrival. */
class Parcel implements WorldEvent {
  readonly owner: Incarnation;
  readonly kind: string;
  readonly detail: number;
  readonly bytes: number;
  /** How much later than in its turn it comes; `inOrder` if it does not stray. */
  readonly lateMs: number;
  leavesAtMs = 0;
  readonly pipe: SimPipe;
  readonly arrive: () => void;

  constructor(
    pipe: SimPipe,
    owner: Incarnation,
    kind: string,
    bytes: number,
    detail: number,
    arrive: () => void,
    lateMs: number,
  ) {
    this.owner = owner;
    this.kind = kind;
    this.detail = detail;
    this.bytes = bytes;
    this.lateMs = lateMs;
    this.pipe = pipe;
    this.arrive = arrive;
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
  #held: Parcel[] = [];
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

  put(kind: string, bytes: number, detail: number, arrive: () => void, lateMs = inOrder): void {
    if (this.#isBroken) return;
    const parcel = new Parcel(this, this.#to, kind, bytes, detail, arrive, lateMs);
    if (this.#held.length > 0 || this.#fabric.isBlocked(this.#from, this.#to.node)) {
      this.#held.push(parcel);
      this.#heldBytes += bytes;
      this.#fabric.holding.add(this);
    } else this.#launch(parcel);
  }

  /** Sends what was held, if the direction is free again. */
  release(): void {
    if (this.#held.length === 0 || this.#fabric.isBlocked(this.#from, this.#to.node)) return;
    const held = this.#held;
    this.dropHeld();
    for (const parcel of held) this.#launch(parcel);
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

  #launch(parcel: Parcel): void {
    const world = this.#world;
    const { bytes, lateMs } = parcel;
    parcel.leavesAtMs = Math.max(world.nowMs, this.#lineFreeAtMs) + bytes / this.#fabric.options.bytesPerMs;
    this.#lineFreeAtMs = parcel.leavesAtMs;
    const arrivesAtMs = parcel.leavesAtMs + this.#fabric.drawLatency(this.#from, this.#to.node);
    const inTurnMs = Math.max(this.#lastArrivalMs, arrivesAtMs);
    if (lateMs === inOrder) this.#lastArrivalMs = inTurnMs;
    this.inFlight += 1;
    world.schedule(lateMs === inOrder ? inTurnMs : inTurnMs + lateMs, parcel);
  }
}
