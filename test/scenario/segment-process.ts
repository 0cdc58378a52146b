/**
 * One segment server of the world: the production machine on a simulated disk.
 *
 * The driver is the synchronous twin of `SegmentHost` in the cluster package: all persist effects of a turn become one
 * log block, and what rides on them is carried out only after its sync.
 */
import { nodeName, type PlantedBugs, type TraceEvent } from "@sixfold/model";
import { SegmentServer, type SegmentEffect } from "@sixfold/segment";
import type { LogRecord, StorageMessage } from "@sixfold/wire";
import { SegmentDisk } from "./segment-disk.ts";

export interface SegmentIo {
  send(to: string, message: StorageMessage): void;
  say(line: string): void;
  step(event: TraceEvent): void;
}

interface Peer {
  readonly role: "node" | "segment";
  readonly name: string;
}

const LOG_FILE = 1;
/** Like `TICK_MS` of the cluster package. */
export const SEGMENT_TICK_MS = 20;

export class SegmentProcess {
  readonly name: string;
  readonly disk = new SegmentDisk();
  machine: SegmentServer | undefined;
  private readonly io: SegmentIo;
  private readonly planted: PlantedBugs;
  private readonly links = new Map<string, number>();
  private readonly names = new Map<number, string>();
  private nextLink = 1;
  /** Written but not synced. */
  private unsynced: SegmentEffect[] = [];

  constructor(name: string, io: SegmentIo, planted: PlantedBugs) {
    this.name = name;
    this.io = io;
    this.planted = planted;
  }

  get isRunning(): boolean {
    return this.machine !== undefined;
  }

  start(now: number): void {
    const { blocks, tornBytes } = this.disk.reopen();
    if (tornBytes > 0) this.io.say(`${this.name} cuts off a torn block of ${tornBytes} bytes`);
    this.machine = new SegmentServer({
      name: nodeName(this.name),
      pages: this.disk,
      planted: this.planted,
      traced: true,
    });
    for (const records of blocks) this.machine.recover(records, LOG_FILE);
    this.machine.ready(now);
  }

  stop(): void {
    this.machine = undefined;
    this.links.clear();
    this.names.clear();
    this.unsynced = [];
  }

  peerUp(peer: Peer, now: number): void {
    const link = this.nextLink++;
    this.links.set(peer.name, link);
    this.names.set(link, peer.name);
    this.machine?.peerUp({ link, role: peer.role, name: nodeName(peer.name) }, now);
  }

  peerDown(name: string, now: number): void {
    const link = this.links.get(name);
    if (link === undefined) return;
    this.links.delete(name);
    this.names.delete(link);
    this.machine?.peerDown(link, now);
  }

  receive(from: string, message: StorageMessage, now: number): void {
    const link = this.links.get(from);
    if (link !== undefined) this.machine?.receive(link, message, now);
  }

  tick(now: number): void {
    this.machine?.tick(now);
  }

  /** Ends a turn: carries out what the machine wants, and with an automatic sync what that brings about. */
  flush(now: number): void {
    while (this.machine !== undefined && this.machine.effects.length > 0)
      this.carryOut(this.machine.effects.splice(0), now);
  }

  /** Syncs what was written, and says what waited for it. */
  sync(now: number): void {
    const then = this.unsynced;
    this.unsynced = [];
    this.disk.sync();
    if (this.machine === undefined || then.length === 0) return;
    this.carryOut(then, now);
    this.flush(now);
  }

  private carryOut(effects: readonly SegmentEffect[], now: number): void {
    const records: LogRecord[] = [];
    const then: SegmentEffect[] = [];
    for (const effect of effects) {
      if (effect.kind === "persist") {
        records.push(...effect.records);
        then.push(...effect.then);
      } else this.carryOutOne(effect, now);
    }
    if (records.length === 0 && then.length === 0) return;
    if (records.length > 0) this.disk.append(records);
    this.unsynced.push(...then); // without records it still waits for what was written before it
    if (this.disk.syncsByItself || !this.disk.isDirty) this.sync(now);
    else if (records.length > 0) this.io.say(`${this.name} writes, not synced: ${showRecords(records)}`);
  }

  private carryOutOne(effect: Exclude<SegmentEffect, { kind: "persist" }>, now: number): void {
    switch (effect.kind) {
      case "send": {
        const to = this.names.get(effect.to);
        if (to !== undefined) this.io.send(to, effect.message);
        return;
      }
      case "storePages":
        this.disk.putPages(effect.pages);
        this.machine?.pagesStored(effect.token, now);
        return;
      case "readPages":
        return this.machine?.pagesRead(effect.token, this.disk.readPages(effect.from, effect.limit), now);
      case "removePages":
        return this.disk.removePages(effect.pages);
      case "trace":
        return this.io.step(effect.event);
      case "trimLog":
        return; // the world's log is one file
      case "log":
        if (effect.level !== "info")
          this.io.say(`${this.name} says ${effect.event} ${JSON.stringify(effect.fields)}`);
        return;
      case "disconnect":
        throw new Error(
          `${this.name} refuses ${this.names.get(effect.link) ?? "a peer"}: ${effect.code}, ${effect.reason}`,
        );
    }
  }
}

/** `slices s1 3 4, decisions s1, fence s1`. */
export function showRecords(records: readonly LogRecord[]): string {
  return records
    .map((r) => {
      switch (r.kind) {
        case "slices":
          return `slices pg${r.pg} s${r.stream} ${r.slices.map((s) => s.lsn).join(" ")}`;
        case "votes":
        case "decisions":
        case "fence":
        case "close":
          return `${r.kind} pg${r.pg} s${r.stream}`;
        case "outcomes":
        case "newcomer":
        case "left":
          return `${r.kind} pg${r.pg}`;
        case "seat":
        case "checkpoint":
          return r.kind;
      }
    })
    .join(", ");
}
