/**
 * The world of scenarios: whole production machines, joined by in-memory links, moved by hand.
 *
 *     six SegmentProcess (SegmentServer + disk)  <──links──>  NodeProcess (DatabaseNode) …
 *
 * Time stands still but for `tick`. A round delivers everything that links hold at its start, then every process ends
 * its turn; `run` makes rounds until nothing is under way. So equal runs are equal to the byte, and which message waits
 * for which is the script's choice: a held direction keeps what is sent into it. Every message passes through its
 * encoding.
 *
 * `tamper` sees each frame before it is put on a link and may change or lose it: planted breaks use it.
 */
import type { Procedure, ProcedureTx } from "@sixfold/database";
import {
  nodeName,
  type Conflicts,
  type Geometry,
  type Mode,
  type PlantedBug,
  type SegmentServerInfo,
  type TraceEvent,
} from "@sixfold/model";
import { Monitor, showViolation } from "@sixfold/protocol";
import {
  decodeFrame,
  encodeMessage,
  volumeTagOf,
  type ClientMessage,
  type Message,
  type StorageMessage,
} from "@sixfold/wire";
import { Links, type Arrival, type Channel, type Direction } from "./links.ts";
import { NODE_TICK_MS, NodeProcess } from "./node-process.ts";
import { ScriptClient } from "./script-client.ts";
import { SEGMENT_TICK_MS, type SegmentIo, SegmentProcess } from "./segment-process.ts";
import { CATEGORIES, showMessage } from "./show-message.ts";
import { Trace } from "./trace.ts";

export interface WorldOptions {
  readonly mode: Mode;
  readonly writers: number;
  readonly replicas?: number;
  readonly conflicts?: Conflicts;
  readonly geometry?: Geometry;
  readonly suspectAfterMs?: number;
  readonly poolPages?: number;
  /** Rules that every process breaks on purpose. */
  readonly planted?: readonly PlantedBug[];
}

export type Tamper = (
  from: string,
  to: string,
  message: StorageMessage,
  channel: Channel,
) => StorageMessage | undefined;

const VOLUME = "scenario";
const TAG = volumeTagOf(VOLUME);
/** In script order: two in each zone. */
export const SEGMENTS = ["a1", "a2", "b1", "b2", "c1", "c2"] as const;
/** 64 pages of 4 KiB a PG: every extent is a PG of its own. */
export const SMALL_PGS: Geometry = { pageBytes: 4096, segmentBytes: 64 * 4096 };
const ONE_PG: Geometry = { pageBytes: 4096, segmentBytes: 4096 * 4096 };
/** More rounds than any scenario needs without new input: beyond, two machines are talking in a circle. */
const ROUNDS_MAX = 500;

export class World {
  readonly trace = new Trace();
  readonly links = new Links();
  readonly segments = new Map<string, SegmentProcess>();
  readonly nodes = new Map<string, NodeProcess>();
  readonly clients = new Map<string, ScriptClient>();
  /** Message types that the trace leaves out. */
  readonly hidden = new Set<string>(CATEGORIES["gossip"]);
  /** Holds every process's steps against the protocol's conditions. */
  readonly monitor = new Monitor();
  tamper: Tamper | undefined;
  now = 0;

  constructor(options: WorldOptions) {
    for (const name of SEGMENTS)
      this.segments.set(name, new SegmentProcess(name, this.ioOf(name), new Set(options.planted)));
    for (const node of nodesOf(options)) this.addNode(node.name, options);
    const all = [...this.nodes.keys(), ...this.segments.keys()];
    for (const [i, a] of all.entries()) for (const b of all.slice(i + 1)) this.links.add(a, b);
  }

  /** Starts every process, connects all, and lets the writers open their streams in their order. */
  boot(): void {
    for (const segment of this.segments.values()) segment.start(this.now);
    this.connectAll([...this.segments.keys()]);
    for (const name of this.nodes.keys()) {
      this.startNode(name);
      this.run();
    }
    // Openings that met each other at the manifest try again after a pause.
    for (let i = 0; i < 100 && !this.isReady; i++) this.tick(NODE_TICK_MS);
    this.tick(20);
  }

  private get isReady(): boolean {
    return [...this.nodes.values()].every((node) => node.machine?.isReady === true);
  }

  // --- time and delivery -----------------------------------------------------------------------

  /** Rounds until nothing is under way but on held directions; or no more than `most`. */
  run(most?: number): void {
    this.endTurns();
    for (let round = 0; round !== most && this.round(); round++)
      if (round > ROUNDS_MAX) throw new Error("the world does not come to rest");
  }

