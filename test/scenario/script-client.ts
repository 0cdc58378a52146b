/**
 * A client of one node, as scripts need it: transactions by name, ids that are the same in every run, and one line
 * for everything it hears. It retries nothing: the script is the retry.
 */
import type { Consistency, Isolation, TransactionId, TransactionOutcome } from "@sixfold/model";
import {
  decodeKey,
  decodeValue,
  encodeArguments,
  encodeKey,
  encodeValue,
  type ClientRequest,
  type ClientRequestBody,
  type ClientResponses,
  type ClientResult,
  type ClientWelcome,
  type Topology,
  type ErrorData,
  type TransactionOptions,
  type TransactionRef,
  type Write,
} from "@sixfold/wire";
import { showError } from "./show-message.ts";

export interface BeginOptions {
  readonly isolation?: Isolation;
  readonly consistency?: Consistency;
  readonly session?: Uint8Array;
}

/** What became of a request. */
export type Heard =
  | { readonly kind: "waiting" }
  | { readonly kind: "done"; readonly result: ClientResult }
  | { readonly kind: "error"; readonly error: ErrorData };

/** A transaction as its client knows it. */
export class ScriptTransaction {
  readonly name: string;
  readonly id: TransactionId;
  readonly writes: Write[] = [];
  options: TransactionOptions | undefined;
  /** The answer to its commit (or call); "waiting" until then. */
  end: Heard = { kind: "waiting" };
  session: Uint8Array | undefined;

  constructor(name: string, id: TransactionId, options: TransactionOptions) {
    this.name = name;
    this.id = id;
    this.options = options;
  }

  /** The id, with the options on first use. */
  ref(): TransactionRef {
    const begin = this.options;
    this.options = undefined;
    return begin === undefined ? { id: this.id } : { id: this.id, begin };
  }

  get isCommitted(): boolean {
    return this.end.kind === "done";
  }
}

interface Pending {
  readonly what: string;
  readonly tx: ScriptTransaction | undefined;
  readonly keys: readonly string[];
  readonly on: ((heard: Heard) => void) | undefined;
}

export class ScriptClient {
  readonly node: string;
  /** Every line this client hears goes here. */
  heard: (line: string) => void = () => undefined;
  readonly transactions = new Map<string, ScriptTransaction>();
  private readonly send: (requests: ClientRequest[]) => void;
  private readonly pending = new Map<number, Pending>();
  private nextRequest = 1;
  private nextName = 1;
  private stream = 0;

  constructor(node: string, send: (requests: ClientRequest[]) => void) {
    this.node = node;
    this.send = send;
  }

  begin(name: string | undefined, options: BeginOptions = {}): ScriptTransaction {
    const { isolation = "snapshot", consistency = "session", session } = options;
    const own = name ?? `${this.node}#${this.nextName++}`;
    const id = `${this.stream.toString(36)}-${own}` as TransactionId;
    const tx = new ScriptTransaction(own, id, {
      isolation,
      consistency,
      ...(session === undefined ? {} : { session }),
    });
    this.transactions.set(own, tx);
    return tx;
  }

  createTable(table: string): void {
    const tx = this.begin(undefined);
    this.ask({ op: "createTable", tx: tx.ref(), table }, `create ${table}`, { tx });
  }

  /** Within `tx`, or a read of its own. */
  get(
    tx: ScriptTransaction | undefined,
    table: string,
    keys: readonly string[],
    on?: (heard: Heard) => void,
    forUpdate = false,
  ): void {
    const within = tx === undefined ? {} : { tx: tx.ref() };
    const body: ClientRequestBody = {
      op: "get",
      ...within,
      table,
      keys: keys.map((key) => encodeKey(key)),
      forUpdate,
    };
    this.ask(body, `${tx?.name ?? this.node} get`, { keys, on });
  }

  scan(tx: ScriptTransaction | undefined, table: string, on?: (heard: Heard) => void): void {
    const within = tx === undefined ? {} : { tx: tx.ref() };
    this.ask(
      { op: "scan", ...within, table, limit: 1000, reverse: false },
      `${tx?.name ?? this.node} ${table}`,
      { on },
    );
  }

