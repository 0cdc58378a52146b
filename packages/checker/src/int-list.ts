/** A growing list of 32-bit integers: millions of edges without an object each. */
export class IntList {
  length = 0;
  private items = new Int32Array(64);

  push(value: number): number {
    if (this.length === this.items.length) {
      const larger = new Int32Array(this.items.length * 2);
      larger.set(this.items);
      this.items = larger;
    }
    this.items[this.length] = value;
    return this.length++;
  }

  /** `index` must be below `length`. */
  at(index: number): number {
    return this.items[index]!;
  }

  set(index: number, value: number): void {
    this.items[index] = value;
  }
}
