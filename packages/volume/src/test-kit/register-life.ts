/**
 * A life of the manifest register: proposers that sleep and die, fifteen servers of which six hold the manifest and pass their
 * seats on, messages that are lost, late, or very late. Whatever happens is drawn from the seed. What was seen is judged at the end.
 */
import {
  endMove,
  epoch,
  moveSeats,
  nodeName,
  Random,
  streamId,
  type Manifest,
  type NodeName,
  type PlantedBug,
  type SegmentServerInfo,
} from "@sixfold/model";
import type { StorageMessage } from "@sixfold/wire";
import { ManifestCheck } from "../manifest-check.ts";
import { ManifestRegister, type RegisterResult } from "../manifest-register.ts";
import { Outbox } from "../outbox.ts";
import { DEFAULT_VOLUME_SETTINGS } from "../settings.ts";
import { FakeSeat } from "./fake-seat.ts";
import { GEOMETRY } from "./test-cluster.ts";

const ZONES = ["a", "b", "c"];
/** Five in each zone: two seats, and three spare ones. */
export const MANY_SERVERS: readonly SegmentServerInfo[] = ZONES.flatMap((az) =>
  [1, 2, 3, 4, 5].map((n) => ({ name: nodeName(`${az}${n}`), az, url: `ws://${az}${n}` })),
);
/** Those that leave for ever, of each zone. */
const GONE_MAX = 2;

/** The first value. `volume` holds the names of all changes made, so that a value shows what it follows. */
export function firstManifest(servers: readonly SegmentServerInfo[], seats: readonly NodeName[]): Manifest {
  return {
    volume: "",
    revision: 0,
    epoch: epoch(1),
    mode: "multi",
    nextMode: "multi",
    geometry: GEOMETRY,
    servers,
    seats,
    nodes: [],
    nextSeats: [],
    pgs: [],
    changes: [],
    nextStream: streamId(1),
    streams: [],
    settledThrough: streamId(0),
    outcomes: [],
  };
}

export interface LifeOptions {
  readonly seed: number;
  readonly moves: boolean;
  readonly steps?: number;
  readonly planted?: readonly PlantedBug[];
}

/** An operation that has ended: what stood when it did. */
interface Seen {
  readonly began: number;
  readonly ended: number;
  readonly changed: boolean;
  readonly revision: number;
  /** The changes made up to it; undefined: the manifest check saw none newer. */
  readonly history: readonly string[] | undefined;
}

export interface LifeResult {
  readonly faults: readonly string[];
  readonly changes: number;
  readonly moves: number;
  readonly gone: number;
}

interface Message {
  readonly from: string;
  readonly to: string;
  readonly message: StorageMessage;
}

interface Proposer {
  readonly name: string;
  readonly out: Outbox;
  readonly register: ManifestRegister;
  readonly check: ManifestCheck;
  known: Manifest | undefined;
  busy: { readonly began: number; readonly revision: number } | undefined;
  asleep: boolean;
}

export function liveRegister(options: LifeOptions): LifeResult {
  const life = new Life(options);
  life.run(options.steps ?? 3000);
  return life.judge();
}

class Life {
  private readonly random: Random;
  private readonly moves: boolean;
  private readonly planted: ReadonlySet<PlantedBug>;
  private readonly seats = new Map<NodeName, FakeSeat>();
  private readonly down = new Set<NodeName>();
  private readonly gone = new Set<NodeName>();
  private readonly proposers: Proposer[] = [];
  private wire: Message[] = [];
  private held: Message[] = [];
  private readonly seen: Seen[] = [];
  private readonly faults: string[] = [];
  private clock = 0;
  private now = 0;
  private names = 0;
  private moved = 0;
  private quiet = false;

  constructor({ seed, moves, planted }: LifeOptions) {
    this.random = new Random(seed);
    this.moves = moves;
    this.planted = new Set(planted);
    for (const { name } of MANY_SERVERS) this.seats.set(name, new FakeSeat());
    for (let i = 0; i < 3; i++) this.proposers.push(this.newProposer());
  }

  run(steps: number): void {
    for (let i = 0; i < steps; i++) {
      this.trouble();
      for (const p of this.proposers)
        if (p.busy === undefined && !p.asleep && this.random.chance(0.03)) this.begin(p);
      this.step();
    }
    this.heal();
    this.settle("an operation does not end when all is well again");
    for (const p of this.proposers) this.begin(p, "read");
    this.settle("a last read does not end");
  }