  /** Virtual time passes, in steps of the nodes' tick; after each the world runs, for `most` rounds. */
  tick(ms: number, most?: number): void {
    const end = this.now + ms;
    while (this.now < end) {
      this.now += NODE_TICK_MS;
      for (const node of this.nodes.values()) node.tick(this.now);
      if (this.now % SEGMENT_TICK_MS === 0)
        for (const segment of this.segments.values()) segment.tick(this.now);
      this.run(most);
    }
  }

  /** Delivers the first frame of one direction, held or not, and ends the receiver's turn. */
  deliver(from: string, to: string): void {
    const next = this.direction(from, to).queue.shift();
    if (next === undefined) throw new Error(`nothing is under way from ${from} to ${to}`);
    if (next.kind === "frame") this.traced(from, to, decodeFrame(next.bytes, TAG), next.text, false);
    this.arrive(from, to, next);
    this.endTurns();
  }

  private round(): boolean {
    const batches: [Direction, Arrival[]][] = [];
    for (const direction of this.links.all())
      if (direction.queue.length > 0) batches.push([direction, direction.takeArrivals()]);
    for (const [{ from, to }, arrivals] of batches)
      for (const arrival of arrivals) this.arrive(from, to, arrival);
    this.endTurns();
    return batches.some(([, arrivals]) => arrivals.length > 0);
  }

  private endTurns(): void {
    for (const node of this.nodes.values()) node.flush(this.now);
    for (const segment of this.segments.values()) segment.flush(this.now);
    this.trace.endRound();
  }

  private arrive(from: string, to: string, arrival: Arrival): void {
    const node = this.nodes.get(to);
    const segment = this.segments.get(to);
    const isServer = this.segments.has(from);
    if (arrival.kind === "frame") {
      const message = decodeFrame(arrival.bytes, TAG) as StorageMessage;
      node?.receive(from, arrival.channel, message, this.now);
      segment?.receive(from, message, this.now);
    } else if (arrival.kind === "up") {
      node?.linkUp(from, isServer, this.now);
      segment?.peerUp({ role: isServer ? "segment" : "node", name: from }, this.now);
    } else {
      node?.linkDown(from, isServer, this.now);
      segment?.peerDown(from, this.now);
    }
  }

  // --- faults ---------------------------------------------------------------------------------

  setHeld(from: string, to: string, isHeld: boolean): void {
    const direction = this.direction(from, to);
    if (direction.isHeld === isHeld) return;
    direction.isHeld = isHeld;
    if (isHeld) return;
    for (const arrival of direction.queue)
      if (arrival.kind === "frame")
        this.traced(from, to, decodeFrame(arrival.bytes, TAG), arrival.text, false);
  }

  cut(a: string, b: string): void {
    this.links.disconnect(a, b);
  }

  heal(a: string, b: string): void {
    if (this.isRunning(a) && this.isRunning(b)) this.links.connect(a, b);
  }

  /** What the process had sent is still delivered; what was on its way to it is lost. `power`: unsynced writes are, too. */
  crash(name: string, power?: { readonly tear: boolean }): void {
    const segment = this.segments.get(name);
    if (this.isRunning(name)) this.stepOf(name)({ kind: "died" });
    if (segment !== undefined) {
      if (power === undefined) segment.disk.processCrash();
      else segment.disk.crash(power.tear);
      segment.stop();
    }
    this.nodes.get(name)?.stop();
    for (const other of this.others(name)) this.links.disconnect(name, other, [other]);
    // News of its own links' end reaches nobody: the process is gone.
    for (const other of this.others(name)) this.direction(other, name).queue.length = 0;
  }

  restart(name: string): void {
    const segment = this.segments.get(name);
    if (segment === undefined) return this.startNode(name);
    segment.disk.syncsByItself = true;
    segment.start(this.now);
    this.connectAll([name, ...this.others(name).filter((other) => this.isRunning(other))], name);
  }

  /** What the monitor has found, a line or two each. */
  violations(): string[] {
    return this.monitor.finish().map(showViolation);
  }

  others(name: string): string[] {
    return [...this.nodes.keys(), ...this.segments.keys()].filter((other) => other !== name);
  }

  isRunning(name: string): boolean {
    return this.nodes.get(name)?.isRunning === true || this.segments.get(name)?.isRunning === true;
  }

  direction(from: string, to: string): Direction {
    const found = this.links.direction(from, to);
    if (found === undefined) throw new Error(`no link from ${from} to ${to}`);
    return found;
  }

  // --- processes -------------------------------------------------------------------------------

  private startNode(name: string): void {
    this.nodes.get(name)!.start(this.now);
    this.connectAll([name, ...this.others(name).filter((other) => this.isRunning(other))], name);
  }

