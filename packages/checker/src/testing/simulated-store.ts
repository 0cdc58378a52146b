/**
 * A store of several sites that keeps its promises by construction, and the same store with faults to be switched on.
 *
 *     site 0 ──> site 1       a commit is known by (site, number at that site); it reaches the other sites late, and
 *        └────> site 2        unrelated ones in different orders. What a site or a snapshot shows is a vector of numbers.
 *
 *     closed     with a commit a vector includes all that its author saw or wrote over ("past")
 *     session    begins with what the site shows and what the session has seen
 *     cluster    begins with all that is committed anywhere
 *     commit     refused if the newest version of a key is not in the snapshot: of keys read and written, and, when
 *                serializable, of keys read
 */
import type { Options } from "./notation.ts";
import type { Random } from "./random.ts";

/** What may be wrong with the store. Each shows now and then, by `Random`. */
export type StoreFault =
  | "lost update"
  | "torn read"
  | "stale read"
  | "reads not validated"
  | "session forgotten"
  | "not closed"
  | "abort leaves a write"
  | "dirty read"
  | "commit lost"
  | "cluster reads not at one moment";

export type Vector = number[];

/** A row after a commit: a list's values, or a register's one. */
interface Version {
  readonly site: number;
  readonly number: number;
  readonly values: readonly number[];
}

export interface StoreTransaction extends Options {
  readonly site: number;
  readonly snapshot: Vector;
  /** The session's, updated at the end. */
  readonly seen: Vector;
  /** Rows as the transaction sees them, its own writes included. */
  readonly rows: Map<string, number[]>;
  readonly read: Set<string>;
  readonly written: Set<string>;
}

const RATE = 0.05;

export class SimulatedStore {
  private readonly kind: "list" | "register";
  private readonly random: Random;
  private readonly fault: StoreFault | undefined;
  private readonly shows: Vector[];
  /** By site and number - 1: what a commit is built on, itself included. */
  private readonly pasts: Vector[][];
  private readonly rows = new Map<string, Version[]>();
  private readonly running = new Set<StoreTransaction>();

  constructor(kind: "list" | "register", sites: number, random: Random, fault?: StoreFault) {
    this.kind = kind;
    this.random = random;
    this.fault = fault;
    this.shows = Array.from({ length: sites }, () => new Array<number>(sites).fill(0));
    this.pasts = Array.from({ length: sites }, () => []);
  }

  get sites(): number {
    return this.shows.length;
  }

  begin(options: Options, site: number, seen: Vector): StoreTransaction {
    const isStale = options.consistency === "cluster" && this.fails("stale read");
    const forgets = this.fails("session forgotten");
    const base = forgets ? this.shows[this.random.below(this.sites)]! : join(this.shows[site]!, seen);
    const snapshot = options.consistency === "cluster" && !isStale ? this.everything() : [...base];
    const transaction: StoreTransaction = {
      ...options,
      site,
      snapshot,
      seen,
      rows: new Map(),
      read: new Set(),
      written: new Set(),
    };
    this.running.add(transaction);
    return transaction;
  }

  read(transaction: StoreTransaction, key: string): readonly number[] {
    if (!transaction.written.has(key)) {
      if (transaction.rows.size === 0) this.refresh(transaction);
      if (this.fails("torn read")) return this.rowAt(key, this.shows[this.random.below(this.sites)]!);
      if (this.fails("dirty read"))
        for (const other of this.running)
          if (other !== transaction && other.written.has(key)) return [...other.rows.get(key)!];
    }
    if (!transaction.written.has(key)) transaction.read.add(key);
    return this.row(transaction, key);
  }

  write(transaction: StoreTransaction, key: string, value: number): void {
    const row = this.row(transaction, key);
    if (this.kind === "list") row.push(value);
    else row.splice(0, row.length, value);
    transaction.written.add(key);
  }

  /** Whether it committed. */
  commit(transaction: StoreTransaction): boolean {
    this.running.delete(transaction);
    if (!this.isValid(transaction)) {
      this.abort(transaction);
      return false;
    }
    const past = join(transaction.seen, transaction.snapshot);
    if (transaction.written.size > 0 && !this.fails("commit lost")) this.install(transaction, past);
    transaction.seen.splice(0, transaction.seen.length, ...past);
    return true;
  }

