/**
 * What a turn makes a fact, for whoever listens: trace events, said when the turn's persist is durable.
 *
 * In one turn what frees comes before what claims (model, `trace-event.ts`): decisions and copies, fences, votes that are not
 * accepts, accepts, positions, chains. Nobody listens in production unless asked to, and then none of this is built.
 */
import {
  isNone,
  lsn,
  NONE,
  type Decision,
  type Decisions,
  type Lsn,
  type PgId,
  type SegmentEvent,
  type VoteKind,
} from "@sixfold/model";
import type { PageAnswer, ReadPage } from "@sixfold/wire";
import type { PageChain } from "./page-chain.ts";
import type { SegmentEffect } from "./segment-api.ts";
import type { ClosedAt, StreamLog } from "./stream-log.ts";

export type DecisionSource = Extract<SegmentEvent, { kind: "learned" }>["source"];

export class TurnSteps {
  private readonly freeing: SegmentEvent[] = [];
  private readonly fences: SegmentEvent[] = [];
  private readonly refusals: SegmentEvent[] = [];
  private readonly accepts: SegmentEvent[] = [];
  private readonly advanced = new Set<StreamLog>();
  private readonly chains: SegmentEvent[] = [];

  learned({ pg, stream }: StreamLog, decisions: Decisions, source: DecisionSource): void {
    this.freeing.push({ kind: "learned", pg, stream, decisions, source });
  }

  learnedOne(log: StreamLog, at: Lsn, decision: Decision, source: DecisionSource): void {
    const aborts = decision === "abort" ? [at] : [];
    this.learned(log, { from: lsn(at - 1), through: at, aborts, earlyAborts: [] }, source);
  }

  /** The manifest's close was taken in: what it lists, and what lies beyond the stream's tail here. */
  closed(log: StreamLog, at: ClosedAt, decisions: Decisions, wasFenced: boolean): void {
    const { pg, stream } = log;
    const aborts = new Set(decisions.aborts);
    const earlyAborts = new Set(decisions.earlyAborts);
    for (let i = log.indexAfter(at.tail); i < log.slices.length; i++) {
      const { lsn } = log.slices[i]!.slice;
      (lsn > decisions.from && lsn <= decisions.through ? aborts : earlyAborts).add(lsn);
    }
    const sorted = (lsns: ReadonlySet<Lsn>): Lsn[] => [...lsns].sort((a, b) => a - b);
    const known = { ...decisions, aborts: sorted(aborts), earlyAborts: sorted(earlyAborts) };
    this.learned(log, known, "close");
    if (!wasFenced && log.isFenced) this.fences.push({ kind: "fenced", pg, stream });
  }

  copied(log: StreamLog, through: Lsn): void {
    this.freeing.push({ kind: "copied", pg: log.pg, stream: log.stream, through });
    this.advanced.add(log);
  }

  fenced({ pg, stream }: StreamLog): void {
    this.fences.push({ kind: "fenced", pg, stream });
  }

  voted({ pg, stream }: StreamLog, at: Lsn, vote: VoteKind): void {
    (vote === "accept" ? this.accepts : this.refusals).push({ kind: "voted", pg, stream, lsn: at, vote });
  }

  /** Its SCL has moved; said as it stands at the end of the turn. */
  stored(log: StreamLog): void {
    this.advanced.add(log);
  }

  /** The chain's last `count` changes have joined it. */
  chained(pg: PgId, chain: PageChain, count: number): void {
    for (const { taken, delta } of chain.changes.slice(-count)) {
      const { stream, lsn: at } = taken;
      this.chains.push({
        kind: "chained",
        pg,
        page: chain.page,
        version: { stream, lsn: at },
        base: delta.base,
      });
    }
  }

  effects(): SegmentEffect[] {
    const stored = [...this.advanced].map(({ pg, stream, scl }): SegmentEvent => ({
      kind: "stored",
      pg,
      stream,
      scl,
    }));
    const { freeing, fences, refusals, accepts, chains } = this;
    const all = [...freeing, ...fences, ...refusals, ...accepts, ...stored, ...chains];
    return all.map((event) => ({ kind: "trace", event }));
  }
}

/** A page read was answered. Not a durable fact: said at once. */
export function sayAnswer(m: ReadPage, answer: PageAnswer, effects: SegmentEffect[]): void {
  if (answer.kind !== "page" && answer.kind !== "empty") return;
  const version = answer.kind === "page" ? answer.version : NONE;
  const { pg, page, readPoint } = m;
  effects.push({
    kind: "trace",
    event: { kind: "answered", pg, page, version: isNone(version) ? NONE : version, readPoint },
  });
}
