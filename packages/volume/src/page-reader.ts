/**
 * Reads pages from segments: one good segment is asked, the next after a few milliseconds (DESIGN section 4, "Read").
 *
 * No quorum: `need` says how far a segment must be to answer (I8), and one that is not says
 * `behind`. With three of six out of reach reading goes on (I7). Of the own stream the writer knows
 * from acks which segments are far enough; of these come first who answer in time (read-pulse.ts), then those in the own zone;
 * others take turns.
 */
import {
  pgOf,
  type Manifest,
  type NodeName,
  type PageId,
  type PgId,
  type PlantedBugs,
  type ReadPoint,
  type StreamId,
  streamState,
  YoungMap,
  YoungSet,
} from "@sixfold/model";
import type { PageRead } from "@sixfold/wire";
import type { Outbox } from "./outbox.ts";
import { ReadPulse } from "./read-pulse.ts";
import type { VolumeSettings } from "./settings.ts";
import type { StreamWriter } from "./stream-writer.ts";
import type { TailHistory } from "./tails.ts";
import type { ReadAnswer } from "./volume-api.ts";

interface Reading {
  readonly page: PageId;
  readonly readPoint: ReadPoint;
  readonly since: number;
  /** Bit per member asked in this round; all asked and none good: the round ends, and another begins a little later. */
  asked: number;
  /** Asked and not yet answered. */
  open: number;
  askedAt: number;
  /** Who was asked last. */
  askedOf: NodeName | undefined;
  readonly requests: number[];
}

/** A reading's question to one segment. */
interface Question {
  readonly reading: Reading;
  readonly server: NodeName;
  readonly at: number;
}

export class PageReader {
  private readonly out: Outbox;
  private readonly settings: VolumeSettings;
  private readonly tails: TailHistory;
  private readonly az: string | undefined;
  private readonly asksForNothing: boolean;
  private manifest: Manifest | undefined;
  private readonly byRequest = new YoungMap<number, Question>();
  private readonly readings = new YoungSet<Reading>();
  private readonly pulse: ReadPulse;
  private turn = 0;
  reads = 0;
  hedges = 0;
  behinds = 0;

  constructor(o: {
    readonly out: Outbox;
    readonly settings: VolumeSettings;
    readonly tails: TailHistory;
    readonly az: string | undefined;
    readonly planted: PlantedBugs;
  }) {
    this.out = o.out;
    this.settings = o.settings;
    this.tails = o.tails;
    this.az = o.az;
    this.pulse = new ReadPulse(o.settings.hedgeAfterMs, o.settings.readAvoidMs);
    this.asksForNothing = o.planted.has("need-not-told");
  }

  get waiting(): number {
    return this.readings.size;
  }

  learnManifest(manifest: Manifest): void {
    this.manifest = manifest;
  }

  /** `true` if the page's PG is in the manifest; else nothing is done, and the caller reads the manifest first. */
  read(page: PageId, readPoint: ReadPoint, writer: StreamWriter | undefined, now: number): boolean {
    const m = this.manifest;
    if (m === undefined || pgOf(m.geometry, page) >= m.pgs.length) return false;
    this.reads++;
    const reading: Reading = {
      page,
      readPoint,
      since: now,
      asked: 0,
      open: 0,
      askedAt: now,
      askedOf: undefined,
      requests: [],
    };
    this.readings.add(reading);
    this.askNext(reading, writer, now);
    return true;
  }

  /** The PG does not exist: the page was never written. */
  answerEmpty(page: PageId, readPoint: ReadPoint): void {
    this.out.effects.push({ kind: "page", page, readPoint, answer: { kind: "empty" } });
  }

  onPageRead(m: PageRead, writer: StreamWriter | undefined, now: number): void {
    const question = this.byRequest.get(m.request);
    if (question === undefined) return;
    this.byRequest.delete(m.request);
    const { reading, server, at } = question;
    this.pulse.answered(server, now - at, now);
    reading.open--;
    const { answer } = m;
    if (answer.kind === "page" || answer.kind === "empty" || answer.kind === "too-old")
      return this.finish(reading, answer);
    this.behinds++;
    if (reading.open === 0) this.askNext(reading, writer, now);
  }

