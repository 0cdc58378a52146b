/**
 * The bytes of the storage messages that are not hot. Each table lists a message's fields in the order in which
 * they are written; how each kind of field is written stands in `codec` and `noun-codecs`.
 */
import { MAX_PAGE_BYTES } from "@sixfold/model";
import type { Decision, EntryId, Lsn, PgId, StreamId } from "@sixfold/model";
import type { ByteReader } from "./byte-reader.ts";
import {
  ascending,
  blob,
  bool,
  integer,
  list,
  map,
  maybe,
  message,
  NAME_BYTES_MAX,
  PROSE_BYTES_MAX,
  struct,
  text,
  word,
  type Codec,
} from "./codec.ts";
import {
  decision,
  decisions,
  entryLsn,
  epoch,
  lsns,
  nodeName,
  page,
  pagesAndBases,
  pg,
  position,
  readSlices,
  readPoint,
  request,
  slice,
  sliceVotes,
  stream,
  transaction,
  version,
  vote,
  writeSlices,
} from "./noun-codecs.ts";
import type {
  AskDurable,
  AskPages,
  AskSnapshot,
  Durable,
  FeedStart,
  Follow,
  PagesGiven,
  Snapshot,
} from "./feed-messages.ts";
import type {
  AskCopied,
  AskStatus,
  AskVotes,
  Cargo,
  Close,
  Closed,
  CommittedVersion,
  Copied,
  Fence,
  Fenced,
  FencedSlice,
  FindTransaction,
  Goodbye,
  Hello,
  MergedHere,
  Outcomes,
  OutcomesKnown,
  Ping,
  Positions,
  PulledPages,
  PulledSlices,
  PullPages,
  PullSlices,
  Readers,
  Status,
  TransactionFound,
  Votes,
  Welcome,
} from "./storage-messages.ts";
import { plainRecord } from "./value-codec.ts";

const name = text("a name", NAME_BYTES_MAX);
const protocol = integer("a protocol version");

export const hello = message<Hello>("hello", {
  protocol,
  role: word("role", ["node", "segment", "client", "copier"] as const),
  name,
  volume: name,
  token: text("a token", PROSE_BYTES_MAX),
});
export const welcome = message<Welcome>("welcome", {
  protocol,
  role: word("role", ["node", "segment"] as const),
  name,
  volume: name,
});
export const goodbye = message<Goodbye>("goodbye", { code: name, reason: text("a reason", PROSE_BYTES_MAX) });
export const ping = message<Ping>("ping", {});

const ofStream = { request, pg, stream };

export const askVotes = message<AskVotes>("askVotes", { ...ofStream, lsns });
export const votes = message<Votes>("votes", { ...ofStream, votes: sliceVotes });
export const fence = message<Fence>("fence", { ...ofStream, uses: pagesAndBases });

const fencedSlice = struct<FencedSlice>({ slice, vote, decision: maybe(decision) });
const committedVersion = struct<CommittedVersion>({ page, base: version, version });
export const fenced = message<Fenced>("fenced", {
  ...ofStream,
  scl: position,
  decidedThrough: position,
  tail: position,
  aborts: lsns,
  earlyAborts: lsns,
  slices: list(fencedSlice, 13),
  committed: list(committedVersion, 5),
});

export const close = message<Close>("close", { ...ofStream, final: position, tail: position, decisions });
export const closed = message<Closed>("closed", { ...ofStream, complete: bool });

export const factOfEntry = struct<EntryId & { readonly decision: Decision }>({
  stream,
  lsn: entryLsn,
  decision,
});
export const outcomes = message<Outcomes>("outcomes", { request, pg, outcomes: list(factOfEntry, 3) });
export const outcomesKnown = message<OutcomesKnown>("outcomesKnown", { request, pg });

export const pullSlices = message<PullSlices>("pullSlices", {
  ...ofStream,
  after: position,
  through: position,
});

