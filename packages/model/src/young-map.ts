/**
 * A map, and a set, of what comes and goes quickly.
 *
 *     Map     old table ──> next table ──> next table ──> ...       each holds what was in it when the next was made
 *     here    a new Map now and then: nothing leads to it from the old one
 *
 * V8 makes a Map a new table whenever the present one is full of what was deleted, and the old one leads to the new one, for iterators under way.
 * A young collection takes what is old for alive. So once one table has become old, all its successors become old, with whatever stands in
 * them at that time, and what that refers to: of a Map through which each request passes, all requests are left to the collector of the old,
 * and copied twice before. On the hot path that was an eighth of a writer's processor time (docs/performance.md).
 */

/** Deletions before there is a new Map: as many, and four times as many as there are elements. */
const RENEW_AFTER = 16;
const RENEW_SHARE = 4;

const isWorn = (deleted: number, size: number): boolean =>
  deleted >= RENEW_AFTER && deleted >= RENEW_SHARE * size;

/** An iteration sees what is deleted meanwhile as a Map's does; what is set meanwhile it may not see. */
export class YoungMap<K, V> implements Iterable<[K, V]> {
  private map = new Map<K, V>();
  private deleted = 0;

  get size(): number {
    return this.map.size;
  }

  get(key: K): V | undefined {
    return this.map.get(key);
  }

  has(key: K): boolean {
    return this.map.has(key);
  }

  set(key: K, value: V): this {
    // Not when something is deleted: that is what loops over all do.
    if (isWorn(this.deleted, this.map.size)) {
      this.map = new Map(this.map);
      this.deleted = 0;
    }
    this.map.set(key, value);
    return this;
  }

  delete(key: K): boolean {
    const had = this.map.delete(key);
    if (had) this.deleted++;
    return had;
  }

  clear(): void {
    if (this.map.size > 0) this.map = new Map();
    this.deleted = 0;
  }

  keys(): IterableIterator<K> {
    return this.map.keys();
  }

  values(): IterableIterator<V> {
    return this.map.values();
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.map[Symbol.iterator]();
  }
}

/** See `YoungMap`. */
export class YoungSet<T> implements Iterable<T> {
  private elements = new Set<T>();
  private deleted = 0;

  get size(): number {
    return this.elements.size;
  }

  has(element: T): boolean {
    return this.elements.has(element);
  }

  add(element: T): this {
    if (isWorn(this.deleted, this.elements.size)) {
      this.elements = new Set(this.elements);
      this.deleted = 0;
    }
    this.elements.add(element);
    return this;
  }

  delete(element: T): boolean {
    const had = this.elements.delete(element);
    if (had) this.deleted++;
    return had;
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.elements.values();
  }
}
