/** What a client's request is, as far as its way to the engine depends on it. */
import type { ClientRequestBody, TransactionOptions, TransactionRef } from "@sixfold/wire";

/** The transaction that it belongs to. */
export function refOf(body: ClientRequestBody): TransactionRef | undefined {
  switch (body.op) {
    case "get":
    case "scan":
    case "commit":
    case "rollback":
    case "call":
    case "createTable":
    case "dropTable":
      return body.tx;
    default:
      return undefined;
  }
}

/** Does it wait in the queue of commits? */
export const isWrite = (op: ClientRequestBody["op"]): boolean => op === "commit" || op === "call";

/** Of a read that is a transaction by itself. */
export function optionsAlone(body: ClientRequestBody): TransactionOptions | undefined {
  return body.op === "get" || body.op === "scan" || body.op === "listTables" ? body.alone : undefined;
}

/**
 * Will more than one row be read, without a validation that would order the reads? One row by itself is either read or not; a
 * serializable transaction that writes is validated when it commits.
 */
export function opensSnapshot(body: ClientRequestBody, { isolation }: TransactionOptions): boolean {
  if (isolation !== "snapshot") return false;
  return body.op === "scan" || (body.op === "get" && (body.tx !== undefined || body.keys.length > 1));
}

export const locks = (body: ClientRequestBody): boolean => body.op === "get" && body.forUpdate;
