/**
 * Which LSNs of which stream have a slice in a PG: what `need` of a page read is made of (I8).
 *
 *     need(pg, read point) = per stream, the last LSN with a slice in pg that the read point includes
 *
 * Own slices are noted as they are cut, foreign ones as their feeds bring them, closed streams'
 * tails stand in the manifest. Only recent positions are kept; for an older read point the oldest
 * one kept is used: asking for more than is needed may cost a wait, never a wrong page. The same goes for a stretch of
 * the stream that this node has missed: its own vector jumps over it, but a cluster snapshot, another node's vector, may lie within.
 */
import {
  streamState,
  type Lsn,
  type Manifest,
  type PgId,
  type ReadPoint,
  type StreamId,
} from "@sixfold/model";

/** Positions kept per stream and PG: some seconds of writing. Dropped by halves. */
const KEPT_MAX = 4096;

interface Positions {
  /** Ascending. */
  lsns: Lsn[];
  /** Of `lsns`, those that have unknown ones right before them. */
  readonly afterGaps: Set<Lsn>;
}

export class TailHistory {
  private readonly streams = new Map<StreamId, Map<PgId, Positions>>();
  private manifest: Manifest | undefined;

  note(stream: StreamId, pg: PgId, at: Lsn): void {
    append(this.positions(stream, pg), at);
  }

  /** A frame's foreign slices; back-links tell of those before, should they have been missed. */
  noteForeign(
    stream: StreamId,
    pg: PgId,
    slices: readonly { readonly back: Lsn; readonly lsn: Lsn }[],
  ): void {
    if (slices.length === 0) return;
    const positions = this.positions(stream, pg);
    for (const { back, lsn } of slices) {
      if (back > (positions.lsns[positions.lsns.length - 1] ?? 0)) {
        positions.lsns.push(back);
        positions.afterGaps.add(back);
      }
      append(positions, lsn);
    }
  }

  noteTails(stream: StreamId, tails: ReadonlyMap<PgId, Lsn>): void {
    for (const [pg, at] of tails) this.noteForeign(stream, pg, [{ back: at, lsn: at }]);
  }

  learnManifest(manifest: Manifest): void {
    this.manifest = manifest;
    for (const stream of this.streams.keys())
      if (stream <= manifest.settledThrough) this.streams.delete(stream);
  }

  /** The last LSN at or below `at` with a slice there, as far as known; 0 if none. */
  at(stream: StreamId, pg: PgId, at: Lsn): Lsn {
    const known = this.streams.get(stream)?.get(pg);
    const state = this.manifest === undefined ? undefined : streamState(this.manifest, stream);
    if (state?.state === "closed" && (at >= state.final || known === undefined))
      return state.tails.get(pg) ?? (0 as Lsn);
    if (known === undefined) return 0 as Lsn;
    const { lsns, afterGaps } = known;
    let low = 0;
    let high = lsns.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (lsns[mid]! <= at) low = mid + 1;
      else high = mid;
    }
    const last = lsns[low - 1] ?? (0 as Lsn);
    if (last === at) return at;
    if (low < lsns.length) return afterGaps.has(lsns[low]!) ? lsns[low]! : last;
    // What is not known of a closed stream may have been committed by its recovery.
    const tail = state?.state === "closed" ? (state.tails.get(pg) ?? last) : last;
    return tail > last ? tail : last;
  }

  need(pg: PgId, readPoint: ReadPoint): (readonly [StreamId, Lsn])[] {
    const out: (readonly [StreamId, Lsn])[] = [];
    for (const [stream, at] of readPoint.entries()) {
      const tail = this.at(stream, pg, at);
      if (tail > 0) out.push([stream, tail]);
    }
    return out;
  }

  private positions(stream: StreamId, pg: PgId): Positions {
    let pgs = this.streams.get(stream);
    if (pgs === undefined) this.streams.set(stream, (pgs = new Map()));
    let positions = pgs.get(pg);
    if (positions === undefined) pgs.set(pg, (positions = { lsns: [], afterGaps: new Set() }));
    return positions;
  }
}

function append(positions: Positions, at: Lsn): void {
  const { lsns } = positions;
  if (lsns.length > 0 && lsns[lsns.length - 1]! >= at) return;
  lsns.push(at);
  if (lsns.length <= KEPT_MAX) return;
  positions.lsns = lsns.slice(KEPT_MAX / 2);
  for (const gap of positions.afterGaps) if (gap < positions.lsns[0]!) positions.afterGaps.delete(gap);
  positions.afterGaps.add(positions.lsns[0]!);
}
