/**
 * The bytes of a slice: what travels to the segments and to the other nodes, and what stands in the log.
 *
 *     u32     bytes that follow           so that slices can be told apart without reading them
 *     u8      flags                       1 owned, 2 supersedes, 4 own bases, 8 transaction, 16 checks, 32 several PGs
 *     varint  stream
 *     varint  lsn
 *     varint  pg
 *     varint  lsn - back
 *     varint  lsn - supersedes            if flagged
 *     varint  epoch
 *     list    PGs: first, then gaps       if flagged; else `pg` alone
 *     list    own bases: first, then gaps if flagged
 *     text    transaction                 if flagged
 *     list    deltas:  page (first, then gaps) | base stream | base lsn | blob of packed operations
 *     list    checks:  page (first, then gaps) | base stream | base lsn      if flagged
 *
 * A list is a varint count and its elements; gaps are at least 1, so every list is ascending by form.
 * Decoded slices share the bytes they came from (encoded-slice.ts).
 */
import {
  assert,
  epoch,
  LIMITS,
  lsn,
  MAX_PAGE,
  MAX_PAGE_BYTES,
  NONE,
  pageId,
  pgId,
  SliceDelta,
  streamId,
  type Delta,
  type Lsn,
  type PageVersion,
  type PgId,
  type ReadCheck,
  type Slice,
  type SliceFields,
} from "@sixfold/model";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { EncodedSlice, passTransaction } from "./encoded-slice.ts";
import { badFrame } from "./wire-error.ts";

const OWNED = 1;
const SUPERSEDES = 2;
const OWN_BASES = 4;
const TRANSACTION = 8;
const CHECKS = 16;
const SEVERAL_PGS = 32;
const ALL_FLAGS = 63;

/** Length, flags, and seven varints of at least a byte: stream, lsn, pg, back, epoch, deltas. */
export const SLICE_BYTES_MIN = 4 + 1 + 6;

const EMPTY: readonly never[] = Object.freeze([]);
const writer = new ByteWriter();

/** Gives a slice its bytes. The fields must be those of a valid slice; that is the writer's own duty, hence asserted. */
export function encodeSlice(fields: SliceFields): Slice {
  const w = writer;
  w.begin();
  w.u32(0);
  const transactionAt = writeHead(w, fields);
  const places = writeDeltas(w, fields.deltas);
  if (fields.checks.length > 0) writeChecks(w, fields.checks);
  const { length, chunk } = w;
  w.patchU32(0, length - 4);
  assert(length <= LIMITS.frameBytes, "a slice fits a frame");
  const from = w.takeAt();
  const deltas = fields.deltas.map(({ page, base, ops }, i) => {
    const at = from + places[i]!;
    return new SliceDelta(page, base, chunk, at, at + ops.length);
  });
  const transaction = transactionAt === 0 ? 0 : from + transactionAt;
  return new EncodedSlice(fields, deltas, { frame: chunk, from, to: from + length, transaction });
}

/** Returns where the transaction stands; 0 if there is none. */
function writeHead(w: ByteWriter, s: SliceFields): number {
  assert(s.back < s.lsn && s.supersedes < s.lsn, "a slice comes after what it refers to");
  const alone = s.pgs.length === 1 && s.pgs[0] === s.pg;
  w.u8(
    (s.owned ? OWNED : 0) |
      (s.supersedes > 0 ? SUPERSEDES : 0) |
      (s.ownBases.length > 0 ? OWN_BASES : 0) |
      (s.transaction.length > 0 ? TRANSACTION : 0) |
      (s.checks.length > 0 ? CHECKS : 0) |
      (alone ? 0 : SEVERAL_PGS),
  );
  w.varint(s.stream);
  w.varint(s.lsn);
  w.varint(s.pg);
  w.varint(s.lsn - s.back);
  if (s.supersedes > 0) w.varint(s.lsn - s.supersedes);
  w.varint(s.epoch);
  if (!alone) {
    assert(s.pgs.includes(s.pg), "a slice's PG is one of its entry's");
    writeAscending(w, s.pgs);
  }
  if (s.ownBases.length > 0) writeAscending(w, s.ownBases);
  if (s.transaction.length === 0) return 0;
  const at = w.length;
  w.text(s.transaction);
  return at;
}

/** Returns where the operations of each begin. */
function writeDeltas(w: ByteWriter, deltas: readonly Delta[]): number[] {
  w.varint(deltas.length);
  let before = -1;
  return deltas.map((delta) => {
    writePageAndBase(w, before, delta);
    before = delta.page;
    w.blob(delta.ops);
    return w.length - delta.ops.length;
  });
}

function writeChecks(w: ByteWriter, checks: readonly ReadCheck[]): void {
  w.varint(checks.length);
  let before = -1;
  for (const check of checks) {
    writePageAndBase(w, before, check);
    before = check.page;
  }
}

function writePageAndBase(w: ByteWriter, before: number, of: ReadCheck): void {
  assert(of.page > before, "pages of a slice ascend");
  w.varint(before < 0 ? of.page : of.page - before);
  w.varint(of.base.stream);
  w.varint(of.base.lsn);
}

