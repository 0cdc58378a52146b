/**
 * A segment server on a bench: a log and a page store in memory, with syncs by hand.
 *
 * What is written but not synced is lost by `crash`; what rides on a persist effect is heard only after its sync. The
 * log may be torn behind any block. Records pass through their bytes, as on a disk.
 */
import {
  epoch,
  lsn,
  nodeName,
  NONE,
  OpsWriter,
  pageId,
  pgId,
  ReadPoint,
  streamId,
  transactionId,
  type Decisions,
  type Manifest,
  type PageId,
  type PageUse,
  type PageVersion,
  type Slice,
  type PlantedBug,
  type SegmentEvent,
} from "@sixfold/model";
import {
  decodeRecords,
  encodeRecords,
  encodeSlice,
  type Ack,
  type Append,
  type LogRecord,
  type PageAnswer,
  type StorageMessage,
} from "@sixfold/wire";
import type { SegmentEffect, SegmentSettings } from "../segment-api.ts";
import { LogSkim } from "../log-skim.ts";
import { SegmentServer } from "../segment-server.ts";

export const PG = pgId(0);
export const GEOMETRY = { pageBytes: 4096, segmentBytes: 4096 * 64 * 4 };
/** Nothing is merged, so that every slice stays. */
export const KEEP = { mergeAboveBytes: Number.POSITIVE_INFINITY };
/** And pages are copied from the first peer that has merged past what is here, others heard of or not. */
export const KEEP_AND_COPY = { ...KEEP, gossipMs: 0 };
export const MANIFEST: Manifest = {
  volume: "bench",
  revision: 1,
  epoch: epoch(1),
  mode: "multi",
  nextMode: "multi",
  geometry: GEOMETRY,
  servers: [],
  seats: [],
  nodes: [],
  nextSeats: [],
  pgs: [[]],
  changes: [],
  nextStream: streamId(1),
  streams: [],
  settledThrough: streamId(0),
  outcomes: [],
};

export const v = (stream: number, at: number): PageVersion =>
  stream === 0 ? NONE : { stream: streamId(stream), lsn: lsn(at) };

export interface SliceSpec {
  readonly stream: number;
  readonly lsn: number;
  readonly back?: number;
  /** Page, base: changes. */
  readonly writes?: readonly (readonly [number, PageVersion])[];
  readonly checks?: readonly (readonly [number, PageVersion])[];
  readonly ownBases?: readonly number[];
  readonly transaction?: string;
  readonly pg?: number;
  /** Its changes are of whole pages. */
  readonly whole?: boolean;
}

/** Each change writes its own mark into the page, so that images tell which versions made them. */
export function mark(stream: number, at: number): Uint8Array {
  const ops = new OpsWriter();
  ops.set(((stream * 131 + at) % 400) * 8, Uint8Array.of(stream, at & 255, (at >> 8) & 255));
  ops.set(4000, Uint8Array.of(stream, at & 255, (at >> 8) & 255));
  return ops.finish().slice();
}

function wholePage(stream: number, at: number): Uint8Array {
  const ops = new OpsWriter();
  ops.set(0, new Uint8Array(GEOMETRY.pageBytes).fill(stream * 131 + at));
  return ops.finish();
}

export function slice(s: SliceSpec): Slice {
  const pg = pgId(s.pg ?? 0);
  return encodeSlice({
    stream: streamId(s.stream),
    lsn: lsn(s.lsn),
    pg,
    back: lsn(s.back ?? s.lsn - 1),
    supersedes: lsn(0),
    owned: false,
    epoch: epoch(1),
    pgs: [pg],
    ownBases: (s.ownBases ?? []).map(lsn),
    transaction: transactionId(s.transaction ?? ""),
    deltas: (s.writes ?? []).map(([page, base]) => ({
      page: pageId(page),
      base,
      ops: (s.whole === true ? wholePage : mark)(s.stream, s.lsn),
    })),
    checks: (s.checks ?? []).map(([page, base]) => ({ page: pageId(page), base })),
  });
}

/** Entries 1 … n of a stream, each on the one before, on one page. */
export const chainOf = (stream: number, n: number, page = 1): Slice[] =>
  Array.from({ length: n }, (_, i) =>
    slice({ stream, lsn: i + 1, writes: [[page, i === 0 ? NONE : v(stream, i)]], transaction: `t-${i + 1}` }),
  );

