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
 */
import { minLsn, type Decisions, type Lsn } from "@sixfold/model";
import type { PgProgress } from "./pg-progress.ts";

const NONE: readonly Lsn[] = Object.freeze([]);

export class DecisionLog {
  /** Every entry up to here is decided. It is the durable point too. */
  through = 0 as Lsn;
  /** Aborted, at or below `through` and beyond the floor, ascending. */
  private aborts: Lsn[] = [];
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

  /** Forgets aborts that no PG needs to be told of. */
  prune(floor: Lsn): void {
    const n = firstAfter(this.aborts, floor);
    if (n > 0 && (n >= 1024 || n === this.aborts.length)) this.aborts.splice(0, n);
  }

  /** What a frame to this PG says. `fedThrough`: followers have heard so much; the same frame goes to them. */
  forPg(pg: PgProgress, fedThrough: Lsn): Decisions {
    const from = this.carries ? minLsn(pg.known, fedThrough) : pg.decidedSent;
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
