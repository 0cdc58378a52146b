/**
 * The records of a log block (`log-block`): what a segment server must find again after a crash.
 *
 *     record      u8 kind | u32 bytes that follow | body
 *
 *     1 slices      pg | stream | u8 exclusive | votes | count | slices as they came
 *     2 votes       pg | stream | votes
 *     3 decisions   pg | stream | decisions
 *     4 outcomes    pg | count | (stream, lsn, decision)
 *     5 fence       pg | stream
 *     6 close       pg | stream | final | tail | decisions
 *     7 seat        promised ballot | u8 | (ballot, manifest) if 1
 *     8 checkpoint  the state's own bytes, or those of one part of it
 *     9 newcomer    pg | epoch | u8 1 once it is whole
 *    10 left        pg
 *
 * Slices are written as the frames brought them: the chunk list refers to their bytes, and only what lies
 * between them is made here. Kinds are never renumbered.
 */
import {
  assert,
  unreachable,
  type Decision,
  type EntryId,
  type Lsn,
  type Manifest,
  type Decisions,
} from "@sixfold/model";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { list, struct } from "./codec.ts";
import { piecesOf } from "./encoded-slice.ts";
import type { LogRecord } from "./log-records.ts";
import { acceptedValue, ballot } from "./manifest-codec.ts";
import { decisions, epoch, pg, position, readSlices, sliceVotes, stream } from "./noun-codecs.ts";
import { factOfEntry } from "./storage-codec.ts";
import type { Ballot } from "./storage-messages.ts";
import { badFrame } from "./wire-error.ts";

/** On the disk: never renumbered. */
export const RECORD_KIND = {
  slices: 1,
  votes: 2,
  decisions: 3,
  outcomes: 4,
  fence: 5,
  close: 6,
  seat: 7,
  checkpoint: 8,
  newcomer: 9,
  left: 10,
} as const;
/** Kind and length. */
export const RECORD_HEADER_BYTES = 5;
const KIND = RECORD_KIND;
const HEADER_BYTES = RECORD_HEADER_BYTES;

const outcomes = list<EntryId & { readonly decision: Decision }>(factOfEntry, 3);
const close = struct<{ readonly final: Lsn; readonly tail: Lsn; readonly decisions: Decisions }>({
  final: position,
  tail: position,
  decisions,
});
type Seat = {
  readonly promised: Ballot;
  readonly accepted: { readonly ballot: Ballot; readonly value: Manifest } | undefined;
};
const seat = struct<Seat>({ promised: ballot, accepted: acceptedValue });

const writer = new ByteWriter();

/** The records' bytes as chunks, in order; those of slices and checkpoints are the callers' own, not copies. */
export function encodeRecords(records: readonly LogRecord[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (const record of records) {
    const w = writer;
    w.begin();
    w.u8(KIND[record.kind]);
    w.u32(0);
    const attached = writeRecord(w, record);
    let bytes = w.length - HEADER_BYTES;
    for (const one of attached) bytes += one.length;
    assert(bytes < 2 ** 32, "a record's length fits 32 bits");
    w.patchU32(1, bytes);
    chunks.push(w.take());
    for (const one of attached) chunks.push(one);
  }
  return chunks;
}

const NOTHING: readonly Uint8Array[] = Object.freeze([]);

/** Writes the body as far as it is made here; returns what follows it as it is. */
function writeRecord(w: ByteWriter, record: LogRecord): readonly Uint8Array[] {
  switch (record.kind) {
    case "slices":
      pg.write(w, record.pg);
      stream.write(w, record.stream);
      w.bool(record.exclusive);
      sliceVotes.write(w, record.votes);
      w.varint(record.slices.length);
      return piecesOf(record.slices);
    case "votes":
      pg.write(w, record.pg);
      stream.write(w, record.stream);
      sliceVotes.write(w, record.votes);
      return NOTHING;
    case "decisions":
      pg.write(w, record.pg);
      stream.write(w, record.stream);
      decisions.write(w, record.decisions);
      return NOTHING;
    case "outcomes":
      pg.write(w, record.pg);
      outcomes.write(w, record.outcomes);
      return NOTHING;
    case "fence":
      pg.write(w, record.pg);
      stream.write(w, record.stream);
      return NOTHING;
    case "close":
      pg.write(w, record.pg);
      stream.write(w, record.stream);
      close.write(w, record);
      return NOTHING;
    case "seat":
      seat.write(w, record);
      return NOTHING;
    case "newcomer":
      pg.write(w, record.pg);
      epoch.write(w, record.since);
      w.bool(record.isWhole);
      return NOTHING;
    case "left":
      pg.write(w, record.pg);
      return NOTHING;
    case "checkpoint":
      return [record.state];
    default:
      return unreachable(record);
  }
}

/** The records of one block, in order. Throws `WireError` "bad-frame"; the block's CRC has been checked before. Slices are views on the block. */
export function decodeRecords(block: Uint8Array): LogRecord[] {
  const r = new ByteReader(block);
  const blockEnd = r.end;
  const records: LogRecord[] = [];
  while (r.at < blockEnd) {
    const kind = r.u8();
    const bytes = r.u32();
    if (bytes > blockEnd - r.at) badFrame("a record is cut off");
    r.end = r.at + bytes;
    records.push(readRecord(r, kind));
    r.finish();
    r.end = blockEnd;
  }
  return records;
}

function readRecord(r: ByteReader, kind: number): LogRecord {
  if (kind === KIND.seat) return { kind: "seat", ...seat.read(r) };
  if (kind === KIND.checkpoint) return { kind: "checkpoint", state: r.raw(r.remaining) };
  const inPg = pg.read(r);
  if (kind === KIND.outcomes) return { kind: "outcomes", pg: inPg, outcomes: outcomes.read(r) };
  if (kind === KIND.newcomer) return { kind: "newcomer", pg: inPg, since: epoch.read(r), isWhole: r.bool() };
  if (kind === KIND.left) return { kind: "left", pg: inPg };
  const of = stream.read(r);
  switch (kind) {
    case KIND.slices: {
      const exclusive = r.bool();
      const votes = sliceVotes.read(r);
      return { kind: "slices", pg: inPg, stream: of, exclusive, slices: readSlices(r, inPg, of), votes };
    }
    case KIND.votes:
      return { kind: "votes", pg: inPg, stream: of, votes: sliceVotes.read(r) };
    case KIND.decisions:
      return { kind: "decisions", pg: inPg, stream: of, decisions: decisions.read(r) };
    case KIND.fence:
      return { kind: "fence", pg: inPg, stream: of };
    case KIND.close:
      return { kind: "close", pg: inPg, stream: of, ...close.read(r) };
    default:
      return badFrame(`unknown record ${kind}`);
  }
}
