/**
 * Pages of one PG that slices of other streams wait for, because own entries claim them. A decision on such a page is sent at once; every
 * other one may wait for a batch to ride on, since a frame of its own costs each segment a sync.
 *
 *     ack: a rival waits on page 7 ──> own entry on page 7 is decided ──> owed ──> sent
 */
import type { Entry, PageId } from "@sixfold/model";
import type { ForeignWait } from "@sixfold/wire";

/** Pages remembered; beyond it what is overdue goes (I10). */
const PAGES_MAX = 1024;

export class RivalWaits {
  /** A decision that a rival waits for has been taken and not been sent. */
  isOwed = false;
  /** Until when each page is waited for, should nobody decide anything on it. */
  private readonly pages = new Map<PageId, number>();

  /** `isDirty`: decisions are yet to be sent, and one of them may be what they wait for. */
  heard(waits: readonly ForeignWait[], until: number, isDirty: boolean): void {
    for (const { page } of waits) this.pages.set(page, until);
    if (isDirty) this.isOwed = true;
  }

  decided(entry: Entry, now: number): void {
    if (this.pages.size === 0) return;
    for (const { page } of entry.deltas) this.end(page, now);
    for (const { page } of entry.checks) this.end(page, now);
    if (this.pages.size > PAGES_MAX)
      for (const [page, until] of this.pages) if (until <= now) this.pages.delete(page);
  }

  sent(): void {
    this.isOwed = false;
  }

  private end(page: PageId, now: number): void {
    const until = this.pages.get(page);
    if (until === undefined) return;
    this.pages.delete(page);
    if (now < until) this.isOwed = true;
  }
}
