/**
 * The ledger of `churn` and `long-values`: whose rows must be where.
 *
 * Each client owns a class of keys that only it writes, so it knows exactly what must be there, and nobody else's keys lie
 * apart from its own: the last element of a key is its owner, rows of all owners mix on the pages. A session shows
 * its own acknowledged writes (DESIGN section 8), so what a client reads of its own class is compared with its ledger to the
 * row; of the others' rows each must be whole and a version that somebody wrote and that was not aborted.
 *
 *     version     begun -> committed | aborted | unknown        one a write attempt, numbered over the run
 *     own key     the version that must be there, or none; `tainted` for ever once that is not known
 */
import type { RowKey } from "./database-face.ts";
import type { Bodies, OwnedRow } from "./owned-row.ts";
import { nameOf } from "./row-keys.ts";

type VersionState = "begun" | "committed" | "aborted" | "unknown";

/** What one attempt would change of its client's class. */
export interface OwnChanges {
  readonly serial: number;
  readonly puts: readonly OwnedRow[];
  readonly deletes: readonly RowKey[];
}

export class OwnedRows {
  private readonly bodies: Bodies;
  /** By serial. */
  private readonly states: VersionState[] = ["aborted"];
  private readonly seenEarly = new Set<number>();
  private readonly classes: OwnClass[] = [];

  constructor(bodies: Bodies) {
    this.bodies = bodies;
  }

  classOf(client: number): OwnClass {
    return (this.classes[client] ??= new OwnClass(client));
  }

  /** A new version number for an attempt about to write. */
  begin(): number {
    return this.states.push("begun") - 1;
  }

  /** The attempt ended; undefined, or what must not be. */
  end(serial: number, how: "committed" | "aborted" | "unknown"): string | undefined {
    this.states[serial] = how;
    if (how === "aborted" && this.seenEarly.has(serial))
      return `write ${serial} was seen, then reported as aborted`;
    this.seenEarly.delete(serial);
    return undefined;
  }

  /** Judges a row of whichever owner that a snapshot showed; `reader`: the attempt that saw it, which may see its own writes. */
  judge(key: RowKey, row: OwnedRow, reader?: number): string | undefined {
    const fault = this.bodies.fault(key, row);
    if (fault !== undefined) return fault;
    const state = this.states[row.serial];
    if (state === undefined) return `row ${nameOf(key)} holds write ${row.serial}, which nobody made`;
    if (state === "aborted") return `row ${nameOf(key)} holds write ${row.serial}, which was aborted`;
    if (state === "begun" && row.serial !== reader) this.seenEarly.add(row.serial);
    return undefined;
  }

  /** At the end and at one snapshot: all rows of all classes. */
  judgeAll(rows: readonly (readonly [key: RowKey, row: OwnedRow])[]): string | undefined {
    const found = this.classes.map(() => new Map<string, OwnedRow>());
    for (const [key, row] of rows) {
      const wrong = this.judge(key, row);
      if (wrong !== undefined) return wrong;
      const owner = key.at(-1) as number;
      if (found[owner] === undefined) return `row ${nameOf(key)} has an owner that is no client`;
      found[owner].set(nameOf(key), row);
    }
    for (const [client, own] of this.classes.entries()) {
      const wrong = own?.judge(found[client]!, () => true);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }
}

/** The keys of one client. */
export class OwnClass {
  /** The client. */
  readonly owner: number;
  private readonly rows = new Map<string, OwnedRow>();
  private readonly tainted = new Set<string>();

  constructor(owner: number) {
    this.owner = owner;
  }

  /** Keys of rows that must be there, in no order. */
  get live(): readonly RowKey[] {
    return [...this.rows.values()].map((row) => row.key);
  }

  get size(): number {
    return this.rows.size;
  }

  /** The row that must be at `key`. */
  row(key: RowKey): OwnedRow | undefined {
    return this.rows.get(nameOf(key));
  }

  /** Nothing is known of this key any more, so nothing should be done with it. */
  isTainted(key: RowKey): boolean {
    return this.tainted.has(nameOf(key));
  }

  apply(changes: OwnChanges): void {
    for (const key of changes.deletes) this.rows.delete(nameOf(key));
    for (const row of changes.puts) this.rows.set(nameOf(row.key), row);
  }

  /** Nobody can say whether `changes` happened. */
  taint(changes: OwnChanges): void {
    for (const key of [...changes.deletes, ...changes.puts.map((row) => row.key)]) {
      this.rows.delete(nameOf(key));
      this.tainted.add(nameOf(key));
    }
  }

  /**
   * Compares with `found`, own rows by key. `covers`: whether a key lies in what was read. `changes`: of the reading attempt
   * itself, which saw them.
   */
  judge(
    found: ReadonlyMap<string, OwnedRow>,
    covers: (key: RowKey) => boolean,
    changes?: OwnChanges,
  ): string | undefined {
    const changed = new Map<string, OwnedRow | undefined>();
    for (const key of changes?.deletes ?? []) changed.set(nameOf(key), undefined);
    for (const row of changes?.puts ?? []) changed.set(nameOf(row.key), row);
    for (const [name, row] of found) {
      if (this.tainted.has(name)) continue;
      const expected = changed.has(name) ? changed.get(name) : this.rows.get(name);
      if (expected === undefined) return `row ${name} is there (write ${row.serial}) and should not be`;
      if (expected.serial !== row.serial) return `row ${name} is write ${row.serial}, not ${expected.serial}`;
    }
    for (const [name, { key, serial }] of this.rows)
      if (!found.has(name) && !changed.has(name) && covers(key))
        return `row ${name} is missing (write ${serial})`;
    for (const [name, row] of changed)
      if (row !== undefined && !found.has(name) && covers(row.key))
        return `row ${name} is missing (the transaction's own write ${row.serial})`;
    return undefined;
  }
}
