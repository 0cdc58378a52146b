/**
 * Where pages lie: protection groups and extents.
 *
 *     page 0            volume header (how many extents are claimed)
 *     page 1            root of the catalog tree
 *     extent e          pages e*64 … e*64+63; the first is the extent's header
 *                       (owner stream, bitmaps of its 64 pages). Extent 0 holds pages 0 and 1
 *                       too, and its header is page 2.
 *     PG p              segmentBytes / pageBytes consecutive pages; extents never straddle PGs
 *
 * Extents belong to one stream each, so that two writers never fight over the allocator (DESIGN section 5).
 */
import { assert } from "./assert.ts";
import { pageId, pgId, type PageId, type PgId } from "./ids.ts";
import { MAX_PAGE_BYTES, MIN_PAGE_BYTES } from "./limits.ts";

/** Pages of an extent. 64 so that a bitmap of them is 8 bytes. */
export const EXTENT_PAGES = 64;
export const VOLUME_HEADER_PAGE = pageId(0);
export const CATALOG_ROOT_PAGE = pageId(1);
/** Pages below this exist from the start and belong to no stream: their first version is nobody's own. */
export const RESERVED_PAGES = 3;
export const MAX_PAGE = 2 ** 32 - 1;

/** The header page of extent `extent`. */
export const extentHeaderPage = (extent: number): PageId => pageId(extent === 0 ? 2 : extent * EXTENT_PAGES);
export const extentOf = (page: PageId): number => Math.floor(page / EXTENT_PAGES);

export interface Geometry {
  readonly pageBytes: number;
  /** Size of a PG; a multiple of 64 pages. */
  readonly segmentBytes: number;
}

export const pagesPerPg = (g: Geometry): number => g.segmentBytes / g.pageBytes;
export const pgOf = (g: Geometry, page: PageId): PgId =>
  pgId(Math.floor(page / (g.segmentBytes / g.pageBytes)));

/** What is wrong with a geometry a user asked for, or undefined. */
export function checkGeometry(g: Geometry): string | undefined {
  if (g.pageBytes < MIN_PAGE_BYTES || g.pageBytes > MAX_PAGE_BYTES || (g.pageBytes & (g.pageBytes - 1)) !== 0)
    return `pageBytes must be a power of two from ${MIN_PAGE_BYTES} to ${MAX_PAGE_BYTES}, not ${g.pageBytes}`;
  if (
    !Number.isSafeInteger(g.segmentBytes) ||
    g.segmentBytes <= 0 ||
    g.segmentBytes % (EXTENT_PAGES * g.pageBytes) !== 0
  )
    return `segmentBytes must be a multiple of ${EXTENT_PAGES} pages (${EXTENT_PAGES * g.pageBytes}), not ${g.segmentBytes}`;
  return undefined;
}

assert(RESERVED_PAGES === extentHeaderPage(0) + 1, "the reserved pages end with the first extent's header");
