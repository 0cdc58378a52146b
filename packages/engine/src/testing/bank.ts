/**
 * Test kit: clients that move money between accounts of a storage world, and watch the total.
 *
 * Clients are generators that yield requests and get results; the driver steps the world between.
 * `problems` collects what an invariant forbids; tests expect it empty, or, with a planted break, not.
 */
import { Random, isRetryable, transactionId, type Isolation } from "@sixfold/model";
import type { EngineResult, ProcedureContext, TxHandle } from "../engine-api.ts";
import type { Engine } from "../engine.ts";
import { checkVolume } from "../volume-check.ts";
import { StorageWorld, type WorldOptions } from "./storage-world.ts";

type Ask = (engine: Engine, request: number, now: number) => void;
type Client = Generator<{ i: number; ask: Ask }, void, EngineResult>;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const INITIAL = 1000;

export interface BankOptions extends WorldOptions {
  readonly accounts: number;
  readonly clients: number;
  readonly steps: number;
  readonly isolation?: Isolation;
  /** Padding of rows, so that accounts spread over pages. */
  readonly padding?: number;
  /** Called between steps. */
  readonly disturb?: (world: StorageWorld, random: Random) => void;
}

export class Bank {
  readonly world: StorageWorld;
  readonly problems: string[] = [];
  readonly counts = { transfers: 0, procedures: 0, audits: 0, conflicts: 0, grown: 0 };
  private readonly options: BankOptions;
  private readonly random: Random;
  private readonly padding: string;
  private ids = 0;

  constructor(options: BankOptions) {
    this.options = options;
    this.world = new StorageWorld(options);
    this.random = new Random(options.seed + 1);
    this.padding = "x".repeat(options.padding ?? 300);
  }

  run(): this {
    const { world, options } = this;
    this.must(world.run(0, (e, r, now) => e.createTable(r, transactionId("1-t"), "bank", now)));
    const writes = Array.from({ length: options.accounts }, (_, n) => ({
      table: "bank",
      key: this.key(n),
      value: this.value(INITIAL),
    }));
    this.must(
      world.run(0, (e, r, now) =>
        e.commit(r, { tx: this.handle("snapshot"), writes, conflicts: "row" }, now),
      ),
    );
    world.settle();
    const clients = Array.from({ length: options.clients }, () => ({
      at: undefined as undefined | { i: number; request: number },
      run: undefined as Client | undefined,
    }));
    for (let step = 0; step < options.steps; step++) {
      for (const client of clients) this.advance(client, true);
      world.step();
      options.disturb?.(world, this.random);
    }
    for (let step = 0; clients.some((c) => c.run !== undefined); step++) {
      if (step > 300_000) {
        this.problems.push("a client is never answered");
        return this;
      }
      for (const client of clients) this.advance(client, false);
      world.step();
    }
    world.settle();
    for (let i = 0; i < world.members.length; i++)
      this.total(
        world.run(i, (e, r, now) => e.scan(r, { table: "bank" }, now)),
        `at engine ${i + 1} in the end`,
      );
    const report = checkVolume((page) => world.chains.get(page)?.at(-1)?.image);
    this.problems.push(...report.problems);
    return this;
  }

  private advance(
    client: { at: undefined | { i: number; request: number }; run: Client | undefined },
    more: boolean,
  ): void {
    let result: EngineResult | undefined;
    if (client.at !== undefined) {
      result = this.world.members[client.at.i]!.replies.get(client.at.request);
      if (result === undefined) return;
    }
    if (client.run === undefined) {
      if (!more) return;
      client.run = this.client();
    }
    const next = result === undefined ? client.run.next() : client.run.next(result);
    if (next.done === true) {
      client.run = client.at = undefined;
      return;
    }
    const { i, ask } = next.value;
    client.at = { i, request: this.world.ask(i, ask) };
  }

  private client(): Client {
    const i = this.random.int(this.world.members.length);
    const choice = this.random.int(10);
    if (choice < 4) return this.procedure(i);
    if (choice < 7) return this.transfer(i);
    if (choice < 9) return this.audit(i);
    return this.growth(i);
  }

  private *transfer(i: number): Client {
    const [from, to, amount] = this.pick();
    const forUpdate = this.random.chance(0.3);
    const tx = this.handle(this.options.isolation ?? "snapshot");
    const first = yield {
      i,
      ask: (e, r, now) => e.get(r, { tx, table: "bank", keys: [this.key(from)], forUpdate }, now),
    };
    if (first.kind !== "values") return this.refused(first);
    const began = { ...tx, began: true };
    const second = yield {
      i,
      ask: (e, r, now) => e.get(r, { tx: began, table: "bank", keys: [this.key(to)], forUpdate }, now),
    };
    if (second.kind !== "values") return this.refused(second);
    const left = this.amount(first.values[0]) - amount;
    const right = this.amount(second.values[0]) + amount;
    const writes = [
      { table: "bank", key: this.key(from), value: this.value(left) },
      { table: "bank", key: this.key(to), value: this.value(right) },
    ];
    const done = yield { i, ask: (e, r, now) => e.commit(r, { tx: began, writes }, now) };
    if (done.kind !== "committed") return this.refused(done);
    this.counts.transfers++;
  }

