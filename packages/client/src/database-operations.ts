/**
 * The operations of a database, or of one session of it: everything here is a loop of attempts around one exchange with a node.
 */
import { SixfoldError, transactionId, type TransactionOutcome } from "@sixfold/model";
import {
  decodeValue,
  encodeArguments,
  encodeKey,
  encodeValue,
  type Key,
  type TransactionRef,
  type Write,
} from "@sixfold/wire";
import { ask, type Seeing } from "./ask.ts";
import { freshId, readNeed, type ClientCore } from "./client-core.ts";
import { submit, type Submission } from "./commit.ts";
import { checkMaxLag, Elsewhere } from "./elsewhere.ts";
import { askOutcome } from "./find-outcome.ts";
import { Interruption } from "./interruption.ts";
import { fitsOnePage, mergeScan, planScan, type ScanPlan } from "./merge-scan.ts";
import type { NodeConnection } from "./node-connection.ts";
import type { Operations, ReadOptions, Row, TransactionOptions, Tx } from "./options.ts";
import type { AnyProcedures, ArgumentsOf, ResultOf } from "./procedure.ts";
import { ReadBatch } from "./read-batch.ts";
import { retrying, type RetryPolicy } from "./retry.ts";
import { runTransaction } from "./run-transaction.ts";
import type { ScanOptions } from "./scan-options.ts";
import { checkReadFrom, type Need } from "./serving.ts";
import type { SessionFlow } from "./session-flow.ts";
import { Transaction } from "./transaction.ts";

export interface Defaults {
  readonly policy: RetryPolicy;
  readonly retryCalls: boolean;
}

export class DatabaseOperations<P extends object = AnyProcedures> implements Operations<P> {
  protected readonly core: ClientCore;
  protected readonly defaults: Defaults;
  protected readonly flow: SessionFlow;
  private readonly callPolicy: RetryPolicy;
  /** Reads of this turn without a transaction. */
  private batch: ReadBatch | undefined;

  constructor(core: ClientCore, defaults: Defaults, flow: SessionFlow) {
    this.core = core;
    this.defaults = defaults;
    this.flow = flow;
    this.callPolicy = { ...defaults.policy, rerunConflicts: defaults.retryCalls };
  }

  createTable(table: string): Promise<boolean> {
    return this.changeTables("createTable", table);
  }

  dropTable(table: string): Promise<boolean> {
    return this.changeTables("dropTable", table);
  }

  listTables(options: ReadOptions = {}): Promise<readonly string[]> {
    return this.reading(options, undefined, async (node, deadlineMs) => {
      const seeing = this.seeing(node, options);
      return (await ask(node, { op: "listTables", alone: seeing.began.options }, deadlineMs, seeing)).tables;
    });
  }

  async get<T>(table: string, key: Key, options: ReadOptions = {}): Promise<T | undefined> {
    const bytes = encodeKey(key);
    const hint = this.core.affinity?.(table, key);
    return this.reading(options, hint, (node, deadlineMs) =>
      this.read<T>(node, deadlineMs, table, bytes, options),
    );
  }

  async put(table: string, key: Key, value: unknown): Promise<void> {
    await this.write(key, { table, key: encodeKey(key), value: encodeValue(value) });
  }

  async delete(table: string, key: Key): Promise<void> {
    await this.write(key, { table, key: encodeKey(key) });
  }

  scan<T>(table: string, options: ScanOptions & ReadOptions = {}): AsyncIterableIterator<Row<T>> {
    const plan = planScan(options);
    // Pages of one scan must show one state, which takes a transaction as soon as there may be two.
    return fitsOnePage(plan) ? this.shortScan<T>(table, options, plan) : this.longScan<T>(table, options);
  }

