/**
 * The writers' courtesy (DESIGN section 6): a foreign entry waits on a page that own entries claim,
 * so nothing new is started on that page until the foreign one had its turn (its commit seen) or
 * 50 ms have passed. On a hot page two masters so take turns.
 *
 * One waiter is honoured once: several segments report it, and again with every ack; after
 * its hold has ended it can start none anew, else a dead rival would stop the page for good.
 */
import type { Lsn, PageId, StreamId } from "@sixfold/model";
import type { ForeignWait } from "@sixfold/wire";
import type { Outbox } from "./outbox.ts";

interface Hold {
  readonly until: number;
  /** Whom the page is held for. */
  readonly waiters: Map<StreamId, Lsn>;
}

/** Holds at once; beyond it rivals on further pages must do without (I10). */
const HOLDS_MAX = 4096;

export class Courtesy {
  private readonly out: Outbox;
  private readonly courtesyMs: number;
  private readonly holds = new Map<PageId, Hold>();
  /** Per page and stream the last waiter honoured, forgotten with the page a while after the hold. */
  private readonly honoured = new Map<PageId, { readonly waiters: Map<StreamId, Lsn>; until: number }>();
  private readonly seen = new Map<StreamId, Lsn>();

  constructor(out: Outbox, courtesyMs: number) {
    this.out = out;
    this.courtesyMs = courtesyMs;
  }

  get held(): number {
    return this.holds.size;
  }

  waiting(waits: readonly ForeignWait[], now: number): void {
    let pages: PageId[] | undefined;
    for (const { stream, lsn, page } of waits) {
      if (lsn <= (this.seen.get(stream) ?? 0) || this.holds.size >= HOLDS_MAX) continue;
      let honoured = this.honoured.get(page);
      if (honoured === undefined) this.honoured.set(page, (honoured = { waiters: new Map(), until: 0 }));
      if (lsn <= (honoured.waiters.get(stream) ?? 0)) continue;
      honoured.waiters.set(stream, lsn);
      honoured.until = now + 20 * this.courtesyMs;
      const hold = this.holds.get(page);
      if (hold !== undefined) {
        hold.waiters.set(stream, lsn);
        continue;
      }
      this.holds.set(page, { until: now + this.courtesyMs, waiters: new Map([[stream, lsn]]) });
      (pages ??= []).push(page);
    }
    if (pages !== undefined) this.out.effects.push({ kind: "hold", pages });
  }

  foreignSeen(stream: StreamId, lsn: Lsn): void {
    if (lsn <= (this.seen.get(stream) ?? 0)) return;
    this.seen.set(stream, lsn);
    if (this.holds.size === 0) return;
    this.release((hold) => {
      const waiter = hold.waiters.get(stream);
      if (waiter !== undefined && waiter <= lsn) hold.waiters.delete(stream);
      return hold.waiters.size === 0;
    });
  }

  tick(now: number): void {
    if (this.holds.size > 0) this.release((hold) => now >= hold.until);
    for (const [page, honoured] of this.honoured)
      if (now >= honoured.until && !this.holds.has(page)) this.honoured.delete(page);
  }

  /** The stream these pages were held by is gone. */
  releaseAll(): void {
    this.release(() => true);
    this.honoured.clear();
  }

  private release(isOver: (hold: Hold) => boolean): void {
    const pages: PageId[] = [];
    for (const [page, hold] of this.holds) {
      if (!isOver(hold)) continue;
      this.holds.delete(page);
      pages.push(page);
    }
    if (pages.length > 0) this.out.effects.push({ kind: "release", pages });
  }
}