  judge(): LifeResult {
    const { seen, faults } = this;
    const last = seen[seen.length - 1]!;
    const made = seen.filter((s) => s.changed).map((s) => s.revision);
    if (new Set(made).size !== made.length) faults.push("a revision is made twice");
    for (const s of seen) {
      if (s.history === undefined) continue;
      if (s.history.length !== s.revision)
        faults.push(`revision ${s.revision} has ${s.history.length} changes`);
      if (s.history.some((change, i) => change !== last.history![i]))
        faults.push(`revision ${s.revision} is not what the last value follows`);
    }
    for (const a of seen)
      for (const b of seen) {
        if (a.ended >= b.began) continue;
        const inOrder = b.changed ? b.revision > a.revision : b.revision >= a.revision;
        if (!inOrder) faults.push(`revision ${a.revision} was seen before ${b.revision} was asked for`);
      }
    return { faults, changes: made.length, moves: this.moved, gone: this.gone.size };
  }

  private newProposer(): Proposer {
    const name = `p${++this.names}`;
    const out = new Outbox();
    for (const s of MANY_SERVERS) out.linkUp(s.name);
    const register = new ManifestRegister({
      out,
      bootstrap: MANY_SERVERS,
      proposer: name,
      settings: DEFAULT_VOLUME_SETTINGS,
      random: this.random.fork(name),
      planted: this.planted,
      learn: (m) => {
        proposer.known = m;
      },
    });
    const check = new ManifestCheck(out, register.firstSeats, DEFAULT_VOLUME_SETTINGS.askAgainMs);
    const proposer: Proposer = {
      name,
      out,
      register,
      check,
      known: undefined,
      busy: undefined,
      asleep: false,
    };
    return proposer;
  }

  private begin(p: Proposer, only?: "read"): void {
    const { random, now } = this;
    p.busy = { began: ++this.clock, revision: p.known?.revision ?? 0 };
    const { began } = p.busy;
    const done = ({ manifest, changed }: RegisterResult): void => {
      const history = manifest === undefined ? [] : manifest.volume.split(" ");
      this.end(p, { began, changed, revision: manifest?.revision ?? 0, history });
    };
    const kind =
      only ?? random.pick(this.moves ? ["change", "read", "check", "move", "move"] : ["change", "read"]);
    if (kind === "read") p.register.read(done, now);
    else if (kind === "check") p.check.start(p.known, now);
    else {
      const change = `${p.name}/${began}`;
      const next = (m: Manifest | undefined): Manifest => {
        const { firstSeats } = p.register;
        if (m === undefined) return { ...firstManifest(MANY_SERVERS, firstSeats), volume: change };
        const value = { ...m, volume: `${m.volume} ${change}` };
        if (kind === "change") return value;
        return m.nextSeats.length > 0 ? endMove(value) : moveSeats(value, this.otherSeats(m.seats));
      };
      p.register.change(next, done, now);
    }
  }

  private end(p: Proposer, seen: Omit<Seen, "ended">): void {
    p.busy = undefined;
    this.seen.push({ ...seen, ended: ++this.clock });
    if (seen.changed) this.leave(p.known!);
  }

  /** Whoever has lost the seat for certain may go for ever. */
  private leave(m: Manifest): void {
    if (m.nextSeats.length > 0) return;
    for (const { name, az } of MANY_SERVERS) {
      const seat = this.seats.get(name)!;
      const lostIt = seat.accepted !== undefined && !m.seats.includes(name) && !this.gone.has(name);
      const others = [...this.gone].filter((other) => other.startsWith(az));
      if (!lostIt || others.length >= GONE_MAX || this.isWanted(name) || this.quiet) continue;
      this.moved++;
      if (this.random.chance(0.2)) this.gone.add(name);
    }
  }

  /** A newer value, of whoever was faster, may want it again. */
  private isWanted(name: NodeName): boolean {
    const values = [...this.seats.values()].map((s) => s.accepted?.value);
    const late = [...this.wire, ...this.held].map(({ message: m }) =>
      m.type === "manifestAccept" ? m.value : m.type === "manifestPromise" ? m.accepted?.value : undefined,
    );
    const newest = Math.max(0, ...values.map((v) => v?.revision ?? 0));
    return [...values, ...late].some(
      (v) => v !== undefined && v.revision >= newest && [...v.seats, ...v.nextSeats].includes(name),
    );
  }

