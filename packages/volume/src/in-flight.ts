/**
 * Own entries from the first undecided one on, by LSN: a window that slides over the stream.
 *
 *      decided | first … sent … queued … last
 *
 * An entry stays until everything before it is decided, aborted ones too, since commits and the
 * durable point move in LSN order without gaps.
 */
import { assert, type Entry, type Lsn } from "@sixfold/model";
import type { SentSlice } from "./retained.ts";
import type { PgProgress } from "./pg-progress.ts";
import type { AbortCause } from "./volume-api.ts";

export interface InFlightEntry {
  readonly lsn: Lsn;
  readonly entry: Entry;
  readonly bytes: number;
  /**
   * `writing`: its commit is being written to the manifest, so that nothing else may decide it meanwhile.
   * `manifest`: it stands there, and waits for its turn in LSN order.
   */
  state: "queued" | "sent" | "writing" | "manifest" | "committed" | "aborted";
  /** An abort that came while `writing`; takes effect if the manifest refuses. */
  deferred: AbortCause | undefined;
  /** Where its slices go, by PG; known once it is sent. */
  pgs: readonly PgProgress[];
  /** In a shared volume, one per PG: where votes are counted. */
  slices: readonly SentSlice[];
  sentAt: number;
  /** Later own entries that have this one as an own base. Made when needed. */
  dependents: InFlightEntry[] | undefined;
}

export const NO_PGS: readonly PgProgress[] = Object.freeze([]);
export const NO_SLICES: readonly SentSlice[] = Object.freeze([]);

export class InFlight {
  private items: InFlightEntry[] = [];
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
    this.head++;
    this.firstLsn++;
    if (this.head >= 1024 && this.head * 2 >= this.items.length) {
      this.items.splice(0, this.head);
      this.head = 0;
    }
  }
}
