/**
 * What of a transaction others can notice: the first read of each key, and its writes.
 *
 * Reads of what the transaction wrote itself, and second reads of a key, tell nothing of other transactions; they
 * must follow from what came before (the axiom INT of Cerone, Bernardi and Gotsman, CONCUR 2015). Where they do not, the
 * transaction is internally inconsistent: it did not see its own write, or its reads are of different moments.
 */
import type { HistoryOperation, HistoryTransaction } from "./history.ts";
import type { Versions } from "./versions.ts";

/** What the transaction saw of a key before it wrote there. */
export interface ExternalRead {
  /** Registers: what was there. */
  readonly value: number | undefined;
  /** Lists: what was there are the first `length`; own appends may follow. */
  readonly values: readonly number[];
  readonly length: number;
}

export interface KeyWrites {
  /** In program order. */
  readonly versions: number[];
  /** A register that was not read before: its write validates nothing, so it may overwrite what its snapshot did not show. */
  readonly blind: boolean;
}

export interface Footprint {
  /** Both by key. */
  readonly reads: ReadonlyMap<number, ExternalRead>;
  readonly writes: ReadonlyMap<number, KeyWrites>;
  /** Sentences. */
  readonly inconsistencies: readonly string[];
}

class FootprintTaker {
  readonly reads = new Map<number, ExternalRead>();
  readonly writes = new Map<number, KeyWrites>();
  readonly inconsistencies: string[] = [];
  private readonly transaction: HistoryTransaction;
  private readonly index: number;
  private readonly versions: Versions;

  constructor(transaction: HistoryTransaction, index: number, versions: Versions) {
    this.transaction = transaction;
    this.index = index;
    this.versions = versions;
  }

  take(operation: HistoryOperation): void {
    switch (operation.kind) {
      case "append":
        this.write(this.versions.key(operation.key, "list"), operation.value, false);
        return;
      case "write": {
        const key = this.versions.key(operation.key, "register");
        this.write(key, operation.value, !this.reads.has(key));
        return;
      }
      case "list":
        this.list(this.versions.key(operation.key, "list"), operation.values);
        return;
      case "read":
        this.read(this.versions.key(operation.key, "register"), operation.value);
    }
  }

  private write(key: number, value: number, blind: boolean): void {
    const version = this.versions.write(key, value, this.index);
    const before = this.writes.get(key);
    if (before === undefined) {
      this.writes.set(key, { versions: [version], blind });
      return;
    }
    this.versions.supersede(before.versions.at(-1)!);
    before.versions.push(version);
  }

  private read(key: number, value: number | undefined): void {
    const own = this.writes.get(key);
    const before = this.reads.get(key);
    if (own === undefined && before === undefined) {
      this.reads.set(key, { value, values: [], length: 0 });
      return;
    }
    const expected = own === undefined ? before!.value : this.versions.valueOf(own.versions.at(-1)!);
    if (value === expected) return;
    const why = own === undefined ? "had read" : "had written";
    this.complain(`read ${this.versions.nameOf(key)} = ${show(value)}, but ${why} ${show(expected)} before`);
  }

  private list(key: number, values: readonly number[]): void {
    const own = this.writes.get(key)?.versions ?? [];
    const length = values.length - own.length;
    const before = this.reads.get(key);
    const name = this.versions.nameOf(key);
    if (length < 0 || own.some((version, i) => values[length + i] !== this.versions.valueOf(version))) {
      const appended = own.map((version) => this.versions.valueOf(version)).join(" ");
      this.complain(`read list ${name} as [${values.join(" ")}], but had appended ${appended}`);
    } else if (before === undefined) {
      this.reads.set(key, { value: undefined, values, length });
    } else if (length !== before.length || !startsWith(values, before.values, length)) {
      const first = before.values.slice(0, before.length).join(" ");
      this.complain(`read list ${name} as [${first}], then as [${values.slice(0, length).join(" ")}]`);
    }
  }

  private complain(sentence: string): void {
    this.inconsistencies.push(`T${this.transaction.id} ${sentence}`);
  }
}

/** Whether the first `length` values are the same. */
export function startsWith(a: readonly number[], b: readonly number[], length: number): boolean {
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function show(value: number | undefined): string {
  return value === undefined ? "nothing" : `${value}`;
}

/** Takes the footprint of a transaction; its writes become versions. */
export function takeFootprint(transaction: HistoryTransaction, index: number, versions: Versions): Footprint {
  const taker = new FootprintTaker(transaction, index, versions);
  for (const operation of transaction.operations) taker.take(operation);
  return taker;
}
