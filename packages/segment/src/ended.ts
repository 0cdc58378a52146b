/**
 * Transactions whose slices have left memory: what `outcome(id)` can still be told of them (DESIGN section 8).
 *
 *     slices in memory                     | gone: of the last `capacity` commits, hash of the id and LSN | forgotten
 *     found by their ids (find-transaction)| found here                                                  | "not found" says nothing
 *
 * Only commits are noted: what is in neither place and cannot have been forgotten was never committed. For each stream of each PG it is
 * known up to which LSN something may have been forgotten; an id says after which LSN its transaction came, so that a stream of any age
 * can be answered for.
 *
 * One ring for the whole server, so that its memory is bounded however many PGs it has: 20 bytes a transaction. The newest
 * part of it goes into each checkpoint; a restarted server has forgotten the rest.
 *
 * Ids are compared by a hash of 53 bits. Of a million ids, another one looks like one of them with a probability of 10^-10.
 */
import {
  lsn,
  maxLsn,
  minLsn,
  ZERO_LSN,
  type Lsn,
  type PgId,
  type StreamId,
  type TransactionId,
} from "@sixfold/model";
import { EndedWriter, readEnded } from "./ended-text.ts";

/** Everything of the stream may have been forgotten. */
export const EVERYTHING = lsn(Number.MAX_SAFE_INTEGER);

/** 20 MiB when full. */
export const CAPACITY = 1 << 20;
/** Of these, in a checkpoint: some 700 kB once a log file of 40 MiB. */
export const CHECKPOINTED = 1 << 16;
/** Settled streams of which nothing is left in the ring stay known so far back: that they had nothing is an answer, too. */
export const SETTLED_KEPT = 32;
const FIRST_SIZE = 1024;

/** One stream of one PG. */
interface Place {
  readonly id: number;
  readonly pg: PgId;
  readonly stream: StreamId;
  forgottenThrough: Lsn;
  /** In the ring. */
  count: number;
}

/** In a checkpoint. `ended`: what is remembered, in order (`ended-text`). A list, for there may be thousands. */
export type SavedPlace = readonly [pg: number, stream: number, forgottenThrough: number, ended: string];

export class EndedTransactions {
  private readonly capacity: number;
  private readonly checkpointed: number;
  private places = new Map<PgId, Map<StreamId, Place>>();
  private byId = new Map<number, Place>();
  private nextPlace = 1;
  /** A ring, oldest at `head`; it grows up to the capacity. */
  private hashes = new Float64Array(FIRST_SIZE);
  private lsns = new Float64Array(FIRST_SIZE);
  private ids = new Uint32Array(FIRST_SIZE);
  private head = 0;
  private size = 0;

  constructor(capacity: number = CAPACITY, checkpointed: number = CHECKPOINTED) {
    this.capacity = capacity;
    this.checkpointed = checkpointed;
  }

  get count(): number {
    return this.size;
  }

  /** A log of the stream begins here. `isLost`: it may have had something here before. */
  begin(pg: PgId, stream: StreamId, isLost: boolean): void {
    if (this.place(pg, stream) === undefined) this.newPlace(pg, stream, isLost ? EVERYTHING : ZERO_LSN);
  }

  /** A committed slice leaves memory. In LSN order for each stream of a PG. */
  add(pg: PgId, stream: StreamId, at: Lsn, transaction: TransactionId): void {
    if (transaction === "") return;
    const place = this.place(pg, stream) ?? this.newPlace(pg, stream, EVERYTHING);
    if (this.size === this.capacity) this.forgetOldest();
    this.push(place, at, hashOf(transaction));
  }

  /** Slices up to `through` were never here: their pages were copied. */
  lost(pg: PgId, stream: StreamId, through: Lsn): void {
    const place = this.place(pg, stream) ?? this.newPlace(pg, stream, through);
    place.forgottenThrough = maxLsn(place.forgottenThrough, through);
  }

  /** The stream is closed, and its last committed slice here is at `tail`: nothing beyond it was ever forgotten. */
  closed(pg: PgId, stream: StreamId, tail: Lsn): void {
    const place = this.place(pg, stream);
    if (place !== undefined) place.forgottenThrough = minLsn(place.forgottenThrough, tail);
  }

  /** The segment has left. */
  forgetPg(pg: PgId): void {
    for (const { id } of this.places.get(pg)?.values() ?? []) this.byId.delete(id);
    this.places.delete(pg);
  }

  settled(pg: PgId, through: StreamId): void {
    const places = this.places.get(pg);
    if (places === undefined || places.size <= SETTLED_KEPT) return;
    for (const [stream, { count, id }] of places) {
      if (count > 0 || stream > through - SETTLED_KEPT) continue;
      places.delete(stream);
      this.byId.delete(id);
    }
  }

