/**
 * A transaction's writes until it commits, by table and key, so that its own reads and scans see them.
 *
 * Keys stand as strings of one character a byte: those compare as the bytes do, and a Map takes them.
 */
import { LIMITS, limitExceeded } from "@sixfold/model";
import type { Write } from "@sixfold/wire";

export interface BufferedWrite {
  readonly key: Uint8Array;
  /** Undefined: deleted. */
  readonly value: Uint8Array | undefined;
}

/** Per write: table number, lengths, a row's header. */
const OVERHEAD_BYTES = 16;

export function keyString(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}

/** The writes to one table. */
export class TableWrites {
  private readonly rows = new Map<string, BufferedWrite>();
  private sorted: string[] | undefined;
  deletes = 0;

  get(key: string): BufferedWrite | undefined {
    return this.rows.get(key);
  }

  set(key: string, write: BufferedWrite): void {
    const before = this.rows.get(key);
    if (before === undefined) this.sorted = undefined;
    else if (before.value === undefined) this.deletes -= 1;
    if (write.value === undefined) this.deletes += 1;
    this.rows.set(key, write);
  }

  values(): IterableIterator<BufferedWrite> {
    return this.rows.values();
  }

  /** The nearest written key beyond `from` (at it too if `inclusive`) in scan direction; from the edge if undefined. O(log n), sorting aside. */
  next(from: string | undefined, inclusive: boolean, reverse: boolean): string | undefined {
    const sorted = (this.sorted ??= [...this.rows.keys()].sort());
    if (from === undefined) return reverse ? sorted[sorted.length - 1] : sorted[0];
    let low = 0;
    let high = sorted.length;
    // The first index that is beyond `from` (forwards), or not before it (reverse).
    const passes = (key: string): boolean => (reverse === inclusive ? key > from : key >= from);
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (passes(sorted[mid]!)) high = mid;
      else low = mid + 1;
    }
    return reverse ? sorted[low - 1] : sorted[low];
  }
}

export class WriteBuffer {
  private readonly tables = new Map<string, TableWrites>();
  /** About what the writes take in an entry. */
  bytes = 0;

  get isEmpty(): boolean {
    return this.tables.size === 0;
  }

  table(name: string): TableWrites | undefined {
    return this.tables.get(name);
  }

  add(table: string, key: Uint8Array, value: Uint8Array | undefined): void {
    let writes = this.tables.get(table);
    if (writes === undefined) this.tables.set(table, (writes = new TableWrites()));
    const at = keyString(key);
    const before = writes.get(at);
    const size = (v: Uint8Array | undefined): number => OVERHEAD_BYTES + key.length + (v?.length ?? 0);
    this.bytes += size(value) - (before === undefined ? 0 : size(before.value));
    if (this.bytes > LIMITS.entryBytes)
      throw limitExceeded("entryBytes", this.bytes, "the transaction's writes");
    writes.set(at, { key, value });
  }

  writes(): Write[] {
    const out: Write[] = [];
    for (const [table, writes] of this.tables)
      for (const { key, value } of writes.values())
        out.push(value === undefined ? { table, key } : { table, key, value });
    return out;
  }
}
