/**
 * Cuts an entry into its slices: one per PG, with back-link, all PGs, own bases and ownership.
 *
 *     entry 7 = { pages 3, 9 | 700 }   ->   slice(pg 0, back 6) + slice(pg 1, back 2)
 *
 * Ownership is the stream's over every page it changes or checks in that PG (DESIGN section 6; `page-ownership`).
 */
import {
  assert,
  pagesPerPg,
  pgId,
  transactionId,
  type Entry,
  type Epoch,
  type Geometry,
  type Lsn,
  type PageId,
  type PgId,
  type ReadCheck,
  type Slice,
} from "@sixfold/model";
import { encodeSlice } from "@sixfold/wire";
import type { PageOwnership } from "./page-ownership.ts";

const NO_TRANSACTION = transactionId("");
const NO_CHECKS: readonly ReadCheck[] = Object.freeze([]);

/** The PGs of an entry, ascending. */
export function pgsOfEntry(entry: Entry, geometry: Geometry): PgId[] {
  const perPg = pagesPerPg(geometry);
  const out: number[] = [];
  const { deltas, checks } = entry;
  assert(deltas.length + checks.length > 0, "an entry changes or checks a page");
  let last = -1;
  for (const d of deltas) {
    const pg = Math.floor(d.page / perPg);
    if (pg !== last) out.push((last = pg));
  }
  if (checks.length > 0) {
    let added = false;
    for (const c of checks) {
      const pg = Math.floor(c.page / perPg);
      if (!out.includes(pg)) added = out.push(pg) > 0;
    }
    if (added) out.sort((a, b) => a - b);
  }
  return out as PgId[];
}

export interface CutPlace {
  readonly geometry: Geometry;
  readonly epoch: Epoch;
  readonly ownership: Pick<PageOwnership, "owns">;
}

/** The slice of `entry` in `pgs[index]`. */
export function cutSlice(
  entry: Entry,
  pgs: readonly PgId[],
  index: number,
  back: Lsn,
  place: CutPlace,
): Slice {
  const pg = pgs[index]!;
  const whole = pgs.length === 1;
  const deltas = whole ? entry.deltas : within(entry.deltas, pg, place.geometry);
  const checks = whole || entry.checks.length === 0 ? entry.checks : within(entry.checks, pg, place.geometry);
  return encodeSlice({
    stream: entry.stream,
    lsn: entry.lsn,
    pg,
    back,
    supersedes: entry.supersedes,
    owned: ownsAll(place, deltas) && ownsAll(place, checks),
    epoch: place.epoch,
    pgs,
    ownBases: entry.ownBases,
    transaction: index === 0 ? entry.transaction : NO_TRANSACTION,
    deltas,
    checks: checks.length === 0 ? NO_CHECKS : checks,
  });
}

function within<T extends { readonly page: PageId }>(uses: readonly T[], pg: PgId, geometry: Geometry): T[] {
  const perPg = pagesPerPg(geometry);
  return uses.filter((u) => pgId(Math.floor(u.page / perPg)) === pg);
}

function ownsAll({ ownership }: CutPlace, uses: readonly ReadCheck[]): boolean {
  for (const { page, base } of uses) if (!ownership.owns(page, base)) return false;
  return true;
}

/** Splits slices into frames of about so many bytes, one at least. */
export function inFrames(slices: readonly Slice[], frameBytes: number): (readonly Slice[])[] {
  const frames: (readonly Slice[])[] = [];
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < slices.length; i++) {
    const size = slices[i]!.byteLength;
    if (i > from && bytes + size > frameBytes) {
      frames.push(slices.slice(from, i));
      from = i;
      bytes = 0;
    }
    bytes += size;
  }
  frames.push(from === 0 ? slices : slices.slice(from));
  return frames;
}

/** What an entry counts for against the bound of in-flight bytes: about its size on the wire. */
export function sizeOf(entry: Entry): number {
  let bytes = 64;
  for (const d of entry.deltas) bytes += 24 + d.ops.length;
  return bytes + 16 * entry.checks.length;
}
