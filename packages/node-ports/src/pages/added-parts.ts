/** The parts that were added to pages, each with the number of the one before it, in typed arrays: there may be several of every page. */
import { packExtent, unitOf, unpackExtent, type Extent } from "./extent.ts";

/** Parts of one block, of which there are as many as it takes: nothing is copied when one more is needed. */
const BLOCK = 1 << 14;

/** Three numbers a part. */
interface Block {
  readonly units: Uint32Array;
  readonly packed: Uint32Array;
  /** The part before, or the next one that is free; 0 if there is none. */
  readonly before: Uint32Array;
}

export class AddedParts {
  readonly #blocks: Block[] = [];
  #free = 0;
  /** Numbers below it have been given. 0 is nobody's. */
  #end = 1;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get(number: number): Extent {
    const { units, packed } = this.#blockOf(number);
    return unpackExtent(units[number % BLOCK]!, packed[number % BLOCK]!);
  }

  /** Returns the part's number. `before`: that of the one before it, or 0. */
  put(part: Extent, before: number): number {
    const number = this.#next();
    const block = this.#blockOf(number);
    block.units[number % BLOCK] = unitOf(part);
    block.packed[number % BLOCK] = packExtent(part, true);
    block.before[number % BLOCK] = before;
    this.#count += 1;
    return number;
  }

  /** From this one back to the first. */
  through(last: number): Extent[] {
    const parts: Extent[] = [];
    for (let number = last; number !== 0; number = this.#before(number)) parts.push(this.get(number));
    return parts;
  }

  /** Forgets this one and all before it. */
  drop(last: number): void {
    for (let number = last; number !== 0;) {
      const before = this.#before(number);
      this.#blockOf(number).before[number % BLOCK] = this.#free;
      this.#free = number;
      this.#count -= 1;
      number = before;
    }
  }

  #next(): number {
    const number = this.#free;
    if (number !== 0) {
      this.#free = this.#before(number);
      return number;
    }
    if (this.#end >= this.#blocks.length * BLOCK)
      this.#blocks.push({
        units: new Uint32Array(BLOCK),
        packed: new Uint32Array(BLOCK),
        before: new Uint32Array(BLOCK),
      });
    return this.#end++;
  }

  #before(number: number): number {
    return this.#blockOf(number).before[number % BLOCK]!;
  }

  #blockOf(number: number): Block {
    return this.#blocks[Math.floor(number / BLOCK)]!;
  }
}