export function decided(
  from: number,
  through: number,
  aborts: readonly number[] = [],
  early: readonly number[] = [],
): Decisions {
  return { from: lsn(from), through: lsn(through), aborts: aborts.map(lsn), earlyAborts: early.map(lsn) };
}

export const point = (...at: readonly (readonly [number, number])[]): ReadPoint =>
  new ReadPoint(
    streamId(0),
    at.map(([s, l]) => [streamId(s), lsn(l)] as const),
  );

export class BenchSegment {
  server: SegmentServer;
  now = 0;
  /** Messages that left, by link, oldest first. */
  readonly heard: { to: number; message: StorageMessage }[] = [];
  readonly refused: string[] = [];
  readonly said: string[] = [];
  readonly trims: number[] = [];
  /** Trace events, in the order in which they were said. */
  readonly steps: SegmentEvent[] = [];
  readonly pages = new Map<PageId, Uint8Array>();
  /** Synced blocks. */
  readonly blocks: { file: number; bytes: Uint8Array }[] = [];
  file = 1;
  autoSync = true;
  /** Else pages are stored by `store`. */
  autoStore = true;
  /** Starts as a driver does; else with every record of the log. */
  skims = true;
  private unsynced: { file: number; bytes: Uint8Array }[] = [];
  private waiting: SegmentEffect[] = [];
  private storing: Extract<SegmentEffect, { kind: "storePages" }>[] = [];
  private readonly name: string;
  private readonly settings: Partial<SegmentSettings>;
  private readonly planted: readonly PlantedBug[];

  constructor(
    o: { name?: string; settings?: Partial<SegmentSettings>; planted?: readonly PlantedBug[] } = {},
  ) {
    this.name = o.name ?? "segment-a1";
    this.settings = { geometry: GEOMETRY, mergeAboveBytes: -1, scrubPassMs: 1, ...o.settings };
    this.planted = o.planted ?? [];
    this.server = this.boot();
  }

  /** Power lost: the machine, what was not synced, and all links are gone. `keep` blocks of the log are left. */
  crash(keep = this.blocks.length): void {
    this.blocks.length = keep;
    this.unsynced = [];
    this.waiting = [];
    this.storing = [];
    this.server = this.boot();
  }

  say(link: number, message: StorageMessage): StorageMessage[] {
    const before = this.heard.length;
    this.server.receive(link, message, this.now);
    this.drain();
    return this.heard.slice(before).map((h) => h.message);
  }

  tick(ms = 20): StorageMessage[] {
    const before = this.heard.length;
    this.now += ms;
    this.server.tick(this.now);
    this.drain();
    return this.heard.slice(before).map((h) => h.message);
  }

  append(slices: readonly Slice[], o: Partial<Append> & { link?: number; of?: number } = {}): Ack[] {
    const stream = slices[0]?.stream ?? streamId(o.of ?? 1);
    const { link, of: _, ...rest } = o;
    const message: Append = {
      type: "append",
      pg: PG,
      stream,
      exclusive: false,
      decisions: decided(0, 0),
      lowWater: point(),
      builtOn: point(),
      slices,
      ...rest,
    };
    return this.say(link ?? stream, message).filter((m) => m.type === "ack");
  }

  decide(stream: number, d: Decisions, o: Partial<Append> = {}): Ack[] {
    return this.append([], { ...o, of: stream, decisions: d });
  }

  /** The vote on a slice as this segment stands to it now. */
  vote(stream: number, at: number): string {
    const [answer] = this.say(stream, {
      type: "askVotes",
      request: 1,
      pg: PG,
      stream: streamId(stream),
      lsns: [lsn(at)],
    });
    if (answer?.type !== "votes") throw new Error("no votes");
    const found = answer.votes[0]?.vote;
    if (found === undefined) return "absent";
    if (found.kind === "wait") return `wait ${found.blocker.stream}:${found.blocker.lsn}`;
    if (found.kind === "reject") return `reject ${found.winner.stream}:${found.winner.lsn}`;
    if (found.kind === "void") return `void ${found.base}`;
    return found.kind;
  }

  read(
    page: number,
    readPoint: ReadPoint,
    need: readonly (readonly [number, number])[] = [],
    closed: readonly number[] = [],
  ): PageAnswer {
    const said = this.say(1, {
      type: "readPage",
      request: 1,
      pg: PG,
      page: pageId(page),
      readPoint,
      need: need.map(([s, l]) => [streamId(s), lsn(l)] as const),
      closed: closed.map(streamId),
    });
    const answer = said.find((m) => m.type === "pageRead");
    if (answer?.type !== "pageRead") throw new Error("no page");
    return answer.answer;
  }

