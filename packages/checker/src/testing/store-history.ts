/**
 * Clients of the simulated store under a virtual clock: each runs random transactions one after another, and what it
 * records is a history.
 */
import type { HistoryOperation, HistoryTransaction, Outcome } from "../history.ts";
import { options } from "./notation.ts";
import type { Random } from "./random.ts";
import { SimulatedStore, type StoreFault, type StoreTransaction, type Vector } from "./simulated-store.ts";

export interface LoadOptions {
  readonly kind: "list" | "register";
  /** Options of each transaction, drawn from these. */
  readonly promises: readonly string[];
  readonly transactions: number;
  readonly clients: number;
  /** In use at a time: a key gets a new name when it has been written often. */
  readonly keys: number;
  readonly fault?: StoreFault;
  /** Replications tried for each step of a client. */
  readonly replication?: number;
}

interface OpenTransaction {
  readonly record: Omit<HistoryTransaction, "operations">;
  readonly operations: HistoryOperation[];
  readonly transaction: StoreTransaction;
  left: number;
}

interface Client {
  readonly session: number;
  readonly site: number;
  readonly seen: Vector;
  open: OpenTransaction | undefined;
}

const SITES = 3;
const WRITES_PER_KEY = 40;
const OPERATIONS_MAX = 5;
/** Replications tried for each step of a client: few enough for sites to fall behind. */
const REPLICATION = 0.7;
const UNKNOWN = 0.01;
const GIVEN_UP = 0.02;

export function runStore(load: LoadOptions, random: Random): HistoryTransaction[] {
  return new StoreRun(load, random).run();
}

class StoreRun {
  private readonly load: LoadOptions;
  private readonly random: Random;
  private readonly store: SimulatedStore;
  private readonly history: HistoryTransaction[] = [];
  private readonly clients: Client[];
  private readonly writes = new Map<number, number>();
  private begun = 0;
  private now = 0;
  private lastValue = 0;

  constructor(load: LoadOptions, random: Random) {
    this.load = load;
    this.random = random;
    this.store = new SimulatedStore(load.kind, SITES, random, load.fault);
    this.clients = Array.from({ length: load.clients }, (_, session): Client => ({
      session,
      site: session % SITES,
      seen: new Array<number>(SITES).fill(0),
      open: undefined,
    }));
  }

  run(): HistoryTransaction[] {
    while (this.begun < this.load.transactions || this.clients.some(({ open }) => open !== undefined)) {
      this.now++;
      this.step(this.random.pick(this.clients));
      if (this.random.chance(this.load.replication ?? REPLICATION)) this.store.replicate();
    }
    this.store.settle();
    return this.history;
  }

  private step(client: Client): void {
    const { open } = client;
    if (open === undefined) {
      if (this.begun < this.load.transactions) this.begin(client);
    } else if (open.left-- > 0) {
      open.operations.push(this.operate(open.transaction));
    } else {
      this.end(client);
    }
  }

  private begin(client: Client): void {
    const chosen = options(this.random.pick(this.load.promises));
    const transaction = this.store.begin(chosen, client.site, client.seen);
    const record: OpenTransaction["record"] = {
      id: this.begun++,
      session: client.session,
      invokedAt: this.now,
      returnedAt: Infinity,
      outcome: "unknown",
      ...chosen,
    };
    client.open = { record, operations: [], transaction, left: 1 + this.random.below(OPERATIONS_MAX) };
  }

  private operate(transaction: StoreTransaction): HistoryOperation {
    const row = this.random.below(this.load.keys);
    const isWrite = this.random.chance(0.4);
    const before = this.writes.get(row) ?? 0;
    const key = `k${row}_${Math.floor(before / WRITES_PER_KEY)}`;
    if (isWrite) {
      this.writes.set(row, before + 1);
      const value = ++this.lastValue;
      this.store.write(transaction, key, value);
      return { kind: this.load.kind === "list" ? "append" : "write", key, value };
    }
    const values = [...this.store.read(transaction, key)];
    return this.load.kind === "list"
      ? { kind: "list", key, values }
      : { kind: "read", key, value: values.at(-1) };
  }

  private end(client: Client): void {
    const { record, operations, transaction } = client.open!;
    client.open = undefined;
    const seen = [...client.seen];
    let outcome: Outcome = "aborted";
    if (this.random.chance(GIVEN_UP)) this.store.abort(transaction);
    else if (this.store.commit(transaction)) outcome = "committed";
    if (this.random.chance(UNKNOWN)) {
      // The answer is lost, and with it the session's knowledge of what it did.
      client.seen.splice(0, SITES, ...seen);
      this.history.push({ ...record, operations });
      return;
    }
    this.history.push({ ...record, operations, outcome, returnedAt: this.now });
  }
}
