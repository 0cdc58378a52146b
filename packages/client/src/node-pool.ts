/**
 * The nodes that the client knows, and which of them serves what.
 *
 * Given addresses are dialled at once and again whenever they are lost, with growing pauses. Further nodes that the
 * cluster names are dialled while they would serve something that is asked for better than whoever is connected (`serving`): a
 * replica for reads that want one, a node of the client's zone, a writer if no given one is there; with `discover` all of them. A
 * node that owes answers for long is a reason to ask the others, too: a writer that is cut off may not know that it has been replaced.
 */
import { SixfoldError } from "@sixfold/model";
import { Heartbeat, type Timer } from "@sixfold/ports";
import type { ClientPorts } from "./client-ports.ts";
import { ClusterView } from "./cluster-view.ts";
import type { DeadlineSweep } from "./deadline-sweep.ts";
import { clientClosed } from "./endings.ts";
import { NodeConnection, type ConnectionEvents, type Ending, type Introduction } from "./node-connection.ts";
import type { NodeInfo } from "./options.ts";
import { preference } from "./routing.ts";
import { best, NEVER, rank, type Candidate, type Need, type Wishes } from "./serving.ts";

const PAUSE_FIRST_MS = 50;
const PAUSE_MAX_MS = 2000;

/** As the nodes have it (`clientHeartbeatMs`, `clientDeadAfterMs` in `cluster`). */
const HEARTBEAT = { heartbeatMs: 1000, deadAfterMs: 5000 };

/** A node that has owed answers for so long may have been cut off and replaced: others would know. */
const WORRIED_AFTER_MS = 1000;

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
  readonly need: Need;
  readonly deadlineMs: number;
  readonly resolve: () => void;
  readonly reject: (error: SixfoldError) => void;
}

/** A connection that is up. */
interface Able extends Candidate {
  readonly connection: NodeConnection;
}

export class NodePool implements ConnectionEvents {
  private readonly ports: ClientPorts;
  private readonly introduction: Introduction;
  private readonly deadlines: DeadlineSweep;
  private readonly wishes: Wishes;
  private addresses: Address[];
  private readonly view = new ClusterView();
  private waits: Wait[] = [];
  /** What has been asked for so far, and who serves it; recomputed when anything changes. */
  private readonly serving = new Map<Need, readonly NodeConnection[]>();
  /** Every writer that hints may lead to: the same for all clients, whatever their zones. */
  private hinted: readonly NodeConnection[] = [];
  private up_: readonly NodeConnection[] = [];
  private turn = 0;
  private readonly heartbeat = new Heartbeat(HEARTBEAT);
  private beatTimer: Timer | undefined;
  private isClosed = false;
  /** A node does not answer; perhaps others know why. */
  private isWorried = false;
  /** Called at every change; set by whoever connects. */
  onSettled: () => void = () => undefined;

  constructor(
    ports: ClientPorts,
    urls: readonly string[],
    introduction: Introduction,
    deadlines: DeadlineSweep,
    wishes: Wishes,
    needs: readonly Need[],
  ) {
    this.ports = ports;
    this.introduction = introduction;
    this.deadlines = deadlines;
    this.wishes = wishes;
    for (const need of needs) this.serving.set(need, []);
    this.addresses = [...new Set(urls)].map((url) => address(url, true));
    deadlines.add(this);
  }

  dial(): void {
    for (const at of this.addresses) this.connect(at);
  }

  /** True once every given address, and each other one that is wanted, answered or failed at least once. */
  get allSettled(): boolean {
    return this.addresses.every((at) => at.settled || (!at.given && at.connection === undefined));
  }

  /** The last refusal of each given address, if every one refused and none is connected. */
  get refusals(): readonly Ending[] {
    const given = this.addresses.filter((at) => at.given);
    return given.flatMap((at) => (at.refusal === undefined ? [] : [at.refusal]));
  }

