/**
 * Slices of the own stream in one PG that were sent and may be needed again: to count votes, and
 * to send them anew to a segment that lost its link (DESIGN section 4, "Append").
 *
 *      head            pending             end
 *       v                v                  v
 *     [ 12  15  16  21 | 22  30  31 ]            LSNs, ascending; dense in the list, not in number
 *       reached by a     not yet
 *       write quorum
 *
 * A queue in an array: entries leave at `head`, which is compacted away now and then, so that
 * nothing is moved per slice.
 */
import type { Lsn } from "@sixfold/model";

export interface Retainable {
  readonly lsn: Lsn;
  readonly bytes: number;
  /** Bytes of all slices in this PG up to and including this one. */
  readonly end: number;
}

export class RetainedSlices<S extends Retainable> {
  private items: (S | undefined)[] = [];
  private head = 0;
  private pendingAt = 0;
  bytes = 0;
  /** Bytes of all slices so far, kept or not. */
  end = 0;

  get length(): number {
    return this.items.length - this.head;
  }

  push(sent: S): void {
    this.items.push(sent);
    this.bytes += sent.bytes;
    this.end = sent.end;
  }

  /** The first slice that no write quorum has yet; undefined if there is none. */
  firstPending(): S | undefined {
    return this.items[this.pendingAt];
  }

  /** A write quorum has every slice up to `pgcl`. */
  reached(pgcl: Lsn): void {
    let at = this.pendingAt;
    while (at < this.items.length && this.items[at]!.lsn <= pgcl) at++;
    this.pendingAt = at;
  }

  /** Bytes of all slices up to where a write quorum is. */
  get reachedBytes(): number {
    const next = this.items[this.pendingAt];
    return next === undefined ? this.end : next.end - next.bytes;
  }

  /** Bytes of all slices up to this LSN; more if those after it are not kept any more. */
  bytesUpTo(at: Lsn): number {
    const next = this.items[this.indexAfter(at)];
    return next === undefined ? this.end : next.end - next.bytes;
  }

  /** The oldest kept slice. */
  oldest(): S | undefined {
    return this.items[this.head];
  }

  dropOldest(): void {
    const sent = this.items[this.head]!;
    this.bytes -= sent.bytes;
    // At once, or it grows old here for nothing.
    this.items[this.head] = undefined;
    this.head++;
    if (this.pendingAt < this.head) this.pendingAt = this.head;
    if (this.head >= 256 && this.head * 2 >= this.items.length) {
      this.items.splice(0, this.head);
      this.pendingAt -= this.head;
      this.head = 0;
    }
  }

  /** Index, for `at`, of the first kept slice beyond `after`. */
  indexAfter(after: Lsn): number {
    let low = this.head;
    let high = this.items.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (this.items[mid]!.lsn <= after) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  /** Undefined at the end. */
  at(index: number): S | undefined {
    return this.items[index];
  }

  /** Oldest first. */
  all(): readonly S[] {
    return this.items.slice(this.head) as S[];
  }

  /** The kept slice with this LSN. */
  find(at: Lsn): S | undefined {
    const sent = this.items[this.indexAfter((at - 1) as Lsn)];
    return sent !== undefined && sent.lsn === at ? sent : undefined;
  }
}
