/**
 * The buffer pool: frames by page id, second-chance (clock) eviction.
 *
 * A frame may leave iff its version is visible in `applied`, nobody pinned it and it is not
 * being changed. So unsynced changes never force I/O, and own undecided ones cannot be lost.
 * The pool exceeds its size only by frames that may not leave.
 *
 * Clock rather than a list: the hot path pays one flag per access.
 */
import {
  assert,
  NO_BUGS,
  type PageId,
  type PageVersion,
  type PlantedBugs,
  type ReadPoint,
} from "@sixfold/model";
import { Frame } from "./frame.ts";

export class BufferPool {
  private readonly frames = new Map<PageId, Frame>();
  /** The clock: every live frame once; `undefined` where one was dropped. */
  private ring: (Frame | undefined)[] = [];
  private hand = 0;
  private trimmer = 0;
  private readonly pageBytes: number;
  private readonly capacity: number;
  /** Planted: undecided versions leave, too. */
  private readonly evictsAll: boolean;
  evictions = 0;

  constructor(pageBytes: number, capacity: number, planted: PlantedBugs = NO_BUGS) {
    this.evictsAll = planted.has("evicts-undecided");
    assert(capacity > 0, "a buffer pool has room");
    this.pageBytes = pageBytes;
    this.capacity = capacity;
  }

  get size(): number {
    return this.frames.size;
  }

  get(page: PageId): Frame | undefined {
    const frame = this.frames.get(page);
    if (frame !== undefined) frame.used = true;
    return frame;
  }

  /** Adds a page; zeros if `image` is absent. */
  add(
    page: PageId,
    image: Uint8Array | undefined,
    version: PageVersion,
    loadedAt: ReadPoint | undefined,
  ): Frame {
    assert(!this.frames.has(page), "a page has one frame");
    const frame = new Frame(page, image ?? new Uint8Array(this.pageBytes), version, loadedAt);
    this.frames.set(page, frame);
    this.ring.push(frame);
    return frame;
  }

  drop(frame: Frame): void {
    assert(frame.edit === undefined, "a page being changed stays");
    frame.live = false;
    this.frames.delete(frame.page);
  }

  *all(): Iterable<Frame> {
    yield* this.frames.values();
  }

  /** Evicts down to the pool's size as far as possible. Cheap when there is nothing to do. */
  shrink(applied: ReadPoint): void {
    if (this.frames.size <= this.capacity) {
      if (this.ring.length > 2 * this.frames.size + 64) this.ring = this.ring.filter((f) => f?.live);
      return;
    }
    // Two rounds: the first may only take second chances away.
    let steps = 2 * this.ring.length;
    while (this.frames.size > this.capacity && steps-- > 0) {
      if (this.hand >= this.ring.length) this.hand = 0;
      const frame = this.ring[this.hand];
      if (frame === undefined || !frame.live) this.removeAtHand();
      else if (frame.used) {
        frame.used = false;
        this.hand++;
      } else if (
        frame.pins === 0 &&
        frame.edit === undefined &&
        (applied.includes(frame.version) || this.evictsAll)
      ) {
        this.drop(frame);
        this.removeAtHand();
        this.evictions++;
      } else this.hand++;
    }
  }

  /** Forgets past versions that no reader needs, a few frames at a time: those on which nothing happens any more. */
  trimSome(horizon: ReadPoint, undecided: number, frames: number): void {
    for (let i = Math.min(frames, this.ring.length); i > 0; i--) {
      if (this.trimmer >= this.ring.length) this.trimmer = 0;
      const frame = this.ring[this.trimmer++];
      if (frame?.live === true && frame.depth > 0) frame.trim(horizon, undecided);
    }
  }

  private removeAtHand(): void {
    const last = this.ring.pop();
    if (this.hand < this.ring.length) this.ring[this.hand] = last;
  }
}