const end = maybe(struct<{ readonly final: Lsn; readonly tail: Lsn }>({ final: position, tail: position }));
/** By hand, since its slices must be of the stream that it names. */
export const pulledSlices: Codec<PulledSlices> = {
  write(w, m) {
    w.varint(m.request);
    w.varint(m.pg);
    w.varint(m.stream);
    writeSlices(w, m.slices);
    decisions.write(w, m.decisions);
    w.varint(m.mergedThrough);
    end.write(w, m.closed);
  },
  read(r: ByteReader) {
    const answers = request.read(r);
    const inPg: PgId = pg.read(r);
    const of: StreamId = stream.read(r);
    return {
      type: "pulledSlices",
      request: answers,
      pg: inPg,
      stream: of,
      slices: readSlices(r, inPg, of),
      decisions: decisions.read(r),
      mergedThrough: position.read(r),
      closed: end.read(r),
    };
  },
};

export const pullPages = message<PullPages>("pullPages", {
  request,
  pg,
  from: page,
  limit: integer("a number of pages", 1),
  mends: maybe(
    struct<MergedHere>({
      settledThrough: integer<StreamId>("the last settled stream"),
      streams: list(struct<MergedHere["streams"][number]>({ stream, through: position }), 2),
    }),
  ),
});

const storedPage = struct<PulledPages["pages"][number]>({
  page,
  stored: blob("a stored page", 2 * MAX_PAGE_BYTES),
});
const mergedStream = struct<PulledPages["merged"][number]>({ stream, through: position, tail: position });
export const pulledPages = message<PulledPages>("pulledPages", {
  request,
  pg,
  pages: ascending(storedPage, (p) => p.page, "pages"),
  next: maybe(page),
  merged: list(mergedStream, 3),
  settledThrough: integer("the last settled stream"),
});

const pageAboard = struct<Cargo["pages"][number]>({
  page,
  at: integer("a place in a frame"),
  bytes: integer("the length of a page"),
});
export const cargo = message<Cargo>("cargo", {
  request,
  pg,
  pages: ascending(pageAboard, (p) => p.page, "pages"),
  bytes: integer("the length of a frame"),
  next: maybe(page),
  merged: list(mergedStream, 3),
  settledThrough: integer("the last settled stream"),
});

/** About how long the message is, at most. */
export function pulledPagesBytes(m: PulledPages): number {
  let bytes = 64 + 24 * m.merged.length;
  for (const { stored } of m.pages) bytes += stored.length + 12;
  return bytes;
}

export const positions = message<Positions>("positions", {
  pg,
  streams: list(
    struct<Positions["streams"][number]>({ stream, scl: position, decidedThrough: position, closed: bool }),
    4,
  ),
});

export const findTransaction = message<FindTransaction>("findTransaction", { ...ofStream, transaction });
const attempt = struct<TransactionFound["attempts"][number]>({ lsn: entryLsn, decision: maybe(decision) });
export const transactionFound = message<TransactionFound>("transactionFound", {
  ...ofStream,
  attempts: list(attempt, 2),
  forgottenThrough: position,
  scl: position,
  isClosed: bool,
});

export const askCopied = message<AskCopied>("askCopied", { request, pg });
export const copied = message<Copied>("copied", { request, pg, isWhole: bool });

export const follow = message<Follow>("follow", { node: nodeName });
export const feedStart = message<FeedStart>("feedStart", {
  stream,
  durable: position,
  tails: map(pg, entryLsn),
});
export const askDurable = message<AskDurable>("askDurable", { request });
export const durable = message<Durable>("durable", {
  ...{ request, stream, durable: position },
  atUs: integer("a moment"),
  epoch,
});
export const askSnapshot = message<AskSnapshot>("askSnapshot", { request });
export const snapshot = message<Snapshot>("snapshot", { request, point: readPoint });
const wantedPage = struct<AskPages["pages"][number]>({ page, at: entryLsn });
export const askPages = message<AskPages>("askPages", {
  request,
  owner: stream,
  stream,
  pages: list(wantedPage, 2),
});
export const pagesGiven = message<PagesGiven>("pagesGiven", { request, pages: list(page, 1) });
export const readers = message<Readers>("readers", {
  stream: maybe(stream),
  lowWater: readPoint,
  shown: readPoint,
});
export const askStatus = message<AskStatus>("askStatus", { request });
export const status = message<Status>("status", { request, status: plainRecord });