/** Reads one slice. O(bytes) for the check of its operations; allocates the slice, and an object for each delta. */
export function readSlice(r: ByteReader): Slice {
  const start = r.at;
  const length = r.u32();
  const outerEnd = r.end;
  const end = r.at + length;
  if (end > outerEnd) badFrame("a slice is cut off");
  r.end = end;
  const flags = r.u8();
  if (flags > ALL_FLAGS) badFrame("a slice with unknown flags");
  const stream = r.varint();
  const at = r.varint();
  const pg = pgId(r.varint());
  const backBy = r.varint();
  if (stream === 0 || at === 0 || backBy === 0 || backBy > at)
    badFrame("a slice comes after what it refers to");
  const supersedesBy = (flags & SUPERSEDES) === 0 ? at : r.varint();
  if (supersedesBy === 0 || supersedesBy > at) badFrame("a slice supersedes an earlier one");
  const known = epoch(r.varint());
  const pgs = (flags & SEVERAL_PGS) === 0 ? aloneIn(pg) : readPgs(r, pg);
  const ownBases = (flags & OWN_BASES) === 0 ? EMPTY : readOwnBases(r, at);
  const transaction = (flags & TRANSACTION) === 0 ? 0 : passTransaction(r);
  const deltas = readDeltas(r);
  const checks = (flags & CHECKS) === 0 ? EMPTY : readChecks(r);
  r.finish();
  r.end = outerEnd;
  const head = {
    stream: streamId(stream),
    lsn: lsn(at),
    pg,
    back: lsn(at - backBy),
    supersedes: lsn(at - supersedesBy),
    owned: (flags & OWNED) !== 0,
    epoch: known,
    pgs,
    ownBases,
    checks,
  };
  return new EncodedSlice(head, deltas, { frame: r.bytes, from: start, to: end, transaction });
}

let alone: readonly PgId[] = [pgId(0)];

/** Slices that come together are mostly of one PG, and share this list. */
function aloneIn(pg: PgId): readonly PgId[] {
  if (alone[0] !== pg) alone = [pg];
  return alone;
}

function readPgs(r: ByteReader, pg: PgId): PgId[] {
  const pgs = readAscending(r, 0) as PgId[];
  if (!pgs.includes(pg)) badFrame("a slice's PG is one of its entry's");
  return pgs;
}

function readOwnBases(r: ByteReader, below: number): Lsn[] {
  const bases = readAscending(r, 1) as Lsn[];
  if (bases.length > 0 && bases[bases.length - 1]! >= below) badFrame("an own base comes before the entry");
  return bases;
}

function readDeltas(r: ByteReader): SliceDelta[] {
  const n = r.count(4);
  // Of this length from the beginning: a list that grows has room for 17.
  const deltas = new Array<SliceDelta>(n);
  let before = -1;
  for (let i = 0; i < n; i++) {
    const page = readPage(r, before);
    before = page;
    const base = readVersion(r);
    const length = r.skipBlob();
    const delta = new SliceDelta(pageId(page), base, r.bytes, r.at - length, r.at);
    const fault = delta.fault(MAX_PAGE_BYTES);
    if (fault !== undefined) badFrame(fault);
    deltas[i] = delta;
  }
  return deltas;
}

function readChecks(r: ByteReader): ReadCheck[] {
  const n = r.count(3);
  const checks: ReadCheck[] = [];
  let before = -1;
  for (let i = 0; i < n; i++) {
    const page = readPage(r, before);
    before = page;
    checks.push({ page: pageId(page), base: readVersion(r) });
  }
  return checks;
}

function readPage(r: ByteReader, before: number): number {
  const gap = r.varint();
  if (before >= 0 && gap === 0) badFrame("pages ascend");
  const page = before < 0 ? gap : before + gap;
  if (page > MAX_PAGE) badFrame("a page beyond the volume");
  return page;
}

export function writeVersion(w: ByteWriter, v: PageVersion): void {
  w.varint(v.stream);
  w.varint(v.lsn);
}

export function readVersion(r: ByteReader): PageVersion {
  const stream = r.varint();
  const at = r.varint();
  if ((stream === 0) !== (at === 0)) badFrame("half a version");
  return stream === 0 ? NONE : { stream: streamId(stream), lsn: lsn(at) };
}

/** Numbers in ascending order, without repeats: a count, the first, then gaps. */
export function writeAscending(w: ByteWriter, values: readonly number[]): void {
  w.varint(values.length);
  let before = -1;
  for (const value of values) {
    assert(value > before, "the list ascends");
    w.varint(before < 0 ? value : value - before);
    before = value;
  }
}

/** The reverse of `writeAscending`; the first is at least `min`. */
export function readAscending(r: ByteReader, min: number): number[] {
  const n = r.count();
  const values: number[] = [];
  let before = -1;
  for (let i = 0; i < n; i++) {
    const gap = r.varint();
    if (before < 0 ? gap < min : gap === 0) badFrame("the list ascends");
    const value = before < 0 ? gap : before + gap;
    if (!Number.isSafeInteger(value)) badFrame("a number beyond 2^53");
    values.push(value);
    before = value;
  }
  return values;
}

/** The slice that `bytes` are, alone and whole. */
export function decodeSlice(bytes: Uint8Array): Slice {
  const r = new ByteReader(bytes);
  const slice = readSlice(r);
  r.finish();
  return slice;
}
