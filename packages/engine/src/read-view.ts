/**
 * Read views: the past as transactions see it.
 *
 * A view is a read point with the pages that had to be rebuilt or fetched for it. Views are
 * opened at `applied`, which only grows, so that the oldest open one bounds them all.
 * Views opened while `applied` stands still are one view.
 *
 * A view may also be opened at a read point that came from another node. That one lies beside this node's own vectors, so it rests
 * on a view that was opened here, at a point below it, and keeps that one open: whatever the lower point needs is kept, here and
 * at the segments, and so is what the higher one needs. The oldest of this node's own views still bounds them all.
 *
 * Copies are bounded over all views; the oldest go first and are made again when needed.
 */
import { assert, leastUpperBound, type PageId, type ReadPoint, ByteArena } from "@sixfold/model";
import type { BufferPool } from "./buffer-pool.ts";
import type { PageReader } from "./page-reader.ts";
import { UNWIND, type Wants } from "./unwind.ts";

export class ReadView {
  readonly readPoint: ReadPoint;
  /** The view of this node's own that this one rests on; undefined for those. */
  readonly base: ReadView | undefined;
  users = 0;
  readonly copies = new Map<PageId, Uint8Array>();

  constructor(readPoint: ReadPoint, base?: ReadView) {
    this.readPoint = readPoint;
    this.base = base;
  }
}

export class ReadViews {
  /** At this node's own vectors, in opening order. Closed ones are cut off at the front. */
  private open: ReadView[] = [];
  private newest: ReadView | undefined;
  /** Copies in the order they were made. */
  private copied: { view: ReadView; page: PageId }[] = [];
  private readonly maxCopies: number;

  constructor(maxCopies: number) {
    this.maxCopies = maxCopies;
  }

  /** `applied` has moved: the next view is a new one. */
  appliedMoved(): void {
    this.newest = undefined;
  }

  /** Opens a view at `applied`; pair with `close`. */
  at(applied: ReadPoint): ReadView {
    if (this.newest === undefined) {
      this.newest = new ReadView(applied.clone());
      this.open.push(this.newest);
    }
    this.newest.users++;
    return this.newest;
  }

  /** Opens a view at `point`, which nobody reads before it is shown here: at `base`'s read point and above it. Pair with `close`. */
  above(base: ReadView, point: ReadPoint): ReadView {
    assert(base.base === undefined && base.users > 0, "a view rests on an open one of this node's own");
    base.users++;
    const view = new ReadView(leastUpperBound(base.readPoint, point), base);
    view.users = 1;
    return view;
  }

  /** One more user of an open view; pair with `close`. */
  share(view: ReadView): ReadView {
    assert(view.users > 0, "the view is open");
    view.users++;
    return view;
  }

  close(view: ReadView): void {
    view.users--;
    if (view.users > 0) return;
    if (view === this.newest) this.newest = undefined;
    view.copies.clear();
    if (view.base !== undefined) return this.close(view.base);
    let gone = 0;
    while (gone < this.open.length && this.open[gone]!.users === 0) gone++;
    if (gone > 0) this.open.splice(0, gone);
  }

  /** The oldest read point in use, or undefined if there is none. */
  oldest(): ReadPoint | undefined {
    return this.open.find((v) => v.users > 0)?.readPoint;
  }

  keep(view: ReadView, page: PageId, image: Uint8Array): void {
    view.copies.set(page, image);
    this.copied.push({ view, page });
    if (this.copied.length <= this.maxCopies) return;
    const cut = this.maxCopies >>> 2;
    for (let i = 0; i <= cut; i++) {
      const old = this.copied[i]!;
      old.view.copies.delete(old.page);
    }
    this.copied = this.copied.slice(cut + 1);
  }
}

/** Reads pages as a view sees them. */
export class ViewReader implements PageReader {
  view!: ReadView;
  readonly values = new ByteArena();
  private readonly pool: BufferPool;
  private readonly views: ReadViews;
  private readonly wants: Wants;

  constructor(pool: BufferPool, views: ReadViews, wants: Wants) {
    this.pool = pool;
    this.views = views;
    this.wants = wants;
  }

  /** The page's image at the view's read point. Unwinds if it has to be fetched. */
  read(page: PageId): Uint8Array {
    const view = this.view;
    const frame = this.pool.get(page);
    if (frame !== undefined && !frame.suspect && view.readPoint.includes(frame.version)) return frame.image;
    const copy = view.copies.get(page);
    if (copy !== undefined) return copy;
    if (frame === undefined) this.wants.heads.push(page);
    else {
      const rebuilt = frame.suspect ? undefined : frame.imageAt(view.readPoint);
      if (rebuilt !== undefined) {
        this.views.keep(view, page, rebuilt);
        return rebuilt;
      }
      this.wants.pasts.push(page);
    }
    throw UNWIND;
  }

  /** Would `read` succeed without fetching? Notes what it lacks if not. */
  ready(page: PageId): boolean {
    const frame = this.pool.get(page);
    if (frame !== undefined || this.view.copies.has(page)) return true;
    this.wants.heads.push(page);
    return false;
  }
}
