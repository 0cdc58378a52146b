/** The trace events of the model: those of segments are made once and used again, for a search says them millions of times. */
import {
  epoch,
  lsn,
  pgId,
  ReadPoint,
  streamId,
  type Decisions,
  type Geometry,
  type Manifest,
  type Outcome,
  type TraceEvent,
} from "@sixfold/model";
import { writerName, type ModelFacts } from "./model-facts.ts";
import type { Source } from "./segment-rules.ts";
import { COMMIT, NO_DECISION } from "./marks.ts";

const NOTHING_SHOWN = new ReadPoint(streamId(0));
const GEOMETRY: Geometry = { pageBytes: 8192, segmentBytes: 1024 * 1024 };

export class EventMaker {
  private readonly facts: ModelFacts;
  private readonly made = new Map<string, TraceEvent>();

  constructor(facts: ModelFacts) {
    this.facts = facts;
  }

  voted(pg: number, e: number, vote: "accept" | "wait" | "reject" | "void" | "hold"): TraceEvent {
    const { stream, lsn: at } = this.facts.entries[e]!;
    return this.once(`${vote}${pg}.${e}`, () => ({ kind: "voted", pg: pgId(pg), stream, lsn: at, vote }));
  }

  learned(pg: number, e: number, decision: number, source: Source): TraceEvent {
    const { stream, lsn: at } = this.facts.entries[e]!;
    return this.once(`${source}${decision}${pg}.${e}`, () => {
      const aborts = decision === COMMIT ? [] : [at];
      const decisions: Decisions = { from: lsn(at - 1), through: at, aborts, earlyAborts: [] };
      return { kind: "learned", pg: pgId(pg), stream, decisions, source };
    });
  }

  stored(pg: number, e: number): TraceEvent {
    const { stream, lsn: at } = this.facts.entries[e]!;
    return this.once(`stored${pg}.${e}`, () => ({ kind: "stored", pg: pgId(pg), stream, scl: at }));
  }

  fenced(pg: number, stream: number): TraceEvent {
    return this.once(`fenced${pg}.${stream}`, () => ({
      kind: "fenced",
      pg: pgId(pg),
      stream: streamId(stream + 1),
    }));
  }

  opened(stream: number, exclusive: boolean): TraceEvent {
    return { kind: "opened", stream: streamId(stream + 1), exclusive };
  }

  sent(e: number): TraceEvent {
    const { stream, lsn: at, slices } = this.facts.entries[e]!;
    // Bases are read from the state, which changes: whoever keeps the event gets a copy.
    const copies = slices.map((s) => ({
      pg: s.pg,
      owned: s.owned,
      epoch: s.epoch,
      supersedes: s.supersedes,
      ownBases: s.ownBases,
      transaction: s.transaction,
      deltas: s.deltas.map(({ page, base }) => ({ page, base })),
      checks: s.checks.map(({ page, base }) => ({ page, base })),
    }));
    return { kind: "sent", stream, lsn: at, slices: copies, builtOn: NOTHING_SHOWN };
  }

  manifest(revision = 1): Manifest {
    const { w, entries } = this.facts;
    const outcomes: Outcome[] = [];
    for (const { e, stream, lsn: at, slices } of entries)
      if (w.listed(e.index) !== NO_DECISION) {
        const use = (write: boolean): Outcome["changes"] =>
          slices.flatMap((s) => (write ? s.deltas : s.checks).map(({ page, base }) => ({ page, base })));
        const decision = w.listed(e.index) === COMMIT ? "commit" : "abort";
        const pgs = e.pgs.map(pgId);
        outcomes.push({ stream, lsn: at, decision, pgs, changes: use(true), checks: use(false) });
      }
    return {
      volume: "model",
      revision,
      epoch: epoch(1),
      mode: "multi",
      nextMode: "multi",
      geometry: GEOMETRY,
      servers: [],
      seats: [],
      nodes: [],
      nextSeats: [],
      pgs: [],
      changes: [],
      nextStream: streamId(w.ofStream.length + 1),
      streams: w.ofStream.map((of, s) => {
        const exclusive = w.scenario.streams[s]!.exclusive === true;
        const id = streamId(s + 1);
        const node = writerName(s);
        if (!w.isClosed(s)) return { state: "open", id, node, exclusive, epoch: epoch(1) };
        let final = lsn(0);
        for (const e of of) if (w.isCommitted(e.index) || w.listed(e.index) === COMMIT) final = lsn(e.lsn);
        return { state: "closed", id, node, exclusive, final, tails: new Map() };
      }),
      settledThrough: streamId(0),
      outcomes,
    };
  }

  private once(key: string, make: () => TraceEvent): TraceEvent {
    let event = this.made.get(key);
    if (event === undefined) this.made.set(key, (event = make()));
    return event;
  }
}
