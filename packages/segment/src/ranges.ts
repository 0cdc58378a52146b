/**
 * What is known of one stream's decisions: ranges with holes.
 *
 *     0 ======== through      (==== range ====]        a  c
 *     all decided             known, after a hole      single facts: early aborts, learned commits
 *
 * Writers state decisions as explicit ranges, so that a segment that missed a batch sees the hole instead of
 * guessing (I2). Aborts are kept as a set, commits are the rest of the ranges. Below `floor` the aborts have
 * been forgotten with their slices, and nothing may be said of single entries.
 */
import type { Decision, Decisions, Lsn } from "@sixfold/model";
import { lsn } from "@sixfold/model";

interface Range {
  /** Exclusive. */
  from: number;
  /** Inclusive. */
  through: number;
}

export interface RangesState {
  readonly through: number;
  readonly floor: number;
  readonly ranges: readonly (readonly [number, number])[];
  readonly aborts: readonly number[];
  readonly commits: readonly number[];
}

export class DecidedRanges {
  /** Every LSN up to it is decided. */
  through: Lsn = lsn(0);
  /** Aborts at or below it have been forgotten. `floor <= through`. */
  floor: Lsn = lsn(0);
  /** Beyond `through`, disjoint, ascending; each begins after a hole. */
  private ranges: Range[] = [];
  private readonly aborted = new Set<number>();
  /** No abort is beyond it: most questions are about what is newer, and need no look at the set. */
  private lastAbort = 0;
  /** Those of `aborted` beyond `through`: every ack names them, so they are not searched for. */
  private readonly early = new Set<number>();
  /** Single commits beyond `through`. */
  private readonly committed = new Set<number>();

  /** O(1) at or below `through`, else O(ranges). Meaningless at or below `floor`, where it says commit. */
  of(at: Lsn): Decision | undefined {
    if (at <= this.lastAbort && this.aborted.has(at)) return "abort";
    if (at <= this.through) return "commit";
    if (this.committed.has(at)) return "commit";
    for (const r of this.ranges) if (at > r.from && at <= r.through) return "commit";
    return undefined;
  }

  /** Something is known beyond something that is not. */
  get hasHoles(): boolean {
    return this.ranges.length > 0;
  }

  /** Takes in what a writer or a peer states. Returns whether anything was new. A fact known before stays. */
  add(d: Decisions): boolean {
    let isNew = false;
    const contradicts = (at: number): boolean => at > this.floor && this.of(lsn(at)) !== undefined;
    for (const at of d.aborts)
      if (at > this.floor && !contradicts(at)) {
        this.addAbort(at);
        isNew = true;
      }
    for (const at of d.earlyAborts)
      if (at > this.floor && !contradicts(at)) {
        this.addAbort(at);
        isNew = true;
      }
    if (d.through > d.from && d.through > this.through) {
      if (d.from <= this.through) {
        this.through = d.through;
        isNew = true;
      } else isNew = this.addRange(d.from, d.through) || isNew;
    }
    this.advance();
    return isNew;
  }

  /** One fact. `override`: the manifest's word replaces an abort that a writer could not make known in time. */
  set(at: Lsn, decision: Decision, override = false): boolean {
    if (at <= this.floor) return false;
    const known = this.of(at);
    if (known === decision || (known !== undefined && !override)) return false;
    if (decision === "abort") {
      this.addAbort(at);
      this.committed.delete(at);
    } else {
      this.forgetAbort(at);
      if (at > this.through) this.committed.add(at);
    }
    this.advance();
    return true;
  }

  /** The manifest's word on a closed stream: replaces what was known of `(d.from, final]`. Returns whether that was anything else. */
  close(d: Decisions, final: Lsn): boolean {
    const aborts = new Set<number>(d.aborts);
    let isNew = false;
    for (const at of this.aborted)
      if (at > d.from && at <= d.through && !aborts.has(at)) {
        this.forgetAbort(at);
        isNew = true;
      }
    for (const at of [...aborts, ...d.earlyAborts])
      if (at > this.floor && !this.aborted.has(at)) {
        this.addAbort(at);
        isNew = true;
      }
    const through = lsn(Math.min(d.through, final));
    return this.add({ from: d.from, through, aborts: [], earlyAborts: [] }) || isNew;
  }

