/**
 * TCP lines between the processes of a cluster, which a test can disturb: every link leads through a small proxy of its own.
 *
 *     writer-1 ──dials──> [ line writer-1 > segment-a1 ] ──> segment-a1
 *
 * What is disturbed is a direction, from one process to another, whoever dialled:
 *
 *     swallow   bytes are taken and forgotten; nobody is told anything. A connection that lost some is never heard again in that
 *               direction, not even when the line is mended, and closing it is not passed on: half-open, as after a power loss
 *     hold      bytes are kept, and go on their way when the line is mended: a partition that heals before TCP gives up
 *     delay     every byte comes so much later, in order
 *
 * `reset` ends connections as a crashed router does: both sides are told.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { Topology } from "@sixfold/cluster";

export type Cut = "swallow" | "hold";

interface Line {
  readonly server: Server;
  readonly url: string;
}

/** The process that a test's clients live in. */
export const CLIENTS = "clients";

export class Lines {
  readonly connections = new Set<Connection>();
  private readonly lines = new Map<string, Line>();
  private readonly cuts = new Map<string, Cut>();
  private readonly delays = new Map<string, number>();

  /** `ClusterOptions.view`: the others as `process` reaches them. */
  readonly view = async (process: string, topology: Topology): Promise<Topology> => {
    const through = <T extends { readonly name: string; readonly url: string }>(to: T): Promise<T> =>
      to.name === process ? Promise.resolve(to) : this.lead(process, to);
    return {
      ...topology,
      servers: await Promise.all(topology.servers.map(through)),
      nodes: await Promise.all(topology.nodes.map(through)),
    };
  };

  /** Addresses of these processes for the test's clients. */
  async forClients(processes: readonly { readonly name: string; readonly url: string }[]): Promise<string[]> {
    return (await Promise.all(processes.map((to) => this.lead(CLIENTS, to)))).map(({ url }) => url);
  }

  /** Disturbs what `from` says to `to`. */
  cut(from: string, to: string, how: Cut): void {
    this.cuts.set(direction(from, to), how);
    for (const connection of this.connections) connection.changed();
  }

  cutBoth(one: string, other: string, how: Cut): void {
    this.cut(one, other, how);
    this.cut(other, one, how);
  }

  delay(from: string, to: string, ms: number): void {
    this.delays.set(direction(from, to), ms);
  }

  /** Everything passes again, but for connections that have lost something. */
  mend(): void {
    this.cuts.clear();
    this.delays.clear();
    for (const connection of this.connections) connection.changed();
  }

  /** Connections between two processes, whoever dialled. */
  between(one: string, other: string): Connection[] {
    return [...this.connections].filter(
      ({ from, to }) => (from === one && to === other) || (from === other && to === one),
    );
  }

  /** Resets all connections of a process. */
  reset(name: string): void {
    for (const connection of this.connections)
      if (connection.from === name || connection.to === name) connection.reset();
  }

  async close(): Promise<void> {
    for (const connection of this.connections) connection.reset();
    const closed = [...this.lines.values()].map(
      ({ server }) => new Promise<void>((resolve) => server.close(() => resolve())),
    );
    await Promise.all(closed);
  }

  cutOf(from: string, to: string): Cut | undefined {
    return this.cuts.get(direction(from, to));
  }

  delayOf(from: string, to: string): number {
    return this.delays.get(direction(from, to)) ?? 0;
  }

  private async lead<T extends { readonly name: string; readonly url: string }>(
    from: string,
    to: T,
  ): Promise<T> {
    const key = direction(from, to.name);
    const line = this.lines.get(key) ?? (await this.lay(from, to.name, Number(new URL(to.url).port)));
    this.lines.set(key, line);
    return { ...to, url: line.url };
  }

  private async lay(from: string, to: string, port: number): Promise<Line> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.connections.add(new Connection(this, from, to, socket, port));
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(0, "127.0.0.1", resolve);
    });
    return { server, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }
}

/** One connection: the dialler's end, the listener's end, a flow each way. */
class Connection {
  readonly from: string;
  readonly to: string;
  private readonly near: Socket;
  private readonly far: Socket;
  private readonly flows: readonly Flow[];
  private openEnds = 2;

  constructor(lines: Lines, from: string, to: string, near: Socket, port: number) {
    this.from = from;
    this.to = to;
    this.near = near;
    this.far = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    for (const socket of [this.near, this.far]) {
      socket.setNoDelay(true);
      socket.on("close", () => {
        if (--this.openEnds === 0) lines.connections.delete(this);
      });
    }
    this.flows = [
      new Flow(lines, from, to, this.near, this.far),
      new Flow(lines, to, from, this.far, this.near),
    ];
  }

  /** Each side has ended it, whether or not the other was told. */
  get isGivenUp(): boolean {
    return [this.near, this.far].every((end) => end.readableEnded || end.destroyed);
  }

  changed(): void {
    for (const flow of this.flows) flow.changed();
  }

  reset(): void {
    for (const flow of this.flows) flow.stop();
    this.near.resetAndDestroy();
    this.far.resetAndDestroy();
  }
}

/** What one process says to another on one connection. */
class Flow {
  private readonly lines: Lines;
  private readonly from: string;
  private readonly to: string;
  private readonly source: Socket;
  private readonly sink: Socket;
  /** Something was swallowed: nothing passes any more. */
  private lost = false;
  private readonly late: { readonly dueMs: number; readonly pass: () => void }[] = [];
  private timer: NodeJS.Timeout | undefined;

  constructor(lines: Lines, from: string, to: string, source: Socket, sink: Socket) {
    this.lines = lines;
    this.from = from;
    this.to = to;
    this.source = source;
    this.sink = sink;
    source.on("data", (bytes) => this.pass(() => this.write(bytes)));
    source.on("end", () => this.pass(() => sink.end()));
    source.on("error", () => undefined);
    source.on("close", (hadError) => this.pass(() => void (hadError ? sink.resetAndDestroy() : sink.end())));
    sink.on("drain", () => this.changed());
    this.changed();
  }

  /** A line was cut or mended, or the sink takes more. */
  changed(): void {
    const isHeld = this.lines.cutOf(this.from, this.to) === "hold";
    if (isHeld || this.sink.writableNeedDrain) this.source.pause();
    else this.source.resume();
  }

  stop(): void {
    this.lost = true;
    clearTimeout(this.timer);
  }

  private pass(what: () => void): void {
    if (this.lines.cutOf(this.from, this.to) === "swallow") this.lost = true;
    if (this.lost) return;
    const delayMs = this.lines.delayOf(this.from, this.to);
    if (delayMs === 0 && this.late.length === 0) return what();
    this.late.push({ dueMs: performance.now() + delayMs, pass: what });
    this.timer ??= setTimeout(() => this.passLate(), delayMs);
  }

  private passLate(): void {
    this.timer = undefined;
    const now = performance.now();
    while (this.late.length > 0 && this.late[0]!.dueMs <= now) this.late.shift()!.pass();
    const next = this.late[0];
    if (next !== undefined) this.timer = setTimeout(() => this.passLate(), next.dueMs - now);
  }

  private write(bytes: Buffer): void {
    if (this.sink.destroyed) return;
    if (!this.sink.write(bytes)) this.source.pause();
  }
}

function direction(from: string, to: string): string {
  return `${from}>${to}`;
}