  /** Connects these with one another, or only `one` with the rest. */
  private connectAll(names: readonly string[], one?: string): void {
    for (const [i, a] of names.entries())
      for (const b of names.slice(i + 1))
        if (one === undefined || a === one || b === one) this.links.connect(a, b);
  }

  private addNode(name: string, options: WorldOptions): void {
    const client = new ScriptClient(name, (requests) => {
      this.nodes.get(name)!.request(this.throughCodec({ type: "requests", requests }).requests, this.now);
    });
    client.heard = (line) => this.trace.reply(line);
    this.clients.set(name, client);
    const { mode, conflicts, geometry, suspectAfterMs, poolPages } = options;
    const process = new NodeProcess(
      {
        name: nodeName(name),
        role: name.startsWith("writer") ? "writer" : "replica",
        volume: VOLUME,
        mode,
        geometry: geometry ?? ONE_PG,
        conflicts: conflicts ?? "row",
        servers: SEGMENTS.map((segment): SegmentServerInfo => ({
          name: nodeName(segment),
          az: segment[0]!,
          url: `ws://${segment}`,
        })),
        nodes: nodesOf(options),
        procedures: PROCEDURES,
        poolPages: poolPages ?? 1000,
        injectConflicts: 0,
        seed: 1,
        settings: { suspectAfterMs: suspectAfterMs ?? 3000 },
        planted: new Set(options.planted),
      },
      {
        send: (to, channel, message) => this.send(name, to, channel, message as StorageMessage),
        toClient: (message) => client.receive(this.throughCodec(message)),
        say: (line) => this.trace.say(line),
        step: this.stepOf(name),
      },
    );
    this.nodes.set(name, process);
  }

  private ioOf(name: string): SegmentIo {
    return {
      send: (to, message) => this.send(name, to, "storage", message),
      say: (line) => this.trace.say(line),
      step: this.stepOf(name),
    };
  }

  private stepOf(name: string): (event: TraceEvent) => void {
    const process = nodeName(name);
    return (event) => this.monitor.observe({ process, event });
  }

  private send(from: string, to: string, channel: Channel, sent: StorageMessage): void {
    if (!this.links.isConnected(from, to)) return;
    const message = this.tamper === undefined ? sent : this.tamper(from, to, sent, channel);
    if (message === undefined) return;
    const direction = this.direction(from, to);
    const text = showMessage(message);
    direction.queue.push({ kind: "frame", channel, bytes: encodeMessage(message, TAG), text });
    this.traced(from, to, message, text, direction.isHeld);
  }

  private traced(from: string, to: string, message: Message, text: string, isHeld: boolean): void {
    if (!this.hidden.has(message.type)) this.trace.message({ from, to, isHeld, text });
  }

  private throughCodec<M extends ClientMessage>(message: M): M {
    return decodeFrame(encodeMessage(message, 0), 0) as M;
  }
}

function nodesOf({ writers, replicas }: WorldOptions): {
  name: ReturnType<typeof nodeName>;
  role: "writer" | "replica";
  az: string;
  url: string;
}[] {
  const named = (
    name: string,
    role: "writer" | "replica",
    i: number,
  ): ReturnType<typeof nodesOf>[number] => ({
    name: nodeName(name),
    role,
    az: "abc"[i % 3]!,
    url: `ws://${name}`,
  });
  return [
    ...Array.from({ length: writers }, (_, i) => named(`writer-${i + 1}`, "writer", i)),
    ...Array.from({ length: replicas ?? 0 }, (_, i) => named(`replica-${i + 1}`, "replica", writers + i)),
  ];
}

/** Procedures that scripts may `call`. */
const PROCEDURES: ReadonlyMap<string, Procedure> = new Map<string, Procedure>([
  ["transfer", transfer],
  ["add", add],
]);

/** With a receipt, a row of that name tells afterwards whether it was done. `seen`: rows that are only read. */
function transfer(
  tx: ProcedureTx,
  from: string,
  to: string,
  amount: number,
  receipt?: string,
  ...seen: readonly string[]
): number {
  for (const name of seen) tx.get("accounts", name);
  const left = (tx.get<number>("accounts", from) ?? 0) - amount;
  tx.put("accounts", from, left);
  tx.put("accounts", to, (tx.get<number>("accounts", to) ?? 0) + amount);
  if (receipt !== undefined) tx.put("accounts", receipt, 1);
  return left;
}

function add(tx: ProcedureTx, table: string, key: string, amount: number): number {
  const sum = (tx.get<number>(table, key) ?? 0) + amount;
  tx.put(table, key, sum);
  return sum;
}
