/**
 * Agenda: what is to be done when, as a binary heap on (due time, order of entry). Both clocks keep their timers
 * in one, and the simulated world all its events, so that "same time: first come, first served" is one rule.
 *
 * Insertion and removal of the first are O(log n). A cancelled item stays in the heap, dead, until its time comes or
 * dead ones outnumber the living; then they are swept out, so that a clock whose timers are nearly all cancelled
 * (timeouts) holds at most twice as many as live.
 */
export interface AgendaItem<T> {
  readonly due: number;
  readonly order: number;
  /** `undefined` once taken or cancelled. */
  what: T | undefined;
}

/** Below this many items sweeping is not worth it. */
const sweepMin = 64;

export class Agenda<T> {
  #heap: AgendaItem<T>[] = [];
  #order = 0;
  #dead = 0;

  /** Items that are neither taken nor cancelled. */
  get size(): number {
    return this.#heap.length - this.#dead;
  }

  add(due: number, what: T): AgendaItem<T> {
    const item: AgendaItem<T> = { due, order: this.#order, what };
    this.#order += 1;
    this.#heap.push(item);
    this.#up(this.#heap.length - 1);
    return item;
  }

  /** Idempotent. */
  cancel(item: AgendaItem<T>): void {
    if (item.what === undefined) return;
    item.what = undefined;
    this.#dead += 1;
    if (this.#dead > sweepMin && this.#dead > this.#heap.length >> 1) this.#sweep();
  }

  /** The due time of the first item, or `undefined` if there is none. */
  nextDue(): number | undefined {
    this.#dropDead();
    return this.#heap[0]?.due;
  }

  /** Takes the first item out if it is due at `now`. */
  take(now: number): T | undefined {
    this.#dropDead();
    const first = this.#heap[0];
    if (first === undefined || first.due > now) return undefined;
    const { what } = first;
    first.what = undefined;
    this.#pop();
    return what;
  }

  #dropDead(): void {
    while (this.#heap.length > 0 && this.#heap[0]!.what === undefined) {
      this.#pop();
      this.#dead -= 1;
    }
  }

  #sweep(): void {
    this.#heap = this.#heap.filter((item) => item.what !== undefined);
    this.#dead = 0;
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#down(i);
  }

  #pop(): void {
    const last = this.#heap.pop()!;
    if (this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#down(0);
  }

  #up(at: number): void {
    const heap = this.#heap;
    const item = heap[at]!;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(item, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = item;
  }

  #down(at: number): void {
    const heap = this.#heap;
    const item = heap[at]!;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!before(heap[child]!, item)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = item;
  }
}

function before<T>(a: AgendaItem<T>, b: AgendaItem<T>): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
