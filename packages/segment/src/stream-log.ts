/**
 * The log of one stream in one PG: which slices are here, and what is known of their fate.
 *
 *     dropped ... | s s s s s s s s s |            slices in LSN order, without a gap (back-links)
 *                 ^     ^             ^
 *        mergedThrough  cursor        scl          before the cursor every slice is applied or aborted
 *
 * The LSNs of a PG's slices are sparse: entries may lie elsewhere. Slices leave at the front only, when
 * their deltas are merged, so that what is kept is always one run of the back-links.
 */
import {
  ACCEPT,
  assert,
  lsn,
  minLsn,
  ZERO_LSN,
  type Decision,
  type Lsn,
  type PageVersion,
  type PgId,
  type Slice,
  type SliceDelta,
  type StreamId,
  type Vote,
} from "@sixfold/model";
import { costOf, Kept } from "./kept.ts";
import { DecidedRanges } from "./ranges.ts";
import type { Link } from "./segment-api.ts";

/** `pending`: undecided or not yet applied. `committing`: its turn to be put on the chains comes. `committed`: its deltas are on the chains. */
export type Phase = "pending" | "committing" | "committed" | "aborted";

/**
 * A slice that was taken. It keeps by itself what is asked of it long after it came: when it is merged, the slice and what hangs on it have left
 * the processor's caches. If it has one delta it is also that delta's place on its page's chain (a `Change`): an object less.
 */
export class Taken implements PageVersion {
  readonly slice: Slice;
  /** The first. */
  readonly delta: SliceDelta;
  readonly stream: StreamId;
  readonly lsn: Lsn;
  /** Bytes of memory, about. */
  readonly cost: number;
  readonly log: StreamLog;
  /** Order of arrival in this PG: waiters are served by it. */
  readonly arrival: number;
  /** The log file that holds it. */
  file: number;
  vote: Vote;
  phase: Phase = "pending";
  /** It stands on its pages' lists of undecided slices. */
  listed = false;
  /** Deltas not merged into stored pages. */
  unmerged: number;
  /** Its record has left; a later change of vote needs a record of its own. */
  recorded = false;

  constructor(slice: Slice, log: StreamLog, arrival: number, file: number, vote: Vote) {
    this.slice = slice;
    this.delta = slice.deltas[0]!;
    this.stream = slice.stream;
    this.lsn = slice.lsn;
    this.cost = costOf(slice);
    this.log = log;
    this.arrival = arrival;
    this.file = file;
    this.vote = vote;
    this.unmerged = slice.deltas.length;
  }

  get taken(): this {
    return this;
  }
}

export interface ClosedAt {
  readonly final: Lsn;
  readonly tail: Lsn;
}

export class StreamLog {
  readonly pg: PgId;
  readonly stream: StreamId;
  /** Slices taken count as accepted, claim nothing, and are indexed by page in the background. */
  exclusive = false;
  /** No slice is missing up to it. */
  scl: Lsn = ZERO_LSN;
  decided = new DecidedRanges();
  isFenced = false;
  closed: ClosedAt | undefined;
  /** Last slice dropped: merged or aborted. 0 if none. */
  mergedThrough: Lsn = ZERO_LSN;
  /** Last committed slice among those dropped. */
  droppedTail: Lsn = ZERO_LSN;
  /** Where its writer was last heard. */
  writer: Link | undefined;
  /** Links that were told all votes since they came up. */
  introduced: Link | undefined;
  /** Planted: a slice beyond a gap is taken. */
  takesGaps = false;
  /** A slice beyond the SCL was seen: something is missing. */
  gapSeen = false;
  bytes = 0;
  /** Index into `slices`: everything before it is applied or aborted. */
  cursor = 0;
  readonly slices: Taken[] = [];
  /** Index into `slices`: everything before it is aborted, or merged or on its way to the page store. */
  mergeCursor = 0;
  /** Slices before it have been dropped; the array is compacted now and then. */
  first = 0;
  /** What all logs of this server keep. */
  private readonly kept: Kept<StreamLog>;

  constructor(pg: PgId, stream: StreamId, kept = new Kept<StreamLog>()) {
    this.pg = pg;
    this.stream = stream;
    this.kept = kept;
  }

  get count(): number {
    return this.slices.length - this.first;
  }

  /** Adds the next slice. Its back-link has been checked. */
  push(taken: Taken): void {
    assert(
      taken.slice.back === this.scl || this.slices.length === this.first || this.takesGaps,
      "slices are taken along the back-links",
    );
    this.slices.push(taken);
    this.scl = taken.lsn;
    this.keep(taken);
  }

  /**
   * Recovery puts a slice where it was. Some come behind later ones, for their records were carried forward (`carry`): only when all
   * have been read the run of back-links is whole again (`isWhole`).
   */
  insert(taken: Taken): void {
    const { lsn: at } = taken.slice;
    if (this.count === 0 || at > this.slices.at(-1)!.lsn) this.slices.push(taken);
    else this.slices.splice(this.indexAfter(at), 0, taken);
    if (at > this.scl) this.scl = at;
    this.keep(taken);
  }

  /** No slice is missing between those that are here. */
  get isWhole(): boolean {
    for (let i = this.first + 1; i < this.slices.length; i++)
      if (this.slices[i]!.slice.back !== this.slices[i - 1]!.slice.lsn) return false;
    return true;
  }