  transaction<R>(body: (tx: Tx) => Promise<R> | R, options: TransactionOptions = {}): Promise<R> {
    const { policy } = this.defaults;
    const merged: RetryPolicy = {
      attempts: options.retry?.attempts ?? policy.attempts,
      timeoutMs: options.retry?.timeoutMs ?? policy.timeoutMs,
      onRetry: options.onRetry ?? policy.onRetry,
      signal: options.signal,
      rerunConflicts: true,
    };
    const { isolation = "snapshot", consistency = "session", readOnly = false, readFrom, maxLagMs } = options;
    checkReadFrom(readFrom);
    checkMaxLag(maxLagMs);
    const promises = { isolation, consistency, readOnly, readFrom, maxLagMs };
    return runTransaction(this.core, this.flow, merged, promises, body);
  }

  async call<N extends keyof P & string>(procedure: N, ...args: ArgumentsOf<P[N]>): Promise<ResultOf<P[N]>> {
    const encoded = encodeArguments(args);
    // By convention the first key among the arguments would be a guess: only the user knows, so the whole call is the hint's "row".
    const hint = this.core.affinity?.(procedure, hintKey(args));
    const answer = await retrying(this.core, this.callPolicy, async (deadlineMs) => {
      const to = await this.submission(hint, deadlineMs);
      const id = freshId(this.core, to.began.node);
      const result = await submit(
        to,
        { op: "call", tx: { id, begin: to.began.options }, procedure, args: encoded },
        encoded.length,
      );
      if (result !== undefined) return result;
      throw new SixfoldError(
        "outcome-unknown",
        `the call of "${procedure}" was committed, but its result was lost with the connection`,
        {
          details: { transaction: id, procedure, committed: true },
        },
      );
    });
    return decodeValue(answer.value) as ResultOf<P[N]>;
  }

  outcome(transaction: string): Promise<TransactionOutcome> {
    const id = transactionId(transaction);
    return this.exchange("any", undefined, (node, deadlineMs) => askOutcome(this.core, id, node, deadlineMs));
  }

  private async changeTables(op: "createTable" | "dropTable", table: string): Promise<boolean> {
    return retrying(this.core, this.defaults.policy, async (deadlineMs) => {
      const to = await this.submission(undefined, deadlineMs);
      const tx: TransactionRef = { id: freshId(this.core, to.began.node), begin: to.began.options };
      // Lost but committed: it changed something. One that did not is called aborted, and is asked for again.
      return (await submit(to, { op, tx, table }, table.length))?.changed ?? true;
    });
  }

  private write(key: Key, write: Write): Promise<void> {
    const hint = this.core.affinity?.(write.table, key);
    return retrying(this.core, this.defaults.policy, async (deadlineMs) => {
      const to = await this.submission(hint, deadlineMs);
      const tx: TransactionRef = { id: freshId(this.core, to.began.node), begin: to.began.options };
      await submit(to, { op: "commit", tx, writes: [write] }, write.key.length + (write.value?.length ?? 0));
    });
  }

  /** A writer, and how a transaction begins there. */
  private async submission(hint: string | number | undefined, deadlineMs: number): Promise<Submission> {
    const node = this.core.pool.pick("writer", hint) ?? (await this.waitFor("writer", hint, deadlineMs));
    return { core: this.core, deadlineMs, ...this.seeing(node, {}) };
  }

  /** A read by itself, where its options want it. */
  private reading<R>(
    options: ReadOptions,
    hint: string | number | undefined,
    run: (node: NodeConnection, deadlineMs: number) => Promise<R>,
  ): Promise<R> {
    checkReadFrom(options.readFrom);
    checkMaxLag(options.maxLagMs);
    const at = readNeed(this.core, options.readFrom, hint);
    return this.exchange(at.need, at.hint, run);
  }

  /** Something without effect: asked again elsewhere when its node is lost. */
  private exchange<R>(
    need: Need,
    hint: string | number | undefined,
    run: (node: NodeConnection, deadlineMs: number) => Promise<R>,
  ): Promise<R> {
    const elsewhere = new Elsewhere(this.core.pool);
    return retrying(this.core, this.defaults.policy, async (deadlineMs) => {
      const node = elsewhere.pick(need, hint) ?? (await this.waitFor(need, hint, deadlineMs));
      try {
        return await run(node, deadlineMs);
      } catch (error) {
        elsewhere.failed(node, error);
        if (!(error instanceof Interruption)) throw error;
        if (error.kind === "late")
          throw new SixfoldError("timeout", "the node did not answer in time", { cause: error });
        throw new SixfoldError("connection-lost", error.message, {
          cause: error,
          retryable: "same-request",
          outcome: "not-started",
        });
      }
    });
  }