  /** Aborts in (after, upTo], ascending. */
  abortsIn(after: number, upTo: number): Lsn[] {
    const found: number[] = [];
    for (const at of this.aborted) if (at > after && at <= upTo) found.push(at);
    return found.sort((a, b) => a - b) as Lsn[];
  }

  /** Aborts beyond `through`, ascending. */
  earlyAborts(): Lsn[] {
    return this.early.size === 0 ? [] : ([...this.early].sort((a, b) => a - b) as Lsn[]);
  }

  /** Everything known from `floor` on, as a peer may take it in. Single commits are not expressible, and follow later. */
  state(after: Lsn): Decisions {
    const from = lsn(Math.min(Math.max(this.floor, after), this.through));
    return {
      from,
      through: this.through,
      aborts: this.abortsIn(from, this.through),
      earlyAborts: this.earlyAborts(),
    };
  }

  /** Forgets the aborts up to `at`, which must be decided. */
  forget(at: Lsn): void {
    const upTo = Math.min(at, this.through);
    if (upTo <= this.floor) return;
    this.floor = lsn(upTo);
    for (const a of this.aborted) if (a <= upTo) this.aborted.delete(a);
  }

  /** Everything up to `at` is decided and forgotten: its pages were copied. */
  jump(at: Lsn): void {
    if (at > this.through) this.through = at;
    this.advance();
    this.forget(at);
  }

  save(): RangesState {
    return {
      through: this.through,
      floor: this.floor,
      ranges: this.ranges.map((r) => [r.from, r.through] as const),
      aborts: [...this.aborted].sort((a, b) => a - b),
      commits: [...this.committed].sort((a, b) => a - b),
    };
  }

  static load(s: RangesState): DecidedRanges {
    const d = new DecidedRanges();
    d.through = lsn(s.through);
    d.floor = lsn(s.floor);
    d.ranges = s.ranges.map(([from, through]) => ({ from, through }));
    for (const a of s.aborts) d.addAbort(a);
    for (const c of s.commits) d.committed.add(c);
    return d;
  }

  private addAbort(at: number): void {
    this.aborted.add(at);
    if (at > this.lastAbort) this.lastAbort = at;
    if (at > this.through) this.early.add(at);
  }

  private forgetAbort(at: number): void {
    this.aborted.delete(at);
    this.early.delete(at);
  }

  private addRange(from: number, through: number): boolean {
    const merged: Range = { from, through };
    const out: Range[] = [];
    for (const r of this.ranges) {
      if (r.from <= from && r.through >= through) return false;
      if (r.through < merged.from || r.from > merged.through) out.push(r);
      else {
        merged.from = Math.min(merged.from, r.from);
        merged.through = Math.max(merged.through, r.through);
      }
    }
    out.push(merged);
    this.ranges = out.sort((a, b) => a.from - b.from);
    return true;
  }

  /** Moves `through` over ranges and single facts that have become adjacent. */
  private advance(): void {
    for (;;) {
      const first = this.ranges[0];
      if (first !== undefined && first.from <= this.through) {
        this.through = lsn(Math.max(this.through, first.through));
        this.ranges.shift();
        continue;
      }
      const next = this.through + 1;
      if (this.committed.size > 0 && this.committed.has(next)) this.through = lsn(next);
      else if (next <= this.lastAbort && this.aborted.has(next)) this.through = lsn(next);
      else break;
    }
    if (this.early.size > 0) for (const a of this.early) if (a <= this.through) this.early.delete(a);
    if (this.committed.size > 0)
      for (const c of this.committed) if (c <= this.through) this.committed.delete(c);
  }
}
