/**
 * Schedule: the events to come, in the order in which they will happen: (due time, order of entry).
 *
 * Many events are scheduled for the very instant in which they are (the end of a turn, a frame's answer on
 * loopback). They come after everything that waited for this instant before it began, so a plain queue
 * beside the agenda's heap has them in the right order, in O(1).
 */
import type { AgendaItem } from "@sixfold/ports";
import { Agenda } from "@sixfold/ports";
import type { WorldEvent } from "./timeline.ts";

/** The `order` of what is in the queue and not in the heap. */
const atOnce = -1;

export class Schedule {
  readonly #later = new Agenda<WorldEvent>();
  readonly #now: AgendaItem<WorldEvent>[] = [];
  #taken = 0;
  #nowMs = 0;

  /** The instant it is. Goes forward only, and only when nothing is left to happen before. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** `event` happens at `dueMs`, or now if that is over. */
  add(dueMs: number, event: WorldEvent): AgendaItem<WorldEvent> {
    if (dueMs > this.#nowMs) return this.#later.add(dueMs, event);
    const item = { due: this.#nowMs, order: atOnce, what: event };
    this.#now.push(item);
    return item;
  }

  /** Idempotent. */
  cancel(item: AgendaItem<WorldEvent>): void {
    if (item.order === atOnce) item.what = undefined;
    else this.#later.cancel(item);
  }

  /** When the first event is due; `undefined` if there is none. */
  nextDue(): number | undefined {
    this.#skipCancelled();
    return this.#taken < this.#now.length ? this.#nowMs : this.#later.nextDue();
  }

  /** Takes the first event, if it is due by `endMs`; the clock moves to it. */
  take(endMs: number): WorldEvent | undefined {
    const due = this.#later.nextDue();
    if (due !== this.#nowMs && this.#nowMs <= endMs) {
      this.#skipCancelled();
      if (this.#taken < this.#now.length) {
        const item = this.#now[this.#taken]!;
        this.#taken += 1;
        const event = item.what;
        item.what = undefined;
        return event;
      }
    }
    if (due === undefined || due > endMs) return undefined;
    this.#nowMs = due;
    return this.#later.take(due);
  }

  /** Lets time pass in which nothing happens. */
  passTo(ms: number): void {
    this.#nowMs = Math.max(this.#nowMs, ms);
  }

  #skipCancelled(): void {
    while (this.#taken < this.#now.length && this.#now[this.#taken]!.what === undefined) this.#taken += 1;
    if (this.#taken < this.#now.length || this.#taken === 0) return;
    this.#now.length = 0;
    this.#taken = 0;
  }
}