  /** Up to where it cannot be said what the stream committed here. */
  forgottenThrough(pg: PgId, stream: StreamId, isLost: boolean): Lsn {
    return this.place(pg, stream)?.forgottenThrough ?? (isLost ? EVERYTHING : ZERO_LSN);
  }

  /** The LSN at which the transaction was committed, if that is beyond `after` and remembered. O(ring), newest first. */
  find(pg: PgId, stream: StreamId, transaction: TransactionId, after: Lsn): Lsn | undefined {
    const place = this.place(pg, stream);
    if (place === undefined || place.count === 0) return undefined;
    const hash = hashOf(transaction);
    const { ids, hashes, lsns } = this;
    for (let i = this.size - 1; i >= 0; i--) {
      const at = (this.head + i) % ids.length;
      if (ids[at] !== place.id) continue;
      if (lsns[at]! <= after) return undefined;
      if (hashes[at] === hash) return lsn(lsns[at]!);
    }
    return undefined;
  }

  /** What a checkpoint states. O(ring), a few nanoseconds each; a tenth of a microsecond for those that are written. */
  save(): SavedPlace[] {
    const { ids, lsns, hashes, head } = this;
    const from = Math.max(0, this.size - this.checkpointed);
    const forgotten = new Float64Array(this.nextPlace);
    for (let i = 0; i < from; i++) {
      const at = (head + i) % ids.length;
      forgotten[ids[at]!] = lsns[at]!;
    }
    const words = new Map<number, EndedWriter>();
    for (let i = from; i < this.size; i++) {
      const at = (head + i) % ids.length;
      const id = ids[at]!;
      if (!this.byId.has(id)) continue;
      let writer = words.get(id);
      if (writer === undefined) words.set(id, (writer = new EndedWriter()));
      writer.add(lsns[at]!, hashes[at]!);
    }
    return [...this.byId.values()].map(({ id, pg, stream, forgottenThrough }): SavedPlace => [
      ...([pg, stream, Math.max(forgottenThrough, forgotten[id]!)] as const),
      words.get(id)?.text() ?? "",
    ]);
  }

  /** Replaces everything by what a checkpoint states. */
  load(saved: readonly SavedPlace[]): void {
    this.places = new Map();
    this.byId = new Map();
    this.head = this.size = 0;
    for (const [pg, stream, forgottenThrough, ended] of saved) {
      const place = this.newPlace(pg as PgId, stream as StreamId, lsn(forgottenThrough));
      readEnded(ended, (at, hash) => this.push(place, lsn(at), hash));
    }
  }

  private place(pg: PgId, stream: StreamId): Place | undefined {
    return this.places.get(pg)?.get(stream);
  }

  private newPlace(pg: PgId, stream: StreamId, forgottenThrough: Lsn): Place {
    const place = { id: this.nextPlace++, pg, stream, forgottenThrough, count: 0 };
    let places = this.places.get(pg);
    if (places === undefined) this.places.set(pg, (places = new Map()));
    places.set(stream, place);
    this.byId.set(place.id, place);
    return place;
  }

  private push(place: Place, at: Lsn, hash: number): void {
    if (this.size === this.ids.length) this.grow();
    const to = (this.head + this.size) % this.ids.length;
    this.ids[to] = place.id;
    this.lsns[to] = at;
    this.hashes[to] = hash;
    this.size += 1;
    place.count += 1;
  }

  private forgetOldest(): void {
    const { head } = this;
    const place = this.byId.get(this.ids[head]!);
    if (place !== undefined) {
      place.forgottenThrough = maxLsn(place.forgottenThrough, lsn(this.lsns[head]!));
      place.count -= 1;
    }
    this.head = (head + 1) % this.ids.length;
    this.size -= 1;
  }

  private grow(): void {
    const length = Math.min(2 * this.ids.length, Math.max(this.capacity, this.ids.length + 1));
    const order = (from: Float64Array | Uint32Array, to: Float64Array | Uint32Array): void => {
      to.set(from.subarray(this.head));
      to.set(from.subarray(0, this.head), from.length - this.head);
    };
    const [ids, lsns, hashes] = [new Uint32Array(length), new Float64Array(length), new Float64Array(length)];
    order(this.ids, ids);
    order(this.lsns, lsns);
    order(this.hashes, hashes);
    Object.assign(this, { ids, lsns, hashes, head: 0 });
  }
}

/** Two FNV-1a hashes with different beginnings, as one number of 53 bits. */
function hashOf(id: TransactionId): number {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  for (let i = 0; i < id.length; i++) {
    const c = id.charCodeAt(i);
    a = Math.imul(a ^ c, 0x01000193);
    b = Math.imul(b ^ c, 0x01000193) ^ (a >>> 15);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b);
  b = Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  return (a >>> 0) * 2 ** 21 + ((b ^ (b >>> 16)) >>> 11);
}