  private keep(taken: Taken): void {
    this.bytes += taken.slice.byteLength;
    this.kept.add(this, taken.cost, taken.file);
  }

  /** Index of the first slice with an LSN above `after`. O(log n). */
  indexAfter(after: Lsn): number {
    let low = this.first;
    let high = this.slices.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.slices[middle]!.lsn > after) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  find(at: Lsn): Taken | undefined {
    const taken = this.slices[this.indexAfter(lsn(at - 1))];
    return taken !== undefined && taken.lsn === at ? taken : undefined;
  }

  decisionOf(at: Lsn): Decision | undefined {
    return this.decided.of(at);
  }

  /** True if the fate of every slice up to `at` is known (I8, together with the SCL). */
  knowsFates(at: Lsn): boolean {
    if (this.decided.through >= at) return true;
    for (let i = this.cursor; i < this.slices.length; i++) {
      const { lsn: own } = this.slices[i]!;
      if (own > at) break;
      if (this.decided.of(own) === undefined) return false;
    }
    // Aborts may be known early; what is silent below the SCL is only other PGs' business.
    return this.scl >= at;
  }

  /** Last committed LSN at or below `upTo` with a slice here. */
  tailAt(upTo: Lsn): Lsn {
    for (let i = this.indexAfter(upTo) - 1; i >= this.first; i--) {
      const at = this.slices[i]!.lsn;
      if (this.decided.of(at) === "commit") return at;
    }
    return this.droppedTail;
  }

  /** Drops the first slice. */
  shift(): Taken {
    const taken = this.slices[this.first]!;
    this.slices[this.first] = undefined as unknown as Taken;
    this.first += 1;
    this.mergedThrough = taken.lsn;
    if (taken.phase === "committed") {
      this.droppedTail = taken.lsn;
      this.kept.ended.add(this.pg, this.stream, taken.lsn, taken.slice.transaction);
    }
    this.bytes -= taken.slice.byteLength;
    const { cost } = taken;
    this.kept.remove(cost, taken.file);
    if (taken.phase === "committed" || taken.phase === "aborted") this.kept.decided -= cost;
    if (this.mergeCursor < this.first) this.kept.toMerge -= cost;
    if (this.cursor < this.first) this.cursor = this.first;
    if (this.mergeCursor < this.first) this.mergeCursor = this.first;
    if (this.first > 1024 && this.first * 2 > this.slices.length) {
      this.slices.splice(0, this.first);
      this.cursor -= this.first;
      this.mergeCursor -= this.first;
      this.first = 0;
    }
    return taken;
  }

  /** Its fate has become known. */
  settled(taken: Taken, phase: "committed" | "aborted"): void {
    taken.phase = phase;
    this.kept.decided += taken.cost;
  }

  /** It is to be committed; perhaps against what was believed (the manifest's word). */
  committing(taken: Taken): void {
    if (taken.phase === "aborted") this.kept.decided -= taken.cost;
    taken.phase = "committing";
  }

  /** The slice at the merge cursor is aborted, or merged or on its way to the page store. */
  mergeOn(): void {
    this.kept.toMerge -= this.slices[this.mergeCursor]!.cost;
    this.mergeCursor += 1;
  }

  /** Its record stands in a later file now. */
  carried(taken: Taken, file: number): void {
    this.kept.move(taken.file, file);
    taken.file = file;
  }

  /** The log is forgotten with whatever is in it. */
  forget(): void {
    while (this.count > 0) this.shift();
    this.kept.logs.delete(this);
  }

  /** The pages here hold everything up to `through`: they were copied. Drops the slices that this covers. */
  jump(through: Lsn, tail: Lsn): void {
    let isKnown = this.scl >= through;
    while (this.count > 0 && this.slices[this.first]!.slice.lsn <= through) {
      const { phase, slice } = this.shift();
      if (phase === "committed" || phase === "aborted") continue;
      const decision = this.decided.of(slice.lsn);
      if (decision === "commit") this.kept.ended.add(this.pg, this.stream, slice.lsn, slice.transaction);
      else if (decision === undefined) isKnown = false;
    }
    if (through > this.mergedThrough) {
      if (!isKnown) this.kept.ended.lost(this.pg, this.stream, through);
      this.mergedThrough = through;
      this.droppedTail = tail;
    }
    if (through > this.scl) this.scl = through;
    this.decided.jump(through);
  }

  /** Everything is here that the closed stream committed. */
  get isComplete(): boolean {
    const { closed } = this;
    return closed !== undefined && this.scl >= closed.tail && this.decided.through >= closed.tail;
  }

  /**
   * Decisions on entries that have no slice in this PG may never come here, but once the stream is closed none is missed: the back-links show
   * that up to the SCL there are no other slices of it in this PG.
   */
  closeGaps(): void {
    const { closed, decided } = this;
    if (closed === undefined || this.scl < closed.tail) return;
    const upTo = minLsn(this.scl, closed.final);
    if (upTo <= decided.through) return;
    for (let i = this.indexAfter(decided.through); i < this.slices.length; i++)
      if (decided.of(this.slices[i]!.lsn) === undefined) return;
    decided.add({ from: decided.through, through: upTo, aborts: [], earlyAborts: [] });
  }
}

/** A vote as an ack states it: committed slices were accepted, whatever this segment thought. */
export const statedVote = (taken: Taken): Vote => (taken.phase === "committed" ? ACCEPT : taken.vote);
