/**
 * The bytes of the manifest and of the messages that read and change it (DESIGN section 7). The tables are the format.
 */
import {
  checkGeometry,
  type ClosedStream,
  type Geometry,
  type Manifest,
  type MemberChange,
  type NodeInfo,
  type OpenStream,
  type Outcome,
  type SegmentServerInfo,
  type StreamState,
} from "@sixfold/model";
import {
  ascending,
  bool,
  checked,
  integer,
  list,
  map,
  maybe,
  message,
  NAME_BYTES_MAX,
  struct,
  text,
  URL_BYTES_MAX,
  word,
  type Codec,
} from "./codec.ts";
import {
  decision,
  entryLsn,
  epoch,
  nodeName,
  pagesAndBases,
  pg,
  position,
  request,
  stream,
} from "./noun-codecs.ts";
import type { ManifestNews } from "./feed-messages.ts";
import type {
  Ballot,
  ManifestAccept,
  ManifestAccepted,
  ManifestPeek,
  ManifestPeeked,
  ManifestPrepare,
  ManifestPromise,
  ManifestTold,
} from "./storage-messages.ts";
import { badFrame } from "./wire-error.ts";

const geometry: Codec<Geometry> = checked(
  struct<Geometry>({ pageBytes: integer("page size"), segmentBytes: integer("segment size") }),
  checkGeometry,
);

const server = struct<SegmentServerInfo>({
  name: nodeName,
  az: text("a zone", NAME_BYTES_MAX),
  url: text("a URL", URL_BYTES_MAX),
});

const node = struct<NodeInfo>({
  name: nodeName,
  role: word("role", ["writer", "replica"] as const),
  az: text("a zone", NAME_BYTES_MAX),
  url: text("a URL", URL_BYTES_MAX),
});

const openStream = struct<Omit<OpenStream, "state">>({
  id: stream,
  node: nodeName,
  exclusive: bool,
  epoch,
});
const closedStream = struct<Omit<ClosedStream, "state">>({
  id: stream,
  node: nodeName,
  exclusive: bool,
  final: position,
  tails: map(pg, entryLsn),
});

const OPEN = 0;
const CLOSED = 1;

const streamState: Codec<StreamState> = {
  write(w, value) {
    w.u8(value.state === "open" ? OPEN : CLOSED);
    if (value.state === "open") openStream.write(w, value);
    else closedStream.write(w, value);
  },
  read(r) {
    const state = r.u8();
    if (state === OPEN) return { state: "open", ...openStream.read(r) };
    if (state === CLOSED) return { state: "closed", ...closedStream.read(r) };
    return badFrame("unknown state of a stream");
  },
};

const outcome = struct<Outcome>({
  stream,
  lsn: entryLsn,
  decision,
  pgs: ascending(pg, (n) => n, "PGs"),
  changes: pagesAndBases,
  checks: pagesAndBases,
});

const memberChange = struct<MemberChange>({ pg, to: list(nodeName), since: epoch });

export const manifest: Codec<Manifest> = struct<Manifest>({
  volume: text("a volume name", NAME_BYTES_MAX),
  revision: integer("a revision"),
  epoch,
  mode: word("mode", ["single", "multi"] as const),
  nextMode: word("mode", ["single", "multi"] as const),
  geometry,
  servers: list(server, 3),
  nodes: list(node, 4),
  seats: list(nodeName),
  nextSeats: list(nodeName),
  pgs: list(list(nodeName)),
  changes: ascending(memberChange, (c) => c.pg, "changes of members"),
  nextStream: stream,
  streams: ascending(streamState, (s) => s.id, "streams"),
  settledThrough: integer("the last settled stream"),
  outcomes: list(outcome, 6),
});

export const ballot = struct<Ballot>({
  round: integer("a round"),
  proposer: text("a proposer", NAME_BYTES_MAX),
});
export const acceptedValue = maybe(
  struct<{ readonly ballot: Ballot; readonly value: Manifest }>({ ballot, value: manifest }),
);

export const manifestPrepare = message<ManifestPrepare>("manifestPrepare", { request, ballot });
export const manifestPromise = message<ManifestPromise>("manifestPromise", {
  request,
  granted: bool,
  promised: ballot,
  accepted: acceptedValue,
});
export const manifestAccept = message<ManifestAccept>("manifestAccept", { request, ballot, value: manifest });
export const manifestAccepted = message<ManifestAccepted>("manifestAccepted", {
  request,
  granted: bool,
  promised: ballot,
});
export const manifestPeek = message<ManifestPeek>("manifestPeek", { request });
export const manifestPeeked = message<ManifestPeeked>("manifestPeeked", {
  request,
  promised: maybe(ballot),
  value: maybe(manifest),
});
export const manifestNews = message<ManifestNews>("manifestNews", {
  value: manifest,
  successor: text("a name", NAME_BYTES_MAX),
});

export const manifestTold = message<ManifestTold>("manifestTold", { value: manifest });
