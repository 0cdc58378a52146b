/**
 * What the own stream has decided and must still carry: the durable point, and which LSNs aborted.
 *
 *      … | 40 .. 57 decided (aborts 44, 51)      | early aborts 60, 63
 *       floor                               through
 *
 * Safety rule (DESIGN section 6): a batch, a resend too, carries every decision taken before it was
 * built until that is known durable on four of six segments of its PG. So a PG's range starts
 * at its own `known`, however far others are. Aborts at or below the floor are known on four of
 * six of every PG that has a slice up to there; ranges no longer list them, and no segment with
 * their slice reads such a range.
 *
 * A segment that was away is told, with the slices that it gets again, their fates from where *it* stands. Else it would vote on
 * each of them, and could say nothing of their pages before its peers had told it what was decided long ago.
 */
import { maxLsn, minLsn, type Decisions, type Lsn } from "@sixfold/model";
import type { PgProgress } from "./pg-progress.ts";

const NONE: readonly Lsn[] = Object.freeze([]);

/** Aborts kept only for segments that come back: bounds memory, and what a resend carries. */
const WANTED_MAX = 1 << 16;

export class DecisionLog {
  /** Every entry up to here is decided. It is the durable point too. */
  through = 0 as Lsn;
  /** Aborted, at or below `through` and beyond the floor, ascending. */
  private aborts: Lsn[] = [];
  private floor = 0 as Lsn;
  private readonly early = new Set<Lsn>();
  /** `early` in order; undefined when it must be made anew. */
  private earlyList: readonly Lsn[] | undefined = NONE;
  /** Planted otherwise: a decision is sent once. */
  private readonly carries: boolean;

  constructor(carries = true) {
    this.carries = carries;
  }

  abortedEarly(at: Lsn): void {
    this.early.add(at);
    this.earlyList = undefined;
  }

  /** The next LSN in order is decided. */
  passed(at: Lsn, aborted: boolean): void {
    this.through = at;
    if (!aborted) return;
    this.aborts.push(at);
    if (this.early.delete(at)) this.earlyList = this.early.size === 0 ? NONE : undefined;
  }

  /** Is this LSN known to be aborted? For positions beyond the floor. */
  isAborted(at: Lsn): boolean {
    return this.early.has(at) || this.aborts[firstAfter(this.aborts, at - 1)] === at;
  }

  /** Forgets aborts up to `needed` that no PG needs to be told of, but those beyond `wanted` only if they are many. */
  prune(needed: Lsn, wanted: Lsn): void {
    const most = firstAfter(this.aborts, needed);
    const n = Math.max(firstAfter(this.aborts, minLsn(needed, wanted)), most - WANTED_MAX);
    if (n === 0 || (n < 1024 && n < this.aborts.length)) return;
    this.floor = this.aborts[n - 1]!;
    this.aborts.splice(0, n);
  }

  /** What a frame to this PG says. `fedThrough`: followers have heard so much; the same frame goes to them. */
  forPg(pg: PgProgress, fedThrough: Lsn): Decisions {
    return this.since(this.carries ? minLsn(pg.known, fedThrough) : pg.decidedSent);
  }

  /** What a resend to one segment of it says. */
  forSegment(pg: PgProgress, member: number, fedThrough: Lsn): Decisions {
    if (!this.carries) return this.forPg(pg, fedThrough);
    const from = maxLsn(pg.decidedThrough[member]! as Lsn, this.floor);
    return this.since(minLsn(from, minLsn(pg.known, fedThrough)));
  }

  /** What is decided beyond `from`. */
  since(from: Lsn): Decisions {
    const first = firstAfter(this.aborts, from);
    const aborts = first === this.aborts.length ? NONE : this.aborts.slice(first);
    this.earlyList ??= [...this.early].sort((a, b) => a - b);
    return { from, through: this.through, aborts, earlyAborts: this.earlyList };
  }
}

/** Index of the first element beyond `at`. */
function firstAfter(list: readonly number[], at: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const mid = (low + high) >>> 1;
    if (list[mid]! <= at) low = mid + 1;
    else high = mid;
  }
  return low;
}
