/**
 * What is known of one stream: its entries as a window that slides over it, how far it is decided, and what its entries were built on.
 *
 *     forgotten | settled ... decided ... | undecided ...
 *               ^ first LSN kept           ^ firstUndecided
 *
 * Causal requirements (I5): "from LSN l on, this stream shows things that saw stream t up to m" are kept as steps per t, for the
 * entries in between ask for nothing new.
 */
import {
  lsn,
  nextLsn,
  ZERO_LSN,
  type Decision,
  type Lsn,
  type NodeName,
  type PageUse,
  type PgId,
  type ReadPoint,
  type SentSliceFacts,
  type StreamId,
} from "@sixfold/model";
import { isCommitted, type EntryFacts } from "./facts.ts";

/** A slice without its bytes, and who accepts it. */
export interface SliceRecord extends SentSliceFacts {
  /** Members of the PG that accept it, as bits. */
  accepts: bigint;
}

export class EntryRecord implements EntryFacts {
  readonly stream: StreamId;
  readonly lsn: Lsn;
  /** Among the entries of all streams, in the order in which they were sent, from 1; 0 if nobody told that it was. */
  number = 0;
  slices: readonly SliceRecord[] = [];
  supersedes: Lsn = ZERO_LSN;
  ownBases: readonly Lsn[] = [];
  decision: Decision | undefined;
  ruling: Decision | undefined;
  isAbortTold = false;
  superseder: EntryRecord | undefined;
  /** What its node showed as it was sent. */
  builtOn: readonly (readonly [StreamId, Lsn])[] = [];

  constructor(stream: StreamId, at: Lsn) {
    this.stream = stream;
    this.lsn = at;
  }

  slice(pg: PgId): SliceRecord | undefined {
    for (let i = 0; i < this.slices.length; i++) if (this.slices[i]!.pg === pg) return this.slices[i];
    return undefined;
  }
}

/** From `from` on, entries of the stream saw another stream up to `saw`. */
interface Requirement {
  readonly from: Lsn;
  readonly saw: Lsn;
}

/** Requirements kept per pair of streams; readers are near the end. */
const REQUIREMENTS_MAX = 1024;

export class StreamFacts {
  readonly id: StreamId;
  writer: NodeName | undefined;
  exclusive = false;
  /** The writer died, and may not have told everything that it did. Rough order only. */
  isCutShort = false;
  durable: Lsn = ZERO_LSN;
  final: Lsn | undefined;
  firstUndecided: Lsn = lsn(1);
  readonly pgs = new Set<PgId>();
  private readonly requirements = new Map<StreamId, Requirement[]>();
  private entries: (EntryRecord | undefined)[] = [];
  /** Index of the first entry that is kept; those before it are dropped now and then. */
  private head = 0;
  /** LSN at `head`. */
  private first: Lsn = lsn(1);

  constructor(id: StreamId) {
    this.id = id;
  }

  get forgottenThrough(): Lsn {
    return lsn(this.first - 1);
  }

  get kept(): number {
    return this.entries.length - this.head;
  }

  entry(at: Lsn): EntryRecord | undefined {
    const index = at - this.first;
    return index < 0 ? undefined : this.entries[this.head + index];
  }

  /** The entry, made if it is not there; undefined if it is forgotten. */
  at(at: Lsn): EntryRecord | undefined {
    const index = at - this.first;
    if (index < 0) return undefined;
    for (let next = this.entries.length - this.head; next < index; next++) this.entries.push(undefined);
    let e = this.entries[this.head + index];
    if (e === undefined) this.entries[this.head + index] = e = new EntryRecord(this.id, at);
    return e;
  }

  *sentAfter(after: Lsn): Iterable<Lsn> {
    for (let i = Math.max(0, after + 1 - this.first); this.head + i < this.entries.length; i++) {
      const e = this.entries[this.head + i];
      if (e !== undefined && e.slices.length > 0) yield e.lsn;
    }
  }

  /** A decision came: moves the decided prefix, and takes in what its committed entries were built on. */
  decided(): void {
    for (;;) {
      const e = this.entry(this.firstUndecided);
      if (e === undefined || (e.decision === undefined && e.ruling === undefined)) return;
      if (isCommitted(e)) this.require(e);
      this.firstUndecided = nextLsn(this.firstUndecided);
    }
  }

  /** Forgets the oldest decided entries beyond `max`. */
  forget(max: number): void {
    while (this.kept > max && this.first < this.firstUndecided) {
      this.entries[this.head] = undefined;
      this.head += 1;
      this.first = nextLsn(this.first);
    }
    if (this.head > 1024 && this.head * 2 > this.entries.length) {
      this.entries.splice(0, this.head);
      this.head = 0;
    }
  }

  /** What showing this stream up to `at` requires of the others. */
  *required(at: Lsn): Iterable<readonly [StreamId, Lsn]> {
    for (const [stream, list] of this.requirements)
      for (let i = list.length - 1; i >= 0; i--)
        if (list[i]!.from <= at) {
          yield [stream, list[i]!.saw];
          break;
        }
  }

  private require(e: EntryRecord): void {
    for (const [stream, saw] of e.builtOn) {
      if (stream === this.id) continue;
      let list = this.requirements.get(stream);
      if (list === undefined) this.requirements.set(stream, (list = []));
      const last = list[list.length - 1];
      if (last !== undefined && last.saw >= saw) continue;
      list.push({ from: e.lsn, saw });
      if (list.length > REQUIREMENTS_MAX) list.splice(0, REQUIREMENTS_MAX / 2);
    }
    e.builtOn = [];
  }
}

const use = ({ page, base }: PageUse): PageUse => ({ page, base });

/** What is kept of a slice: no bytes, for those belong to whole frames. */
export function recordOf(s: SentSliceFacts): SliceRecord {
  return {
    pg: s.pg,
    epoch: s.epoch,
    owned: s.owned,
    supersedes: s.supersedes,
    ownBases: s.ownBases,
    transaction: s.transaction,
    deltas: s.deltas.map(use),
    checks: s.checks.length === 0 ? s.checks : s.checks.map(use),
    accepts: 0n,
  };
}

/** A copy of a vector, for vectors are moved in place. Shares the last copy if nothing has changed since. */
export function copyVector(
  v: ReadPoint,
  last: readonly (readonly [StreamId, Lsn])[],
): readonly (readonly [StreamId, Lsn])[] {
  const now = v.entries();
  const isSame =
    now.length === last.length && now.every(([s, at], i) => last[i]![0] === s && last[i]![1] === at);
  return isSame ? last : now;
}
