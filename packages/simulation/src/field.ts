/**
 * The field: the hand that faults act through. It counts what several faults do to one part, so that the end of one does not
 * undo another that still lasts: a machine is started when the last fault that stopped it has ended, a direction is free
 * when nobody blocks it any more.
 */
import type { Mode } from "@sixfold/model";
import { DiskFullError } from "@sixfold/ports";
import type { DiskImage, World } from "@sixfold/sim-ports";
import type { SimulatedCluster } from "./simulated-cluster.ts";

export type Stop = "kill" | "crash";

/** Leaving for good: a node does so itself, or the others find that it has gone. */
export type Departure = "by itself" | "struck off";

export class Field {
  readonly world: World;
  readonly servers: readonly string[];
  readonly nodes: readonly string[];
  /** Machines that no operator could bring back in this run: their synced data is damaged, and they said so. */
  readonly lost = new Set<string>();
  private readonly stops = new Map<string, number>();
  private readonly pauses = new Map<string, number>();
  /** Processes that were asked to end and have not yet, with the request. */
  private readonly leaving = new Map<string, object>();
  /** Faults that want a guest in the cluster. */
  private readonly guests = new Map<string, number>();
  private readonly stopCleanly: (name: string) => Promise<void>;
  private readonly depart: (name: string, how: Departure) => Promise<void>;
  private readonly replaceServer: (name: string) => void;
  /** The volume is moved to this mode; nobody may be there to hear it. */
  readonly switchMode: (mode: Mode) => void;
  /** The writer of an exclusive volume is asked to hand over; returns who that is, if there is one. */
  readonly failOver: (to: string) => string | undefined;

  constructor(cluster: SimulatedCluster) {
    const { servers, nodes } = cluster.topology;
    this.world = cluster.world;
    this.servers = servers.map(({ name }) => name);
    this.nodes = nodes.map(({ name }) => name);
    this.stopCleanly = (name) => cluster.stopCleanly(name);
    this.depart = (name, how) => (how === "by itself" ? cluster.retire(name) : cluster.strikeOff(name));
    this.replaceServer = (name) => cluster.replaceServer(name);
    this.switchMode = (mode) => cluster.switchMode(mode);
    this.failOver = (to) => cluster.failOver(to);
  }

  isUp(name: string): boolean {
    return this.world.find(name).isUp;
  }

  stop(name: string, how: Stop): void {
    raise(this.stops, name);
    this.leaving.delete(name);
    if (!this.isUp(name)) return;
    if (how === "kill") this.world.kill(name);
    else this.world.crash(name);
  }

  /** An operator has what a segment server keeps moved to a spare one; refused or not. */
  replace(name: string): void {
    this.replaceServer(name);
  }

  /** The process is asked to end; one that has not when it is to be started again is killed. */
  askToStop(name: string): void {
    raise(this.stops, name);
    this.end(name, () => this.stopCleanly(name));
  }

  /** The node leaves the cluster for good, until somebody starts one of its name. */
  retire(name: string, how: Departure): void {
    raise(this.stops, name);
    this.end(name, () => this.depart(name, how));
  }

  /** A guest joins the cluster. */
  enlist(name: string): void {
    raise(this.guests, name);
    // One that is on its way out goes at once.
    if (this.leaving.delete(name) && this.isUp(name)) this.world.kill(name);
    if (!this.isUp(name)) this.world.restart(name);
  }

  /** Ends one `enlist`. */
  dismiss(name: string, how: Departure): void {
    if (lower(this.guests, name)) return;
    if (this.isUp(name)) this.end(name, () => this.depart(name, how));
    else void this.depart(name, "struck off");
  }

  private end(name: string, ask: () => Promise<void>): void {
    if (!this.isUp(name) || this.leaving.has(name)) return;
    const request = {};
    this.leaving.set(name, request);
    const gone = (): void => {
      if (this.leaving.get(name) !== request) return;
      this.leaving.delete(name);
      if (this.isUp(name)) this.world.kill(name);
    };
    ask().then(gone, (error: unknown) => this.world.fail(error));
  }

  /** Ends one `stop` or `askToStop`. */
  start(name: string): void {
    if (lower(this.stops, name) || this.lost.has(name)) return;
    if (this.leaving.delete(name) && this.isUp(name)) this.world.kill(name);
    if (this.isUp(name)) return;
    this.world.restart(name);
    if ((this.pauses.get(name) ?? 0) > 0) this.world.pause(name);
  }

  /** Off and on again, unless other faults keep it down. */
  bounce(name: string): void {
    this.stop(name, "kill");
    this.start(name);
  }

  /** The machine is gone for the rest of the run. */
  lose(name: string): void {
    this.lost.add(name);
    if (this.isUp(name)) this.world.kill(name);
  }

  pause(name: string): void {
    raise(this.pauses, name);
    if (this.isUp(name)) this.world.pause(name);
  }

  resume(name: string): void {
    if (!lower(this.pauses, name) && this.isUp(name)) this.world.resume(name);
  }

  block(from: string, to: string): void {
    this.world.fabric.block(from, to);
  }

  unblock(from: string, to: string): void {
    this.world.fabric.unblock(from, to);
  }

  /** Every other process, the clients' machine included. */
  others(names: readonly string[]): string[] {
    return this.world.nodes.map((node) => node.name).filter((name) => !names.includes(name));
  }

  /** Nothing passes between the two sides, in either direction. The fabric counts, too. */
  part(names: readonly string[], from: readonly string[] = this.others(names)): void {
    this.world.fabric.partition(names, from);
  }

  join(names: readonly string[], to: readonly string[] = this.others(names)): void {
    this.world.fabric.unpartition(names, to);
  }

  log(name: string): DiskImage {
    return this.world.find(name).disk("log");
  }

  /** Nothing more fits on its disks, or room is made and the process started anew. */
  fill(name: string): void {
    const full = new DiskFullError("no space left on the device");
    this.log(name).failNext(full);
  }
}

function raise(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** True while others still hold it. */
function lower(counts: Map<string, number>, key: string): boolean {
  const left = (counts.get(key) ?? 0) - 1;
  counts.set(key, Math.max(0, left));
  return left > 0;
}
