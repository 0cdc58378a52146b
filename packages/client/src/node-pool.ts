/**
 * The nodes that the client knows, and which of them serves what.
 *
 * Given addresses are dialled at once and again whenever they are lost, with growing pauses. Further nodes that the
 * cluster names are dialled only while no given one can serve what somebody waits for: an address list is a wish to be respected
 * (a client may want one certain writer), and a way to survive if all of it is gone.
 */
import { SixfoldError } from "@sixfold/model";
import { Heartbeat, type Timer } from "@sixfold/ports";
import type { ClientPorts } from "./client-ports.ts";
import type { DeadlineSweep } from "./deadline-sweep.ts";
import { clientClosed } from "./endings.ts";
import { NodeConnection, type ConnectionEvents, type Ending, type Introduction } from "./node-connection.ts";
import type { NodeInfo } from "./options.ts";
import { preference } from "./routing.ts";

/** `any` can read. */
export type Kind = "writer" | "any";

const PAUSE_FIRST_MS = 50;
const PAUSE_MAX_MS = 2000;

/** As the nodes have it (`clientHeartbeatMs`, `clientDeadAfterMs` in `cluster`). */
const HEARTBEAT = { heartbeatMs: 1000, deadAfterMs: 5000 };

interface Address {
  readonly url: string;
  readonly given: boolean;
  connection: NodeConnection | undefined;
  pauseMs: number;
  timer: Timer | undefined;
  /** Attempts that ended, whichever way. */
  settled: boolean;
  refusal: Ending | undefined;
}

interface Wait {
  readonly kind: Kind;
  readonly deadlineMs: number;
  readonly resolve: () => void;
  readonly reject: (error: SixfoldError) => void;
}

export class NodePool implements ConnectionEvents {
  private readonly ports: ClientPorts;
  private readonly introduction: Introduction;
  private readonly deadlines: DeadlineSweep;
  private readonly addresses: Address[];
  private waits: Wait[] = [];
  /** Who may serve; recomputed when anything changes. */
  private serving: Record<Kind, readonly NodeConnection[]> = { writer: [], any: [] };
  private writerNames: readonly string[] = [];
  private turn = 0;
  private readonly heartbeat = new Heartbeat(HEARTBEAT);
  private beatTimer: Timer | undefined;
  private isClosed = false;
  /** Called at every change; set by whoever connects. */
  onSettled: () => void = () => undefined;

  constructor(
    ports: ClientPorts,
    urls: readonly string[],
    introduction: Introduction,
    deadlines: DeadlineSweep,
  ) {
    this.ports = ports;
    this.introduction = introduction;
    this.deadlines = deadlines;
    this.addresses = [...new Set(urls)].map((url) => address(url, true));
    deadlines.add(this);
  }

  dial(): void {
    for (const at of this.addresses) this.connect(at);
  }

  /** True once every given address answered or failed at least once. */
  get allSettled(): boolean {
    return this.addresses.every((at) => at.settled || !at.given);
  }

  /** The last refusal of each given address, if every one refused and none is connected. */
  get refusals(): readonly Ending[] {
    const given = this.addresses.filter((at) => at.given);
    return given.flatMap((at) => (at.refusal === undefined ? [] : [at.refusal]));
  }

  /** A connected node, in turn; the one that the hint prefers, or the next best. */
  pick(kind: Kind, hint?: string | number): NodeConnection | undefined {
    const serving = this.serving[kind];
    if (serving.length <= 1) return serving[0];
    if (hint !== undefined) {
      for (const name of preference(this.writerNames, hint)) {
        const node = serving.find((c) => c.welcome.node === name);
        if (node !== undefined) return node;
      }
    }
    this.turn = (this.turn + 1) % 0x4000_0000;
    return serving[this.turn % serving.length];
  }

  serves(kind: Kind): boolean {
    return this.serving[kind].length > 0;
  }

  named(name: string): NodeConnection | undefined {
    return this.serving.any.find((c) => c.welcome.node === name);
  }

  /** Resolves when there is one to pick; rejects with `unavailable` at the deadline. */
  waitFor(kind: Kind, deadlineMs: number): Promise<void> {
    if (this.isClosed) return Promise.reject(clientClosed());
    if (this.serving[kind].length > 0) return Promise.resolve();
    this.dialOthers();
    return new Promise((resolve, reject) => {
      this.waits.push({ kind, deadlineMs, resolve, reject });
      this.deadlines.arm();
    });
  }

  nodes(): NodeInfo[] {
    const out = new Map<string, NodeInfo>();
    for (const { welcome } of this.serving.any)
      for (const node of welcome.nodes) out.set(node.name, { ...node, connected: false });
    for (const { welcome, url } of this.serving.any)
      out.set(welcome.node, {
        name: welcome.node,
        role: welcome.role,
        az: welcome.az,
        url: out.get(welcome.node)?.url ?? url,
        connected: true,
      });
    return [...out.values()];
  }

