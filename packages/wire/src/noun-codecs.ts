/**
 * The bytes of the model's nouns that many messages carry: ids, versions, LSN lists, decisions, read points, votes.
 *
 *     decisions   from | through - from | aborts - from, as ascending list | early aborts - through, likewise
 *     read point  settled through | count | (stream, lsn) by stream ascending
 *     vote        u8: 0 accept, 1 wait page stream lsn, 2 reject page stream lsn, 3 void lsn, 4 hold
 *
 * All numbers are varints; ascending lists are count, first, gaps (`slice-codec`).
 */
import {
  ACCEPT,
  assert,
  HOLD,
  LIMITS,
  MAX_PAGE,
  lsn,
  ReadPoint,
  streamId,
  unreachable,
  type Decision,
  type Decisions,
  type EntryId,
  type Epoch,
  type Lsn,
  type NodeName,
  type PageId,
  type PageVersion,
  type PgId,
  type StreamId,
  type TransactionId,
  type Slice,
  type Vote,
} from "@sixfold/model";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { piecesOf } from "./encoded-slice.ts";
import { integer, list, NAME_BYTES_MAX, struct, text, word, type Codec } from "./codec.ts";
import { readAscending, readSlice, readVersion, writeAscending, writeVersion } from "./slice-codec.ts";
import type { SliceVote } from "./storage-messages.ts";
import { badFrame } from "./wire-error.ts";

export const request = integer("a request number");
export const stream = integer<StreamId>("a stream", 1);
export const position = integer<Lsn>("an LSN");
/** An LSN that names an entry. */
export const entryLsn = integer<Lsn>("an entry's LSN", 1);
export const pg = integer<PgId>("a PG", 0, 0xffff_ffff);
export const page = integer<PageId>("a page", 0, MAX_PAGE);
export const epoch = integer<Epoch>("an epoch");
export const nodeName = text<NodeName>("a node name", NAME_BYTES_MAX);
export const transaction = text<TransactionId>("a transaction id", LIMITS.transactionIdBytes);
export const decision: Codec<Decision> = word("decision", ["commit", "abort"] as const);
export const version: Codec<PageVersion> = { write: writeVersion, read: readVersion };
export const entryId = struct<EntryId>({ stream, lsn: entryLsn });

/** LSNs of entries, ascending. */
export const lsns: Codec<readonly Lsn[]> = {
  write: writeAscending,
  read: (r) => readAscending(r, 1) as Lsn[],
};

export const slice: Codec<Slice> = {
  write: (w, value) => w.raw(value.bytes),
  read: readSlice,
};

/** In LSN order, all of one stream and PG. */
export function readSlices(r: ByteReader, inPg: PgId, ofStream: StreamId): Slice[] {
  const slices: Slice[] = [];
  let before = 0;
  for (let n = r.count(); n > 0; n--) {
    const next = readSlice(r);
    if (next.pg !== inPg || next.stream !== ofStream) badFrame("a slice of another stream or PG");
    if (next.lsn <= before) badFrame("slices ascend");
    before = next.lsn;
    slices.push(next);
  }
  return slices;
}

export function writeSlices(w: ByteWriter, slices: readonly Slice[]): void {
  w.varint(slices.length);
  for (const piece of piecesOf(slices)) w.raw(piece);
}

export function writeDecisions(w: ByteWriter, d: Decisions): void {
  assert(d.from <= d.through, "a range of decisions does not end before it begins");
  w.varint(d.from);
  w.varint(d.through - d.from);
  writeBeyond(w, d.aborts, d.from);
  writeBeyond(w, d.earlyAborts, d.through);
}

export function readDecisions(r: ByteReader): Decisions {
  const from = r.varint();
  const through = from + r.varint();
  const aborts = readBeyond(r, from);
  if (aborts.length > 0 && aborts[aborts.length - 1]! > through) badFrame("an abort beyond its range");
  return { from: lsn(from), through: safe(through), aborts, earlyAborts: readBeyond(r, through) };
}

export const decisions: Codec<Decisions> = { write: writeDecisions, read: readDecisions };

/** LSNs beyond `base`, ascending. */
export function writeBeyond(w: ByteWriter, values: readonly Lsn[], base: Lsn): void {
  w.varint(values.length);
  let before: number = base;
  for (const value of values) {
    assert(value > before, "the list ascends beyond its base");
    w.varint(value - before);
    before = value;
  }
}

export function readBeyond(r: ByteReader, base: number): Lsn[] {
  const values: Lsn[] = [];
  let before = base;
  for (let n = r.count(); n > 0; n--) {
    const gap = r.varint();
    if (gap === 0) badFrame("the list ascends beyond its base");
    before += gap;
    values.push(safe(before));
  }
  return values;
}

function safe(value: number): Lsn {
  if (!Number.isSafeInteger(value)) badFrame("an LSN beyond 2^53");
  return lsn(value);
}

export function writeReadPoint(w: ByteWriter, point: ReadPoint): void {
  const entries = point.entries();
  w.varint(point.settledThrough);
  w.varint(entries.length);
  for (const [of, at] of entries) {
    w.varint(of);
    w.varint(at);
  }
}

export function readReadPoint(r: ByteReader): ReadPoint {
  const settled = r.varint();
  const entries: [StreamId, Lsn][] = [];
  let before = settled;
  for (let n = r.count(2); n > 0; n--) {
    const of = r.varint();
    if (of <= before) badFrame("streams of a read point ascend, beyond what is settled");
    before = of;
    entries.push([streamId(of), lsn(r.varint())]);
  }
  return new ReadPoint(streamId(settled), entries);
}

export const readPoint: Codec<ReadPoint> = { write: writeReadPoint, read: readReadPoint };

const VOTE = { accept: 0, wait: 1, reject: 2, void: 3, hold: 4 } as const;

export function writeVote(w: ByteWriter, vote: Vote): void {
  w.u8(VOTE[vote.kind]);
  switch (vote.kind) {
    case "accept":
    case "hold":
      return;
    case "wait":
      return writePageAndEntry(w, vote.page, vote.blocker);
    case "reject":
      return writePageAndEntry(w, vote.page, vote.winner);
    case "void":
      return w.varint(vote.base);
    default:
      unreachable(vote);
  }
}

export function readVote(r: ByteReader): Vote {
  switch (r.u8()) {
    case VOTE.accept:
      return ACCEPT;
    case VOTE.wait:
      return { kind: "wait", page: page.read(r), blocker: entryId.read(r) };
    case VOTE.reject:
      return { kind: "reject", page: page.read(r), winner: entryId.read(r) };
    case VOTE.void:
      return { kind: "void", base: entryLsn.read(r) };
    case VOTE.hold:
      return HOLD;
    default:
      return badFrame("unknown vote");
  }
}

function writePageAndEntry(w: ByteWriter, on: PageId, entry: EntryId): void {
  w.varint(on);
  entryId.write(w, entry);
}

export const vote: Codec<Vote> = { write: writeVote, read: readVote };
export const sliceVote: Codec<SliceVote> = {
  write(w, value) {
    w.varint(value.lsn);
    writeVote(w, value.vote);
  },
  read: (r) => ({ lsn: entryLsn.read(r), vote: readVote(r) }),
};
export const sliceVotes = list(sliceVote, 2);

const pageAndBase = struct<{ readonly page: PageId; readonly base: PageVersion }>({ page, base: version });
export const pagesAndBases = list(pageAndBase, 3);
