/** One attempt of a transaction of `ReferenceDatabase`: its snapshot, what it read and what it would write. */
import { SixfoldError } from "@sixfold/model";
import type { RowKey, ScanRange } from "./database-face.ts";
import { compareKeys, isWithin } from "./row-keys.ts";
import {
  asAsked,
  type ReferenceRow,
  type ReferenceTable,
  type ReferenceTables,
  rowName,
} from "./reference-tables.ts";

interface Write {
  readonly table: string;
  readonly key: RowKey;
  /** Undefined: deleted. */
  readonly value: unknown;
}

export class ReferenceAttempt {
  readonly id: string;
  readonly snapshot: number;
  readonly isolation: "snapshot" | "serializable";
  private readonly signal: AbortSignal | undefined;
  private readonly reads: { readonly table: string; readonly key: RowKey }[] = [];
  private readonly ranges: { readonly table: string; readonly range: ScanRange }[] = [];
  private readonly byName = new Map<string, Write>();

  constructor(
    id: string,
    snapshot: number,
    isolation: "snapshot" | "serializable",
    signal: AbortSignal | undefined,
  ) {
    this.id = id;
    this.snapshot = snapshot;
    this.isolation = isolation;
    this.signal = signal;
  }

  get writes(): readonly Write[] {
    return [...this.byName.values()];
  }

  write(table: string, key: RowKey, value: unknown): void {
    this.byName.set(nameIn(table, key), { table, key, value });
  }

  written(table: string, key: RowKey): Write | undefined {
    return this.byName.get(nameIn(table, key));
  }

  noteRead(table: string, key: RowKey): void {
    this.reads.push({ table, key });
  }

  noteRange(table: string, range: ScanRange): void {
    this.ranges.push({ table, range });
  }

  /** Rows of `range` in order, own writes merged in. */
  overlaid(table: string, range: ScanRange, rows: ReferenceTable): ReferenceRow[] {
    const merged = rows
      .within(range, this.snapshot)
      .filter(([key]) => this.written(table, key) === undefined);
    for (const write of this.byName.values())
      if (write.table === table && write.value !== undefined && isWithin(write.key, range))
        merged.push([write.key, write.value]);
    return merged.sort(([a], [b]) => compareKeys(a, b));
  }

  /** Is what must not have changed since the snapshot the same now? */
  isUnchanged(tables: ReferenceTables): boolean {
    const isSerializable = this.isolation === "serializable";
    for (const { table, key } of this.writes)
      if (this.hasScanned(table, key) && tables.find(table).isNewer(key, this.snapshot)) return false;
    for (const { table, key } of this.reads)
      if (
        (isSerializable || this.written(table, key) !== undefined) &&
        tables.find(table).isNewer(key, this.snapshot)
      )
        return false;
    if (!isSerializable) return true;
    return this.ranges.every(({ table, range }) => {
      const then = asAsked(tables.find(table).within(range, this.snapshot), range);
      const now = asAsked(tables.find(table).within(range, Infinity), range);
      return now.length === then.length && now.every(([, value], i) => value === then[i]![1]);
    });
  }

  private hasScanned(table: string, key: RowKey): boolean {
    return this.ranges.some((scanned) => scanned.table === table && isWithin(key, scanned.range));
  }

  /** Throws if the client has given up; `outcome`: what it then knows. */
  checkPatience(outcome: "aborted" | "unknown"): void {
    if (this.signal?.aborted !== true) return;
    throw new SixfoldError("cancelled", "the caller's signal was aborted", {
      outcome,
      details: { transaction: this.id },
    });
  }
}

function nameIn(table: string, key: RowKey): string {
  return `${table} ${rowName(key)}`;
}
