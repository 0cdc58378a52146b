/**
 * Where each stored page lies: page id -> extent, in typed arrays. 8 bytes a page where ids are dense, as those of a process group are.
 *
 *     page id    |  upper 22 bits: which leaf  |  lower 10 bits: place in it  |
 */

const LEAF_BITS = 10;
const LEAF_PAGES = 1 << LEAF_BITS;
const ABSENT = 0xffff_ffff;

/** Bytes of a page in the data file: `bytes` of them from the beginning of unit `unit` on. */
export interface Extent {
  readonly unit: number;
  readonly bytes: number;
}

interface Leaf {
  /** First unit of each page; ABSENT if there is no such page. */
  readonly units: Uint32Array;
  readonly bytes: Uint32Array;
  count: number;
}

export class PageTable {
  #count = 0;
  readonly #leaves = new Map<number, Leaf>();
  /** Of the leaves, ascending; undefined when it has to be made anew. */
  #numbers: number[] | undefined;

  get count(): number {
    return this.#count;
  }

  get(page: number): Extent | undefined {
    const leaf = this.#leaves.get(page >>> LEAF_BITS);
    const at = page % LEAF_PAGES;
    const unit = leaf?.units[at] ?? ABSENT;
    return unit === ABSENT ? undefined : { unit, bytes: leaf!.bytes[at]! };
  }

  set(page: number, { unit, bytes }: Extent): void {
    const number = page >>> LEAF_BITS;
    let leaf = this.#leaves.get(number);
    if (leaf === undefined) {
      const units = new Uint32Array(LEAF_PAGES).fill(ABSENT);
      leaf = { units, bytes: new Uint32Array(LEAF_PAGES), count: 0 };
      this.#leaves.set(number, leaf);
      this.#numbers = undefined;
    }
    const at = page % LEAF_PAGES;
    if (leaf.units[at] === ABSENT) {
      leaf.count += 1;
      this.#count += 1;
    }
    leaf.units[at] = unit;
    leaf.bytes[at] = bytes;
  }

  delete(page: number): void {
    const number = page >>> LEAF_BITS;
    const leaf = this.#leaves.get(number);
    const at = page % LEAF_PAGES;
    if (leaf === undefined || leaf.units[at] === ABSENT) return;
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

  /** Of every page, in no order. */
  forEach(visit: (page: number, extent: Extent) => void): void {
    for (const [number, { units, bytes }] of this.#leaves)
      for (let at = 0; at < LEAF_PAGES; at++)
        if (units[at] !== ABSENT) visit(number * LEAF_PAGES + at, { unit: units[at]!, bytes: bytes[at]! });
  }

  #ascending(): readonly number[] {
    this.#numbers ??= [...this.#leaves.keys()].sort((a, b) => a - b);
    return this.#numbers;
  }
}

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
