/**
 * How a tree operation stops when something is missing.
 *
 * Operations are synchronous and restartable: what they lack is noted in `Wants`, one
 * shared exception unwinds them, the job waits for what was noted and runs again from
 * its start. One preallocated exception: no stack trace is taken on this path.
 */
import type { PageId } from "@sixfold/model";

class Unwinding extends Error {
  override readonly name = "Unwinding";
}

/** Thrown to unwind; `Wants` says why. */
export const UNWIND: Error = new Unwinding("internal: an operation waits for what its Wants name");

export class Wants {
  /** Pages whose newest image is not cached. May hold duplicates. */
  readonly heads: PageId[] = [];
  /** Pages that the reader's view needs from storage, as they were. */
  readonly pasts: PageId[] = [];
  /** An own undecided entry to wait for, or 0. */
  entry = 0;
  /** A page that is held for a foreign writer's turn, or -1. */
  held = -1;
  /** Free pages that the writer's extents lack. */
  freePages = 0;
  /** The volume is not formatted yet. */
  format = false;
  /** A row lock that another holds. */
  lock: string | undefined = undefined;

  clear(): void {
    // Setting a length is slow, and mostly needless here.
    if (this.heads.length > 0) this.heads.length = 0;
    if (this.pasts.length > 0) this.pasts.length = 0;
    this.entry = 0;
    this.held = -1;
    this.freePages = 0;
    this.format = false;
    this.lock = undefined;
  }

  get any(): boolean {
    return !this.onlyPages || this.heads.length > 0 || this.pasts.length > 0;
  }

  /** True if nothing but pages is missing, so that it pays to look what else will be. */
  get onlyPages(): boolean {
    return (
      this.entry === 0 && this.held < 0 && this.freePages === 0 && !this.format && this.lock === undefined
    );
  }
}
