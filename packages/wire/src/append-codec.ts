/**
 * The two messages that every commit costs: `append` to six segments, `ack` back from each.
 *
 *     append  pg | stream | u8 exclusive | decisions | low water | built on | count | slices as they are
 *     ack     pg | stream | u8 state | scl | scl - accepted from | decided through | aborts known beyond it | votes | waiting
 *
 *     state   0 ok, 1 fenced, 2 full
 *     votes   count | (lsn, vote)                waiting   count | (stream, lsn, page)
 *
 * Numbers are varints; decisions, read points and votes as in `noun-codecs`.
 */
import { assert, lsn } from "@sixfold/model";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import type { Codec } from "./codec.ts";
import {
  page,
  pg,
  readBeyond,
  readDecisions,
  readReadPoint,
  readSlices,
  readVote,
  entryLsn,
  stream,
  writeBeyond,
  writeDecisions,
  writeReadPoint,
  writeSlices,
  writeVote,
} from "./noun-codecs.ts";
import type { Ack, Append, ForeignWait, SliceVote } from "./storage-messages.ts";
import { badFrame } from "./wire-error.ts";

export const append: Codec<Append> = {
  write(w, m) {
    for (const s of m.slices)
      assert(s.pg === m.pg && s.stream === m.stream, "a batch is of one stream and PG");
    w.varint(m.pg);
    w.varint(m.stream);
    w.bool(m.exclusive);
    writeDecisions(w, m.decisions);
    writeReadPoint(w, m.lowWater);
    writeReadPoint(w, m.builtOn);
    writeSlices(w, m.slices);
  },
  read(r) {
    const inPg = pg.read(r);
    const of = stream.read(r);
    return {
      type: "append",
      pg: inPg,
      stream: of,
      exclusive: r.bool(),
      decisions: readDecisions(r),
      lowWater: readReadPoint(r),
      builtOn: readReadPoint(r),
      slices: readSlices(r, inPg, of),
    };
  },
};

/** About what an append will take, so that its frame is made in one piece. */
export function appendBytes(m: Append): number {
  let bytes = 256;
  for (const s of m.slices) bytes += s.byteLength;
  return bytes;
}

const STATES = ["ok", "fenced", "full"] as const;

export const ack: Codec<Ack> = {
  write(w, m) {
    assert(m.acceptedFrom <= m.scl, "an ack's range does not end before it begins");
    w.varint(m.pg);
    w.varint(m.stream);
    w.u8(STATES.indexOf(m.state));
    w.varint(m.scl);
    w.varint(m.scl - m.acceptedFrom);
    w.varint(m.decidedThrough);
    writeBeyond(w, m.abortsKnown, m.decidedThrough);
    w.varint(m.votes.length);
    for (const v of m.votes) {
      w.varint(v.lsn);
      writeVote(w, v.vote);
    }
    w.varint(m.waiting.length);
    for (const f of m.waiting) writeForeignWait(w, f);
  },
  read(r) {
    const inPg = pg.read(r);
    const of = stream.read(r);
    const state = STATES[r.u8()] ?? badFrame("unknown state of a stream");
    const scl = lsn(r.varint());
    const range = r.varint();
    if (range > scl) badFrame("an ack's range begins before 0");
    const decidedThrough = lsn(r.varint());
    const abortsKnown = readBeyond(r, decidedThrough);
    const votes: SliceVote[] = [];
    for (let n = r.count(2); n > 0; n--) votes.push({ lsn: entryLsn.read(r), vote: readVote(r) });
    const waiting: ForeignWait[] = [];
    for (let n = r.count(3); n > 0; n--) waiting.push(readForeignWait(r));
    return {
      type: "ack",
      pg: inPg,
      stream: of,
      scl,
      acceptedFrom: lsn(scl - range),
      votes,
      decidedThrough,
      abortsKnown,
      waiting,
      state,
    };
  },
};

function writeForeignWait(w: ByteWriter, f: ForeignWait): void {
  w.varint(f.stream);
  w.varint(f.lsn);
  w.varint(f.page);
}

function readForeignWait(r: ByteReader): ForeignWait {
  return { stream: stream.read(r), lsn: entryLsn.read(r), page: page.read(r) };
}
