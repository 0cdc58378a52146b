/** The answers of a node to the SDK, and its welcome, in bytes; the format stands in `client-codec`. */
import { ERRORS, unreachable, type ErrorCode } from "@sixfold/model";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type {
  ClientResponse,
  ClientResponses,
  ClientResult,
  ClientWelcome,
  ErrorData,
  Topology,
  TopologyNode,
} from "./client-messages.ts";
import { key, OP, passed, table, token, value } from "./client-codec.ts";
import {
  bool,
  integer,
  list,
  message,
  NAME_BYTES_MAX,
  PROSE_BYTES_MAX,
  struct,
  text,
  URL_BYTES_MAX,
  word,
  type Codec,
} from "./codec.ts";
import { request } from "./noun-codecs.ts";
import { plainRecord } from "./value-codec.ts";
import { badFrame } from "./wire-error.ts";

const name = text("a name", NAME_BYTES_MAX);
const role = word("role", ["writer", "replica"] as const);

export const clientWelcome = message<ClientWelcome>("clientWelcome", {
  node: name,
  role,
  az: name,
  mode: word("mode", ["single", "multi"] as const),
  stream: integer("a stream, or 0"),
  nodes: list(
    struct<ClientWelcome["nodes"][number]>({ name, role, az: name, url: text("a URL", URL_BYTES_MAX) }),
    4,
  ),
});

export const topology = message<Topology>("topology", {
  nodes: list(
    struct<TopologyNode>({
      name,
      role,
      az: name,
      url: text("a URL", URL_BYTES_MAX),
      stream: integer("a stream, or 0"),
      ready: bool,
      lagMs: integer("a lag"),
    }),
    7,
  ),
});

const outcome = word("outcome", ["committed", "aborted", "unknown"] as const);
const attempts = integer("attempts");
const tables = list(table);

const errorCode: Codec<ErrorCode> = {
  write: (w, code) => w.text(code),
  read(r) {
    const code = r.text(NAME_BYTES_MAX, "an error code");
    return Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : badFrame("unknown error code");
  },
};
const errorData = struct<ErrorData>({
  code: errorCode,
  message: text("a message", PROSE_BYTES_MAX),
  retryable: word("retryable", ["no", "same-request", "new-transaction"] as const),
  outcome: word("outcome", ["not-started", "aborted", "unknown"] as const),
  details: plainRecord,
});

export const responses: Codec<ClientResponses> = {
  write(w, m) {
    w.blob(m.session);
    w.varint(m.responses.length);
    for (const { request: number, result } of m.responses) {
      w.varint(number);
      w.u8(OP[result.op]);
      writeResult(w, result);
    }
  },
  read(r) {
    const session = token.read(r);
    const out: ClientResponse[] = [];
    for (let n = r.count(2); n > 0; n--) out.push({ request: request.read(r), result: readResult(r) });
    return { type: "responses", session, responses: out };
  },
};

function writeResult(w: ByteWriter, m: ClientResult): void {
  switch (m.op) {
    case "get":
      return writeValues(w, m.values);
    case "scan":
      return writeRows(w, m);
    case "commit":
      return w.varint(m.attempts);
    case "call":
      w.blob(m.value);
      return w.varint(m.attempts);
    case "outcome":
      return outcome.write(w, m.outcome);
    case "createTable":
    case "dropTable":
      return w.bool(m.changed);
    case "listTables":
      return tables.write(w, m.tables);
    case "status":
      return plainRecord.write(w, m.status);
    case "error":
      return errorData.write(w, m.error);
    case "rollback":
      return;
    default:
      unreachable(m);
  }
}

function readResult(r: ByteReader): ClientResult {
  switch (r.u8()) {
    case OP.get:
      return { op: "get", values: readValues(r) };
    case OP.scan:
      return { op: "scan", rows: readRows(r), more: r.bool() };
    case OP.commit:
      return { op: "commit", attempts: attempts.read(r) };
    case OP.rollback:
      return { op: "rollback" };
    case OP.call:
      return { op: "call", value: passed.read(r), attempts: attempts.read(r) };
    case OP.outcome:
      return { op: "outcome", outcome: outcome.read(r) };
    case OP.createTable:
      return { op: "createTable", changed: r.bool() };
    case OP.dropTable:
      return { op: "dropTable", changed: r.bool() };
    case OP.listTables:
      return { op: "listTables", tables: tables.read(r) };
    case OP.status:
      return { op: "status", status: plainRecord.read(r) };
    case OP.error:
      return { op: "error", error: errorData.read(r) };
    default:
      return badFrame("unknown answer");
  }
}

function writeValues(w: ByteWriter, values: readonly (Uint8Array | undefined)[]): void {
  w.varint(values.length);
  for (const v of values) {
    w.bool(v !== undefined);
    if (v !== undefined) w.blob(v);
  }
}

function readValues(r: ByteReader): (Uint8Array | undefined)[] {
  const values: (Uint8Array | undefined)[] = [];
  for (let n = r.count(); n > 0; n--) values.push(r.bool() ? value.read(r) : undefined);
  return values;
}

function writeRows(w: ByteWriter, m: Extract<ClientResult, { op: "scan" }>): void {
  w.varint(m.rows.length);
  for (const [k, v] of m.rows) {
    w.blob(k);
    w.blob(v);
  }
  w.bool(m.more);
}

function readRows(r: ByteReader): (readonly [Uint8Array, Uint8Array])[] {
  const rows: (readonly [Uint8Array, Uint8Array])[] = [];
  for (let n = r.count(2); n > 0; n--) rows.push([key.read(r), value.read(r)]);
  return rows;
}
