/**
 * Questions that many ask at once. Those who come while a round is under way share the next one, never the present one: it
 * may have begun before what they must see.
 */
export class SharedRounds<Round, Waiter> {
  /** The round under way. */
  current: Round | undefined;
  private readonly begin: () => Round;
  /** Planted: who comes late joins the round under way. */
  private readonly joins: boolean;
  private waiters: Waiter[] = [];
  private next: Waiter[] = [];

  constructor(begin: () => Round, joins: boolean) {
    this.begin = begin;
    this.joins = joins;
  }

  join(waiter: Waiter): void {
    if (this.joins && this.current !== undefined) return void this.waiters.push(waiter);
    this.next.push(waiter);
    if (this.current === undefined) this.start();
  }

  /** The round under way was in vain: a new one begins, for all who wait. */
  restart(): void {
    if (this.current === undefined) return;
    this.next = [...this.waiters, ...this.next];
    this.start();
  }

  finish(answer: (waiter: Waiter) => void): void {
    this.current = undefined;
    for (const waiter of this.waiters) answer(waiter);
    if (this.current === undefined && this.next.length > 0) this.start();
  }

  /** Nobody is answered. */
  abandon(): void {
    this.current = undefined;
    this.next = [];
  }

  private start(): void {
    this.waiters = this.next;
    this.next = [];
    this.current = this.begin();
  }
}
