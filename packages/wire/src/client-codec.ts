/**
 * What the SDK and a node say to each other, in bytes. Hot: one or two of these messages belong to every transaction.
 *
 *     requests    count | request...       request   number | u8 op | body of the op
 *     responses   session | count | response...      response  number | u8 op | body of the op
 *
 *     op            request                                                         answer
 *     1 get         flags, tx or alone, table, keys, u8 for update                  count | (u8 present, blob)
 *     2 scan        flags, tx or alone, table, bounds as flagged, limit             count | (key, value) | u8 more
 *     3 commit      tx, writes: count | (table, key, u8 present, value)             attempts
 *     4 rollback    tx                                                              nothing
 *     5 call        tx, procedure, arguments                                        value, attempts
 *     6 outcome     transaction id                                                  u8 outcome
 *     7 createTable tx, table                                                       u8 changed
 *     8 dropTable   tx, table                                                       u8 changed
 *     9 listTables  flags, alone                                                    count | table
 *    10 status      nothing                                                         record
 *    11 error       -                                                               code, message, u8 retryable, u8 outcome, details
 *
 *     flags         1 tx, 2 alone, 4 gt, 8 gte, 16 lt, 32 lte, 64 reverse
 *     tx            id | u8 begins | options if so
 *     options       u8 flags (1 serializable, 2 cluster, 4 session, 8 bounded) | session blob if flagged | milliseconds if bounded
 *
 * Numbers are varints; texts, keys, values and tokens are a varint length and the bytes.
 */
import {
  assert,
  LIMITS,
  unreachable,
  type Consistency,
  type Isolation,
  type TransactionId,
} from "@sixfold/model";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type {
  ClientRequest,
  ClientRequestBody,
  ClientRequests,
  TransactionOptions,
  TransactionRef,
  Write,
} from "./client-messages.ts";
import { blob, integer, text, type Codec } from "./codec.ts";
import { request, transaction } from "./noun-codecs.ts";
import { badFrame } from "./wire-error.ts";

/** Bytes of a session token: a read point of all open streams, with room to spare. */
const TOKEN_BYTES_MAX = 16 * 1024;
const PROCEDURE_NAME_BYTES_MAX = 255;

export const OP = {
  get: 1,
  scan: 2,
  commit: 3,
  rollback: 4,
  call: 5,
  outcome: 6,
  createTable: 7,
  dropTable: 8,
  listTables: 9,
  status: 10,
  error: 11,
} as const;

const TX = 1;
const ALONE = 2;
const GT = 4;
const GTE = 8;
const LT = 16;
const LTE = 32;
const REVERSE = 64;

const SERIALIZABLE = 1;
const CLUSTER = 2;
const SESSION = 4;
const BOUNDED = 8;

export const table = text("a table name", LIMITS.tableNameBytes);
export const key = blob("a key", LIMITS.keyBytes);
export const value = blob("a value", LIMITS.valueBytes);
export const token = blob("a session token", TOKEN_BYTES_MAX);
/** Arguments and results of procedures: together with their frame they must only fit a frame. */
export const passed = blob("arguments or results", LIMITS.entryBytes);
const procedure = text("a procedure's name", PROCEDURE_NAME_BYTES_MAX);
const lag = integer("a bound on the lag");

type Get = Extract<ClientRequestBody, { op: "get" }>;
type Scan = Extract<ClientRequestBody, { op: "scan" }>;
type Bounds = { gt?: Uint8Array; gte?: Uint8Array; lt?: Uint8Array; lte?: Uint8Array };
/** Who reads: a transaction, or a reader of its own. */
type Reader = { tx?: TransactionRef; alone?: TransactionOptions };

