/**
 * The ways that stored pages take between a segment server and its peers, below its machine, which knows only questions and answers.
 *
 *     asked for       by a courier (courier.ts), if the peer's address is known and it did not fail lately; else on the common link
 *     given           to a copier as a cargo, read into memory that is used again once it was sent; to others as messages
 *
 * What a courier fails to have answered is asked on the common link, and so is everything from that peer for a while.
 */
import { pageId, type NodeName, type PageId, type SegmentServerInfo } from "@sixfold/model";
import type { Clock, PagesRead, PageStore } from "@sixfold/ports";
import type { SegmentEffect } from "@sixfold/segment";
import {
  CARGO_HEADER_BYTES,
  packCargo,
  type PulledPages,
  type PullPages,
  type StorageMessage,
} from "@sixfold/wire";
import type { Channel } from "./channel.ts";
import type { Courier, CourierEvents } from "./courier.ts";
import type { Journal } from "./journal.ts";
import { ROOM_BYTES } from "./rooms.ts";

/** Two steps of each of two newcomers; more is rare, and new memory then. */
const ROOMS_KEPT = 4;
const FAILED_MS = 10_000;

export interface PagePathsOptions {
  readonly clock: Clock;
  readonly journal: Journal;
  readonly pages: PageStore;
  readonly volumeTag: number;
  readonly latencyMsTo: (server: SegmentServerInfo) => number;
  /** The server's address, if it is known. */
  readonly server: (name: NodeName) => SegmentServerInfo | undefined;
  /** The common link to it. */
  readonly channel: (name: NodeName) => Channel | undefined;
  readonly courier: (events: CourierEvents) => Courier;
  /** A peer's message has come beside its common link. */
  readonly received: (channel: Channel, message: StorageMessage) => void;
}

export class PagePaths {
  private readonly o: PagePathsOptions;
  private readonly courier: Courier;
  private readonly failedAt = new Map<NodeName, number>();
  /** Free. */
  private readonly rooms: Uint8Array[] = [];
  /** With pages in it. */
  private readonly lent = new WeakMap<ArrayBufferLike, Uint8Array>();
  /** Of answers that a courier brought. */
  private readonly brought = new WeakSet<ArrayBufferLike>();

  constructor(o: PagePathsOptions) {
    this.o = o;
    this.courier = o.courier({
      brought: (peer, answer, { buffer }) => this.came(peer, answer, buffer),
      failed: (peer, questions, reason) => this.failed(peer, questions, reason),
    });
  }

  stop(): void {
    this.courier.stop();
  }

  /** Sends what is asked of or said to this peer on the way that is best for it. */
  send(channel: Channel, message: StorageMessage): void {
    if (message.type === "pulledPages" && message.pages.length > 0) this.give(channel, message);
    else if (message.type !== "pullPages" || !this.ask(channel, message)) channel.send(message);
  }

  /** A message has come on a common link. */
  heard(channel: Channel, message: StorageMessage): void {
    if (message.type === "pulledPages") this.courier.forget(channel.peer!.name as NodeName, message.request);
  }

  /** As many pages as were asked for, or why not. */
  read(
    from: PageId,
    limit: number,
    done: (pages: readonly (readonly [PageId, Uint8Array])[] | Error) => void,
  ): void {
    const room = this.rooms.pop() ?? new Uint8Array(ROOM_BYTES);
    this.lent.set(room.buffer, room);
    const read: PagesRead = (pages) => {
      const isUsed = !(pages instanceof Error) && pages.some(([, stored]) => stored.buffer === room.buffer);
      if (!isUsed) this.free(room.buffer);
      done(pages instanceof Error ? pages : pages.map(([page, stored]) => [pageId(page), stored] as const));
    };
    this.o.pages.read(from, limit, read, room.subarray(CARGO_HEADER_BYTES));
  }

  /** These are stored, and looked at no more. */
  stored(pages: Extract<SegmentEffect, { kind: "storePages" }>["pages"]): void {
    for (const [, { buffer }] of pages) if (this.brought.delete(buffer)) this.courier.giveBack(buffer);
  }

  private give(channel: Channel, answer: PulledPages): void {
    const { buffer } = answer.pages[0]!.stored;
    if (channel.peer?.role !== "copier") {
      channel.send(answer);
      return this.free(buffer);
    }
    const cargo = packCargo(answer, this.o.volumeTag, this.lent.get(buffer));
    channel.sendCargo(cargo, () => this.free(cargo.frame.buffer));
  }

  private free(buffer: ArrayBufferLike): void {
    const room = this.lent.get(buffer);
    if (room === undefined) return;
    this.lent.delete(buffer);
    if (this.rooms.length < ROOMS_KEPT) this.rooms.push(room);
  }

  private ask(channel: Channel, question: PullPages): boolean {
    const name = channel.peer!.name as NodeName;
    const server = this.o.server(name);
    const failedAt = this.failedAt.get(name) ?? Number.NEGATIVE_INFINITY;
    // One page that is to be mended is no bulk, and the peer makes it.
    if (question.mends !== undefined || server === undefined || this.o.clock.nowMs() - failedAt < FAILED_MS)
      return false;
    this.courier.ask({ name, url: server.url, latencyMs: this.o.latencyMsTo(server) }, question);
    return true;
  }

  private came(peer: NodeName, answer: PulledPages, memory: ArrayBufferLike): void {
    const channel = this.o.channel(peer);
    if (channel === undefined) return this.courier.giveBack(memory);
    this.brought.add(memory);
    this.o.received(channel, answer);
  }

  private failed(peer: NodeName, questions: readonly PullPages[], reason: string): void {
    if (questions.length === 0) return;
    this.failedAt.set(peer, this.o.clock.nowMs());
    this.o.journal.count("couriersFailed");
    this.o.journal.say("warn", "courier-failed", { peer, reason, questions: questions.length });
    const channel = this.o.channel(peer);
    for (const question of questions) channel?.send(question);
  }
}