  /** The node that the hint prefers, or the next best; without a hint the one that owes fewest answers, in turn. */
  pick(need: Need, hint?: string | number): NodeConnection | undefined {
    const serving = this.servers(need);
    if (hint !== undefined && this.hinted.length > 1) {
      for (const name of preference(this.view.writerNames, hint)) {
        const node = this.hinted.find((c) => c.welcome.node === name);
        if (node !== undefined) return node;
      }
    }
    return this.leastBusy(serving);
  }

  /** None of these: another that serves the need as well, or, for a read, the next best. */
  pickElse(need: Need, except: ReadonlySet<NodeConnection>): NodeConnection | undefined {
    // A writer comes last, and is looked for from the first time on that it is asked for.
    const needs: readonly Need[] = need === "writer" ? ["writer"] : [need, "replica", "any", "writer"];
    for (const next of needs) {
      const others = this.servers(next).filter((connection) => !except.has(connection));
      if (others.length > 0) return this.leastBusy(others);
    }
    return undefined;
  }

  private leastBusy(serving: readonly NodeConnection[]): NodeConnection | undefined {
    if (serving.length <= 1) return serving[0];
    this.turn = (this.turn + 1) % 0x4000_0000;
    let chosen = serving[this.turn % serving.length]!;
    for (let i = 1; i < serving.length && chosen.owed > 0; i++) {
      const other = serving[(this.turn + i) % serving.length]!;
      if (other.owed < chosen.owed) chosen = other;
    }
    return chosen;
  }

  serves(need: Need): boolean {
    return this.servers(need).length > 0;
  }

  named(name: string): NodeConnection | undefined {
    return this.up_.find((c) => c.welcome.node === name);
  }

  /** Whoever writes the stream now: only it can say of a transaction that it shall never come. */
  writerOf(stream: number | undefined): NodeConnection | undefined {
    return stream === undefined ? undefined : this.up_.find((c) => c.welcome.stream === stream);
  }

  /** False if nobody writes the stream, as far as is known. Otherwise whoever does is connected, or being dialled. */
  seekWriterOf(stream: number | undefined): boolean {
    const writer = [...this.view.nodes].find((node) => node.stream !== 0 && node.stream === stream);
    const at = this.addresses.find(({ url }) => url === writer?.url);
    if (at === undefined) return false;
    if (at.connection === undefined && at.timer === undefined) this.connect(at);
    return true;
  }

