/**
 * World: a whole network of machines in one thread, with a virtual clock and every choice drawn from one seed.
 *
 * Everything that happens is an event in one agenda: (due time, order of entry). `run` takes the first, moves the clock
 * to it, and lets its node handle it:
 *
 *      agenda ──first due──> is its incarnation alive? ──yes──> is its node paused or busy? ──no──> run it
 *                                  └─ no: it never happens            └─ yes: it waits in the node's backlog
 *
 * After each event the microtasks it started are let settle, so that code with promises runs in the one order that the
 * seed gives. Nothing here knows a real clock or real I/O: code that awaits those would let real time in.
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
import { Agenda } from "@sixfold/ports";
import { quantize } from "./delay.ts";
import { SimFabric, type FabricOptions } from "./sim-fabric.ts";
import { SimNode, type NodeOptions } from "./sim-node.ts";
import type { Timeline, WorldEvent } from "./timeline.ts";
import { TraceHash } from "./trace-hash.ts";

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

export class World implements Timeline {
  readonly seed: number;
  readonly random: Random;
  readonly fabric: SimFabric;
  readonly #agenda = new Agenda<WorldEvent>();
  readonly #nodes = new Map<string, SimNode>();
  readonly #hash = new TraceHash();
  readonly #onEvent: ((line: string) => void) | undefined;
  #nowMs = 0;
  #events = 0;
  #eventsThisInstant = 0;
  #running = false;
  #failure: { error: unknown } | undefined;

  constructor(seed: number, options: WorldOptions = {}) {
    this.seed = seed;
    this.random = new Random(seed);
    this.#onEvent = options.onEvent;
    this.fabric = new SimFabric(this, options.network ?? {});
  }

  /** Virtual milliseconds since the beginning. */
  get nowMs(): number {
    return this.#nowMs;
  }

  get wallMs(): number {
    return Math.floor(epochMs + this.#nowMs);
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

  /** A fault to come, or whatever a test wants to happen then. Runs outside all nodes. */
  at(ms: number, run: () => void): void {
    this.schedule(ms, { owner: undefined, kind: "at", detail: 0, run });
  }

  /** Enters a line of the test's own into the trace. */
  note(text: string): void {
    this.#hash.text(text);
    this.#onEvent?.(`${this.#nowMs} - note ${text}`);
  }

  /** For the simulated ports: `event` happens at `dueMs`, or now if that is over. */
  schedule(dueMs: number, event: WorldEvent): AgendaItem<WorldEvent> {
    return this.#agenda.add(Math.max(this.#nowMs, quantize(dueMs)), event);
  }

  cancel(item: AgendaItem<WorldEvent>): void {
    this.#agenda.cancel(item);
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
    assert(!this.#running, "a world is run by one at a time");
    this.#running = true;
    try {
      await settleMicrotasks();
      if (typeof until === "number") await this.#runTo(until);
      else await this.#runUntil(until, this.#nowMs + limitMs);
    } finally {
      this.#running = false;
    }
  }

  /** `run` without letting microtasks settle: twice as fast, for worlds without promises. */
  runSync(until: number | (() => boolean), limitMs = conditionLimitMs): void {
    const isTime = typeof until === "number";
    const endMs = isTime ? until : this.#nowMs + limitMs;
    while (isTime || !until()) {
      if (this.#step(endMs)) continue;
      if (!isTime) throw this.#never();
      break;
    }
    if (isTime) this.#nowMs = Math.max(this.#nowMs, until);
  }

  async #runTo(untilMs: number): Promise<void> {
    while (this.#step(untilMs)) await settleMicrotasks();
    this.#nowMs = Math.max(this.#nowMs, untilMs);
    this.#throwFailure();
  }

  async #runUntil(condition: () => boolean, endMs: number): Promise<void> {
    while (!condition()) {
      if (!this.#step(endMs)) {
        this.#throwFailure();
        throw this.#never();
      }
      await settleMicrotasks();
    }
    this.#throwFailure();
  }

  #never(): Error {
    const next = this.#agenda.nextDue();
    const why = next === undefined ? "nothing is left to happen" : `the next event is at ${next} ms`;
    return new Error(`the condition does not hold at ${this.#nowMs} ms, and ${why} (seed ${this.seed})`);
  }

  /** One event, if there is one not later than `endMs`. */
  #step(endMs: number): boolean {
    this.#throwFailure();
    const due = this.#agenda.nextDue();
    if (due === undefined || due > endMs) return false;
    this.#eventsThisInstant = due > this.#nowMs ? 0 : this.#eventsThisInstant + 1;
    assert(this.#eventsThisInstant < instantEventsMax, "time goes on");
    this.#nowMs = due;
    const event = this.#agenda.take(due)!;
    const { owner } = event;
    if (owner === undefined) this.happen(event);
    else owner.node.deliver(event);
    return true;
  }

  /** For nodes: the event's turn has come. */
  happen(event: WorldEvent): void {
    const { owner, kind, detail } = event;
    const name = owner === undefined ? "-" : owner.node.name;
    this.#events += 1;
    this.#hash.number(this.#nowMs);
    this.#hash.text(name);
    this.#hash.text(kind);
    this.#hash.word(detail);
    this.#onEvent?.(`${this.#nowMs} ${name} ${kind} ${detail}`);
    event.run();
  }

  #throwFailure(): void {
    const failure = this.#failure;
    if (failure === undefined) return;
    this.#failure = undefined;
    throw failure.error;
  }
}

/** All microtasks, however many start one another, run before the next macrotask: that is the one moment to wait for. */
function settleMicrotasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