  fence(stream: number, uses: readonly PageUse[] = []): Extract<StorageMessage, { type: "fenced" }> {
    const asked = { pg: PG, stream: streamId(stream), uses };
    const [answer] = this.say(9, { type: "fence", request: 1, ...asked });
    if (answer?.type !== "fenced") throw new Error("not fenced");
    return answer;
  }

  close(stream: number, final: number, tail: number, d: Decisions): boolean {
    const [answer] = this.say(9, {
      type: "close",
      request: 1,
      pg: PG,
      stream: streamId(stream),
      final: lsn(final),
      tail: lsn(tail),
      decisions: d,
    });
    if (answer?.type !== "closed") throw new Error("not closed");
    return answer.complete;
  }

  rotate(): void {
    this.file += 1;
    for (const record of this.server.checkpoint(this.file)) this.write([record], []);
  }

  sync(): void {
    this.blocks.push(...this.unsynced);
    this.unsynced = [];
    const then = this.waiting;
    this.waiting = [];
    for (const effect of then) this.carryOut(effect);
    if (this.server.effects.length > 0) this.drain();
  }

  /** The page store is done with all that it was given. */
  store(): void {
    for (const { pages, token } of this.storing.splice(0)) {
      for (const [page, stored, how] of pages) {
        const before = how === "add" ? this.pages.get(page) : new Uint8Array(0);
        if (before !== undefined) this.pages.set(page, concat([before, stored]));
      }
      this.server.pagesStored(token, this.now);
    }
  }

  drain(): void {
    while (this.server.effects.length > 0)
      for (const effect of this.server.effects.splice(0)) this.carryOut(effect);
  }

  private carryOut(effect: SegmentEffect): void {
    switch (effect.kind) {
      case "persist":
        return this.write(effect.records, effect.then);
      case "send":
        this.heard.push({ to: effect.to, message: effect.message });
        return;
      case "storePages":
        this.storing.push(effect);
        if (this.autoStore) this.store();
        return;
      case "readPages": {
        const ids = this.storedFrom(effect.from).slice(0, effect.limit);
        const pages = ids.map((page) => [page, this.pages.get(page)!.slice()] as const);
        this.server.pagesRead(effect.token, pages, this.now);
        return;
      }
      case "removePages":
        for (const page of effect.pages) this.pages.delete(page);
        return;
      case "trimLog":
        this.trims.push(effect.beforeFile);
        while (this.blocks.length > 0 && this.blocks[0]!.file < effect.beforeFile) this.blocks.shift();
        return;
      case "disconnect":
        this.refused.push(effect.reason);
        return;
      case "trace":
        this.steps.push(effect.event);
        return;
      case "log":
        this.said.push(effect.event);
    }
  }

  private write(records: readonly LogRecord[], then: readonly SegmentEffect[]): void {
    if (records.length > 0) {
      const bytes = encodeRecords(records).map((c) => c.slice());
      this.unsynced.push({ file: this.file, bytes: concat(bytes) });
    }
    this.waiting.push(...then);
    if (this.autoSync) this.sync();
  }

  private storedFrom(from: PageId): PageId[] {
    return [...this.pages.keys()].filter((page) => page >= from).sort((a, b) => a - b);
  }

  private boot(): SegmentServer {
    const server = new SegmentServer({
      name: nodeName(this.name),
      pages: {
        get: (page) => this.pages.get(page)?.slice(),
        tail: (page, bytesMax) => this.pages.get(page)?.slice(-bytesMax),
        pages: (from, limit) => this.storedFrom(from).slice(0, limit),
        count: () => this.pages.size,
      },
      settings: this.settings,
      planted: new Set(this.planted),
      traced: true,
    });
    const skim = new LogSkim();
    for (const { bytes } of this.blocks) skim.see(bytes);
    for (const [n, { bytes, file }] of this.blocks.entries())
      server.recover(this.skims ? skim.records(bytes, n) : decodeRecords(bytes), file);
    server.ready(this.now);
    for (let link = 1; link <= 9; link++)
      server.peerUp({ link, role: "node", name: nodeName(`node-${link}`) }, this.now);
    return server;
  }
}

function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(chunks.reduce((n, c) => n + c.length, 0));
  let at = 0;
  for (const c of chunks) {
    out.set(c, at);
    at += c.length;
  }
  return out;
}
