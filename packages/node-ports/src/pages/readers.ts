/** What is free, and still being read: units that a page has left are given to nobody until every reading that may look there has ended. */
import type { Extent } from "./extent.ts";

export class ReadersOf {
  /** When each reading began, the oldest first, in units of what was freed by then. */
  readonly #underWay = new Map<object, number>();
  /** Freed, the oldest first. */
  #freed: { readonly extent: Extent; readonly at: number }[] = [];
  #time = 0;

  /** Returns what ends the reading, and tells what nobody reads any more. */
  begin(): () => Extent[] {
    const reading = {};
    this.#underWay.set(reading, this.#time);
    return () => {
      this.#underWay.delete(reading);
      return this.unread();
    };
  }

  free(extent: Extent): void {
    this.#freed.push({ extent, at: this.#time++ });
  }

  /** Takes what was freed before every reading under way began. */
  unread(): Extent[] {
    const [oldest = Number.POSITIVE_INFINITY] = this.#underWay.values();
    let taken = 0;
    while (taken < this.#freed.length && this.#freed[taken]!.at < oldest) taken += 1;
    return this.#freed.splice(0, taken).map(({ extent }) => extent);
  }
}
