/**
 * What is known of each segment: one replica of one PG, by the process that hosts it.
 *
 *     process segment-a1 ── PG 0 ── stream 3: stored through 40, decided through 37 and 39 aborted, not fenced
 *                                └─ claims: page 7 by 3:40
 *
 * A claim stands from the accept until this segment knows the decision or takes the accept back.
 */
import {
  lsn,
  ZERO_LSN,
  type Decision,
  type Decisions,
  type Lsn,
  type NodeName,
  type PageId,
  type PgId,
  type StreamId,
} from "@sixfold/model";
import type { Claim } from "./facts.ts";
import type { EntryRecord } from "./stream-facts.ts";

/** Aborts remembered beyond what is forgotten anyway. */
const ABORTS_MAX = 8192;
const NO_CLAIMS: readonly Claim[] = Object.freeze([]);

/** One stream at one segment. */
export class StreamAtSegment {
  scl: Lsn = ZERO_LSN;
  isFenced = false;
  knowsClose = false;
  /** Every LSN up to here is decided for this segment. */
  through: Lsn = ZERO_LSN;
  /** Decisions known one by one, beyond `through`. */
  private readonly single = new Map<Lsn, Decision>();
  private readonly aborts = new Set<Lsn>();
  /** Accepted, with claims that stand; in order of the accepts. */
  readonly claiming = new Map<Lsn, EntryRecord>();

  decisionOf(at: Lsn): Decision | undefined {
    if (at > this.through) return this.single.get(at);
    return this.aborts.has(at) ? "abort" : "commit";
  }

  /** Takes in decisions; `overrides`: the manifest's. */
  learn(d: Decisions, overrides: boolean, forgotten: Lsn): void {
    for (const at of d.earlyAborts) this.one(at, "abort", overrides);
    const from = lsn(Math.max(d.from, overrides ? forgotten : this.through));
    for (const at of d.aborts) if (at > from && at <= d.through) this.one(at, "abort", overrides);
    if (overrides && d.through > from && this.aborts.size > 0) {
      const said = new Set(d.aborts);
      for (const at of this.aborts) if (at > from && at <= d.through && !said.has(at)) this.aborts.delete(at);
    }
    if (d.from <= this.through) {
      for (let at = lsn(this.through + 1); at <= d.through; at = lsn(at + 1)) {
        if (this.single.get(at) === "abort") this.aborts.add(at);
        this.single.delete(at);
        this.through = at;
      }
    } else
      for (let at = lsn(from + 1); at <= d.through; at = lsn(at + 1))
        if (!this.single.has(at)) this.single.set(at, "commit");
    this.absorb();
    if (this.aborts.size > ABORTS_MAX)
      for (const at of this.aborts) if (at <= forgotten) this.aborts.delete(at);
  }

  /** Everything up to here came with copied pages. */
  jump(through: Lsn): void {
    if (through <= this.through) return;
    for (const at of this.single.keys()) if (at <= through) this.single.delete(at);
    this.through = through;
    this.absorb();
  }

  private one(at: Lsn, decision: Decision, overrides: boolean): void {
    if (at > this.through) {
      if (overrides || !this.single.has(at)) this.single.set(at, decision);
    } else if (overrides && decision === "abort") this.aborts.add(at);
  }

  private absorb(): void {
    for (;;) {
      const at = lsn(this.through + 1);
      const decision = this.single.get(at);
      if (decision === undefined) return;
      this.single.delete(at);
      if (decision === "abort") this.aborts.add(at);
      this.through = at;
    }
  }
}

export class SegmentFacts {
  readonly process: NodeName;
  readonly pg: PgId;
  /** Its bit in the masks of the PG's slices; there may be more segments in time than a number has bits. */
  readonly bit: bigint;
  private readonly streams = new Map<StreamId, StreamAtSegment>();
  private readonly claims = new Map<PageId, Claim[]>();

  constructor(process: NodeName, pg: PgId, bit: bigint) {
    this.process = process;
    this.pg = pg;
    this.bit = bit;
  }

  known(stream: StreamId): StreamAtSegment | undefined {
    return this.streams.get(stream);
  }

  at(stream: StreamId): StreamAtSegment {
    let s = this.streams.get(stream);
    if (s === undefined) this.streams.set(stream, (s = new StreamAtSegment()));
    return s;
  }

  claimsOn(page: PageId): readonly Claim[] {
    return this.claims.get(page) ?? NO_CLAIMS;
  }

  /** An accept: the entry's slice claims its pages until it is decided here. */
  claim(e: EntryRecord): void {
    const s = this.at(e.stream);
    if (s.claiming.has(e.lsn) || s.decisionOf(e.lsn) !== undefined) return;
    s.claiming.set(e.lsn, e);
    const slice = e.slice(this.pg);
    for (const d of slice?.deltas ?? []) this.put(d.page, { stream: e.stream, lsn: e.lsn, writes: true });
    for (const c of slice?.checks ?? []) this.put(c.page, { stream: e.stream, lsn: e.lsn, writes: false });
  }

  release(e: EntryRecord): void {
    if (!this.at(e.stream).claiming.delete(e.lsn)) return;
    const slice = e.slice(this.pg);
    for (const d of slice?.deltas ?? []) this.drop(d.page, e);
    for (const c of slice?.checks ?? []) this.drop(c.page, e);
  }

  /** Claims of entries whose decision is known by now fall. */
  releaseDecided(stream: StreamId): void {
    const s = this.at(stream);
    for (const e of s.claiming.values()) if (s.decisionOf(e.lsn) !== undefined) this.release(e);
  }

  forget(stream: StreamId): void {
    const s = this.streams.get(stream);
    if (s === undefined) return;
    for (const e of s.claiming.values()) this.release(e);
    this.streams.delete(stream);
  }

  /** The disk is gone, and with it all of this. */
  wipe(): void {
    this.streams.clear();
    this.claims.clear();
  }

  private put(page: PageId, claim: Claim): void {
    const list = this.claims.get(page);
    if (list === undefined) this.claims.set(page, [claim]);
    else list.push(claim);
  }

  private drop(page: PageId, e: EntryRecord): void {
    const list = this.claims.get(page);
    const at = list?.findIndex((c) => c.lsn === e.lsn && c.stream === e.stream) ?? -1;
    if (list === undefined || at < 0) return;
    list.splice(at, 1);
    if (list.length === 0) this.claims.delete(page);
  }
}
