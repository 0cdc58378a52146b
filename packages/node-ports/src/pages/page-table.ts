/**
 * Where each stored page lies: page id -> its parts, what was put and what was added since. In typed arrays: 12 bytes a page where ids are dense, as
 * those of a process group are, and 12 more for each part that was added.
 *
 *     page id    |  upper 22 bits: which leaf  |  lower 10 bits: place in it  |
 *
 *     leaf:  first part, last of those added ──> the one before it ──> ...
 */
import { AddedParts } from "./added-parts.ts";
import { UNIT_BYTES, type Extent } from "./extent.ts";

const LEAF_BITS = 10;
const LEAF_PAGES = 1 << LEAF_BITS;
const ABSENT = 0xffff_ffff;

interface Leaf {
  /** First unit of each page's first part; ABSENT if there is no such page. */
  readonly units: Uint32Array;
  readonly bytes: Uint32Array;
  /** The last of the parts that were added; 0 if there is none. */
  readonly added: Uint32Array;
  count: number;
}

export class PageTable {
  #count = 0;
  readonly #leaves = new Map<number, Leaf>();
  readonly #added = new AddedParts();
  /** Of the leaves, ascending; undefined when it has to be made anew. */
  #numbers: number[] | undefined;

  get count(): number {
    return this.#count;
  }

  /** Of all pages. */
  get partCount(): number {
    return this.#count + this.#added.count;
  }

  /** In the order of the page's bytes; none if there is no such page. */
  parts(page: number): Extent[] {
    const leaf = this.#leaves.get(page >>> LEAF_BITS);
    const at = page % LEAF_PAGES;
    return leaf === undefined || leaf.units[at] === ABSENT ? [] : this.#partsAt(leaf, at);
  }

  lastPart(page: number): Extent | undefined {
    const leaf = this.#leaves.get(page >>> LEAF_BITS);
    const at = page % LEAF_PAGES;
    if (leaf === undefined || leaf.units[at] === ABSENT) return undefined;
    return leaf.added[at] === 0 ? firstAt(leaf, at) : this.#added.get(leaf.added[at]!);
  }

  /** The page consists of these from now on; of none: it is gone. */
  set(page: number, [first, ...added]: readonly Extent[]): void {
    if (first === undefined) return this.#delete(page);
    const leaf = this.#leafOf(page);
    const at = page % LEAF_PAGES;
    if (leaf.units[at] === ABSENT) {
      leaf.count += 1;
      this.#count += 1;
    }
    leaf.units[at] = first.at / UNIT_BYTES;
    leaf.bytes[at] = first.bytes;
    this.#added.drop(leaf.added[at]!);
    leaf.added[at] = 0;
    for (const part of added) leaf.added[at] = this.#added.put(part, leaf.added[at]);
  }

  /** False if there is no such page. */
  add(page: number, part: Extent): boolean {
    const leaf = this.#leaves.get(page >>> LEAF_BITS);
    const at = page % LEAF_PAGES;
    if (leaf === undefined || leaf.units[at] === ABSENT) return false;
    leaf.added[at] = this.#added.put(part, leaf.added[at]!);
    return true;
  }

  #leafOf(page: number): Leaf {
    const number = page >>> LEAF_BITS;
    let leaf = this.#leaves.get(number);
    if (leaf === undefined) {
      const units = new Uint32Array(LEAF_PAGES).fill(ABSENT);
      const [bytes, added] = [new Uint32Array(LEAF_PAGES), new Uint32Array(LEAF_PAGES)];
      leaf = { units, bytes, added, count: 0 };
      this.#leaves.set(number, leaf);
      this.#numbers = undefined;
    }
    return leaf;
  }

  #partsAt(leaf: Leaf, at: number): Extent[] {
    const parts = this.#added.through(leaf.added[at]!);
    parts.push(firstAt(leaf, at));
    return parts.reverse();
  }

  #delete(page: number): void {
    const number = page >>> LEAF_BITS;
    const leaf = this.#leaves.get(number);
    const at = page % LEAF_PAGES;
    if (leaf === undefined || leaf.units[at] === ABSENT) return;
    this.#added.drop(leaf.added[at]!);
    leaf.added[at] = 0;
    leaf.units[at] = ABSENT;
    leaf.count -= 1;
    this.#count -= 1;
    if (leaf.count > 0) return;
    this.#leaves.delete(number);
    this.#numbers = undefined;
  }

  /** Page ids from `from` on, ascending, at most `limit`. */
  pages(from: number, limit: number): number[] {
    const found: number[] = [];
    const numbers = this.#ascending();
    for (let i = firstFrom(numbers, from >>> LEAF_BITS); i < numbers.length && found.length < limit; i++) {
      const base = numbers[i]! * LEAF_PAGES;
      const { units } = this.#leaves.get(numbers[i]!)!;
      for (let at = Math.max(0, from - base); at < LEAF_PAGES && found.length < limit; at++)
        if (units[at] !== ABSENT) found.push(base + at);
    }
    return found;
  }

  /** Every page, in no order. */
  *[Symbol.iterator](): Generator<readonly [page: number, parts: readonly Extent[]]> {
    for (const [number, leaf] of this.#leaves)
      for (let at = 0; at < LEAF_PAGES; at++)
        if (leaf.units[at] !== ABSENT) yield [number * LEAF_PAGES + at, this.#partsAt(leaf, at)];
  }

  #ascending(): readonly number[] {
    this.#numbers ??= [...this.#leaves.keys()].sort((a, b) => a - b);
    return this.#numbers;
  }
}

const firstAt = ({ units, bytes }: Leaf, at: number): Extent => ({
  at: units[at]! * UNIT_BYTES,
  bytes: bytes[at]!,
});

/** Index of the first number that is no less. O(log n). */
function firstFrom(ascending: readonly number[], least: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! < least) low = middle + 1;
    else high = middle;
  }
  return low;
}
