/**
 * A read point says what a reader sees: a vector `stream -> LSN` (DESIGN section 1).
 *
 * It lists open streams and those closed ones that are not yet settled; a closed
 * stream's component is its final LSN. Streams up to `settledThrough` are closed,
 * complete on all six segments, and visible whole, so that the vector stays as
 * short as the cluster is wide however many incarnations the volume has seen.
 *
 * I5: read points that nodes hand out are causally closed. Nothing here can check
 * that; it follows from applying entries in causal order.
 */
import { ZERO_LSN, type Lsn, type StreamId } from "./ids.ts";
import type { PageVersion } from "./version.ts";

export class ReadPoint {
  /** Streams up to this id are visible whole. */
  readonly settledThrough: StreamId;
  private readonly positions: Map<StreamId, Lsn>;

  constructor(settledThrough: StreamId, positions: Iterable<readonly [StreamId, Lsn]> = []) {
    this.settledThrough = settledThrough;
    this.positions = new Map(positions);
  }

  /** Highest visible LSN of `stream`; 0 for a stream it does not know; infinite for a settled one. */
  get(stream: StreamId): Lsn {
    if (stream <= this.settledThrough) return Number.POSITIVE_INFINITY as Lsn;
    return this.positions.get(stream) ?? ZERO_LSN;
  }

  /** True if a page or row of this version is visible. `NONE` always is. */
  includes(v: PageVersion): boolean {
    return v.stream <= this.settledThrough || v.lsn <= (this.positions.get(v.stream) ?? 0);
  }

  /** Raises one component in place; never lowers it. For the owner of a node's applied vector only. */
  advance(stream: StreamId, to: Lsn): void {
    if (stream > this.settledThrough && to > (this.positions.get(stream) ?? 0))
      this.positions.set(stream, to);
  }

  clone(): ReadPoint {
    return new ReadPoint(this.settledThrough, this.positions);
  }

  /** The same vector with every stream up to `through` settled. */
  settle(through: StreamId): ReadPoint {
    return new ReadPoint(
      through,
      [...this.positions].filter(([stream]) => stream > through),
    );
  }

  /** True if everything visible here is visible in `other`. */
  isAtMost(other: ReadPoint): boolean {
    // A stream settled here but listed there is visible whole there only at its final LSN, which a vector cannot know.
    if (this.settledThrough > other.settledThrough) return false;
    for (const [stream, at] of this.positions) if (at > other.get(stream)) return false;
    return true;
  }

  /** Components in stream order. */
  entries(): [StreamId, Lsn][] {
    return [...this.positions].sort(([a], [b]) => a - b);
  }

  toString(): string {
    return `{${this.entries()
      .map(([s, l]) => `${s}:${l}`)
      .join(" ")}${this.settledThrough > 0 ? ` settled ${this.settledThrough}` : ""}}`;
  }
}

/** The component-wise maximum: what is visible in either. */
export function leastUpperBound(a: ReadPoint, b: ReadPoint): ReadPoint {
  const through = Math.max(a.settledThrough, b.settledThrough) as StreamId;
  const out = a.settle(through);
  for (const [stream, at] of b.entries()) out.advance(stream, at);
  return out;
}

/** The component-wise minimum: what is visible in all of `points`. Undefined if there are none. */
export function greatestLowerBound(points: Iterable<ReadPoint>): ReadPoint | undefined {
  let settled = Number.POSITIVE_INFINITY;
  const all = [...points];
  if (all.length === 0) return undefined;
  const streams = new Set<StreamId>();
  for (const p of all) {
    settled = Math.min(settled, p.settledThrough);
    for (const [s] of p.entries()) streams.add(s);
  }
  const through = settled as StreamId;
  const out: [StreamId, Lsn][] = [];
  for (const s of streams) {
    if (s <= through) continue;
    let low = Number.POSITIVE_INFINITY;
    for (const p of all) low = Math.min(low, p.get(s));
    if (low > 0) out.push([s, low as Lsn]);
  }
  return new ReadPoint(through, out);
}
