/**
 * What the SDK and a database node say to each other. Keys travel in their order-preserving
 * encoding (`key-codec`), values as msgpack (`value-codec`); the node never decodes a value
 * unless a procedure asks for it. All requests made in one turn travel in one frame.
 */
import type {
  Consistency,
  ErrorCode,
  ErrorDetails,
  ErrorOutcome,
  Isolation,
  Mode,
  Retryable,
  Role,
  TransactionId,
  TransactionOutcome,
} from "@sixfold/model";

/** The node's answer to a client's `hello`, and again whenever something in it changes. */
export interface ClientWelcome {
  readonly type: "clientWelcome";
  readonly node: string;
  readonly role: Role;
  readonly az: string;
  readonly mode: Mode;
  /** The node's open stream, or 0 while it has none. Transaction ids start with it. */
  readonly stream: number;
  readonly nodes: readonly {
    readonly name: string;
    readonly role: Role;
    readonly az: string;
    readonly url: string;
  }[];
}

/** A database node, as another one knows it. */
export interface TopologyNode {
  readonly name: string;
  readonly role: Role;
  readonly az: string;
  readonly url: string;
  /** Its open stream, or 0: only a node that has one takes writes. */
  readonly stream: number;
  /** It serves now, reads at least; a node knows it of itself, of others it is taken for granted. */
  readonly ready: boolean;
  /** How far what it shows is behind the writers, in whole milliseconds; a node knows it of itself, of others it is 0. */
  readonly lagMs: number;
}

/** Who there is, after the welcome and whenever that changes. The node that says so is the authority on itself only. */
export interface Topology {
  readonly type: "topology";
  readonly nodes: readonly TopologyNode[];
}

/** How a transaction runs; sent with its first request only. */
export interface TransactionOptions {
  readonly isolation: Isolation;
  readonly consistency: Consistency;
  /** A session token: what the reader must see at least. Opaque to the client. */
  readonly session?: Uint8Array;
  /** Bounded staleness: whatever was committed longer ago than this is seen. Whole milliseconds. */
  readonly maxLagMs?: number;
}

/** A transaction's handle: the id, and the options on first use. */
export interface TransactionRef {
  readonly id: TransactionId;
  readonly begin?: TransactionOptions;
}

export interface Write {
  readonly table: string;
  readonly key: Uint8Array;
  /** Absent: delete. */
  readonly value?: Uint8Array;
}

export type ClientRequestBody =
  /** Without `tx`: a transaction of its own, read at the node's present read point (and `alone`'s options). */
  | {
      readonly op: "get";
      readonly tx?: TransactionRef;
      readonly alone?: TransactionOptions;
      readonly table: string;
      readonly keys: readonly Uint8Array[];
      readonly forUpdate: boolean;
    }
  | {
      readonly op: "scan";
      readonly tx?: TransactionRef;
      readonly alone?: TransactionOptions;
      readonly table: string;
      readonly gt?: Uint8Array;
      readonly gte?: Uint8Array;
      readonly lt?: Uint8Array;
      readonly lte?: Uint8Array;
      readonly limit: number;
      readonly reverse: boolean;
    }
  | { readonly op: "commit"; readonly tx: TransactionRef; readonly writes: readonly Write[] }
  | { readonly op: "rollback"; readonly tx: TransactionRef }
  | {
      readonly op: "call";
      readonly tx: TransactionRef;
      readonly procedure: string;
      readonly args: Uint8Array;
    }
  | { readonly op: "outcome"; readonly id: TransactionId }
  | { readonly op: "createTable" | "dropTable"; readonly tx: TransactionRef; readonly table: string }
  | { readonly op: "listTables"; readonly alone?: TransactionOptions }
  | { readonly op: "status" };

export interface ClientRequest {
  readonly request: number;
  readonly body: ClientRequestBody;
}

export type ClientResult =
  /** `values` in the order of the keys; undefined for an absent row. */
  | { readonly op: "get"; readonly values: readonly (Uint8Array | undefined)[] }
  | {
      readonly op: "scan";
      readonly rows: readonly (readonly [key: Uint8Array, value: Uint8Array])[];
      readonly more: boolean;
    }
  /** `attempts`: entries built for it. */
  | { readonly op: "commit"; readonly attempts: number }
  | { readonly op: "rollback" }
  | {
      readonly op: "call";
      readonly value: Uint8Array;
      readonly attempts: number;
    }
  | { readonly op: "outcome"; readonly outcome: TransactionOutcome }
  | { readonly op: "createTable" | "dropTable"; readonly changed: boolean }
  | { readonly op: "listTables"; readonly tables: readonly string[] }
  | { readonly op: "status"; readonly status: Readonly<Record<string, unknown>> }
  | { readonly op: "error"; readonly error: ErrorData };

/** A `SixfoldError` on the wire. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: Retryable;
  readonly outcome: ErrorOutcome;
  readonly details: ErrorDetails;
}

export interface ClientResponse {
  readonly request: number;
  readonly result: ClientResult;
}

/** One frame: all requests of a turn. */
export interface ClientRequests {
  readonly type: "requests";
  readonly requests: readonly ClientRequest[];
}

/** One frame: all answers of a turn. */
export interface ClientResponses {
  readonly type: "responses";
  /** The token of the turn's end: it includes whatever these answers showed or committed. */
  readonly session: Uint8Array;
  readonly responses: readonly ClientResponse[];
}

export type ClientMessage = ClientRequests | ClientResponses | ClientWelcome | Topology;
