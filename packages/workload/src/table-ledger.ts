/** What the clients of `tables` know of a table: all of one that is their own, some of one that they share. */
import { nameOf } from "./row-keys.ts";
import type { Rows } from "./transaction-steps.ts";
import type { OperationOutcome } from "./workload.ts";

export interface TableRow {
  /** The transaction that put it. */
  readonly serial: number;
  readonly row: number;
  readonly text: string;
}

export class OwnTable {
  readonly name: string;
  /** `unknown`: an outcome that nobody could tell, so nothing is known any more. */
  state: "absent" | "present" | "unknown" = "absent";
  readonly rows = new Map<number, TableRow>();

  constructor(name: string) {
    this.name = name;
  }

  become(state: "absent" | "present"): void {
    this.state = state;
    this.rows.clear();
  }

  lose(): void {
    this.state = "unknown";
  }

  change(deleted: readonly number[], put: readonly TableRow[]): void {
    for (const row of deleted) this.rows.delete(row);
    for (const row of put) this.rows.set(row.row, row);
  }

  judge(found: Rows<TableRow>): string | undefined {
    const left = new Map(this.rows);
    for (const [key, { serial, row, text }] of found) {
      const expected = left.get(row);
      if (key[0] !== row || expected === undefined)
        return `${this.name} has row ${nameOf(key)} of put ${serial}, which should not be there`;
      if (expected.serial !== serial || expected.text !== text)
        return `${this.name} has row ${row} of put ${serial}, not of put ${expected.serial}`;
      left.delete(row);
    }
    for (const { row, serial } of left.values()) return `${this.name} lacks row ${row} of put ${serial}`;
    return undefined;
  }
}

/** One transaction's put into a shared table. */
export class SharedPut {
  outcome: OperationOutcome | undefined;
  endedAt = Infinity;

  end(outcome: OperationOutcome, moment: number): void {
    this.outcome = outcome;
    if (outcome === "committed") this.endedAt = moment;
  }
}

export class SharedTable {
  readonly name: string;
  private readonly puts = new Map<number, SharedPut>();
  /** Drops that were acknowledged, by their begin and end. */
  private readonly drops: { readonly begin: number; readonly end: number }[] = [];

  constructor(name: string) {
    this.name = name;
  }

  begin(serial: number): SharedPut {
    const put = new SharedPut();
    this.puts.set(serial, put);
    return put;
  }

  dropped(begin: number, end: number): void {
    this.drops.push({ begin, end });
  }

  /** What a scan at `cluster` consistency that began at `moment` showed. */
  judge(found: Rows<TableRow>, moment: number): string | undefined {
    const counts = new Map<number, number>();
    for (const [key, { serial, row }] of found) {
      if (key[0] !== serial || key[1] !== row) return `${this.name} has row ${nameOf(key)} of put ${serial}`;
      counts.set(serial, (counts.get(serial) ?? 0) + 1);
    }
    for (const serial of counts.keys()) {
      const put = this.puts.get(serial);
      if (put === undefined) return `${this.name} has rows of put ${serial}, which nobody made`;
      if (put.outcome === "aborted") return `${this.name} has rows of put ${serial}, which was aborted`;
      const over = this.drops.find((drop) => put.endedAt < drop.begin && drop.end < moment);
      if (over !== undefined)
        return `${this.name} has rows of put ${serial}, which was there before it was dropped`;
    }
    return undefined;
  }
}
