/**
 * Pages on which nothing new may be started, for one of three reasons.
 *
 *  - courtesy: another writer waits for its turn on the page; the owner says when it is over
 *  - a winner: an own entry lost the page to a foreign one whose delta is not here yet; building before it
 *    arrives would only lose again
 *  - a claim: a foreign entry on the page is on its way through storage; what is built beside it races it, and one of the two is built
 *    twice. Claims that come while one is waited for do not make the wait longer, so that nobody is kept from a hot page
 *
 * Each ends by itself after a while, should nobody say so (I10).
 */
import { type PageId, type PageVersion, type ReadPoint, YoungMap } from "@sixfold/model";
import type { Job } from "./job.ts";

/** DESIGN section 6 gives 50 ms; the owner keeps to that, this is the net below it. */
const COURTESY_MS = 250;
/** How long to wait for a winner that is undecided (it may abort), and for one that is committed (its delta must come). */
const YIELD_MS = 50;
const COMMITTED_MS = 500;
/** How long to wait for a claim's decision: a few round trips to storage. */
const CLAIM_MS = 30;
/** Pages held at once; no claims are noted beyond it (I10). */
const HELD_MAX = 1024;

interface Hold {
  courtesyUntil: number;
  /** The winner or claim that is to be applied before anything is built. */
  awaited: PageVersion | undefined;
  awaitedUntil: number;
  readonly waiters: Job[];
}

export class HeldPages {
  private readonly holds = new YoungMap<PageId, Hold>();

  get size(): number {
    return this.holds.size;
  }

  has(page: PageId): boolean {
    return this.holds.has(page);
  }

  hold(page: PageId, now: number): void {
    this.of(page).courtesyUntil = now + COURTESY_MS;
  }

  /** Holds a page until `winner` has been applied. */
  awaitWinner(page: PageId, winner: PageVersion, committed: boolean, now: number): void {
    const hold = this.of(page);
    hold.awaited = winner;
    hold.awaitedUntil = now + (committed ? COMMITTED_MS : YIELD_MS);
  }

  /** Holds a page until this undecided foreign version of it is decided. */
  claimed(page: PageId, claim: PageVersion, now: number): void {
    if (this.holds.size >= HELD_MAX) return;
    const hold = this.of(page);
    if (hold.awaited !== undefined) return;
    hold.awaited = claim;
    hold.awaitedUntil = now + CLAIM_MS;
  }

  /**
   * Holds a page for a moment: some segments have yet to learn how the entry in the way ended, though it is known here. To
   * build again at once would only meet it there again, and again, as fast as the network answers.
   */
  pause(page: PageId, now: number): void {
    const hold = this.of(page);
    hold.courtesyUntil = Math.max(hold.courtesyUntil, now + YIELD_MS);
  }

  wait(page: PageId, job: Job): boolean {
    const hold = this.holds.get(page);
    if (hold === undefined) return false;
    hold.waiters.push(job);
    return true;
  }

  /** Ends the courtesy; returns whom to wake. */
  release(page: PageId): Job[] {
    const hold = this.holds.get(page);
    if (hold === undefined) return [];
    hold.courtesyUntil = 0;
    return this.endIfDone(page, hold);
  }

  /** Ends the waits for winners and claims that are here now, or never will be: `newest` has passed them. */
  arrived(newest: ReadPoint): Job[] {
    const woken: Job[] = [];
    for (const [page, hold] of this.holds) {
      if (hold.awaited === undefined || !newest.includes(hold.awaited)) continue;
      hold.awaited = undefined;
      woken.push(...this.endIfDone(page, hold));
    }
    return woken;
  }

  expire(now: number): Job[] {
    const woken: Job[] = [];
    for (const [page, hold] of this.holds) {
      if (hold.courtesyUntil <= now) hold.courtesyUntil = 0;
      if (hold.awaitedUntil <= now) hold.awaited = undefined;
      woken.push(...this.endIfDone(page, hold));
    }
    return woken;
  }

  /** The stream is closed, and those who waited were told. */
  clear(): void {
    this.holds.clear();
  }

  private of(page: PageId): Hold {
    let hold = this.holds.get(page);
    if (hold === undefined)
      this.holds.set(page, (hold = { courtesyUntil: 0, awaited: undefined, awaitedUntil: 0, waiters: [] }));
    return hold;
  }

  private endIfDone(page: PageId, hold: Hold): Job[] {
    if (hold.courtesyUntil > 0 || hold.awaited !== undefined) return [];
    this.holds.delete(page);
    return hold.waiters;
  }
}