  private async waitFor(
    need: Need,
    hint: string | number | undefined,
    deadlineMs: number,
  ): Promise<NodeConnection> {
    for (;;) {
      await this.core.pool.waitFor(need, deadlineMs);
      const node = this.core.pool.pick(need, hint);
      if (node !== undefined) return node;
    }
  }

  private read<T>(
    node: NodeConnection,
    deadlineMs: number,
    table: string,
    key: Uint8Array,
    options: ReadOptions,
  ): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const seeing = this.seeing(node, options);
      const alone = seeing.began.options;
      const wait = { resolve: resolve as (value: unknown) => void, reject };
      if (
        this.batch?.takes(node, table, false) === true &&
        this.batch.body.alone?.consistency === alone.consistency &&
        this.batch.body.alone.maxLagMs === alone.maxLagMs
      ) {
        // A commit may have been answered since the first of them was asked for.
        this.batch.body.alone = alone;
        return this.batch.add(key, wait);
      }
      const body = { op: "get" as const, alone, table, keys: [], forUpdate: false };
      this.batch = new ReadBatch(body, seeing, deadlineMs, undefined);
      this.batch.add(key, wait);
      node.send(body, this.batch);
    });
  }

  /** How something by itself begins at `node`, in this session. */
  private seeing(node: NodeConnection, options: ReadOptions): Seeing {
    const begin = this.flow.options(node, "snapshot", options.consistency ?? "session", options.maxLagMs);
    return { session: this.flow, began: { node, options: begin, losses: this.flow.lossesKnown } };
  }

  private async *shortScan<T>(
    table: string,
    options: ScanOptions & ReadOptions,
    plan: ScanPlan,
  ): AsyncGenerator<Row<T>> {
    const { range, limit, reverse } = plan;
    if (limit === 0) return;
    const hint = this.core.affinity?.(table, options.gte ?? options.gt ?? options.lte ?? options.lt);
    const page = await this.reading(options, hint, (node, deadlineMs) => {
      const seeing = this.seeing(node, options);
      const alone = seeing.began.options;
      return ask(node, { op: "scan", alone, table, ...range, limit, reverse }, deadlineMs, seeing);
    });
    // Long rows: the node gave fewer than were asked for.
    if (page.more && page.rows.length < limit) yield* this.longScan<T>(table, options);
    else
      yield* mergeScan<T>(
        plan,
        () => Promise.resolve(page),
        () => undefined,
      );
  }

  /** In a transaction of its own, whose time begins anew with each row taken: a scan may be read slowly. */
  private async *longScan<T>(table: string, options: ScanOptions & ReadOptions): AsyncGenerator<Row<T>> {
    const { clock, pool } = this.core;
    const { timeoutMs } = this.defaults.policy;
    checkReadFrom(options.readFrom);
    checkMaxLag(options.maxLagMs);
    await pool.waitFor("any", clock.nowMs() + timeoutMs);
    const terms = {
      readOnly: true,
      readFrom: options.readFrom,
      maxLagMs: options.maxLagMs,
      elsewhere: new Elsewhere(pool),
      isolation: "snapshot",
      consistency: options.consistency ?? "session",
      deadlineMs: clock.nowMs() + timeoutMs,
      attempt: 1,
      isInternal: true,
    } as const;
    const tx = new Transaction(this.core, this.flow, terms);
    try {
      for await (const row of tx.scan<T>(table, options)) {
        yield row;
        tx.extend(clock.nowMs() + timeoutMs);
      }
    } finally {
      tx.rollback();
    }
  }
}

function hintKey(args: readonly unknown[]): Key | undefined {
  const [first] = args;
  return typeof first === "string" || typeof first === "number" || Array.isArray(first)
    ? (first as Key)
    : undefined;
}
