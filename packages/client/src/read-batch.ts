/**
 * Reads in flight at once travel together: `get`s of one transaction (or one session) on one table, made in one turn,
 * are one request with many keys, up to a bound.
 */
import { SixfoldError } from "@sixfold/model";
import { decodeValue, type ClientRequestBody, type ClientResult } from "@sixfold/wire";
import { toError, wrongAnswer, type Seeing } from "./ask.ts";
import type { Interruption } from "./interruption.ts";
import type { NodeConnection, Waiter } from "./node-connection.ts";

export interface ReadWait {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** Keys of one request: the node looks them up in one go, and others wait for it. */
export const KEYS_MAX = 1024;

/** Whose reads they are. */
export interface ReadOwner {
  /** `reads` of its reads are over, with `error` if they failed. */
  readsEnded(reads: number, error: SixfoldError | Interruption | undefined): void;
}

type GetBody = Extract<ClientRequestBody, { op: "get" }>;
/** Open to further keys until its frame is made. */
type OpenGetBody = { -readonly [K in keyof GetBody]: GetBody[K] } & { readonly keys: Uint8Array[] };

export class ReadBatch implements Waiter {
  readonly deadlineMs: number;
  readonly body: OpenGetBody;
  private readonly node: NodeConnection;
  private readonly turn: number;
  private readonly seeing: Seeing;
  private readonly owner: ReadOwner | undefined;
  private readonly waits: ReadWait[] = [];

  constructor(body: OpenGetBody, seeing: Seeing, deadlineMs: number, owner: ReadOwner | undefined) {
    const { node } = seeing.began;
    this.node = node;
    this.seeing = seeing;
    this.body = body;
    this.turn = node.turn;
    this.deadlineMs = deadlineMs;
    this.owner = owner;
  }

  takes(node: NodeConnection, table: string, forUpdate: boolean): boolean {
    return (
      this.node === node &&
      node.turn === this.turn &&
      this.body.keys.length < KEYS_MAX &&
      node.state === "up" &&
      this.body.table === table &&
      this.body.forUpdate === forUpdate
    );
  }

  add(key: Uint8Array, wait: ReadWait): void {
    this.body.keys.push(key);
    this.waits.push(wait);
  }

  answered(result: ClientResult, session: Uint8Array): void {
    if (result.op === "error") return this.reject(toError(result.error));
    if (result.op !== "get" || result.values.length !== this.waits.length)
      return this.reject(wrongAnswer(result));
    this.seeing.session.includeRead(this.seeing.began, session);
    this.owner?.readsEnded(this.waits.length, undefined);
    for (let i = 0; i < this.waits.length; i++) settle(this.waits[i]!, result.values[i]);
  }

  failed(interruption: Interruption): void {
    this.reject(interruption);
  }

  private reject(error: SixfoldError | Interruption): void {
    this.owner?.readsEnded(this.waits.length, error);
    for (const wait of this.waits) wait.reject(error);
  }
}

function settle(wait: ReadWait, bytes: Uint8Array | undefined): void {
  if (bytes === undefined) return wait.resolve(undefined);
  try {
    wait.resolve(decodeValue(bytes));
  } catch (cause) {
    wait.reject(new SixfoldError("corrupt", "the stored value cannot be decoded", { cause }));
  }
}
