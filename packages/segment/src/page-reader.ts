/**
 * Page reads at a read point (DESIGN section 4, "Read").
 *
 *     stored ── d1 ── d2 ── d3 ── d4
 *                     ^ newest visible           image = a cached one at or before it, and the deltas between
 *
 * A chain's visible versions are a prefix of it, for read points are causally closed (I5). I8: a read whose `need`
 * is not met, or that would see past a gap in the chain, is answered `behind`, never from what happens to be here.
 * Images handed out are never changed afterwards; building the next one copies.
 */
import { isNone, NONE, sameVersion, type PageId, type PageVersion } from "@sixfold/model";
import type { PageAnswer, ReadPage } from "@sixfold/wire";
import { LRUCache } from "lru-cache";
import type { PageChain } from "./page-chain.ts";
import type { PgState } from "./pg-state.ts";

interface CachedImage {
  readonly version: PageVersion;
  readonly image: Uint8Array;
}

/** Least recently used images, bounded in bytes. One per page: the newest asked for. */
export class ImageCache {
  private readonly images: LRUCache<PageId, CachedImage>;

  constructor(bytesMax: number) {
    // What is larger than the whole cache is not kept: 0 keeps nothing.
    this.images = new LRUCache({
      maxSize: Math.max(1, bytesMax),
      sizeCalculation: ({ image }) => image.length,
    });
  }

  get(page: PageId): CachedImage | undefined {
    return this.images.get(page);
  }

  put(page: PageId, cached: CachedImage): void {
    this.images.set(page, cached);
  }

  drop(page: PageId): void {
    this.images.delete(page);
  }
}

/** The answer, as far as this segment can give it. Chains must be indexed. O(deltas since the nearest image). */
export function readPage(state: PgState, cache: ImageCache, m: ReadPage, pageBytes: number): PageAnswer {
  if (!state.planted?.has("reads-behind") && !meetsNeed(state, m)) return { kind: "behind" };
  const chain = state.pages.at(m.page);
  if (chain.isCorrupt) return { kind: "corrupt" };
  for (const { taken } of chain.detached)
    if (m.readPoint.includes(taken) && !state.planted?.has("reads-behind")) return { kind: "behind" };
  const index = visibleIndex(chain, m);
  if (index === -1 && isNone(chain.stored)) return { kind: "empty" };
  if (index === -1 && !m.readPoint.includes(chain.stored)) return { kind: "too-old" };
  return imageAt(state, cache, chain, index, pageBytes);
}

/** I8: the SCL and the known decisions reach what the reader's read point includes, and no close that the reader knows of can overrule one here. */
export function meetsNeed(state: PgState, m: ReadPage): boolean {
  for (const [stream, at] of m.need) {
    const log = state.streams.get(stream);
    if (log === undefined) {
      if (stream > state.settledThrough) return false;
    } else if (log.scl < at || !log.knowsFates(at)) return false;
  }
  return m.closed.every(
    (stream) => state.streams.get(stream)?.closed !== undefined || stream <= state.settledThrough,
  );
}

/** Index of the newest visible change; -1 if only the stored version may be. */
function visibleIndex(chain: PageChain, m: ReadPage): number {
  let index = chain.changes.length - 1;
  while (index >= 0 && !m.readPoint.includes(chain.changes[index]!.taken)) index -= 1;
  return index;
}

function imageAt(
  state: PgState,
  cache: ImageCache,
  chain: PageChain,
  index: number,
  pageBytes: number,
): PageAnswer {
  const { stream, lsn } = chain.changes[index]?.taken ?? chain.stored;
  const version: PageVersion = { stream, lsn };
  const cached = cache.get(chain.page);
  if (cached !== undefined && sameVersion(cached.version, version))
    return { kind: "page", version, image: cached.image };
  const cachedAt = cached === undefined ? undefined : chain.indexOf(cached.version);
  let image: Uint8Array;
  let at: number;
  if (cached !== undefined && cachedAt !== undefined && cachedAt < index) {
    image = cached.image.slice();
    at = cachedAt;
  } else {
    const stored = state.pages.storedPage(chain.page);
    if (stored === "corrupt") {
      chain.isCorrupt = true;
      return { kind: "corrupt" };
    }
    const storedAt = chain.placeOf(stored?.version ?? NONE);
    if (storedAt === undefined && chain.isCorrupt) return { kind: "corrupt" };
    if (storedAt === undefined || storedAt > index) return { kind: "too-old" };
    image = stored === undefined ? new Uint8Array(pageBytes) : stored.image;
    at = storedAt;
  }
  for (let i = at + 1; i <= index; i++) chain.changes[i]!.delta.applyTo(image);
  // An older reader must not push out what newer ones share.
  if (cachedAt === undefined || cachedAt < index) cache.put(chain.page, { version, image });
  return { kind: "page", version, image };
}
