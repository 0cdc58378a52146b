/** The pieces that were added to pages, each with the number of the one before it, in typed arrays that grow: there may be several of every page. */
import { packExtent, unitOf, unpackExtent, type Extent } from "./extent.ts";

export class AddedPieces {
  #units = new Uint32Array(64);
  #packed = new Uint32Array(64);
  /** The piece before, or the next one that is free; 0 if there is none. */
  #before = new Uint32Array(64);
  #free = 0;
  /** Numbers below it have been given. 0 is nobody's. */
  #end = 1;

  get(number: number): Extent {
    return unpackExtent(this.#units[number]!, this.#packed[number]!);
  }

  /** Returns the piece's number. `before`: that of the one before it, or 0. */
  put(piece: Extent, before: number): number {
    const number = this.#next();
    this.#units[number] = unitOf(piece);
    this.#packed[number] = packExtent(piece, true);
    this.#before[number] = before;
    return number;
  }

  /** From this one back to the first. */
  through(last: number): Extent[] {
    const pieces: Extent[] = [];
    for (let number = last; number !== 0; number = this.#before[number]!) pieces.push(this.get(number));
    return pieces;
  }

  /** Forgets this one and all before it. */
  drop(last: number): void {
    for (let number = last; number !== 0;) {
      const before = this.#before[number]!;
      this.#before[number] = this.#free;
      this.#free = number;
      number = before;
    }
  }

  #next(): number {
    const number = this.#free;
    if (number !== 0) {
      this.#free = this.#before[number]!;
      return number;
    }
    if (this.#end === this.#units.length) this.#grow();
    return this.#end++;
  }

  #grow(): void {
    this.#units = twice(this.#units);
    this.#packed = twice(this.#packed);
    this.#before = twice(this.#before);
  }
}

function twice(numbers: Uint32Array): Uint32Array<ArrayBuffer> {
  const more = new Uint32Array(2 * numbers.length);
  more.set(numbers);
  return more;
}
