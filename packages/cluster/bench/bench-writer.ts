/**
 * One writer for one segment server: entries of one PG each, in flight up to a bound, acknowledged is committed.
 *
 * It remembers of each page the version and one mark in its image, so that what is read back can be told right from wrong.
 */
import {
  applyOps,
  assert,
  epoch,
  lsn,
  nodeName,
  NONE,
  OpsWriter,
  pageId,
  pgId,
  Random,
  ReadPoint,
  streamId,
  transactionId,
  type Lsn,
  type Manifest,
  type PageId,
  type Slice,
} from "@sixfold/model";
import { NodeClock, WebSocketNetwork } from "@sixfold/node-ports";
import { encodeSlice, type Append, type PageRead } from "@sixfold/wire";
import type { AnyMessage, Channel } from "../src/channel.ts";
import { Dialler } from "../src/dialler.ts";
import { Heartbeats } from "../src/heartbeats.ts";
import { Journal } from "../src/journal.ts";

export const VOLUME = "size";
const PAGE_BYTES = 8192;
/** A page is not quite full: rows take its ends, and a gap in its middle is zero. */
const GAP_BYTES = 600;
const STREAM = streamId(1);
/** As a writer's own bound would be, for one of six. */
const IN_FLIGHT_BYTES = 8 << 20;
const BATCH_BYTES = 256 << 10;

export interface BenchShape {
  readonly pages: number;
  readonly pgs: number;
  readonly silentPgs: number;
}

export interface Updates {
  readonly updates: number;
  readonly bytes: number;
  readonly deltas: number;
  readonly hot: number;
}

interface InFlight {
  readonly pg: number;
  readonly slices: readonly Slice[];
  readonly last: Lsn;
  readonly bytes: number;
}

export class BenchWriter {
  readonly pageBytes = PAGE_BYTES;
  private readonly shape: BenchShape;
  private readonly dialler: Dialler;
  private channel: Channel | undefined;
  private readonly random = new Random(7);
  private readonly pagesPerPg: number;
  /** Last LSN that changed the page; 0 if none did. */
  private readonly versions: Float64Array;
  private readonly images: readonly Uint8Array[];
  /** First byte of the last change of a page and its place. */
  private readonly marks: Uint32Array;
  private next = 1;
  private readonly tails: number[];
  private readonly acked: number[];
  /** By PG, what is to be sent next. */
  private readonly batch = new Map<number, Slice[]>();
  private batchBytes = 0;
  private batchEntries = 0;
  /** By PG, up to where it has been told the decisions. */
  private readonly told: number[];
  private inFlight: InFlight[] = [];
  /** PGs that take nothing at present, and the batch that is to be taken next: one after the other is sent again. */
  private readonly stalled = new Map<number, Lsn>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Appends that were refused, for a while. */
  refused = 0;
  private inFlightBytes = 0;
  private durable = 0;
  private wake: (() => void) | undefined;
  private readonly answers = new Map<number, (read: PageRead) => void>();
  private requests = 0;
  private readonly heartbeats = new Heartbeats({ deadAfterMs: 600_000, clientDeadAfterMs: 600_000 });
  private readonly beat: ReturnType<typeof setInterval>;

  private constructor(url: string, shape: BenchShape, before: BenchWriter | undefined, up: () => void) {
    this.shape = shape;
    const pgs = shape.pgs + shape.silentPgs;
    // A PG is a whole number of extents.
    this.pagesPerPg = Math.ceil(shape.pages / shape.pgs / 64) * 64;
    this.versions = before?.versions ?? new Float64Array(this.pagesPerPg * pgs);
    this.marks = before?.marks ?? new Uint32Array(this.pagesPerPg * pgs);
    this.tails = before?.tails ?? Array.from({ length: pgs }, () => 0);
    this.acked = before?.acked ?? [...this.tails];
    this.told = this.tails.map(() => 0);
    this.next = before?.next ?? 1;
    this.durable = before?.durable ?? 0;
    this.images = [0, 1, 2, 3].map((i) => this.image(i));
    const clock = new NodeClock();
    this.beat = setInterval(() => {
      this.heartbeats.tick(clock.nowMs());
      this.decide();
    }, 100);
    this.dialler = new Dialler({
      clock,
      network: new WebSocketNetwork(),
      identity: {
        role: "node",
        name: before === undefined ? "writer-1" : "writer-2",
        volume: VOLUME,
        token: "",
      },
      url,
      latencyMs: 0,
      journal: new Journal((_, event, fields) => console.error(event, fields)),
      heartbeats: this.heartbeats,
      events: {
        up: (channel) => {
          this.channel = channel;
          // What was on its way on an older link may be lost.
          for (const { pg, slices } of this.inFlight) this.append(pg, slices);
          up();
        },
        message: (_, m) => this.message(m),
        down: () => (this.channel = undefined),
      },
    });
  }

