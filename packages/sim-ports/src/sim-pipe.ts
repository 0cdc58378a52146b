/**
 * SimPipe: one direction of a link. Keeps order, as TCP does: an item arrives no earlier than the one before it.
 *
 *      put ──> [held while blocked] ──> line (bytesPerMs) ──> latency ──> arrives at the peer's node
 */
import type { SimFabric } from "./sim-fabric.ts";
import type { Incarnation, Machine, Timeline } from "./timeline.ts";

/** What travels: a frame, or a step of the link's opening and closing. */
export interface PipeItem {
  readonly kind: string;
  readonly bytes: number;
  readonly detail: number;
  readonly arrive: () => void;
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

  /** The sender lost its power now. */
  cut(): void {
    this.#cutAtMs = this.#world.nowMs;
    this.dropHeld();
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
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, arrivesAtMs);
    this.inFlight += 1;
    const run = (): void => {
      this.inFlight -= 1;
      if (!this.#isBroken && leavesAtMs <= this.#cutAtMs) item.arrive();
    };
    world.schedule(this.#lastArrivalMs, { owner: this.#to, kind: item.kind, detail: item.detail, run });
  }
}