  tick(writer: StreamWriter | undefined, now: number): void {
    if (this.readings.size === 0) return;
    this.pulse.tick((server) => this.out.isUp(server));
    for (const reading of this.readings) {
      if (now - reading.since >= this.settings.readTimeoutMs) {
        this.finish(reading, { kind: "unavailable" });
        continue;
      }
      const waited = now - reading.askedAt;
      const isLate = reading.open > 0 && waited >= this.pulse.hedgeMs;
      if (isLate && reading.askedOf !== undefined) this.pulse.late(reading.askedOf, now);
      if (isLate && this.askNext(reading, writer, now)) this.hedges++;
      else if (waited >= this.settings.readRetryMs) {
        // Everyone was asked: begin anew. Late answers to the old questions still count.
        reading.asked = 0;
        this.askNext(reading, writer, now);
      }
    }
  }

  private finish(reading: Reading, answer: ReadAnswer): void {
    for (const request of reading.requests) this.byRequest.delete(request);
    this.readings.delete(reading);
    this.out.effects.push({ kind: "page", page: reading.page, readPoint: reading.readPoint, answer });
  }

  private askNext(reading: Reading, writer: StreamWriter | undefined, now: number): boolean {
    const m = this.manifest!;
    const pg = pgOf(m.geometry, reading.page);
    const need = this.asksForNothing ? [] : this.tails.need(pg, reading.readPoint);
    const member = this.choose(m, pg, need, reading.asked, writer, now);
    if (member < 0) return false;
    reading.asked |= 1 << member;
    reading.open++;
    reading.askedAt = now;
    const request = this.out.nextRequest();
    reading.requests.push(request);
    const server = m.pgs[pg]![member]!;
    this.byRequest.set(request, { reading, server, at: now });
    this.pulse.asked(server, now);
    reading.askedOf = server;
    this.out.send(server, {
      type: "readPage",
      request,
      pg,
      page: reading.page,
      readPoint: reading.readPoint,
      need,
      closed: closedOf(m, need),
    });
    return true;
  }

  /**
   * The best member not yet asked: with a link, not known to be too far behind, answering in time, in the own zone; else in turn. -1 if
   * all were asked.
   */
  private choose(
    m: Manifest,
    pg: PgId,
    need: readonly (readonly [StreamId, number])[],
    asked: number,
    writer: StreamWriter | undefined,
    now: number,
  ): number {
    const members = m.pgs[pg]!;
    const progress = writer?.pgs.get(pg);
    const own = writer === undefined ? 0 : (need.find(([stream]) => stream === writer.stream)?.[1] ?? 0);
    let best = -1;
    let bestScore = -1;
    this.turn = (this.turn + 1) % members.length;
    for (let k = 0; k < members.length; k++) {
      const i = (this.turn + k) % members.length;
      if ((asked & (1 << i)) !== 0 || !this.out.isUp(members[i]!)) continue;
      let score = 0;
      if (progress === undefined || (progress.scl[i]! >= own && progress.decidedThrough[i]! >= own))
        score += 4;
      if (!this.pulse.isAvoided(members[i]!, now)) score += 2;
      if (this.az !== undefined && this.zoneOf(m, members[i]!) === this.az) score += 1;
      if (score > bestScore) {
        best = i;
        bestScore = score;
      }
    }
    return best;
  }

  /** Read answers by server, for people. */
  standings(): ReturnType<ReadPulse["standings"]> {
    return this.pulse.standings();
  }

  private zoneOf(m: Manifest, server: NodeName): string | undefined {
    return m.servers.find((s) => s.name === server)?.az;
  }
}

/** Of the streams that a reader needs something of, those that the manifest has as closed. */
const closedOf = (m: Manifest, need: readonly (readonly [StreamId, number])[]): StreamId[] =>
  need.flatMap(([stream]) => (streamState(m, stream)?.state === "closed" ? [stream] : []));
