/**
 * The states met so far, each once: an open-addressing hash set over one growing array of bytes. A state's number is the order in
 * which it was met, so that the array is the queue of the breadth-first search as well.
 */
export class StateStore {
  /** States held. */
  count = 0;
  private readonly size: number;
  private readonly words: number;
  private bytes: Uint8Array;
  private view: Uint32Array;
  /** Number + 1 of the state in each slot; 0: free. */
  private slots: Int32Array;

  constructor(size: number) {
    this.size = size;
    this.words = size >> 2;
    this.bytes = new Uint8Array(size * 4096);
    this.view = new Uint32Array(this.bytes.buffer);
    this.slots = new Int32Array(16_384);
  }

  /** Number of the state if it is new, else -1. */
  add(state: Uint32Array): number {
    const found = this.probe(state);
    if (this.slots[found] !== 0) return -1;
    if ((this.count + 1) * this.size > this.bytes.length) this.growBytes();
    this.view.set(state, this.count * this.words);
    this.count += 1;
    this.slots[found] = this.count;
    if (this.count * 2 > this.slots.length) this.growSlots();
    return this.count - 1;
  }

  read(n: number, into: Uint8Array): void {
    into.set(this.bytes.subarray(n * this.size, (n + 1) * this.size));
  }

  private probe(given: Uint32Array): number {
    const { words, view, slots } = this;
    const mask = slots.length - 1;
    for (let slot = hash(given, words) & mask; ; slot = (slot + 1) & mask) {
      const n = slots[slot]!;
      if (n === 0) return slot;
      const from = (n - 1) * words;
      let w = 0;
      while (w < words && view[from + w] === given[w]) w += 1;
      if (w === words) return slot;
    }
  }

  private growBytes(): void {
    const bytes = new Uint8Array(this.bytes.length * 2);
    bytes.set(this.bytes);
    this.bytes = bytes;
    this.view = new Uint32Array(bytes.buffer);
  }

  private growSlots(): void {
    const slots = new Int32Array(this.slots.length * 2);
    const mask = slots.length - 1;
    for (let n = 0; n < this.count; n++) {
      const words = this.view.subarray(n * this.words, (n + 1) * this.words);
      let slot = hash(words, this.words) & mask;
      while (slots[slot] !== 0) slot = (slot + 1) & mask;
      slots[slot] = n + 1;
    }
    this.slots = slots;
  }
}

/** Murmur3's mixing, word by word. */
function hash(view: Uint32Array, words: number): number {
  let h = 0x9747b28c;
  for (let i = 0; i < words; i++) {
    let k = Math.imul(view[i]!, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    h ^= Math.imul(k, 0x1b873593);
    h = (h << 13) | (h >>> 19);
    h = (Math.imul(h, 5) + 0xe6546b64) | 0;
  }
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
