/**
 * Skimming a log block: what its records are and where, without decoding what nobody asks for.
 *
 * A start reads each block to see that it is whole, but most of what stands in front of the last checkpoint has been merged since: to
 * look at a few bytes of a record, and pass on, is a hundred times cheaper than to build its slices.
 */
import { lsn, type Lsn, type PgId, type StreamId } from "@sixfold/model";
import { ByteReader } from "./byte-reader.ts";
import { RECORD_HEADER_BYTES, RECORD_KIND } from "./log-record-codec.ts";
import { pg, sliceVotes, stream } from "./noun-codecs.ts";
import { badFrame } from "./wire-error.ts";

export interface SkimmedRecord {
  readonly kind: "slices" | "checkpoint" | "other";
  /** The whole record, as `decodeRecords` takes it: a view on the block. */
  readonly bytes: Uint8Array;
}

/** The records of one block, in order. Throws `WireError` "bad-frame" if they do not fill it. */
export function* skimRecords(block: Uint8Array): Iterable<SkimmedRecord> {
  const r = new ByteReader(block);
  while (r.at < r.end) {
    const from = r.at;
    const kind = r.u8();
    const bytes = r.u32();
    if (bytes > r.end - r.at) badFrame("a record is cut off");
    r.at += bytes;
    const name =
      kind === RECORD_KIND.slices ? "slices" : kind === RECORD_KIND.checkpoint ? "checkpoint" : "other";
    yield { kind: name, bytes: block.subarray(from, r.at) };
  }
}

/** The state that a skimmed checkpoint record holds, or one part of it. */
export const skimCheckpoint = (record: Uint8Array): Uint8Array => record.subarray(RECORD_HEADER_BYTES);

/** Whose slices a skimmed record holds, and the LSN of the last; undefined if it holds none. O(slices). */
export function skimSlices(
  record: Uint8Array,
): { readonly pg: PgId; readonly stream: StreamId; readonly last: Lsn } | undefined {
  const r = new ByteReader(record);
  r.at += RECORD_HEADER_BYTES;
  const inPg = pg.read(r);
  const ofStream = stream.read(r);
  r.bool();
  sliceVotes.read(r);
  let left = r.count();
  if (left === 0) return undefined;
  for (; left > 1; left--) {
    const bytes = r.u32();
    if (bytes > r.end - r.at) badFrame("a slice is cut off");
    r.at += bytes;
  }
  // Length, flags, stream: see `slice-codec`.
  r.u32();
  r.u8();
  r.varint();
  return { pg: inPg, stream: ofStream, last: lsn(r.varint()) };
}
