/**
 * World: a whole network of machines in one thread, with a virtual clock and every choice drawn from one seed.
 *
 * Everything that happens is an event in one schedule: (due time, order of entry). `run` takes the first, moves the clock
 * to it, and lets its node handle it:
 *
 *    schedule ──first due──> is its incarnation alive? ──yes──> is its node paused or busy? ──no──> run it
 *                                  └─ no: it never happens            └─ yes: it waits in the node's backlog
 *
 * After each event the microtasks it started are let settle (./turns.ts), so that code with promises runs in the one order
 * that the seed gives. Nothing here knows a real clock or real I/O: code that awaits those would let real time in.
 *
 * Invariants:
 *  W1  The same seed and the same calls give the same events, hence the same `traceHash`.
 *  W2  No callback of an incarnation runs after its crash.
 *  W3  Time never goes back, and stands still while an event runs.
 *
 * After FoundationDB's simulator (Zhou et al., "FoundationDB: A Distributed Unbundled Transactional Key Value
 * Store", SIGMOD 2021, section 4) and TigerBeetle's VOPR.
 */
import { assert, Random } from "@sixfold/model";
import type { AgendaItem, Host } from "@sixfold/ports";
import { quantize } from "./delay.ts";
import { Schedule } from "./schedule.ts";
import { SimFabric, type FabricOptions } from "./sim-fabric.ts";
import { type CrashPoint, type NodeOptions, SimNode } from "./sim-node.ts";
import type { Incarnation, Timeline, WorldEvent } from "./timeline.ts";
import { TraceHash } from "./trace-hash.ts";
import { Turns } from "./turns.ts";

export interface WorldOptions {
  readonly network?: Partial<FabricOptions>;
  /** Is called with every event, for a person or for comparing two runs line by line. */
  readonly onEvent?: (line: string) => void;
}

/** 2026-01-01T00:00:00Z, so that wall times look like times. */
const epochMs = 1_767_225_600_000;

/** `run` with a condition gives up after this much virtual time: 1 hour. */
const conditionLimitMs = 3_600_000;

/** Events at one instant, beyond which something spins: a thousand times what the largest tests need. */
const instantEventsMax = 10_000_000;

/** What a run goes on for. */
interface Goal {
  readonly until: number | (() => boolean);
  readonly endMs: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Takes the code of a process that has ended off the stack. */
class ProcessEnd extends Error {
  override readonly name = "ProcessEnd";
}

export class World implements Timeline {
  readonly seed: number;
  readonly random: Random;
  readonly fabric: SimFabric;
  readonly #schedule = new Schedule();
  readonly #turns = new Turns(() => this.#turn());
  readonly #nodes = new Map<string, SimNode>();
  readonly #hash = new TraceHash();
  readonly #onEvent: ((line: string) => void) | undefined;
  #events = 0;
  #eventsThisInstant = 0;
  #goal: Goal | undefined;
  /** Whose event is happening. */
  #acting: Incarnation | undefined;
  #failure: { error: unknown } | undefined;

  constructor(seed: number, options: WorldOptions = {}) {
    this.seed = seed;
    this.random = new Random(seed);
    this.#onEvent = options.onEvent;
    this.fabric = new SimFabric(this, options.network ?? {});
  }

  /** Virtual milliseconds since the beginning. */
  get nowMs(): number {
    return this.#schedule.nowMs;
  }

  get wallMs(): number {
    return Math.floor(epochMs + this.nowMs);
  }

  /** Events that have happened so far. */
  get events(): number {
    return this.#events;
  }

  /** Hash over all that has happened so far. */
  get traceHash(): string {
    return this.#hash.digest();
  }

