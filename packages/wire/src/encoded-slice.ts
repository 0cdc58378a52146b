/**
 * A slice where it lies in the bytes of a frame, or of a log block.
 *
 *     frame  | ... | slice | slice | slice | ...
 *                          ^from   ^to
 *
 * A segment keeps hundreds of thousands of slices until they are merged, and every object among them is looked at by the collector again
 * and again: so a view of its bytes and the name of its transaction are made only when they are asked for.
 */
import {
  LIMITS,
  transactionId,
  type Slice,
  type SliceDelta,
  type SliceFields,
  type TransactionId,
} from "@sixfold/model";
import { ByteReader } from "./byte-reader.ts";

const WHAT = "a transaction id";

type Head = Omit<SliceFields, "transaction" | "deltas">;

/** Where it lies. `transaction`: where the text stands, which is known to be one; 0 if there is none. */
interface Place {
  readonly frame: Uint8Array;
  readonly from: number;
  readonly to: number;
  readonly transaction: number;
}

export class EncodedSlice implements Slice {
  readonly stream: Slice["stream"];
  readonly lsn: Slice["lsn"];
  readonly pg: Slice["pg"];
  readonly back: Slice["back"];
  readonly supersedes: Slice["supersedes"];
  readonly owned: boolean;
  readonly epoch: Slice["epoch"];
  readonly pgs: Slice["pgs"];
  readonly ownBases: Slice["ownBases"];
  readonly deltas: readonly SliceDelta[];
  readonly checks: Slice["checks"];
  readonly frame: Uint8Array;
  readonly from: number;
  readonly to: number;
  private readonly transactionAt: number;

  constructor(head: Head, deltas: readonly SliceDelta[], place: Place) {
    this.stream = head.stream;
    this.lsn = head.lsn;
    this.pg = head.pg;
    this.back = head.back;
    this.supersedes = head.supersedes;
    this.owned = head.owned;
    this.epoch = head.epoch;
    this.pgs = head.pgs;
    this.ownBases = head.ownBases;
    this.deltas = deltas;
    this.checks = head.checks;
    this.frame = place.frame;
    this.from = place.from;
    this.to = place.to;
    this.transactionAt = place.transaction;
  }

  get byteLength(): number {
    return this.to - this.from;
  }

  get bytes(): Uint8Array {
    return this.frame.subarray(this.from, this.to);
  }

  get transaction(): TransactionId {
    if (this.transactionAt === 0) return transactionId("");
    const r = new ByteReader(this.frame, this.transactionAt, this.to);
    return transactionId(r.text(LIMITS.transactionIdBytes, WHAT));
  }
}

/** Passes over the name, which it checks; returns where it stands. */
export function passTransaction(r: ByteReader): number {
  const { at } = r;
  r.passText(LIMITS.transactionIdBytes, WHAT);
  return at;
}

/** The bytes of slices, one behind the other, in as few pieces as they lie in: those that came in one frame are one. */
export function piecesOf(slices: readonly Slice[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let i = 0; i < slices.length; i++) {
    const { frame, from } = slices[i]!;
    while (i + 1 < slices.length && slices[i + 1]!.frame === frame && slices[i + 1]!.from === slices[i]!.to)
      i++;
    pieces.push(frame.subarray(from, slices[i]!.to));
  }
  return pieces;
}
