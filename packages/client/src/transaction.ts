/**
 * One attempt of an interactive transaction: what its callback holds.
 *
 *     open ──> finishing ──> ended          `finishing` once the callback returned; the handle takes nothing more
 *
 * Reads go to one node, which is chosen with the first of them (its row may have an affinity). Writes stay here until
 * the commit. An attempt that failed once stays failed, whatever its callback makes of the error: it could not commit what it did not see.
 */
import { SixfoldError, type Isolation, type Consistency, type TransactionId } from "@sixfold/model";
import { decodeValue, encodeKey, encodeValue, type Key, type TransactionRef } from "@sixfold/wire";
import { ask, type Seeing } from "./ask.ts";
import { freshId, readNeed, type ClientCore } from "./client-core.ts";
import { submit } from "./commit.ts";
import type { Elsewhere } from "./elsewhere.ts";
import { Interruption } from "./interruption.ts";
import { mergeScan, planScan, type Page, type Range, type ScanPlan } from "./merge-scan.ts";
import type { NodeConnection } from "./node-connection.ts";
import type { Row, Tx } from "./options.ts";
import { ReadBatch, type ReadOwner } from "./read-batch.ts";
import type { ScanOptions } from "./scan-options.ts";
import type { ReadFrom } from "./serving.ts";
import type { SessionFlow } from "./session-flow.ts";
import { keyString, WriteBuffer } from "./write-buffer.ts";

export interface TransactionTerms {
  /** Writes nothing, so that any node can serve it. */
  readonly readOnly: boolean;
  readonly readFrom: ReadFrom | undefined;
  readonly maxLagMs: number | undefined;
  readonly elsewhere: Elsewhere;
  readonly isolation: Isolation;
  readonly consistency: Consistency;
  readonly deadlineMs: number;
  readonly attempt: number;
  /** Of the SDK itself, without a callback: a scan's. */
  readonly isInternal: boolean;
}

/** Where the transaction runs, from its first request on. */
interface Place extends Seeing {
  readonly id: TransactionId;
  readonly ref: TransactionRef;
}

export class Transaction implements Tx, ReadOwner {
  readonly attempt: number;
  private readonly core: ClientCore;
  private readonly session: SessionFlow;
  private terms: TransactionTerms;
  private state: "open" | "finishing" | "ended" = "open";
  private place: Place | undefined;
  private begun = false;
  private readonly writes = new WriteBuffer();
  private batch: ReadBatch | undefined;
  private readsInFlight = 0;
  private failure: SixfoldError | undefined;

  constructor(core: ClientCore, session: SessionFlow, terms: TransactionTerms) {
    this.core = core;
    this.session = session;
    this.terms = terms;
    this.attempt = terms.attempt;
  }

  /** Where it runs, once that is settled. */
  get node(): NodeConnection | undefined {
    return this.place?.began.node;
  }

  get id(): string {
    return this.settle(undefined, undefined).id;
  }

  get<T>(table: string, key: Key, options?: { readonly forUpdate?: boolean }): Promise<T | undefined> {
    // What is thrown in there rejects the promise.
    return new Promise((resolve, reject) => {
      this.checkUsable();
      const bytes = encodeKey(key);
      const forUpdate = options?.forUpdate === true;
      if (forUpdate) this.checkWrites();
      const own = this.writes.table(table)?.get(keyString(bytes));
      const ownValue = (): T | undefined =>
        own?.value === undefined ? undefined : (decodeValue(own.value) as T);
      if (own !== undefined && !forUpdate) return resolve(ownValue());
      // A locked row is still read from the node, for the lock.
      this.read(
        table,
        key,
        bytes,
        forUpdate,
        own === undefined ? (resolve as (value: unknown) => void) : () => resolve(ownValue()),
        reject,
      );
    });
  }

  put(table: string, key: Key, value: unknown): void {
    this.checkUsable();
    this.checkWrites();
    this.noteKey(table, key);
    this.writes.add(table, encodeKey(key), encodeValue(value));
  }

  delete(table: string, key: Key): void {
    this.checkUsable();
    this.checkWrites();
    this.noteKey(table, key);
    this.writes.add(table, encodeKey(key), undefined);
  }

  scan<T>(table: string, options?: ScanOptions): AsyncIterableIterator<Row<T>> {
    this.checkUsable();
    const plan = planScan(options);
    const hintKey = options?.gte ?? options?.gt ?? options?.lte ?? options?.lt;
    const fetch = (range: Range, limit: number, reverse: boolean): Promise<Page> =>
      this.page(table, hintKey, { range, limit, reverse });
    return mergeScan<T>(plan, fetch, () => this.writes.table(table));
  }

  abort(reason: string, details: Readonly<Record<string, unknown>> = {}): never {
    this.checkUsable();
    this.failure = new SixfoldError("aborted-by-caller", reason, { details });
    throw this.failure;
  }

  readsEnded(reads: number, error: SixfoldError | Interruption | undefined): void {
    this.readsInFlight -= reads;
    if (error !== undefined) this.failure ??= error instanceof Interruption ? this.interrupted(error) : error;
  }