  /** `before`: goes on where that one stopped. */
  static async connect(url: string, shape: BenchShape, before?: BenchWriter): Promise<BenchWriter> {
    const writer = await new Promise<BenchWriter>((resolve) => {
      const made: BenchWriter = new BenchWriter(url, shape, before, () => resolve(made));
    });
    const ballot = { round: 1, proposer: "bench" };
    if (before === undefined)
      writer.say({ type: "manifestAccept", request: 1, ballot, value: writer.manifest() });
    return writer;
  }

  stop(): void {
    clearInterval(this.beat);
    this.dialler.stop();
  }

  /** Writes each page once. */
  async fill(): Promise<void> {
    for (let pg = this.shape.pgs; pg < this.shape.pgs + this.shape.silentPgs; pg++)
      await this.entry(pg, [[pageId(pg * this.pagesPerPg), this.first(pg)]]);
    for (let page = 0; page < this.shape.pages; page++)
      await this.entry(this.pgOf(page), [[pageId(page), this.first(page)]]);
    await this.drained();
  }

  /** Changes pages at random. */
  async update({ updates, bytes, deltas, hot }: Updates): Promise<void> {
    const { random } = this;
    const pages = this.shape.pages;
    const few = Math.max(1, Math.floor(pages / 100));
    for (let i = 0; i < updates; i++) {
      const any = random.next() < hot ? random.int(few) * 100 : random.int(pages);
      const chosen = new Set<number>([Math.min(any, pages - 1)]);
      const pg = this.pgOf([...chosen][0]!);
      // The others of the entry lie in the same PG.
      for (let tries = 1; tries < deltas; tries++) {
        const other = pg * this.pagesPerPg + random.int(this.pagesPerPg);
        if (other < pages) chosen.add(other);
      }
      const changes = [...chosen]
        .sort((a, b) => a - b)
        .map((page) => [pageId(page), this.change(page, bytes)] as const);
      await this.entry(pg, changes);
    }
    await this.drained();
  }

  /** Reads one page at the newest read point. */
  async read(page = 0): Promise<PageRead> {
    const request = ++this.requests;
    const pg = this.pgOf(page);
    const need: [typeof STREAM, Lsn][] = [[STREAM, lsn(this.acked[pg]!)]];
    const read = { pg: pgId(pg), page: pageId(page), readPoint: this.point(), need, closed: [] };
    this.say({ type: "readPage", request, ...read });
    return new Promise((resolve) => this.answers.set(request, resolve));
  }

  /** Reads pages at random; returns how many were not what was written last. */
  async check(reads: number): Promise<number> {
    let wrong = 0;
    for (let i = 0; i < reads; i++) {
      const page = this.random.int(this.shape.pages);
      const { answer } = await this.read(page);
      const mark = this.marks[page]!;
      const isRight =
        answer.kind === "page" &&
        answer.version.lsn === this.versions[page] &&
        answer.image[mark >>> 8] === (mark & 255);
      if (!isRight) wrong += 1;
    }
    return wrong;
  }