  private *procedure(i: number): Client {
    const [from, to, amount] = this.pick();
    const run = (p: ProcedureContext): void => {
      const left = this.amount(p.get("bank", this.key(from)));
      const right = this.amount(p.get("bank", this.key(to)));
      p.put("bank", this.key(from), this.value(left - amount));
      p.put("bank", this.key(to), this.value(right + amount));
    };
    const done = yield {
      i,
      ask: (e, r, now) =>
        e.call(
          r,
          { tx: this.handle("snapshot").id, isolation: this.options.isolation ?? "snapshot", run },
          now,
        ),
    };
    if (done.kind !== "called") return this.refused(done);
    this.counts.procedures++;
  }

  /** Sums all accounts, in one scan or in several reads of one transaction, or in a procedure. */
  private *audit(i: number): Client {
    this.counts.audits++;
    const choice = this.random.int(3);
    if (choice === 0) {
      const rows = yield {
        i,
        ask: (e, r, now) => e.scan(r, { table: "bank", reverse: this.random.chance(0.5) }, now),
      };
      return this.total(rows, "in a scan (I4, I5)");
    }
    if (choice === 1) {
      const run = (p: ProcedureContext): number =>
        p
          .scan("bank", {}, (_key, _from, _to, value, from, to) => this.amount(value.slice(from, to)))
          .reduce((sum, amount) => sum + amount, 0);
      const done = yield {
        i,
        ask: (e, r, now) => e.call(r, { tx: this.handle("snapshot").id, isolation: "snapshot", run }, now),
      };
      if (done.kind !== "called") return this.refused(done);
      if (done.value !== this.expected) this.problems.push(`total ${String(done.value)} in a procedure (I4)`);
      return;
    }
    let tx = this.handle("snapshot");
    let sum = 0;
    for (let n = 0; n < this.options.accounts; n += 4) {
      const keys = [n, n + 1, n + 2, n + 3].filter((k) => k < this.options.accounts).map((k) => this.key(k));
      const part = yield {
        i,
        ask: (e, r, now) => e.get(r, { tx, table: "bank", keys, forUpdate: false }, now),
      };
      if (part.kind !== "values") return this.refused(part);
      tx = { ...tx, began: true };
      for (const v of part.values) sum += this.amount(v);
    }
    yield { i, ask: (e, r, now) => e.rollback(r, tx.id, now) };
    if (sum !== this.expected) this.problems.push(`total ${sum} in a snapshot (I4, I5)`);
  }

  /** Rows of no value come and go, long ones among them, so that pages split, empty and are used again. */
  private *growth(i: number): Client {
    const writes = Array.from({ length: 1 + this.random.int(12) }, () => {
      const key = encoder.encode(
        `${String(this.random.int(this.options.accounts)).padStart(4, "0")} extra ${this.random.int(40)}`,
      );
      const value = this.random.chance(0.4)
        ? undefined
        : encoder.encode(`0 ${"y".repeat(this.random.int(this.random.chance(0.1) ? 12_000 : 900))}`);
      return { table: "bank", key, value };
    });
    const done = yield { i, ask: (e, r, now) => e.commit(r, { tx: this.handle("snapshot"), writes }, now) };
    if (done.kind !== "committed") return this.refused(done);
    this.counts.grown++;
  }

  private total(result: EngineResult, where: string): void {
    if (result.kind !== "rows") return this.refused(result);
    if (result.more) return;
    const sum = result.rows.reduce((s, row) => s + this.amount(row.value), 0);
    if (sum !== this.expected) this.problems.push(`total ${sum} ${where}`);
  }

  private refused(result: EngineResult): void {
    if (result.kind === "failed" && isRetryable(result.error)) this.counts.conflicts++;
    else
      this.problems.push(
        result.kind === "failed"
          ? `${result.error.code}: ${result.error.message}`
          : `unexpected ${result.kind}`,
      );
  }

  private must(result: EngineResult): void {
    if (result.kind !== "committed")
      throw new Error(`setup: ${result.kind === "failed" ? result.error.message : result.kind}`);
  }

  private get expected(): number {
    return INITIAL * this.options.accounts;
  }

  private pick(): [number, number, number] {
    const from = this.random.int(this.options.accounts);
    const to = (from + 1 + this.random.int(this.options.accounts - 1)) % this.options.accounts;
    return [from, to, 1 + this.random.int(20)];
  }

  private handle(isolation: Isolation): TxHandle {
    return { id: transactionId(`1-${++this.ids}`), isolation, consistency: "session", began: false };
  }

  private key(n: number): Uint8Array {
    return encoder.encode(String(n).padStart(4, "0"));
  }

  private value(amount: number): Uint8Array {
    return encoder.encode(`${amount} ${this.padding}`);
  }

  private amount(value: Uint8Array | undefined): number {
    return value === undefined ? Number.NaN : Number.parseInt(decoder.decode(value), 10);
  }
}
