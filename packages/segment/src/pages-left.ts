/**
 * Which pages a copy has yet to ask for. Several steps are under way, and what an answer covers only the answer tells: it has so many pages, however
 * far apart, or fewer than it was asked for.
 *
 *     asked for   ├──── a ────┼──── b ────┤ from here on, open
 *     a covers    ├─────────┤ ·                          the rest of a is asked for anew
 *     b covers                ├───────────┼────────────┤ what lies beyond all that was asked for counts, too
 *
 * So each page is taken of one answer: a later one may have been read earlier.
 */
import { pageId, type PageId } from "@sixfold/model";

/** Consecutive pages, the end excluded. */
export interface PageSpan {
  readonly from: PageId;
  readonly until: PageId;
}

export class PagesLeft {
  /** From here on nothing was asked for; undefined if there are no more pages. */
  private open: PageId | undefined;
  /** Before that: what was asked for and the answers did not cover. */
  private gaps: readonly PageSpan[] = [];

  /** All from this page on, or only some. */
  constructor(from: PageId, until?: PageId) {
    if (until === undefined) this.open = from;
    else this.gaps = [{ from, until }];
  }

  get isEmpty(): boolean {
    return this.open === undefined && this.gaps.length === 0;
  }

  /** The next to ask for, so many pages at most; undefined if none are left. */
  take(pages: number): PageSpan | undefined {
    const [gap, ...behind] = this.gaps;
    const from = gap?.from ?? this.open;
    if (from === undefined) return undefined;
    const until = pageId(Math.min(from + pages, gap?.until ?? Number.POSITIVE_INFINITY));
    if (gap === undefined) this.open = until;
    else this.gaps = until < gap.until ? [{ from: until, until: gap.until }, ...behind] : behind;
    return { from, until };
  }

  /** The answer has all pages before `next`; if that is undefined, all there are. Returns which of them count. */
  covered(asked: PageSpan, next: PageId | undefined): (page: PageId) => boolean {
    const { open } = this;
    if (next === undefined) {
      this.open = undefined;
      this.gaps = this.gaps.filter(({ from }) => from < asked.from);
    } else if (next < asked.until) this.gaps = [{ from: next, until: asked.until }, ...this.gaps];
    else if (open !== undefined && next > open) this.open = next;
    return (page) => page < asked.until || (open !== undefined && page >= open);
  }
}