  /** Adds a machine and starts it. Its name is its address: `ws://<name>:<port>`. */
  node(name: string, options: NodeOptions = {}): SimNode {
    assert(!this.#nodes.has(name), `one node is named ${name}`);
    const node = new SimNode(this, this.fabric, name, options);
    this.#nodes.set(name, node);
    node.start();
    return node;
  }

  /** The node of this name; there must be one. */
  find(name: string): SimNode {
    const node = this.#nodes.get(name);
    assert(node !== undefined, `there is a node ${name}`);
    return node;
  }

  /** In the order of their making. */
  get nodes(): SimNode[] {
    return [...this.#nodes.values()];
  }

  /** Power loss: memory gone, unsynced writes torn as the seed has it, peers not told. See `SimNode.crash`. */
  crash(name: string): void {
    this.find(name).crash();
  }

  /** The process dies, the machine lives: written bytes stay, peers are told by a reset. See `SimNode.kill`. */
  kill(name: string): void {
    this.find(name).kill();
  }

  /** Starts a crashed or killed node anew, on the disks it left. */
  restart(name: string): Host {
    return this.find(name).start();
  }

  /** Nothing happens to the node until `resume`; what would have, then happens at once, in order. */
  pause(name: string): void {
    this.find(name).pause();
  }

  resume(name: string): void {
    this.find(name).resume();
  }

  /**
   * Ends the process of `name` between two of its effects: at the `count`-th boundary of that kind from now on. `then` is
   * called after it, outside all nodes: to restart it, say.
   */
  crashAt(name: string, point: CrashPoint, then?: () => void): void {
    this.find(name).crashAt(point, then);
  }

  cancelCrashAt(name: string): void {
    this.find(name).cancelCrashAt();
  }

  /** The node's wall clock jumps: it is now ahead (behind, if negative) of the right one by that much. */
  setWallAhead(name: string, ms: number): void {
    this.find(name).time.wallAheadMs = ms;
  }

  /** Both clocks of the node run faster than the world's by that many millionths, from now on. */
  setDrift(name: string, ppm: number): void {
    this.find(name).time.setDrift(ppm);
  }

  /** From now on each event takes the node that long; until then the next one waits. 0 ends it. */
  setEventCost(name: string, ms: number): void {
    this.find(name).eventCostMs = ms;
  }

  /** A fault to come, or whatever a test wants to happen then. Runs outside all nodes. */
  at(ms: number, run: () => void): void {
    this.schedule(ms, { owner: undefined, kind: "at", detail: 0, run });
  }

  /** Enters a line of the test's own into the trace. */
  note(text: string): void {
    this.#hash.text(text);
    this.#onEvent?.(`${this.nowMs} - note ${text}`);
  }

  /** For the simulated ports: `event` happens at `dueMs`, or now if that is over. */
  schedule(dueMs: number, event: WorldEvent): AgendaItem<WorldEvent> {
    return this.#schedule.add(quantize(dueMs), event);
  }

  cancel(item: AgendaItem<WorldEvent>): void {
    this.#schedule.cancel(item);
  }

  /** For the simulated ports: what a node's own code failed with, outside of any event. `run` throws it. */
  fail(error: unknown): void {
    this.#failure ??= { error };
  }

  /**
   * Lets time go on: up to and including the instant `until`, or until the condition holds (looked at after every
   * event, and at the start). Throws what a callback throws, and if the condition can never hold or does not
   * within `limitMs` of virtual time.
   */
  async run(until: number | (() => boolean), limitMs = conditionLimitMs): Promise<void> {
    assert(this.#goal === undefined, "a world is run by one at a time");
    await new Promise<void>((resolve, reject) => {
      const endMs = typeof until === "number" ? until : this.nowMs + limitMs;
      this.#goal = { until, endMs, resolve, reject };
      this.#turns.begin();
    });
  }

  /** One event of the run, if it has not ended; microtasks have settled. */
  #turn(): boolean {
    const goal = this.#goal!;
    const { until, endMs, resolve, reject } = goal;
    try {
      const isThere = typeof until === "number" ? false : until();
      if (!isThere && this.#step(endMs)) return true;
      this.#goal = undefined;
      if (typeof until === "number") this.#schedule.passTo(until);
      this.#throwFailure();
      if (!isThere && typeof until !== "number") throw this.#never();
      resolve();
    } catch (error) {
      this.#goal = undefined;
      reject(error);
    }
    return false;
  }

  #never(): Error {
    const next = this.#schedule.nextDue();
    const why = next === undefined ? "nothing is left to happen" : `the next event is at ${next} ms`;
    return new Error(`the condition does not hold at ${this.nowMs} ms, and ${why} (seed ${this.seed})`);
  }

  /** One event, if there is one not later than `endMs`. */
  #step(endMs: number): boolean {
    this.#throwFailure();
    const before = this.nowMs;
    const event = this.#schedule.take(endMs);
    if (event === undefined) return false;
    this.#eventsThisInstant = this.nowMs > before ? 0 : this.#eventsThisInstant + 1;
    assert(this.#eventsThisInstant < instantEventsMax, "time goes on");
    const { owner } = event;
    if (owner === undefined) this.happen(event);
    else owner.node.deliver(event);
    return true;
  }

  /** For nodes: the event's turn has come. */
  happen(event: WorldEvent): void {
    const { owner, kind, detail } = event;
    this.#events += 1;
    this.#hash.event(this.nowMs, owner === undefined ? 0 : owner.node.nameHash, kind, detail);
    this.#onEvent?.(`${this.nowMs} ${owner === undefined ? "-" : owner.node.name} ${kind} ${detail}`);
    this.#acting = owner;
    try {
      event.run();
    } catch (error) {
      if (!(error instanceof ProcessEnd)) throw error;
    } finally {
      this.#acting = undefined;
    }
  }

  unwind(dead: Incarnation): void {
    if (this.#acting === dead) throw new ProcessEnd(`${dead.node.name} has ended`);
  }

  #throwFailure(): void {
    const failure = this.#failure;
    if (failure === undefined) return;
    this.#failure = undefined;
    throw failure.error;
  }
}
