/**
 * A cached page: its newest image here (the head) and how to go back from it.
 *
 *     history   [ v3 on v2 ][ v4 on v3 ][ v5 on v4 ]        head image = v5
 *                 reverse     reverse     reverse
 *
 * Every version is (base, reverse): the operations that turn the page of this version into
 * that of its base. A reader of the past copies the head and reverts; an own entry that
 * aborts is reverted in place. Own undecided versions are always the end of the history,
 * because a foreign commit on the page takes them back first.
 */
import {
  applyOpsReversibly,
  revertOps,
  sameVersion,
  type PageId,
  type PageVersion,
  type ReadPoint,
} from "@sixfold/model";
import type { PageEdit } from "./page-edit.ts";

export interface PastVersion {
  readonly version: PageVersion;
  readonly base: PageVersion;
  readonly reverse: Uint8Array;
}

/** Decided versions kept for readers of the past; older ones are read from storage. Bounds what one slow reader of a hot page costs. */
const MAX_PAST = 512;
/** Trimmed entries are cut out of the array in runs of this many. */
const CUT = 64;

export class Frame {
  readonly page: PageId;
  image: Uint8Array;
  /** Version of `image`. */
  version: PageVersion;
  /** Oldest kept first, from `start` on. */
  private past: PastVersion[] = [];
  private start = 0;
  /** Requests that need this page to stay. */
  pins = 0;
  /** Touched since the clock's hand last passed. */
  used = true;
  /** Part of a foreign stream was missed while own undecided versions lay on this page: read nothing here; it goes once they are decided. */
  suspect = false;
  /** In the pool. A dropped frame may still be held by caches elsewhere. */
  live = true;
  /** The change under way in the entry being built. */
  edit: PageEdit | undefined = undefined;
  /** Where the image was loaded: every version visible there is in it already. */
  readonly loadedAt: ReadPoint | undefined;

  constructor(page: PageId, image: Uint8Array, version: PageVersion, loadedAt: ReadPoint | undefined) {
    this.page = page;
    this.image = image;
    this.version = version;
    this.loadedAt = loadedAt;
  }

  /** Records that the image, already changed, is now `version`. */
  push(version: PageVersion, reverse: Uint8Array): void {
    this.past.push({ version, base: this.version, reverse });
    this.version = version;
  }

  /** Applies a foreign delta whose base is the head. */
  apply(version: PageVersion, ops: Uint8Array): void {
    this.push(version, applyOpsReversibly(this.image, ops));
  }

  /** Takes back the head version. */
  pop(): void {
    const top = this.past.pop()!;
    revertOps(this.image, top.reverse);
    this.version = top.base;
    if (this.start > this.past.length) this.start = this.past.length;
  }

  get depth(): number {
    return this.past.length - this.start;
  }

  /** The `i`-th version below the head; 0 is the head's own step. Undefined past the end of what is kept. */
  step(i: number): PastVersion | undefined {
    const at = this.past.length - 1 - i;
    return at < this.start ? undefined : this.past[at];
  }

  has(version: PageVersion): boolean {
    if (sameVersion(this.version, version)) return true;
    for (let i = 0; i < this.depth; i++) if (sameVersion(this.step(i)!.base, version)) return true;
    return false;
  }

  /** Forgets steps that no reader needs: those up to the last one visible at `horizon`, the oldest read point in use. */
  trim(horizon: ReadPoint, undecided: number): void {
    const past = this.past;
    while (this.start < past.length && horizon.includes(past[this.start]!.version)) this.start++;
    if (past.length - this.start > MAX_PAST + undecided) this.start = past.length - MAX_PAST - undecided;
    if (this.start >= CUT || this.start === past.length) {
      if (this.start > 0) past.splice(0, this.start);
      this.start = 0;
    }
  }

  /** A copy of the page as it was at `at`; undefined if the history does not go back far enough. O(steps). */
  imageAt(at: ReadPoint): Uint8Array | undefined {
    let i = this.past.length;
    while (i > this.start && !at.includes(this.past[i - 1]!.version)) i--;
    if (i === this.past.length) return at.includes(this.version) ? this.image : undefined;
    if (i === this.start && !at.includes(this.past[i]!.base)) return undefined;
    const copy = this.image.slice();
    for (let j = this.past.length - 1; j >= i; j--) revertOps(copy, this.past[j]!.reverse);
    return copy;
  }
}