  private async entry(pg: number, changes: readonly (readonly [PageId, Uint8Array])[]): Promise<void> {
    const at = lsn(this.next++);
    const slice = encodeSlice({
      stream: STREAM,
      lsn: at,
      pg: pgId(pg),
      back: lsn(this.tails[pg]!),
      supersedes: lsn(0),
      owned: true,
      epoch: epoch(1),
      pgs: [pgId(pg)],
      ownBases: [],
      transaction: transactionId(`1-${at.toString(36).padStart(21, "0")}`),
      deltas: changes.map(([page, ops]) => ({
        page,
        base: this.versions[page] === 0 ? NONE : { stream: STREAM, lsn: lsn(this.versions[page]!) },
        ops,
      })),
      checks: [],
    });
    for (const [page] of changes) this.versions[page] = at;
    this.tails[pg] = at;
    const slices = this.batch.get(pg);
    if (slices === undefined) this.batch.set(pg, [slice]);
    else slices.push(slice);
    this.batchBytes += slice.byteLength;
    // Batches of a busy writer hold some dozens of entries.
    if (++this.batchEntries >= 64 || this.batchBytes >= BATCH_BYTES) this.flush();
    while (this.inFlightBytes > IN_FLIGHT_BYTES) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  private flush(): void {
    for (const [pg, slices] of this.batch) {
      const bytes = slices.reduce((sum, slice) => sum + slice.byteLength, 0);
      this.inFlight.push({ pg, slices, last: slices.at(-1)!.lsn, bytes });
      this.inFlightBytes += bytes;
      if (!this.stalled.has(pg)) this.append(pg, slices);
    }
    this.batch.clear();
    this.batchBytes = 0;
    this.batchEntries = 0;
  }

  /** Decisions alone, to PGs that no batch has brought them. */
  private decide(): void {
    for (const [pg, tail] of this.tails.entries())
      if (this.told[pg]! < Math.min(tail, this.durable)) this.append(pg, []);
  }

  private append(pg: number, slices: readonly Slice[]): void {
    this.told[pg] = this.durable;
    const message: Append = {
      type: "append",
      pg: pgId(pg),
      stream: STREAM,
      exclusive: false,
      decisions: { from: lsn(0), through: lsn(this.durable), aborts: [], earlyAborts: [] },
      lowWater: this.point(),
      builtOn: new ReadPoint(streamId(0)),
      slices,
    };
    this.say(message);
  }

  /** Everything is acknowledged, and every PG knows it. */
  private async drained(): Promise<void> {
    this.flush();
    while (this.inFlight.length > 0) await new Promise<void>((resolve) => (this.wake = resolve));
    this.decide();
    await this.read();
  }

  private message(m: AnyMessage): void {
    if (m.type === "pageRead") {
      this.answers.get(m.request)?.(m);
      this.answers.delete(m.request);
      return;
    }
    if (m.type !== "ack") return;
    assert(m.state !== "fenced" && m.votes.length === 0, "one writer loses nothing");
    this.acked[m.pg] = Math.max(this.acked[m.pg]!, m.scl);
    if (m.state === "full") this.refusedBy(m.pg);
    else if (this.acked[m.pg]! >= (this.stalled.get(m.pg) ?? Infinity)) this.sendFirst(m.pg);
    while (this.inFlight.length > 0 && this.inFlight[0]!.last <= this.acked[this.inFlight[0]!.pg]!) {
      const done = this.inFlight.shift()!;
      this.inFlightBytes -= done.bytes;
      this.durable = Math.max(this.durable, done.last);
    }
    if (this.inFlightBytes <= IN_FLIGHT_BYTES / 2 || this.inFlight.length === 0) {
      this.wake?.();
      this.wake = undefined;
    }
  }

  /** Nothing more goes to the PG but, from time to time, the first batch that was not taken. */
  private refusedBy(pg: number): void {
    this.refused += 1;
    const last = this.inFlight.find((batch) => batch.pg === pg && batch.last > this.acked[pg]!)?.last;
    if (last !== undefined) this.stalled.set(pg, last);
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      for (const stalled of this.stalled.keys()) this.sendFirst(stalled);
    }, 50);
  }

  private sendFirst(pg: number): void {
    const next = this.inFlight.find((batch) => batch.pg === pg && batch.last > this.acked[pg]!);
    if (next === undefined) {
      this.stalled.delete(pg);
      return;
    }
    this.stalled.set(pg, next.last);
    this.append(pg, next.slices);
  }

  private point(): ReadPoint {
    return new ReadPoint(streamId(0), [[STREAM, lsn(this.durable)]]);
  }

  private first(page: number): Uint8Array {
    const ops = new OpsWriter(PAGE_BYTES + 64);
    const image = this.images[page % this.images.length]!;
    const half = (PAGE_BYTES - GAP_BYTES) / 2;
    ops.set(0, image.subarray(0, half));
    ops.set(PAGE_BYTES - half, image.subarray(PAGE_BYTES - half));
    this.marks[page] = image[0]!;
    return ops.finish().slice();
  }

  private change(page: number, bytes: number): Uint8Array {
    const ops = new OpsWriter(bytes + 16);
    const row = new Uint8Array(bytes).fill(1 + this.random.int(255));
    const at = this.random.int((PAGE_BYTES - GAP_BYTES) / 2 - bytes);
    ops.set(at, row);
    this.marks[page] = (at << 8) | row[0]!;
    return ops.finish().slice();
  }

  private image(kind: number): Uint8Array {
    const image = new Uint8Array(PAGE_BYTES);
    for (let i = 0; i < image.length; i++) image[i] = 1 + ((i * 7 + kind * 31) % 255);
    applyOps(image, new Uint8Array(0));
    return image;
  }

  private pgOf(page: number): number {
    return Math.floor(page / this.pagesPerPg);
  }

  private manifest(): Manifest {
    const names = ["a1", "a2", "b1", "b2", "c1", "c2"].map((name) => nodeName(`segment-${name}`));
    return {
      volume: VOLUME,
      revision: 1,
      epoch: epoch(1),
      mode: "multi",
      nextMode: "multi",
      geometry: { pageBytes: PAGE_BYTES, segmentBytes: this.pagesPerPg * PAGE_BYTES },
      servers: names.map((name) => ({ name, az: name.slice(8, 9), url: "ws://127.0.0.1:1" })),
      seats: names,
      nodes: [],
      nextSeats: [],
      changes: [],
      pgs: this.tails.map(() => names),
      nextStream: streamId(2),
      streams: [{ state: "open", id: STREAM, node: nodeName("writer-1"), exclusive: false, epoch: epoch(1) }],
      settledThrough: streamId(0),
      outcomes: [],
    };
  }

  private say(message: AnyMessage): void {
    this.channel?.send(message);
  }
}