export const requests: Codec<ClientRequests> = {
  write(w, m) {
    w.varint(m.requests.length);
    for (const { request: number, body } of m.requests) {
      w.varint(number);
      w.u8(OP[body.op]);
      writeBody(w, body);
    }
  },
  read(r) {
    const out: ClientRequest[] = [];
    for (let n = r.count(2); n > 0; n--) out.push({ request: request.read(r), body: readBody(r) });
    return { type: "requests", requests: out };
  },
};

function writeBody(w: ByteWriter, body: ClientRequestBody): void {
  switch (body.op) {
    case "get":
      return writeGet(w, body);
    case "scan":
      return writeScan(w, body);
    case "commit":
      writeRef(w, body.tx);
      return writeWrites(w, body.writes);
    case "rollback":
      return writeRef(w, body.tx);
    case "call":
      writeRef(w, body.tx);
      w.text(body.procedure);
      return w.blob(body.args);
    case "outcome":
      return w.text(body.id);
    case "createTable":
    case "dropTable":
      writeRef(w, body.tx);
      return w.text(body.table);
    case "listTables":
      w.u8(readerFlags(body));
      return writeReader(w, body);
    case "status":
      return;
    default:
      unreachable(body);
  }
}

function readBody(r: ByteReader): ClientRequestBody {
  switch (r.u8()) {
    case OP.get:
      return readGet(r);
    case OP.scan:
      return readScan(r);
    case OP.commit:
      return { op: "commit", tx: readRef(r), writes: readWrites(r) };
    case OP.rollback:
      return { op: "rollback", tx: readRef(r) };
    case OP.call:
      return { op: "call", tx: readRef(r), procedure: procedure.read(r), args: passed.read(r) };
    case OP.outcome:
      return { op: "outcome", id: readId(r) };
    case OP.createTable:
      return { op: "createTable", tx: readRef(r), table: table.read(r) };
    case OP.dropTable:
      return { op: "dropTable", tx: readRef(r), table: table.read(r) };
    case OP.listTables:
      return readListTables(r);
    case OP.status:
      return { op: "status" };
    default:
      return badFrame("unknown request");
  }
}

function writeGet(w: ByteWriter, m: Get): void {
  w.u8(readerFlags(m));
  writeReader(w, m);
  w.text(m.table);
  w.varint(m.keys.length);
  for (const k of m.keys) w.blob(k);
  w.bool(m.forUpdate);
}

function readGet(r: ByteReader): Get {
  const flags = r.u8();
  if (flags > (TX | ALONE)) badFrame("a get with unknown flags");
  const reader = readReader(r, flags);
  const of = table.read(r);
  const keys: Uint8Array[] = [];
  for (let n = r.count(); n > 0; n--) keys.push(key.read(r));
  return { op: "get", ...reader, table: of, keys, forUpdate: r.bool() };
}

function writeScan(w: ByteWriter, m: Scan): void {
  assert(m.limit >= 1 && m.limit <= LIMITS.scanRows, "a scan's limit is within LIMITS.scanRows");
  const bounds =
    (m.gt === undefined ? 0 : GT) |
    (m.gte === undefined ? 0 : GTE) |
    (m.lt === undefined ? 0 : LT) |
    (m.lte === undefined ? 0 : LTE);
  w.u8(readerFlags(m) | bounds | (m.reverse ? REVERSE : 0));
  writeReader(w, m);
  w.text(m.table);
  if (m.gt !== undefined) w.blob(m.gt);
  if (m.gte !== undefined) w.blob(m.gte);
  if (m.lt !== undefined) w.blob(m.lt);
  if (m.lte !== undefined) w.blob(m.lte);
  w.varint(m.limit);
}

function readScan(r: ByteReader): Scan {
  const flags = r.u8();
  if (flags >= 2 * REVERSE) badFrame("a scan with unknown flags");
  const reader = readReader(r, flags);
  const of = table.read(r);
  const bounds: Bounds = {};
  if ((flags & GT) !== 0) bounds.gt = key.read(r);
  if ((flags & GTE) !== 0) bounds.gte = key.read(r);
  if ((flags & LT) !== 0) bounds.lt = key.read(r);
  if ((flags & LTE) !== 0) bounds.lte = key.read(r);
  const limit = r.bounded(LIMITS.scanRows, "a scan's limit");
  if (limit === 0) badFrame("a scan of no rows");
  return { op: "scan", ...reader, table: of, ...bounds, limit, reverse: (flags & REVERSE) !== 0 };
}

