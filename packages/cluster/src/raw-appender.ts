/**
 * The log's own limit: a writer without a database.
 *
 * The same volume machine, ports, batching and syncs as a database node, but entries made of one
 * blind delta each: no engine, no clients' protocol, no feeds. What a benchmark reaches here is the
 * most that any database on this log could commit on the machine.
 */
import {
  lsn,
  NONE,
  OpsWriter,
  ReadPoint,
  RESERVED_PAGES,
  pageId,
  streamId,
  transactionId,
  type Entry,
  type Geometry,
  type NodeName,
  type PageVersion,
  type SegmentServerInfo,
  type StreamId,
  YoungMap,
} from "@sixfold/model";
import type { Clock, Host } from "@sixfold/ports";
import { Volume, type VolumeEffect } from "@sixfold/volume";
import { encodeMessage, volumeTagOf, type StorageMessage } from "@sixfold/wire";
import type { Identity } from "./channel.ts";
import { Dialler } from "./dialler.ts";
import { Heartbeats } from "./heartbeats.ts";
import type { Journal } from "./journal.ts";
import { Turns } from "./turns.ts";

export interface RawAppenderOptions {
  readonly name: NodeName;
  readonly volume: string;
  readonly token: string;
  readonly geometry: Geometry;
  readonly servers: readonly SegmentServerInfo[];
  /** Bytes that each entry writes. */
  readonly recordBytes: number;
  /** Pages that the entries are spread over. */
  readonly pages: number;
}

const TICK_MS = 10;

export class RawAppender {
  /** To segment servers, so far. */
  bytesSent = 0;
  private readonly clock: Clock;
  private readonly volume: Volume;
  private readonly tag: number;
  private readonly heartbeats = new Heartbeats();
  private readonly servers = new Map<NodeName, Dialler>();
  private readonly options: RawAppenderOptions;
  private readonly record: Uint8Array;
  private readonly versions: PageVersion[];
  private readonly waiting = new YoungMap<number, () => void>();
  private readonly applied = new ReadPoint(streamId(0));
  private stream: StreamId | undefined;
  private nextLsn = 1;
  private readonly turns: Turns;
  private readonly death: AbortSignal;
  private stopped = false;
  private opening = false;
  private onOpened: (() => void) | undefined;
  private onClosed: (() => void) | undefined;

  private constructor(host: Host, options: RawAppenderOptions, death: AbortSignal) {
    this.death = death;
    this.clock = host.clock;
    this.turns = new Turns(host.clock, () => this.turn());
    this.options = options;
    this.tag = volumeTagOf(options.volume);
    this.record = new Uint8Array(options.recordBytes).fill(0x61);
    this.versions = Array.from({ length: options.pages }, () => NONE);
    this.volume = new Volume({
      node: options.name,
      volume: options.volume,
      servers: options.servers,
      seed: host.entropy(),
    });
  }

  /**
   * Opens an exclusive stream on a new volume. Once `death` is aborted, for a server has died, it does not open any more,
   * but rejects with the reason, and closes without waiting.
   */
  static async open(
    host: Host,
    options: RawAppenderOptions,
    journal: Journal,
    death: AbortSignal,
  ): Promise<RawAppender> {
    death.throwIfAborted();
    const raw = new RawAppender(host, options, death);
    const opened = new Promise<void>((resolve, reject) => {
      raw.onOpened = resolve;
      death.addEventListener("abort", () => reject(death.reason as Error), { once: true });
    });
    const identity: Identity = {
      role: "node",
      name: options.name,
      volume: options.volume,
      token: options.token,
    };
    for (const server of options.servers) {
      const events = {
        up: () => raw.input((now) => raw.volume.serverUp(server.name, now)),
        message: (_channel: unknown, message: unknown) =>
          raw.input((now) => raw.volume.receive(server.name, message as StorageMessage, now)),
        down: () => raw.input((now) => raw.volume.serverDown(server.name, now)),
      };
      raw.servers.set(
        server.name,
        new Dialler({
          clock: host.clock,
          network: host.network,
          identity,
          url: server.url,
          latencyMs: 0,
          journal,
          heartbeats: raw.heartbeats,
          events,
        }),
      );
    }
    raw.volume.create({ mode: "single", geometry: options.geometry }, raw.clock.nowMs());
    raw.tick();
    await opened.catch((error: unknown) => {
      raw.end();
      throw error;
    });
    return raw;
  }

  /** Appends one record; `done` when it is durable on four of six. */
  append(done: () => void): void {
    const at = lsn(this.nextLsn++);
    this.waiting.set(at, done);
    this.volume.submit(this.entry(at), this.clock.nowMs());
    this.turns.soon();
  }

  /** Closes the stream, unless that takes longer: one whose segments are gone never closes. Then nothing goes on here. */
  async close(limitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      if (this.death.aborted) return resolve();
      const limit = this.clock.after(limitMs, resolve);
      this.onClosed = () => {
        limit.cancel();
        resolve();
      };
      this.death.addEventListener("abort", this.onClosed, { once: true });
      this.input((now) => this.volume.closeOwn(now));
    });
    this.end();
  }

  private end(): void {
    this.stopped = true;
    for (const dialler of this.servers.values()) dialler.stop();
  }

  private entry(at: Entry["lsn"]): Entry {
    const slot = at % this.options.pages;
    const ops = new OpsWriter(this.record.length + 8);
    ops.set((at % 16) * 256, this.record);
    const base = this.versions[slot]!;
    const stream = this.stream!;
    this.versions[slot] = { stream, lsn: at };
    const delta = { page: pageId(RESERVED_PAGES + slot), base, ops: ops.finish() };
    const ownBases = base.stream === stream && base.lsn > this.volume.durable ? [base.lsn] : [];
    return {
      stream,
      lsn: at,
      supersedes: lsn(0),
      transaction: transactionId("1-raw"),
      ownBases,
      deltas: [delta],
      checks: [],
    };
  }

  private input(feed: (now: number) => void): void {
    if (this.stopped) return;
    feed(this.clock.nowMs());
    this.turns.soon();
  }

  private tick(): void {
    if (this.stopped) return;
    this.heartbeats.tick(this.clock.nowMs());
    this.input((now) => this.volume.tick(now));
    this.clock.after(TICK_MS, () => this.tick());
  }

  private turn(): number | undefined {
    this.volume.flush(this.applied, this.applied, this.clock.nowMs());
    for (const effect of this.volume.effects.splice(0)) this.carryOut(effect);
    return this.volume.dueAt;
  }

  private carryOut(effect: VolumeEffect): void {
    switch (effect.kind) {
      case "append":
        return this.sendAppend(effect);
      case "send":
        return this.servers.get(effect.to)?.up?.send(effect.message);
      case "manifest":
        if (!this.opening) this.input((now) => this.volume.openStream(now));
        this.opening = true;
        return;
      case "opened":
        this.stream = effect.stream;
        this.onOpened?.();
        this.onOpened = undefined;
        return;
      case "decided":
        this.waiting.get(effect.lsn)?.();
        this.waiting.delete(effect.lsn);
        return;
      case "durable":
        return this.applied.advance(this.stream!, effect.through);
      case "closed":
        return this.onClosed?.();
      default:
        return;
    }
  }

  private sendAppend({ to, message }: Extract<VolumeEffect, { kind: "append" }>): void {
    const frame = encodeMessage(message, this.tag);
    for (const server of to) this.servers.get(server)?.up?.sendFrame(frame);
    this.bytesSent += frame.length * to.length;
  }
}
