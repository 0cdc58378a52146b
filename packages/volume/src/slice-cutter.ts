/**
 * Cuts an entry into its slices: one per PG, with back-link, all PGs, own bases and ownership.
 *
 *     entry 7 = { pages 3, 9 | 700 }   ->   slice(pg 0, back 6) + slice(pg 1, back 2)
 *
 * Ownership is the stream's over every page it changes or checks in that PG (DESIGN section 6): it wrote the base
 * version, or the page is fresh from an extent of its own (never written, and not one of
 * the reserved pages that belong to nobody), or the volume is exclusive.
 */
import {
  assert,
  pagesPerPg,
  pgId,
  RESERVED_PAGES,
  transactionId,
  type Entry,
  type Epoch,
  type Geometry,
  type Lsn,
  type PageId,
  type PageVersion,
  type PgId,
  type ReadCheck,
  type Slice,
  type StreamId,
} from "@sixfold/model";
import { encodeSlice } from "@sixfold/wire";

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
  /** True in an exclusive volume (tests plant it elsewhere: the break "four for transferred pages"). */
  readonly ownsAll: boolean;
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
    owned: place.ownsAll || (ownsAll(entry.stream, deltas) && ownsAll(entry.stream, checks)),
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

function ownsAll(
  stream: StreamId,
  uses: readonly { readonly page: PageId; readonly base: PageVersion }[],
): boolean {
  for (const { page, base } of uses) {
    if (base.stream === stream) continue;
    if (base.stream !== 0 || page < RESERVED_PAGES) return false;
  }
  return true;
}

/** What an entry counts for against the bound of in-flight bytes: about its size on the wire. */
export function sizeOf(entry: Entry): number {
  let bytes = 64;
  for (const d of entry.deltas) bytes += 24 + d.ops.length;
  return bytes + 16 * entry.checks.length;
}
