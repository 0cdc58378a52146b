/**
 * Read views: the past as transactions see it.
 *
 * A view is a read point with the pages that had to be rebuilt or fetched for it. Views are
 * opened at `applied`, which only grows, so that the oldest open one bounds them all.
 * Views opened while `applied` stands still are one view.
 *
 * Copies are bounded over all views; the oldest go first and are made again when needed.
 */
import { type PageId, type ReadPoint } from "@sixfold/model";
import { ByteArena } from "./byte-arena.ts";
import type { BufferPool } from "./buffer-pool.ts";
import type { PageReader } from "./page-reader.ts";
import { UNWIND, type Wants } from "./unwind.ts";

export class ReadView {
  readonly readPoint: ReadPoint;
  users = 0;
  readonly copies = new Map<PageId, Uint8Array>();

  constructor(readPoint: ReadPoint) {
    this.readPoint = readPoint;
  }
}

export class ReadViews {
  /** In opening order. Closed ones are cut off at the front. */
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

  close(view: ReadView): void {
    view.users--;
    if (view.users > 0) return;
    if (view === this.newest) this.newest = undefined;
    view.copies.clear();
    let gone = 0;
    while (gone < this.open.length && this.open[gone]!.users === 0) gone++;
    if (gone > 0) this.open.splice(0, gone);
  }

  /** The oldest read point in use, or undefined if there is none. */
  oldest(): ReadPoint | undefined {
    return this.open.find((v) => v.users > 0)?.readPoint;
  }

  /** The open view whose page loads carry this read point object. */
  byReadPoint(readPoint: ReadPoint): ReadView | undefined {
    return this.open.find((v) => v.readPoint === readPoint);
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
