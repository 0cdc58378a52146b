/**
 * One foreign stream as its feed brings it: slices assembled into entries, entries released in
 * LSN order once the stream's durable point has passed them (DESIGN section 6, "What nodes see").
 *
 *     feed ──slices──> assembling ──decided──> next() ──> engine, in causal order
 *
 * The feed carries the very frames that go to storage, so decisions come as ranges: one that does
 * not meet what is known here is ignored, since a frame of another protection group, or the next
 * one, carries the whole. What stays unmet is a gap (`gapTo`), and the owner asks for the feed anew.
 *
 * I4: an entry is released whole or not at all. I5: it carries what it was built on.
 */
import {
  lsn,
  NO_BUGS,
  type Decisions,
  type Delta,
  type Lsn,
  type NodeName,
  type PlantedBugs,
  type ReadPoint,
  type Slice,
  type StreamId,
  type TransactionId,
  YoungMap,
} from "@sixfold/model";
import type { Append } from "@sixfold/wire";

/** A committed entry, whole, ready to be shown once `builtOn` is. */
export interface ForeignEntry {
  readonly lsn: Lsn;
  /** One per PG of the entry. */
  readonly slices: readonly Slice[];
  readonly builtOn: ReadPoint;
}

interface Assembling {
  readonly slices: Slice[];
  builtOn: ReadPoint;
}

/** What comes next of the stream: a committed entry, an aborted one, nothing yet, or something that never arrived. */
export type Next =
  | { readonly kind: "entry"; readonly entry: ForeignEntry }
  | { readonly kind: "aborted"; readonly lsn: Lsn }
  | { readonly kind: "none" }
  | { readonly kind: "missing"; readonly lsn: Lsn };

const NOTHING_YET: Next = Object.freeze({ kind: "none" });

export class FeedReceiver {
  readonly node: NodeName;
  readonly stream: StreamId;
  /** Released to the engine up to here (committed and aborted ones alike). `released <= decided <= announced`. */
  private releasedThrough: Lsn;
  /** Every decision up to here is known. */
  private decidedThrough: Lsn;
  /** The writer says that it has decided up to here. */
  private announced: Lsn;
  private readonly assembling = new YoungMap<Lsn, Assembling>();
  private readonly aborted = new Set<Lsn>();
  /** Planted: what is here whole is shown, decided or not. */
  private readonly showsEarly: boolean;

  constructor(node: NodeName, stream: StreamId, from: Lsn, planted: PlantedBugs = NO_BUGS) {
    this.showsEarly = planted.has("shown-before-durable");
    this.node = node;
    this.stream = stream;
    this.releasedThrough = from;
    this.decidedThrough = from;
    this.announced = from;
  }

  get released(): Lsn {
    return this.releasedThrough;
  }

  /** Every decision up to here is known. */
  get decided(): Lsn {
    return this.decidedThrough;
  }

  /** How far the writer is known to have decided. */
  get heard(): Lsn {
    return this.announced > this.decidedThrough ? this.announced : this.decidedThrough;
  }

  /** A decided position that this feed cannot reach by itself any more, or 0. Meaningful once the frames of a turn were taken. */
  get gapTo(): Lsn {
    return this.announced > this.decidedThrough ? this.announced : lsn(0);
  }

  take(append: Append): void {
    for (const slice of append.slices)
      if (slice.lsn > this.releasedThrough) this.assemble(slice, append.builtOn);
    const { from, through, aborts, earlyAborts } = append.decisions;
    for (const at of earlyAborts) if (at > this.decidedThrough) this.aborted.add(at);
    if (through > this.announced) this.announced = through;
    if (from > this.decidedThrough || through <= this.decidedThrough) return;
    for (const at of aborts) if (at > this.releasedThrough) this.aborted.add(at);
    this.decidedThrough = through;
  }

  /**
   * The manifest's word on the stream's last entries, which is final. A recovery may have committed what its writer had aborted, but not
   * told anybody; of what was decided before nothing is said, and nothing can have changed.
   */
  close({ from, through, aborts }: Decisions): void {
    if (from > this.decidedThrough || through <= this.decidedThrough) return;
    for (const at of this.aborted) if (at > this.decidedThrough) this.aborted.delete(at);
    for (const at of aborts) if (at > this.decidedThrough) this.aborted.add(at);
    this.decidedThrough = through;
  }

  /** The next LSN's fate; `release` it before asking again. */
  next(): Next {
    const at = lsn(this.releasedThrough + 1);
    const isDecided = at <= this.decidedThrough;
    if (!isDecided && !this.showsEarly) return NOTHING_YET;
    if (this.aborted.has(at)) return { kind: "aborted", lsn: at };
    const found = this.assembling.get(at);
    const whole = found !== undefined && found.slices.length === found.slices[0]!.pgs.length;
    if (!whole) return isDecided ? { kind: "missing", lsn: at } : NOTHING_YET;
    return { kind: "entry", entry: { lsn: at, slices: found.slices, builtOn: found.builtOn } };
  }

  release(): void {
    const at = lsn(this.releasedThrough + 1);
    this.assembling.delete(at);
    this.aborted.delete(at);
    this.releasedThrough = at;
    // Planted only: what was shown counts as decided.
    if (at > this.decidedThrough) this.decidedThrough = at;
  }

  private assemble(slice: Slice, builtOn: ReadPoint): void {
    const found = this.assembling.get(slice.lsn);
    if (found === undefined) this.assembling.set(slice.lsn, { slices: [slice], builtOn });
    else if (!found.slices.some((s) => s.pg === slice.pg)) found.slices.push(slice);
  }
}

/** An entry as the engine takes it: the deltas of all PGs together. Planted, `inPart`: of the first only. */
export function asWhole(
  stream: StreamId,
  at: Lsn,
  slices: readonly Slice[],
  inPart: boolean,
): { stream: StreamId; lsn: Lsn; transaction: TransactionId; deltas: readonly Delta[] } {
  const first = slices[0]!;
  const deltas = slices.length === 1 || inPart ? first.deltas : slices.flatMap((slice) => slice.deltas);
  // Only one slice of an entry carries the id.
  const { transaction } = slices.find((slice) => slice.transaction !== "") ?? first;
  return { stream, lsn: at, transaction, deltas };
}