  /** The node said that it takes no writes, whatever it said before. */
  refusedWrite(node: NodeConnection): void {
    node.refusesWrites = true;
    this.recompute();
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.beatTimer?.cancel();
    for (const at of this.addresses) {
      at.timer?.cancel();
      at.connection?.close("the client was closed");
    }
    const waits = this.waits;
    this.waits = [];
    for (const wait of waits) wait.reject(clientClosed());
  }

  sweep(now: number): boolean {
    let more = false;
    for (const at of this.addresses) if (at.connection !== undefined) more = at.connection.sweep(now) || more;
    const late = this.waits.filter((wait) => wait.deadlineMs <= now);
    if (late.length > 0) this.waits = this.waits.filter((wait) => wait.deadlineMs > now);
    for (const wait of late) wait.reject(this.unavailable(wait.kind));
    return more || this.waits.length > 0;
  }

  up(connection: NodeConnection): void {
    const at = this.addresses.find((a) => a.connection === connection);
    if (at !== undefined) {
      at.pauseMs = PAUSE_FIRST_MS;
      at.settled = true;
      at.refusal = undefined;
    }
    this.heartbeat.add(connection);
    this.beat();
    this.recompute();
  }

  changed(): void {
    this.recompute();
  }

  down(connection: NodeConnection, ending: Ending): void {
    this.heartbeat.remove(connection);
    const at = this.addresses.find((a) => a.connection === connection);
    if (at === undefined) return;
    at.connection = undefined;
    at.settled = true;
    at.refusal = ending;
    if (!this.isClosed && (at.given || this.waits.length > 0)) this.connectAgain(at);
    this.recompute();
  }

  waiting(): void {
    this.deadlines.arm();
  }

  /** One timer for all connections, while there are any. */
  private beat(): void {
    this.beatTimer?.cancel();
    this.heartbeat.tick(this.ports.clock.nowMs());
    if (this.heartbeat.size > 0 && !this.isClosed)
      this.beatTimer = this.ports.clock.after(HEARTBEAT.heartbeatMs / 2, () => this.beat());
  }

  private connect(at: Address): void {
    at.timer = undefined;
    if (this.isClosed || at.connection !== undefined) return;
    at.connection = new NodeConnection(this.ports, at.url, this.introduction, this);
  }

  /** Full jitter of a doubling pause (half of it at least): clients of a lost node must not come back all at once. */
  private connectAgain(at: Address): void {
    const [random = 0] = this.ports.randomBytes(1);
    const pauseMs = at.pauseMs * (0.5 + random / 512);
    at.pauseMs = Math.min(2 * at.pauseMs, PAUSE_MAX_MS);
    at.timer = this.ports.clock.after(pauseMs, () => this.connect(at));
  }

  private dialOthers(): void {
    for (const at of this.addresses)
      if (!at.given && at.connection === undefined && at.timer === undefined) this.connect(at);
  }

  private recompute(): void {
    this.serving = { writer: this.list("writer"), any: this.list("any") };
    const newest = this.serving.any[this.serving.any.length - 1];
    if (newest !== undefined) {
      const names = new Set(newest.welcome.nodes.filter((n) => n.role === "writer").map((n) => n.name));
      for (const c of this.serving.writer) names.add(c.welcome.node);
      this.writerNames = [...names];
      this.remember(newest);
    }
    const served = this.waits.filter((wait) => this.serving[wait.kind].length > 0);
    if (served.length > 0) this.waits = this.waits.filter((wait) => this.serving[wait.kind].length === 0);
    for (const wait of served) wait.resolve();
    if (this.waits.length > 0) this.dialOthers();
    this.onSettled();
  }

  /** Addresses outlive the connection that told them: they are needed when it is gone. */
  private remember({ welcome }: NodeConnection): void {
    const known = new Set(this.addresses.map((at) => at.url));
    for (const { url } of welcome.nodes)
      if (url !== "" && !known.has(url)) this.addresses.push(address(url, false));
  }

  /** Given nodes if any of them serves, else the others. One connection a node. */
  private list(kind: Kind): NodeConnection[] {
    const names = new Set<string>();
    const able = this.addresses.filter(({ connection: c }) => {
      if (c?.state !== "up") return false;
      if (kind === "writer" && (c.welcome.role !== "writer" || c.welcome.stream === 0 || c.refusesWrites))
        return false;
      return !names.has(c.welcome.node) && names.add(c.welcome.node);
    });
    const given = able.filter((at) => at.given);
    return (given.length > 0 ? given : able).map((at) => at.connection!);
  }

  private unavailable(kind: Kind): SixfoldError {
    const what = kind === "writer" ? "no writer" : "no node";
    const reasons = this.refusals.map((r) => r.reason).join("; ");
    return new SixfoldError("unavailable", `${what} can be reached${reasons === "" ? "" : `: ${reasons}`}`);
  }
}

function address(url: string, given: boolean): Address {
  return {
    url,
    given,
    connection: undefined,
    pauseMs: PAUSE_FIRST_MS,
    timer: undefined,
    settled: false,
    refusal: undefined,
  };
}
