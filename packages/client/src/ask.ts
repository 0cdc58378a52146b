/** A request as a promise, and a node's error as the error that users see. */
import { SixfoldError, type ErrorDetails } from "@sixfold/model";
import { decodeKey, type ClientRequestBody, type ClientResult, type ErrorData } from "@sixfold/wire";
import type { Interruption } from "./interruption.ts";
import type { NodeConnection, Waiter } from "./node-connection.ts";
import type { Began, SessionFlow } from "./session-flow.ts";

/** Whose session an answer belongs to, and how that began. */
export interface Seeing {
  readonly session: SessionFlow;
  readonly began: Began;
}

/** What answers a request. */
export type Answer<Op> = Op extends "createTable" | "dropTable"
  ? Extract<ClientResult, { op: "createTable" | "dropTable" }>
  : Extract<ClientResult, { op: Op }>;

class Ask<Op> implements Waiter {
  readonly deadlineMs: number;
  private readonly op: Op;
  private readonly seeing: Seeing | undefined;
  private readonly resolve: (result: Answer<Op>) => void;
  private readonly reject: (error: unknown) => void;

  constructor(
    op: Op,
    seeing: Seeing | undefined,
    deadlineMs: number,
    resolve: (result: Answer<Op>) => void,
    reject: (error: unknown) => void,
  ) {
    this.op = op;
    this.seeing = seeing;
    this.deadlineMs = deadlineMs;
    this.resolve = resolve;
    this.reject = reject;
  }

  answered(result: ClientResult, session: Uint8Array): void {
    if (result.op === "error") this.reject(toError(result.error));
    else if (result.op === (this.op as string)) {
      const { seeing } = this;
      if (this.op === "scan" || this.op === "listTables") seeing?.session.includeRead(seeing.began, session);
      else seeing?.session.include(seeing.began, session);
      this.resolve(result as Answer<Op>);
    } else this.reject(wrongAnswer(result));
  }

  failed(interruption: Interruption): void {
    this.reject(interruption);
  }
}

/** Rejects with the node's `SixfoldError`, or with an `Interruption`. `seeing`: the session that the answer is part of. */
export function ask<B extends ClientRequestBody>(
  node: NodeConnection,
  body: B,
  deadlineMs: number,
  seeing: Seeing | undefined,
  bytes = 0,
): Promise<Answer<B["op"]>> {
  return new Promise((resolve, reject) => {
    node.send(body, new Ask<B["op"]>(body.op, seeing, deadlineMs, resolve, reject), bytes);
  });
}

export function wrongAnswer(result: ClientResult): SixfoldError {
  return new SixfoldError("protocol", `the node answered with "${result.op}" to something else`);
}

/** The error as users see it: the conflicting row's key is theirs again. */
export function toError(data: ErrorData): SixfoldError {
  const { code, message, retryable, outcome } = data;
  return new SixfoldError(code, message, { retryable, outcome, details: withUserKey(data.details) });
}

function withUserKey(details: ErrorDetails): ErrorDetails {
  const { conflict } = details;
  if (!(conflict?.row instanceof Uint8Array)) return details;
  try {
    return { ...details, conflict: { ...conflict, row: decodeKey(conflict.row) } };
  } catch {
    return details;
  }
}