  /** Resolves when there is one to pick; rejects with `unavailable` at the deadline. */
  waitFor(need: Need, deadlineMs: number): Promise<void> {
    if (this.isClosed) return Promise.reject(clientClosed());
    if (this.serves(need)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.waits.push({ need, deadlineMs, resolve, reject });
      this.dialWanted();
      this.deadlines.arm();
    });
  }

  nodes(): NodeInfo[] {
    const out = new Map<string, NodeInfo>();
    for (const { name, role, az, url, stream, lagMs } of this.view.nodes)
      out.set(name, { name, role, az, url, writes: stream !== 0, lagMs, connected: false });
    for (const { welcome, url } of this.up_) {
      const { node: name, role, az, stream } = welcome;
      const known = out.get(name) ?? { name, role, az, url, writes: stream !== 0, lagMs: 0 };
      out.set(name, { ...known, url: known.url === "" ? url : known.url, connected: true });
    }
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
    this.isWorried = this.up_.some((connection) => connection.silentMs(now) >= WORRIED_AFTER_MS);
    if (this.isWorried) this.dialWanted();
    const late = this.waits.filter((wait) => wait.deadlineMs <= now);
    if (late.length > 0) this.waits = this.waits.filter((wait) => wait.deadlineMs > now);
    for (const wait of late) wait.reject(this.unavailable(wait.need));
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
    if (!this.isClosed) this.connectAgain(at);
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
    at.timer = this.ports.clock.after(pauseMs, () => {
      at.timer = undefined;
      if (at.given) this.connect(at);
      else this.dialWanted();
    });
  }

  private servers(need: Need): readonly NodeConnection[] {
    const serving = this.serving.get(need);
    if (serving !== undefined) return serving;
    // Asked for the first time: from now on looked after.
    this.serving.set(need, []);
    this.recompute();
    return this.serving.get(need)!;
  }

  private recompute(): void {
    this.up_ = this.connected();
    this.view.update(this.up_);
    this.depose();
    const able = this.addresses.filter((at) => this.up_.includes(at.connection!)).map((at) => this.able(at));
    for (const need of this.serving.keys())
      this.serving.set(
        need,
        best(need, able, this.wishes).map((a) => a.connection),
      );
    this.hinted = best("writer", able, { ...this.wishes, az: undefined }).map((a) => a.connection);
    this.remember();
    const served = this.waits.filter((wait) => this.serves(wait.need));
    if (served.length > 0) this.waits = this.waits.filter((wait) => !served.includes(wait));
    for (const wait of served) wait.resolve();
    this.dialWanted();
    this.onSettled();
  }

  /** Connections that are up, one a node. */
  private connected(): NodeConnection[] {
    const byNode = new Map<string, NodeConnection>();
    for (const { connection: c } of this.addresses)
      if (c?.state === "up" && !byNode.has(c.welcome.node)) byNode.set(c.welcome.node, c);
    return [...byNode.values()];
  }

  /** What was to be committed in a stream that is closed is decided by its recovery, and others know how. */
  private depose(): void {
    for (const connection of this.up_) {
      if (connection.isDeposed || !ClusterView.isDeposed(connection, this.up_)) continue;
      connection.isDeposed = true;
      connection.giveUp("its stream was closed by a recovery");
    }
  }

  private able({ given, connection }: Address): Able {
    const { welcome, rttMs, refusesWrites, isDeposed } = connection!;
    const { az, stream } = welcome;
    const { ready = true, lagMs = 0 } = this.view.node(welcome.node) ?? {};
    const node = { az, stream: isDeposed ? 0 : stream, ready: ready && !isDeposed, lagMs };
    return { connection: connection!, given, node, rttMs, refusesWrites };
  }

  /** Addresses outlive the connection that told them: they are needed when it is gone. Those of nodes that have left are forgotten. */
  private remember(): void {
    const named = new Set<string>();
    for (const { url } of this.view.nodes) if (url !== "") named.add(url);
    if (named.size === 0) return;
    const known = new Set(this.addresses.map((at) => at.url));
    for (const url of named) if (!known.has(url)) this.addresses.push(address(url, false));
    const stays = (at: Address): boolean => at.given || at.connection !== undefined || named.has(at.url);
    for (const at of this.addresses) if (!stays(at)) at.timer?.cancel();
    this.addresses = this.addresses.filter(stays);
  }

  /** Dials those that would serve what is asked for better than whoever does now. */
  private dialWanted(): void {
    const byUrl = new Map([...this.view.nodes].map((node) => [node.url, node]));
    const all = this.addresses.map((at) => ({ at, candidate: this.hoped(at, byUrl.get(at.url)) }));
    const lowest = (need: Need): number => {
      const ranks = all
        .filter(({ at }) => at.connection?.state === "up")
        .map(({ candidate }) => rank(need, candidate, this.wishes));
      return Math.min(NEVER, ...ranks);
    };
    const now = [...this.serving.keys()].map((need) => ({ need, rank: lowest(need) }));
    for (const { at, candidate } of all) {
      if (at.given || at.connection !== undefined || at.timer !== undefined) continue;
      const isBetter = now.some(
        (served) => rank(served.need, candidate, this.wishes) < served.rank || served.rank === NEVER,
      );
      if (isBetter || this.wishes.discover || this.isWorried) this.connect(at);
    }
  }

  private hoped(at: Address, node: Candidate["node"]): Candidate {
    if (at.connection?.state === "up") return this.able(at);
    return { given: at.given, node, refusesWrites: false, rttMs: undefined };
  }

  private unavailable(need: Need): SixfoldError {
    const what = need === "writer" ? "no writer" : "no node";
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
