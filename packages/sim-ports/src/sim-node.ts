/**
 * SimNode: one simulated machine. It outlives its incarnations, which are what a process is: they hold the
 * ports, and everything they had under way dies with them. Disks belong to the machine.
 *
 *    start ──> up ──kill / crash──> down ──start──> up (a new incarnation on the same disks)
 *               └──pause──> paused ──resume──┘
 */
import { assert, type Random } from "@sixfold/model";
import type { Disk, Host, PageStore } from "@sixfold/ports";
import type { Delay } from "./delay.ts";
import { syncDelay } from "./delay.ts";
import type { DeviceOptions } from "./device.ts";
import { DiskImage } from "./disk-image.ts";
import { LocalTime, SimClock } from "./sim-clock.ts";
import { SimDisk } from "./sim-disk.ts";
import type { SimFabric } from "./sim-fabric.ts";
import { SimNetwork } from "./sim-network.ts";
import { PageStoreImage, SimPageStore } from "./sim-page-store.ts";
import type { Boundary, Incarnation, Machine, Timeline, WorldEvent } from "./timeline.ts";
import { hashText } from "./trace-hash.ts";

export interface NodeOptions {
  /** Nodes of one AZ are near one another. Default: each node in its own. */
  readonly az?: string;
  /** Runs at each start: the program of this machine. A rejection ends the world's run. */
  readonly boot?: (host: Host) => void | Promise<void>;
  /** What this node's wall clock is ahead of the world's. */
  readonly wallAheadMs?: number;
  /** How much faster both its clocks run, in millionths. */
  readonly driftPpm?: number;
  /** What handling one event costs: until then the next one waits. 0 = infinitely fast. */
  readonly eventCostMs?: number;
  readonly sync?: Delay;
  /** Room on each disk. Default 1 GiB. */
  readonly diskBytes?: number;
}

/** Where a process is to end: at the `count`-th such boundary from now on (1 = the next), and how. */
export interface CrashPoint {
  readonly boundary: Boundary;
  readonly count: number;
  readonly how: "crash" | "kill";
}

interface CrashPlan {
  readonly point: CrashPoint;
  left: number;
  readonly then: (() => void) | undefined;
}

const diskBytesDefault = 1 << 30;

export class SimNode implements Machine {
  readonly #world: Timeline;
  readonly #fabric: SimFabric;
  readonly name: string;
  readonly nameHash: number;
  readonly az: string;
  /** What its clocks show; its drift and its wall clock may be changed while it runs. */
  readonly time: LocalTime;
  readonly random: Random;
  /** What handling one event costs; may be changed while it runs. */
  eventCostMs: number;
  readonly #options: NodeOptions;
  readonly #disks = new Map<string, DiskImage>();
  readonly #pageStores = new Map<string, PageStoreImage>();
  readonly #backlog: WorldEvent[] = [];
  #crashPlan: CrashPlan | undefined;
  #incarnation: Incarnation | undefined;
  #host: Host | undefined;
  #paused = false;
  #busyUntilMs = 0;
  #wakeAtMs = -1;
  /** Machine without power, not only without process: its peers hear nothing from it. */
  #dark = false;

  constructor(world: Timeline, fabric: SimFabric, name: string, options: NodeOptions) {
    this.#world = world;
    this.#fabric = fabric;
    this.name = name;
    this.nameHash = hashText(name);
    this.az = options.az ?? name;
    const { wallAheadMs = 0, driftPpm = 0 } = options;
    this.time = new LocalTime(world, { wallAheadMs, driftPpm });
    this.eventCostMs = options.eventCostMs ?? 0;
    this.random = world.random.fork(name);
    this.#options = options;
  }

  get isUp(): boolean {
    return this.#incarnation !== undefined;
  }