  abort(transaction: StoreTransaction): void {
    this.running.delete(transaction);
    const [key] = transaction.written;
    if (key === undefined || !this.fails("abort leaves a write")) return;
    this.install({ ...transaction, written: new Set([key]) }, [...transaction.snapshot]);
  }

  /** One commit arrives at one site, if there is one whose past is there. */
  replicate(): void {
    const site = this.random.below(this.sites);
    const from = this.random.below(this.sites);
    const shown = this.shows[site]!;
    const past = this.pasts[from]![shown[from]!];
    if (past === undefined) return;
    const isClosed = past.every((number, other) => other === from || number <= shown[other]!);
    if (isClosed || this.fails("not closed")) shown[from]!++;
  }

  /** Every site shows everything. */
  settle(): void {
    for (const shown of this.shows) shown.splice(0, shown.length, ...this.everything());
  }

  private everything(): Vector {
    return this.pasts.map((commits) => commits.length);
  }

  private row(transaction: StoreTransaction, key: string): number[] {
    let row = transaction.rows.get(key);
    if (row === undefined) {
      row = [...this.rowAt(key, transaction.snapshot)];
      transaction.rows.set(key, row);
    }
    return row;
  }

  private rowAt(key: string, snapshot: Vector): readonly number[] {
    const versions = this.rows.get(key) ?? [];
    for (let i = versions.length - 1; i >= 0; i--)
      if (includes(snapshot, versions[i]!)) return versions[i]!.values;
    return [];
  }

  private isValid({ isolation, snapshot, read, written }: StoreTransaction): boolean {
    const unwatched = this.fails("lost update");
    const isUnchanged = (key: string): boolean => {
      const newest = this.rows.get(key)?.at(-1);
      return newest === undefined || includes(snapshot, newest);
    };
    for (const key of written)
      if ((this.kind === "list" || read.has(key)) && !isUnchanged(key) && !unwatched) return false;
    if (isolation === "snapshot" || this.fails("reads not validated")) return true;
    return [...read].every((key) => isUnchanged(key) || (unwatched && written.has(key)));
  }

  private install({ site, rows, written }: StoreTransaction, past: Vector): void {
    const commits = this.pasts[site]!;
    const number = commits.length + 1;
    // Its number says that the site's earlier commits are visible with it, so what they are built on is as well.
    if (!this.fails("not closed")) raise(past, this.shows[site]!);
    for (const key of written) {
      let versions = this.rows.get(key);
      if (versions === undefined) this.rows.set(key, (versions = []));
      const overwritten = versions.at(-1);
      if (overwritten !== undefined) {
        const { site: author, number: before } = overwritten;
        if (author !== site || before !== number) raise(past, this.pasts[author]![before - 1]!);
      }
      versions.push({ site, number, values: rows.get(key)! });
    }
    past[site] = number;
    commits.push([...past]);
    raise(this.shows[site]!, past);
  }

  /** The fault of a global read that asks the sites one by one: some answers are of a later moment than others. */
  private refresh({ snapshot, consistency }: StoreTransaction): void {
    if (consistency === "session" || !this.fails("cluster reads not at one moment")) return;
    const site = this.random.below(this.sites);
    const commits = this.pasts[site]!;
    for (let number = snapshot[site]!; number < commits.length; number++) raise(snapshot, commits[number]!);
  }

  private fails(fault: StoreFault): boolean {
    return this.fault === fault && this.random.chance(RATES[fault] ?? RATE);
  }
}

/** Some faults hardly show unless they are often there. */
const RATES: { readonly [fault in StoreFault]?: number } = {
  "not closed": 1,
  "cluster reads not at one moment": 1,
  "reads not validated": 0.5,
  "session forgotten": 0.3,
};

function includes(vector: Vector, { site, number }: Version): boolean {
  return number <= vector[site]!;
}

function join(a: Vector, b: Vector): Vector {
  return a.map((number, site) => Math.max(number, b[site]!));
}

function raise(vector: Vector, by: Vector): void {
  by.forEach((number, site) => (vector[site] = Math.max(vector[site]!, number)));
}