  /** One seat passes to another server, those of a zone, or all. */
  private otherSeats(seats: readonly NodeName[]): readonly NodeName[] {
    const { random } = this;
    const zones = random.chance(0.6) ? ZONES : [random.pick(ZONES)];
    const to = [...seats];
    for (const az of zones) {
      const free = MANY_SERVERS.filter((s) => s.az === az && !to.includes(s.name) && !this.gone.has(s.name));
      const leaving = to.filter((name) => name.startsWith(az));
      for (const name of leaving.slice(0, zones.length > 1 ? 2 : 1 + random.int(2))) {
        const joining = free.shift();
        if (joining !== undefined) to[to.indexOf(name)] = joining.name;
      }
    }
    return to;
  }

  private trouble(): void {
    const { random, down } = this;
    if (random.chance(0.01)) {
      const server = random.pick(MANY_SERVERS).name;
      if (!down.delete(server) && down.size < 3) down.add(server);
    }
    if (random.chance(0.015)) {
      const p = random.pick(this.proposers);
      p.asleep = !p.asleep && random.chance(0.4);
    }
    if (random.chance(0.004)) this.proposers[random.int(this.proposers.length)] = this.newProposer();
    if (random.chance(0.02)) this.cut(random.pick(this.proposers));
    if (this.held.length > 0 && random.chance(0.02))
      this.wire.push(...this.held.splice(random.int(this.held.length), 1));
  }

  /** From now on this proposer has links to all servers; or to some; or to those alone who hold the manifest by some value that a server has. */
  private cut(p: Proposer): void {
    const { random } = this;
    const kind = random.pick(["all", "some", "old"]);
    const value = this.seats.get(random.pick(MANY_SERVERS).name)?.accepted?.value;
    this.link(p, (name) =>
      kind === "old" && value !== undefined
        ? value.seats.includes(name)
        : kind === "all" || random.chance(0.6),
    );
  }

  private link({ out, register }: Proposer, reaches: (server: NodeName) => boolean): void {
    for (const { name } of MANY_SERVERS) {
      const up = reaches(name);
      if (up === out.isUp(name)) continue;
      if (!up) out.linkDown(name);
      else {
        out.linkUp(name);
        register.serverUp(name);
      }
    }
  }

  private heal(): void {
    this.quiet = true;
    this.wire.push(...this.held.splice(0));
    this.down.clear();
    for (const p of this.proposers) {
      p.asleep = false;
      this.link(p, () => true);
    }
  }

  private settle(fault: string): void {
    for (let i = 0; i < 20_000 && this.proposers.some((p) => p.busy !== undefined); i++) this.step();
    if (this.proposers.some((p) => p.busy !== undefined)) this.faults.push(fault);
  }

  private step(): void {
    const { random, quiet } = this;
    if (random.chance(0.06)) {
      this.now += 1 + random.int(60);
      for (const p of this.proposers) if (!p.asleep) this.tick(p);
    }
    this.drain();
    if (this.wire.length === 0) return;
    const m = this.wire.splice(random.int(this.wire.length), 1)[0]!;
    if (quiet) return this.deliver(m);
    if (random.chance(0.02)) return;
    if (random.chance(0.04)) this.held.push(m);
    else this.deliver(m);
  }

  private tick(p: Proposer): void {
    p.register.tick(this.now);
    const check = p.check.tick(this.now);
    if (check !== undefined) p.register.read(({ manifest }) => p.check.onRead(check, manifest), this.now);
  }

  private drain(): void {
    for (const p of this.proposers) {
      for (const e of p.out.effects) {
        if (e.kind === "send") this.wire.push({ from: p.name, to: e.to, message: e.message });
        if (e.kind !== "manifestChecked" || p.busy === undefined) continue;
        const { began, revision } = p.busy;
        if (e.unchanged) this.end(p, { began, changed: false, revision, history: undefined });
        else p.busy = undefined;
      }
      p.out.effects.length = 0;
    }
  }

  private deliver({ from, to, message }: Message): void {
    const server = nodeName(to);
    const seat = this.seats.get(server);
    if (seat !== undefined) {
      if (this.down.has(server) || this.gone.has(server)) return;
      this.wire.push({ from: to, to: from, message: seat.answer(message)! });
      return;
    }
    const p = this.proposers.find((x) => x.name === to);
    if (p === undefined || p.asleep) return;
    const sender = nodeName(from);
    if (message.type === "manifestPromise") p.register.onPromise(sender, message, this.now);
    if (message.type === "manifestAccepted") p.register.onAccepted(sender, message, this.now);
    if (message.type === "manifestPeeked" && p.check.onPeeked(sender, message))
      p.register.read(() => {}, this.now);
  }
}
