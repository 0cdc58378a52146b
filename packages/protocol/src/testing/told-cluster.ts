/** A cluster that only talks: trace events in true order, made step by step. Six segments of one PG, any number of streams. */
import {
  epoch,
  lsn,
  nodeName,
  NONE,
  pageId,
  pgId,
  ReadPoint,
  streamId,
  transactionId,
  type ClosedStream,
  type Decision,
  type DecidedBy,
  type Manifest,
  type NodeName,
  type OpenStream,
  type PageVersion,
  type StreamId,
  type TraceEvent,
  type VoteKind,
} from "@sixfold/model";
import type { Monitor } from "../monitor.ts";

const PG = pgId(0);

export const v = (stream: number, at: number): PageVersion => ({ stream: streamId(stream), lsn: lsn(at) });
export const point = (...at: (readonly [number, number])[]): ReadPoint =>
  new ReadPoint(
    streamId(0),
    at.map(([s, l]) => [streamId(s), lsn(l)] as const),
  );

export interface ToldEntry {
  readonly writes?: readonly (readonly [page: number, base: PageVersion])[];
  readonly ownBases?: readonly number[];
  readonly supersedes?: number;
  readonly builtOn?: ReadPoint;
  readonly id?: string;
}

export class ToldCluster {
  private readonly monitor: Monitor;
  private readonly streams = new Map<StreamId, OpenStream | ClosedStream>();
  private revision = 0;

  constructor(monitor: Monitor) {
    this.monitor = monitor;
  }

  say(process: string, event: TraceEvent): void {
    this.monitor.observe({ process: nodeName(process), event });
  }

  open(stream: number, exclusive = false): void {
    const id = streamId(stream);
    this.streams.set(id, { state: "open", id, node: this.writer(stream), exclusive, epoch: epoch(1) });
    this.manifest(stream);
    this.say(this.writer(stream), { kind: "opened", stream: id, exclusive });
  }

  /** `commits`: outcomes that the close lists. */
  close(stream: number, final: number, commits: readonly number[] = []): void {
    const id = streamId(stream);
    const { node, exclusive } = this.streams.get(id)!;
    this.streams.set(id, { state: "closed", id, node, exclusive, final: lsn(final), tails: new Map() });
    const commit = { stream: id, decision: "commit", pgs: [PG], changes: [], checks: [] } as const;
    this.manifest(stream, { outcomes: commits.map((at) => ({ ...commit, lsn: lsn(at) })) });
  }

  manifest(by: number, change: Partial<Manifest> = {}): void {
    this.revision += 1;
    const manifest: Manifest = {
      volume: "v",
      revision: this.revision,
      epoch: epoch(1),
      mode: "multi",
      nextMode: "multi",
      geometry: { pageBytes: 8192, segmentBytes: 1 << 20 },
      servers: [],
      seats: [],
      nodes: [],
      nextSeats: [],
      pgs: [],
      changes: [],
      nextStream: streamId(this.streams.size + 1),
      streams: [...this.streams.values()],
      settledThrough: streamId(0),
      outcomes: [],
      ...change,
    };
    this.say(this.writer(by), { kind: "manifest", manifest });
  }

  send(stream: number, at: number, e: ToldEntry = {}): void {
    const slice = {
      pg: PG,
      epoch: epoch(1),
      owned: false,
      supersedes: lsn(e.supersedes ?? 0),
      ownBases: (e.ownBases ?? []).map(lsn),
      transaction: transactionId(e.id ?? ""),
      deltas: (e.writes ?? [[at, NONE]]).map(([page, base]) => ({ page: pageId(page), base })),
      checks: [],
    };
    const builtOn = e.builtOn ?? point();
    const id = streamId(stream);
    this.say(this.writer(stream), { kind: "sent", stream: id, lsn: lsn(at), slices: [slice], builtOn });
  }

  vote(stream: number, at: number, voters: number, vote: VoteKind = "accept"): void {
    for (let i = 1; i <= voters; i++) {
      const segment = `segment-${i}`;
      this.say(segment, { kind: "voted", pg: PG, stream: streamId(stream), lsn: lsn(at), vote });
      this.say(segment, { kind: "stored", pg: PG, stream: streamId(stream), scl: lsn(at) });
    }
  }

  decide(stream: number, at: number, decision: Decision = "commit", by: DecidedBy = "votes"): void {
    const id = streamId(stream);
    this.say(this.writer(stream), { kind: "decided", stream: id, lsn: lsn(at), decision, by });
    if (decision === "commit") this.tell(stream, at, decision);
  }

  tell(stream: number, at: number, decision: Decision): void {
    this.say(this.writer(stream), { kind: "told", stream: streamId(stream), lsn: lsn(at), decision });
  }

  /** Everything that an entry on pages of its own needs to be committed and durable. */
  commit(stream: number, at: number, e: ToldEntry = {}): void {
    this.send(stream, at, e);
    this.vote(stream, at, 5);
    this.decide(stream, at);
    this.durable(stream, at);
  }

  durable(stream: number, through: number): void {
    this.say(this.writer(stream), { kind: "durable", stream: streamId(stream), through: lsn(through) });
  }

  learn(stream: number, through: number, aborts: readonly number[], learners: number): void {
    const decisions = { from: lsn(0), through: lsn(through), aborts: aborts.map(lsn), earlyAborts: [] };
    for (let i = 1; i <= learners; i++)
      this.say(`segment-${i}`, {
        kind: "learned",
        pg: PG,
        stream: streamId(stream),
        decisions,
        source: "writer",
      });
  }

  show(node: string, stream: number, through: number, vector: ReadPoint, readable = true): void {
    this.say(node, { kind: "shown", stream: streamId(stream), through: lsn(through), vector, readable });
  }

  read(page: number, version: PageVersion, readPoint: ReadPoint): void {
    this.say("segment-1", { kind: "answered", pg: PG, page: pageId(page), version, readPoint });
  }

  writer(stream: number): NodeName {
    return nodeName(`writer-${stream}`);
  }
}