function readListTables(r: ByteReader): ClientRequestBody {
  const flags = r.u8();
  if (flags !== 0 && flags !== ALONE) badFrame("a list of tables with unknown flags");
  return flags === 0 ? { op: "listTables" } : { op: "listTables", alone: readOptions(r) };
}

function readerFlags(m: Reader): number {
  assert(m.tx === undefined || m.alone === undefined, "a read is of a transaction or alone");
  return (m.tx === undefined ? 0 : TX) | (m.alone === undefined ? 0 : ALONE);
}

function writeReader(w: ByteWriter, m: Reader): void {
  if (m.tx !== undefined) writeRef(w, m.tx);
  if (m.alone !== undefined) writeOptions(w, m.alone);
}

function readReader(r: ByteReader, flags: number): Reader {
  const reader: Reader = {};
  if ((flags & TX) !== 0 && (flags & ALONE) !== 0) badFrame("a read is of a transaction or alone");
  if ((flags & TX) !== 0) reader.tx = readRef(r);
  if ((flags & ALONE) !== 0) reader.alone = readOptions(r);
  return reader;
}

function writeRef(w: ByteWriter, ref: TransactionRef): void {
  w.text(ref.id);
  w.bool(ref.begin !== undefined);
  if (ref.begin !== undefined) writeOptions(w, ref.begin);
}

function readRef(r: ByteReader): TransactionRef {
  const id = readId(r);
  return r.bool() ? { id, begin: readOptions(r) } : { id };
}

function readId(r: ByteReader): TransactionId {
  const id = transaction.read(r);
  return id.length > 0 ? id : badFrame("a transaction without an id");
}

function writeOptions(w: ByteWriter, o: TransactionOptions): void {
  w.u8(
    (o.isolation === "serializable" ? SERIALIZABLE : 0) |
      (o.consistency === "cluster" ? CLUSTER : 0) |
      (o.session === undefined ? 0 : SESSION) |
      (o.maxLagMs === undefined ? 0 : BOUNDED),
  );
  if (o.session !== undefined) w.blob(o.session);
  if (o.maxLagMs !== undefined) w.varint(o.maxLagMs);
}

function readOptions(r: ByteReader): TransactionOptions {
  const flags = r.u8();
  if (flags >= 2 * BOUNDED) badFrame("options with unknown flags");
  const isolation: Isolation = (flags & SERIALIZABLE) === 0 ? "snapshot" : "serializable";
  const consistency: Consistency = (flags & CLUSTER) === 0 ? "session" : "cluster";
  const session = (flags & SESSION) === 0 ? undefined : token.read(r);
  const maxLagMs = (flags & BOUNDED) === 0 ? undefined : lag.read(r);
  return {
    ...{ isolation, consistency },
    ...(session === undefined ? {} : { session }),
    ...(maxLagMs === undefined ? {} : { maxLagMs }),
  };
}

function writeWrites(w: ByteWriter, writes: readonly Write[]): void {
  w.varint(writes.length);
  for (const one of writes) {
    w.text(one.table);
    w.blob(one.key);
    w.bool(one.value !== undefined);
    if (one.value !== undefined) w.blob(one.value);
  }
}

function readWrites(r: ByteReader): Write[] {
  const writes: Write[] = [];
  for (let n = r.count(3); n > 0; n--) {
    const of = table.read(r);
    const at = key.read(r);
    writes.push(r.bool() ? { table: of, key: at, value: value.read(r) } : { table: of, key: at });
  }
  return writes;
}