  write(tx: ScriptTransaction, table: string, key: string, value: unknown): void {
    const bytes = encodeKey(key);
    tx.writes.push(
      value === undefined ? { table, key: bytes } : { table, key: bytes, value: encodeValue(value) },
    );
  }

  commit(tx: ScriptTransaction): void {
    this.ask({ op: "commit", tx: tx.ref(), writes: tx.writes }, tx.name, { tx });
  }

  rollback(tx: ScriptTransaction): void {
    this.ask({ op: "rollback", tx: tx.ref() }, `${tx.name} rollback`, {});
  }

  call(
    name: string | undefined,
    procedure: string,
    args: readonly unknown[],
    options: BeginOptions = {},
  ): ScriptTransaction {
    const tx = this.begin(name, options);
    this.ask({ op: "call", tx: tx.ref(), procedure, args: encodeArguments(args) }, tx.name, { tx });
    return tx;
  }

  outcome(id: TransactionId, on?: (heard: Heard) => void): void {
    this.ask({ op: "outcome", id }, `${this.node} outcome ${id}`, { on });
  }

  receive(message: ClientResponses | ClientWelcome | Topology): void {
    if (message.type === "clientWelcome") {
      this.stream = message.stream;
      return;
    }
    if (message.type === "topology") return;
    for (const { request, result } of message.responses) {
      const pending = this.pending.get(request);
      if (pending === undefined) throw new Error(`${this.node} answered request ${request} twice or unasked`);
      this.pending.delete(request);
      const heard: Heard =
        result.op === "error" ? { kind: "error", error: result.error } : { kind: "done", result };
      if (pending.tx !== undefined) pending.tx.end = heard;
      if (pending.tx !== undefined && result.op !== "error") pending.tx.session = message.session;
      pending.on?.(heard);
      this.heard(`= ${pending.what} ${showResult(result, pending.keys)}`);
    }
  }

  /** Commits and reads that have had no answer. */
  get unanswered(): number {
    return this.pending.size;
  }

  /** The connection is gone, and the answers with it. */
  forget(): void {
    this.pending.clear();
  }

  private ask(
    body: ClientRequestBody,
    what: string,
    about: { tx?: ScriptTransaction; keys?: readonly string[]; on?: ((heard: Heard) => void) | undefined },
  ): void {
    const request = this.nextRequest++;
    this.pending.set(request, { what, tx: about.tx, keys: about.keys ?? [], on: about.on });
    this.send([{ request, body }]);
  }
}

/** A row's value as its client sees it; undefined for none. */
export function valueOf(bytes: Uint8Array | undefined): unknown {
  return bytes === undefined ? undefined : decodeValue(bytes);
}

function showResult(result: ClientResult, keys: readonly string[]): string {
  const attempts = (n: number): string => (n === 1 ? "" : `, ${n} attempts`);
  switch (result.op) {
    case "get":
      return result.values.map((value, i) => `${keys[i] ?? "?"}=${showValue(valueOf(value))}`).join(" ");
    case "scan":
      return (
        result.rows
          .map(([key, value]) => `${String(decodeKey(key))}=${showValue(decodeValue(value))}`)
          .join(" ") || "empty"
      );
    case "commit":
      return `committed${attempts(result.attempts)}`;
    case "call":
      return `returned ${showValue(decodeValue(result.value))}, committed${attempts(result.attempts)}`;
    case "rollback":
      return "rolled back";
    case "outcome":
      return result.outcome satisfies TransactionOutcome;
    case "createTable":
    case "dropTable":
      return result.changed ? "done" : "was there";
    case "listTables":
      return result.tables.join(" ");
    case "status":
      return JSON.stringify(result.status);
    case "error":
      return showError(result);
  }
}

function showValue(value: unknown): string {
  return value === undefined ? "nothing" : JSON.stringify(value);
}