  /** The callback returned: commits. */
  async commit(): Promise<void> {
    this.state = "finishing";
    if (this.failure !== undefined) throw this.failure;
    if (this.readsInFlight > 0)
      throw new SixfoldError(
        "bad-handle",
        `the callback returned while ${this.readsInFlight} of its reads were under way: await them`,
      );
    // A snapshot that wrote nothing was consistent from its beginning; what a serializable one read must be checked.
    const mustCommit = !this.writes.isEmpty || (this.begun && this.terms.isolation === "serializable");
    if (!mustCommit) return this.rollback();
    const { began } = this.settle(undefined, undefined);
    this.state = "ended";
    const { core, session, terms } = this;
    const to = { core, session, began, deadlineMs: terms.deadlineMs };
    const body = { op: "commit", tx: this.ref(), writes: this.writes.writes() } as const;
    try {
      await submit(to, body, this.writes.bytes);
    } catch (error) {
      // Refused, not ended: the node would keep what it read for as long as a transaction may last.
      if (error instanceof SixfoldError && error.outcome === "not-started") this.forget();
      throw error;
    }
  }

  /** Ends it without effect. The node is told but not waited for: nobody may wait for what is given up. */
  rollback(): void {
    if (this.state === "ended") return;
    this.state = "ended";
    this.forget();
  }

  private forget(): void {
    if (this.begun && this.place?.began.node.state === "up")
      this.place.began.node.send({ op: "rollback", tx: { id: this.place.id } }, undefined);
  }

  /** Gives what is asked for from now on until `deadlineMs`. */
  extend(deadlineMs: number): void {
    this.terms = { ...this.terms, deadlineMs };
  }

  /** True once a commit was sent: it can no longer be given up without doubt. */
  get isCommitting(): boolean {
    return this.state === "ended" && this.begun;
  }

  private read(
    table: string,
    key: Key,
    bytes: Uint8Array,
    forUpdate: boolean,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ): void {
    const place = this.settle(table, key);
    const { node } = place.began;
    if (this.batch?.takes(node, table, forUpdate) !== true) {
      const body = { op: "get" as const, tx: this.ref(), table, keys: [], forUpdate };
      this.batch = new ReadBatch(body, place, this.terms.deadlineMs, this);
      this.batch.add(bytes, { resolve, reject: (error) => reject(this.translated(error)) });
      this.readsInFlight += 1;
      node.send(body, this.batch);
      return;
    }
    this.readsInFlight += 1;
    this.batch.add(bytes, { resolve, reject: (error) => reject(this.translated(error)) });
  }

  private async page(table: string, hintKey: Key | undefined, plan: ScanPlan): Promise<Page> {
    this.checkUsable();
    const place = this.settle(table, hintKey);
    this.readsInFlight += 1;
    let error: SixfoldError | Interruption | undefined;
    try {
      const { range, limit, reverse } = plan;
      return await ask(
        place.began.node,
        { op: "scan", tx: this.ref(), table, ...range, limit, reverse },
        this.terms.deadlineMs,
        place,
      );
    } catch (caught) {
      if (caught instanceof SixfoldError || caught instanceof Interruption) error = caught;
      throw this.translated(caught);
    } finally {
      this.readsEnded(1, error);
    }
  }

  private translated(error: unknown): unknown {
    return error instanceof Interruption ? this.interrupted(error) : error;
  }

  private interrupted(error: Interruption): SixfoldError {
    const details = this.place === undefined ? {} : { transaction: this.place.id };
    return new SixfoldError(
      error.kind === "late" ? "timeout" : "connection-lost",
      `a read was not answered: ${error.message}`,
      { details, cause: error },
    );
  }

  /** The first row written decides the node too, if nothing was read before. */
  private noteKey(table: string, key: Key): void {
    if (this.place === undefined && this.core.affinity !== undefined) this.settle(table, key);
  }

  private settle(table: string | undefined, key: Key | undefined): Place {
    if (this.place !== undefined) return this.place;
    const hint = table === undefined ? undefined : this.core.affinity?.(table, key);
    const at = this.needOf(hint);
    const node = this.terms.elsewhere.pick(at.need, at.hint);
    if (node === undefined)
      throw new SixfoldError(
        "unavailable",
        at.need === "writer" ? "no writer can be reached" : "no node can be reached",
      );
    const id = freshId(this.core, node);
    const { isolation, consistency, maxLagMs } = this.terms;
    const options = this.session.options(node, isolation, consistency, maxLagMs);
    const began = { node, options, losses: this.session.lossesKnown };
    return (this.place = { session: this.session, began, id, ref: { id } });
  }

  /** A serializable one is validated when it ends, which takes a writer. */
  private needOf(hint: string | number | undefined): ReturnType<typeof readNeed> {
    const { readOnly, readFrom, isolation } = this.terms;
    return readOnly && isolation === "snapshot"
      ? readNeed(this.core, readFrom, hint)
      : { need: "writer", hint };
  }

  private checkWrites(): void {
    if (!this.terms.readOnly) return;
    throw new SixfoldError("bad-request", "this transaction is read-only: it neither writes nor locks");
  }

  /** How the next request names the transaction. */
  private ref(): TransactionRef {
    const place = this.place!;
    if (this.begun) return place.ref;
    this.begun = true;
    return { id: place.id, begin: place.began.options };
  }

  private checkUsable(): void {
    if (this.state !== "open")
      throw new SixfoldError(
        "bad-handle",
        "this transaction has ended; its handle is only good inside its own callback, while that runs",
      );
    const running = this.core.running.getStore();
    if (
      running instanceof Transaction &&
      running !== this &&
      running.core === this.core &&
      !this.terms.isInternal
    )
      throw new SixfoldError(
        "bad-handle",
        "this handle belongs to another transaction than the one whose callback is running; use the inner callback's own",
      );
    if (this.failure !== undefined) throw this.failure;
  }
}
