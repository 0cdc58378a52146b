/**
 * A map that forgets what was not used for long: two generations. When the younger is full it becomes the older, and what was older
 * is gone; what is used moves to the younger. So at most twice the capacity is held, at O(1) amortised.
 */
export class Generations<K, V> {
  private readonly capacity: number;
  private younger = new Map<K, V>();
  private older = new Map<K, V>();

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get size(): number {
    return this.younger.size + this.older.size;
  }

  get(key: K): V | undefined {
    const young = this.younger.get(key);
    if (young !== undefined) return young;
    const old = this.older.get(key);
    if (old === undefined) return undefined;
    this.older.delete(key);
    this.set(key, old);
    return old;
  }

  set(key: K, value: V): void {
    this.younger.set(key, value);
    if (this.younger.size < this.capacity) return;
    this.older = this.younger;
    this.younger = new Map();
  }
}
