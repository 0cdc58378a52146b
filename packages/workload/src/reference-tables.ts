/** The rows of `ReferenceDatabase`: every table with all versions that a running transaction may still see. */
import { SixfoldError } from "@sixfold/model";
import type { RowKey, ScanRange } from "./database-face.ts";
import { compareKeys, isWithin } from "./row-keys.ts";

interface Version {
  readonly at: number;
  /** Undefined: deleted. */
  readonly value: unknown;
}

interface VersionedRow {
  readonly key: RowKey;
  /** Oldest first. */
  readonly versions: Version[];
}

export type ReferenceRow = readonly [key: RowKey, value: unknown];

export class ReferenceTable {
  private readonly rows = new Map<string, VersionedRow>();

  get(key: RowKey, at: number): unknown {
    return valueAt(this.rows.get(rowName(key)), at);
  }

  /** Rows of `range` in order, before limit and direction. */
  within(range: ScanRange, at: number): ReferenceRow[] {
    const found: ReferenceRow[] = [];
    for (const row of this.rows.values()) {
      if (!isWithin(row.key, range)) continue;
      const value = valueAt(row, at);
      if (value !== undefined) found.push([row.key, value]);
    }
    return found.sort(([a], [b]) => compareKeys(a, b));
  }

  /** Was the row changed after `at`? */
  isNewer(key: RowKey, at: number): boolean {
    return (this.rows.get(rowName(key))?.versions.at(-1)?.at ?? 0) > at;
  }

  /** `oldest`: no transaction reads before it. */
  write(key: RowKey, value: unknown, at: number, oldest: number): void {
    const name = rowName(key);
    let row = this.rows.get(name);
    if (row === undefined) this.rows.set(name, (row = { key, versions: [] }));
    const { versions } = row;
    while (versions.length > 1 && versions[1]!.at <= oldest) versions.shift();
    versions.push({ at, value });
  }
}

export class ReferenceTables {
  private readonly tables = new Map<string, ReferenceTable>();
  private readonly dropped = new Map<string, ReferenceTable>();

  find(name: string): ReferenceTable {
    const table = this.tables.get(name);
    if (table === undefined) throw new SixfoldError("unknown-table", `there is no table "${name}"`);
    return table;
  }

  has(name: string): boolean {
    return this.tables.has(name);
  }

  /** `resurrects`: with the rows that it had when it was dropped. */
  create(name: string, resurrects: boolean): void {
    this.tables.set(name, (resurrects ? this.dropped.get(name) : undefined) ?? new ReferenceTable());
  }

  drop(name: string): void {
    this.dropped.set(name, this.find(name));
    this.tables.delete(name);
  }

  names(): string[] {
    return [...this.tables.keys()].sort();
  }
}

export function rowName(key: RowKey): string {
  return JSON.stringify(key);
}

/** In the order and number asked for. */
export function asAsked(rows: readonly ReferenceRow[], range: ScanRange): readonly ReferenceRow[] {
  return (range.reverse === true ? rows.toReversed() : rows).slice(0, range.limit);
}

function valueAt(row: VersionedRow | undefined, at: number): unknown {
  if (row === undefined) return undefined;
  for (let i = row.versions.length - 1; i >= 0; i--)
    if (row.versions[i]!.at <= at) return row.versions[i]!.value;
  return undefined;
}