  get isDark(): boolean {
    return this.#dark;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /** The ports of the present incarnation; the node must be up. */
  get host(): Host {
    assert(this.#host !== undefined, `${this.name} is up`);
    return this.#host;
  }

  /** For faults and for looking at what a crash left. */
  disk(name: string): DiskImage {
    let image = this.#disks.get(name);
    if (image === undefined) {
      image = new DiskImage(this.#device(`disk ${name}`));
      this.#disks.set(name, image);
    }
    return image;
  }

  /** For faults and for looking at what a crash left. */
  pageStore(name: string): PageStoreImage {
    let image = this.#pageStores.get(name);
    if (image === undefined) {
      image = new PageStoreImage(this.#device(`pages ${name}`));
      this.#pageStores.set(name, image);
    }
    return image;
  }

  #device(name: string): DeviceOptions {
    const { sync = syncDelay, diskBytes = diskBytesDefault } = this.#options;
    return { world: this.#world, random: this.random.fork(name), sync, capacity: diskBytes };
  }

  start(): Host {
    assert(this.#incarnation === undefined, `${this.name} is down`);
    const incarnation: Incarnation = { node: this, alive: true };
    this.#incarnation = incarnation;
    this.#dark = false;
    this.#paused = false;
    this.#busyUntilMs = 0;
    this.#fabric.restarted(this);
    const host = this.#makeHost(incarnation);
    this.#host = host;
    const { boot } = this.#options;
    if (boot !== undefined) {
      const run = (): void => {
        const booted = boot(host);
        if (booted !== undefined)
          booted.catch((error: unknown) => incarnation.alive && this.#world.fail(error));
      };
      this.#world.schedule(this.#world.nowMs, { owner: incarnation, kind: "boot", detail: 0, run });
    }
    return host;
  }

  /**
   * Power loss. Synced bytes stay; of every other write each sector is old or new, as the seed has it. Peers are not
   * told: their links break when they time out, or when the restarted machine answers with a reset. `isFlushed`: what it
   * had sent has left, though it takes time on the line.
   */
  crash(isFlushed = false): void {
    this.#end("crash");
    this.#dark = true;
    for (const image of this.#disks.values()) image.powerLoss();
    this.#fabric.died(this, isFlushed ? "spoke" : "dark");
  }

  /**
   * The process is gone, the machine is not: what was written is still to be read, though not yet safe from a later
   * power loss, and the machine resets the process's links.
   */
  kill(): void {
    this.#end("kill");
    for (const image of this.#disks.values()) image.processEnd();
    this.#fabric.died(this, "reset");
  }

  /**
   * Ends the process in the middle of what it does, at the point given; `then` is called after that, outside all nodes.
   * One point at a time, the last one given; it outlasts other ends of the process.
   */
  crashAt(point: CrashPoint, then?: () => void): void {
    assert(point.count >= 1, "boundaries are counted from 1");
    this.#crashPlan = { point, left: point.count, then };
  }

  cancelCrashAt(): void {
    this.#crashPlan = undefined;
  }

  /** For the ports: its process is at a boundary; true if it has just ended there. */
  endsAt(boundary: Boundary): boolean {
    const plan = this.#crashPlan;
    if (plan === undefined || plan.point.boundary !== boundary) return false;
    plan.left -= 1;
    if (plan.left > 0) return false;
    this.#crashPlan = undefined;
    this.#world.note(`${boundary} ${plan.point.count}`);
    if (plan.point.how === "kill") this.kill();
    else this.crash(boundary === "before-send" || boundary === "after-send");
    const { then } = plan;
    if (then !== undefined)
      this.#world.schedule(this.#world.nowMs, { owner: undefined, kind: "ended", detail: 0, run: then });
    return true;
  }

  #end(how: string): void {
    assert(this.#incarnation !== undefined, `${this.name} is up`);
    this.#world.note(`${how} ${this.name}`);
    this.#incarnation.alive = false;
    this.#incarnation = undefined;
    this.#host = undefined;
    this.#paused = false;
    this.#backlog.length = 0;
    for (const image of this.#pageStores.values()) image.processEnd();
  }

  pause(): void {
    assert(this.isUp, `${this.name} is up`);
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#wake(this.#world.nowMs);
  }

  /** For the world: an event of one of this node's incarnations is due. */
  deliver(event: WorldEvent): void {
    if (event.owner?.alive !== true) return;
    const busy = this.#busyUntilMs > this.#world.nowMs;
    if (this.#paused || busy || this.#backlog.length > 0) {
      this.#backlog.push(event);
      if (!this.#paused) this.#wake(this.#busyUntilMs);
      return;
    }
    this.#handle(event);
  }

  #handle(event: WorldEvent): void {
    if (this.eventCostMs > 0) this.#busyUntilMs = this.#world.nowMs + this.eventCostMs;
    this.#world.happen(event);
  }

  /** Looks into the backlog at that time, once. */
  #wake(atMs: number): void {
    if (this.#wakeAtMs >= this.#world.nowMs && this.#wakeAtMs <= atMs) return;
    this.#wakeAtMs = Math.max(atMs, this.#world.nowMs);
    const run = (): void => {
      this.#wakeAtMs = -1;
      this.#work();
    };
    this.#world.schedule(this.#wakeAtMs, { owner: undefined, kind: "wake", detail: 0, run });
  }

  /** Handles one waiting event; the world then gets its turn before the next. */
  #work(): void {
    if (this.#paused || this.#backlog.length === 0) return;
    if (this.#busyUntilMs > this.#world.nowMs) {
      this.#wake(this.#busyUntilMs);
      return;
    }
    const event = this.#backlog.shift()!;
    if (event.owner?.alive === true) this.#handle(event);
    if (this.#backlog.length > 0 && !this.#paused) this.#wake(Math.max(this.#busyUntilMs, this.#world.nowMs));
  }

  #makeHost(incarnation: Incarnation): Host {
    const random = this.random.fork("incarnation");
    return {
      name: this.name,
      clock: new SimClock(this.#world, incarnation, this.time),
      network: new SimNetwork(this.#world, this.#fabric, incarnation),
      openDisk: (name: string): Promise<Disk> =>
        Promise.resolve(new SimDisk(this.#world, incarnation, this.disk(name))),
      openPageStore: (name: string): Promise<PageStore> =>
        Promise.resolve(new SimPageStore(this.#world, incarnation, this.pageStore(name))),
      entropy: () => random.u32(),
    };
  }
}
