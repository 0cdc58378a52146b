/**
 * Own entries from the first undecided one on, by LSN: a window that slides over the stream.
 *
 *      decided | first … sent … queued … last
 *
 * An entry stays until everything before it is decided, aborted ones too, since commits and the
 * durable point move in LSN order without gaps.
 */
import { assert, type Lsn } from "@sixfold/model";
import type { PgProgress } from "./pg-progress.ts";
import type { EntryOn, SentOn } from "./sent.ts";

/** An own entry, and a slice of it, with the progress of their protection groups. */
export type InFlightEntry = EntryOn<PgProgress>;
export type SentSlice = SentOn<PgProgress>;

export const NO_PGS: readonly PgProgress[] = Object.freeze([]);
export const NO_SLICES: readonly SentSlice[] = Object.freeze([]);

export class InFlight {
  /** Those before `head` have left. */
  private items: (InFlightEntry | undefined)[] = [];
  private head = 0;
  /** LSN of the item at `head`. */
  private firstLsn: number;

  constructor(first: Lsn) {
    this.firstLsn = first;
  }

  get length(): number {
    return this.items.length - this.head;
  }

  /** LSN of the first entry that is not yet decided in order; the next to come if there is none. */
  get first(): Lsn {
    return this.firstLsn as Lsn;
  }

  /** The LSN after the last. */
  get next(): Lsn {
    return (this.firstLsn + this.length) as Lsn;
  }

  get(at: Lsn): InFlightEntry | undefined {
    const index = at - this.firstLsn;
    return index < 0 ? undefined : this.items[this.head + index];
  }

  push(item: InFlightEntry): void {
    assert(item.lsn === this.next, "own entries come in LSN order without gaps");
    this.items.push(item);
  }

  peek(): InFlightEntry | undefined {
    return this.items[this.head];
  }

  shift(): void {
    // At once, or it grows old here for nothing.
    this.items[this.head] = undefined;
    this.head++;
    this.firstLsn++;
    if (this.head >= 1024 && this.head * 2 >= this.items.length) {
      this.items.splice(0, this.head);
      this.head = 0;
    }
  }
}
