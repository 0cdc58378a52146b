/**
 * One error class with a closed set of codes (DESIGN section 8).
 *
 * A code exists only if someone can branch on it. `ERRORS` fixes for each code
 * whether a retry can help, what is known of the transaction's outcome, and its
 * SQLSTATE; instances may narrow the outcome, never the code's meaning.
 */
import { LIMITS, type LimitName } from "./limits.ts";

/** `no`: asking again gives the same answer. `same-request`: send it again. `new-transaction`: run the transaction anew. */
export type Retryable = "no" | "same-request" | "new-transaction";
/** What is known of the transaction: it never began to commit, it certainly aborted, or nobody has said yet (ask `outcome`). */
export type ErrorOutcome = "not-started" | "aborted" | "unknown";

interface ErrorKind {
  readonly retryable: Retryable;
  readonly outcome: ErrorOutcome;
  readonly sqlState: string;
  /** One line for the documentation. */
  readonly meaning: string;
}

export const ERRORS = {
  "row-conflict": {
    retryable: "new-transaction",
    outcome: "aborted",
    sqlState: "40001",
    meaning: "a row that the transaction relies on was changed by another that committed first",
  },
  "page-conflict": {
    retryable: "new-transaction",
    outcome: "aborted",
    sqlState: "40001",
    meaning: "a page that the transaction changed was changed by another master (only with conflicts: page)",
  },
  "schema-changed": {
    retryable: "new-transaction",
    outcome: "aborted",
    sqlState: "40001",
    meaning: "a table that the transaction uses was dropped and made again since it began",
  },
  deadlock: {
    retryable: "new-transaction",
    outcome: "aborted",
    sqlState: "40P01",
    meaning: "transactions waited for each other's row locks; this one was chosen to give way",
  },
  "too-old": {
    retryable: "new-transaction",
    outcome: "aborted",
    sqlState: "72000",
    meaning: "the transaction reads at a point in time that is no longer kept",
  },
  "too-stale": {
    retryable: "same-request",
    outcome: "not-started",
    sqlState: "55000",
    meaning: "the node lags more than maxLagMs behind, and did not catch up in time; another may",
  },
  overloaded: {
    retryable: "same-request",
    outcome: "not-started",
    sqlState: "53000",
    meaning: "as much waits at the node, or for it, as may: what was refused was not begun",
  },
  unavailable: {
    retryable: "same-request",
    outcome: "not-started",
    sqlState: "57P03",
    meaning: "no node can serve this now (no quorum of segments, or no writer)",
  },
  "connection-lost": {
    retryable: "new-transaction",
    outcome: "aborted",
    sqlState: "08006",
    meaning: "the node that ran the transaction is gone, and the transaction with it",
  },
  "outcome-unknown": {
    retryable: "no",
    outcome: "unknown",
    sqlState: "08007",
    meaning: "the commit was sent and its reply lost; outcome(id) tells once it is known",
  },
  "not-a-writer": {
    retryable: "same-request",
    outcome: "not-started",
    sqlState: "25006",
    meaning: "this node does not take writes; another does",
  },
  fenced: {
    retryable: "new-transaction",
    outcome: "aborted",
    sqlState: "57P01",
    meaning: "this node's stream was closed by a recovery",
  },
  timeout: {
    retryable: "new-transaction",
    outcome: "aborted",
    sqlState: "57014",
    meaning: "the deadline passed",
  },
  cancelled: {
    retryable: "no",
    outcome: "aborted",
    sqlState: "57014",
    meaning: "the caller's signal was aborted",
  },
  "aborted-by-caller": {
    retryable: "no",
    outcome: "aborted",
    sqlState: "40000",
    meaning: "tx.abort was called",
  },
  "limit-exceeded": {
    retryable: "no",
    outcome: "not-started",
    sqlState: "54000",
    meaning: "a key, value, entry or other thing is larger than its limit",
  },
  "unknown-table": {
    retryable: "no",
    outcome: "not-started",
    sqlState: "42P01",
    meaning: "there is no table of this name",
  },
  "unknown-procedure": {
    retryable: "no",
    outcome: "not-started",
    sqlState: "42883",
    meaning: "no procedure of this name is loaded at the node",
  },
  "procedure-failed": {
    retryable: "no",
    outcome: "aborted",
    sqlState: "P0001",
    meaning: "the procedure threw an error of its own",
  },
  "bad-request": {
    retryable: "no",
    outcome: "not-started",
    sqlState: "22023",
    meaning: "an argument is not of the form it must have",
  },
  "bad-handle": {
    retryable: "no",
    outcome: "not-started",
    sqlState: "25000",
    meaning: "a transaction handle was used twice at once, after its end, or inside another",
  },
  unauthorized: {
    retryable: "no",
    outcome: "not-started",
    sqlState: "28000",
    meaning: "the token is missing or wrong",
  },
  closed: { retryable: "no", outcome: "not-started", sqlState: "57P01", meaning: "this client was closed" },
  protocol: {
    retryable: "no",
    outcome: "not-started",
    sqlState: "08P01",
    meaning: "a peer broke the protocol",
  },
  corrupt: {
    retryable: "no",
    outcome: "not-started",
    sqlState: "XX001",
    meaning: "stored data failed its check",
  },
  internal: { retryable: "no", outcome: "unknown", sqlState: "XX000", meaning: "a defect in Sixfold" },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** Which rule noticed a conflict. */
export type ConflictPhase = "local" | "delta" | "storage-vote" | "recovery";

/** The fields of a conflict, as far as they are known (DESIGN section 8). */
export interface ConflictDetails {
  readonly page?: number;
  readonly table?: string;
  /** The row's key, decoded where it left the core as bytes. */
  readonly row?: unknown;
  /** `stream:lsn`, or `none`. */
  readonly versionRead?: string;
  readonly winningVersion?: string;
  readonly winnerNode?: string;
  readonly winnerTransaction?: string;
  readonly phase: ConflictPhase;
  readonly attempts: number;
}

export interface ErrorDetails {
  readonly conflict?: ConflictDetails;
  readonly limit?: { readonly name: LimitName; readonly max: number; readonly actual: number };
  readonly transaction?: string;
  readonly table?: string;
  readonly [field: string]: unknown;
}

export interface SixfoldErrorOptions {
  readonly outcome?: ErrorOutcome;
  readonly retryable?: Retryable;
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
}

export class SixfoldError extends Error {
  override readonly name = "SixfoldError";
  readonly code: ErrorCode;
  readonly retryable: Retryable;
  readonly outcome: ErrorOutcome;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: SixfoldErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? ERRORS[code].retryable;
    this.outcome = options.outcome ?? ERRORS[code].outcome;
    this.details = options.details ?? {};
  }

  get sqlState(): string {
    return ERRORS[this.code].sqlState;
  }
}

/** True if running the transaction or the request again can help. Looks through causes. */
export function isRetryable(error: unknown): boolean {
  for (let e: unknown = error, depth = 0; e instanceof Error && depth < 16; e = e.cause, depth++)
    if (e instanceof SixfoldError) return e.retryable !== "no";
  return false;
}

/** The error for something over a limit; names limit and size (I10). */
export function limitExceeded(name: LimitName, actual: number, what: string): SixfoldError {
  const max = LIMITS[name];
  return new SixfoldError("limit-exceeded", `${what} is ${actual}, over the limit ${name} = ${max}`, {
    details: { limit: { name, max, actual } },
  });
}
