/**
 * Merge: versions that every reader is past go into the stored pages (DESIGN section 4, "Merge and trim").
 *
 *     low-water marks of all open streams --> greatest lower bound --> per page: the visible prefix of its chain
 *                                                                      is applied to the stored image
 *
 * A known open stream that has not reported since the start holds everything back: its readers may be anywhere. Slices
 * leave memory at the front of their log when all their deltas are merged and the peers that are up have them.
 * At most one store batch is under way; until its completion is told, chains stay as they are.
 */
import { applyOps, greatestLowerBound, type PageId, type ReadPoint, type StreamId } from "@sixfold/model";
import type { PageChain } from "./page-chain.ts";
import { encodePage, type StoredPage } from "./page-image.ts";
import type { Counters, PgState } from "./pg-state.ts";
import type { SegmentEffect, SegmentSettings } from "./segment-api.ts";
import type { StreamLog } from "./stream-log.ts";

/** Aborts are remembered at least this far back, for recoveries that know fewer decisions (I2). */
const ABORTS_KEPT = 2 ** 20;

interface Planned {
  readonly state: PgState;
  readonly chain: PageChain;
  readonly changes: number;
  readonly page: StoredPage;
  /** A copy from a peer: replaces what was stored. */
  readonly isCopy: boolean;
}

interface Batch {
  readonly token: number;
  readonly planned: readonly Planned[];
}

export class Merger {
  private readonly lowWater = new Map<StreamId, ReadPoint>();
  private readonly settings: SegmentSettings;
  private readonly counters: Counters;
  private batch: Batch | undefined;
  private tokens = 0;

  constructor(settings: SegmentSettings, counters: Counters) {
    this.settings = settings;
    this.counters = counters;
  }

  get isStoring(): boolean {
    return this.batch !== undefined;
  }

  report(stream: StreamId, lowWater: ReadPoint): void {
    this.lowWater.set(stream, lowWater);
  }

  /** Streams up to it are closed, and their logs may go before `bound` has met them closed: what they reported counts no more. */
  settle(through: StreamId): void {
    for (const stream of this.lowWater.keys()) if (stream <= through) this.lowWater.delete(stream);
  }

  /** What every reader is past; undefined while an open stream has not said. */
  bound(pgs: Iterable<PgState>): ReadPoint | undefined {
    const open = new Set<StreamId>();
    const closed = new Set<StreamId>();
    for (const state of pgs)
      for (const log of state.streams.values())
        if (log.closed !== undefined) closed.add(log.stream);
        else if (log.stream > state.settledThrough) open.add(log.stream);
    for (const stream of closed) {
      this.lowWater.delete(stream);
      open.delete(stream);
    }
    for (const stream of open) if (!this.lowWater.has(stream)) return undefined;
    return greatestLowerBound(this.lowWater.values());
  }

  /** Plans one batch, if there is enough to merge and none is under way. Bounded by `mergePagesPerTick`. */
  plan(pgs: ReadonlyMap<number, PgState>, pageBytes: number, effects: SegmentEffect[]): void {
    if (this.batch !== undefined) return;
    let bytes = 0;
    for (const state of pgs.values()) for (const log of state.streams.values()) bytes += log.bytes;
    if (bytes <= this.settings.mergeAboveBytes) return;
    const bound = this.bound(pgs.values());
    if (bound === undefined) return;
    const planned = new Map<PageChain, Planned>();
    for (const state of pgs.values())
      for (const log of state.streams.values()) this.planLog(state, log, bound, pageBytes, planned);
    this.store([...planned.values()], effects);
    if (planned.size === 0) this.dropAll(pgs);
  }

  /** Stores pages copied from a peer. The caller has checked that no batch is under way. */
  copy(state: PgState, pages: readonly (readonly [PageChain, StoredPage])[], effects: SegmentEffect[]): void {
    this.store(
      pages.map(([chain, page]) => ({ state, chain, changes: 0, page, isCopy: true })),
      effects,
    );
  }

  /** The batch is durable in the page store. Returns false if the token is not the one awaited. */
  stored(token: number, pgs: ReadonlyMap<number, PgState>): boolean {
    const { batch } = this;
    if (batch === undefined || batch.token !== token) return false;
    this.batch = undefined;
    for (const { state, chain, changes, page, isCopy } of batch.planned) {
      chain.storing = 0;
      if (isCopy) chain.restore(page);
      else chain.dropMerged(changes, page);
      if (isCopy && chain.undecided.length > 0) state.dirty.add(chain);
      state.pages.release(chain);
    }
    if (batch.planned[0]?.isCopy) this.counters.pagesCopied += batch.planned.length;
    else this.counters.pagesMerged += batch.planned.length;
    this.dropAll(pgs);
    return true;
  }

  /** Drops slices that nobody needs any more. */
  dropAll(pgs: ReadonlyMap<number, PgState>): void {
    let bytes = 0;
    for (const state of pgs.values()) for (const log of state.streams.values()) bytes += log.bytes;
    for (const state of pgs.values())
      for (const log of state.streams.values()) {
        while (log.count > 0 && isDone(log, this.lowWater)) {
          const { slice } = log.slices[log.first]!;
          if (bytes <= this.settings.retainBytesMax && !peersHave(state, log, slice.lsn)) break;
          bytes -= slice.bytes.length;
          log.shift();
        }
        const upTo = Math.min(log.mergedThrough, log.decided.through - ABORTS_KEPT);
        // In strides, for forgetting looks at every abort remembered.
        if (upTo > log.decided.floor + ABORTS_KEPT / 16) log.decided.forget(upTo as typeof log.scl);
      }
  }

  private planLog(
    state: PgState,
    log: StreamLog,
    bound: ReadPoint,
    pageBytes: number,
    planned: Map<PageChain, Planned>,
  ): void {
    const all = state.planted?.has("merge-all");
    for (; log.mergeCursor < log.slices.length; log.mergeCursor++) {
      const taken = log.slices[log.mergeCursor]!;
      if (taken.phase === "pending" || (!all && !bound.includes(taken.slice))) return;
      if (taken.phase === "aborted" || taken.unmerged === 0) continue;
      for (const { page } of taken.slice.deltas) {
        const chain = state.pages.at(page);
        if (planned.has(chain) || chain.isMerged(taken.slice)) continue;
        if (planned.size >= this.settings.mergePagesPerTick) return;
        const plan = planPage(state, chain, bound, pageBytes);
        // A gap in the chain, or a damaged image: later, when it is mended.
        if (plan === undefined) return;
        planned.set(chain, plan);
      }
      for (const { page } of taken.slice.deltas)
        if (
          (planned.get(state.pages.at(page))?.page.merged.get(log.stream) ?? 0) < taken.slice.lsn &&
          !state.pages.at(page).isMerged(taken.slice)
        )
          return;
    }
  }

  private store(planned: readonly Planned[], effects: SegmentEffect[]): void {
    if (planned.length === 0) return;
    this.batch = { token: ++this.tokens, planned };
    const pages: (readonly [PageId, Uint8Array])[] = [];
    for (const { chain, changes, page } of planned) {
      chain.storing = Math.max(changes, 1);
      pages.push([chain.page, encodePage(page)]);
    }
    effects.push({ kind: "storePages", token: this.batch.token, pages });
  }
}

function planPage(
  state: PgState,
  chain: PageChain,
  bound: ReadPoint,
  pageBytes: number,
): Planned | undefined {
  let n = 0;
  while (
    n < chain.changes.length &&
    (state.planted?.has("merge-all") || bound.includes(chain.changes[n]!.taken.slice))
  )
    n += 1;
  if (n === 0) return undefined;
  const page = imageOf(state, chain, n, pageBytes);
  return page === undefined || page === "corrupt"
    ? undefined
    : { state, chain, changes: n, page, isCopy: false };
}

/** The page with the first `changes` of its chain merged; undefined if there is nothing of it. */
export function imageOf(
  state: PgState,
  chain: PageChain,
  changes: number,
  pageBytes: number,
): StoredPage | "corrupt" | undefined {
  const stored = state.pages.storedPage(chain.page);
  if (stored === "corrupt") chain.isCorrupt = true;
  if (stored === "corrupt" || chain.isCorrupt) return "corrupt";
  const last = chain.changes[changes - 1];
  if (last === undefined) return stored;
  const image = stored === undefined ? new Uint8Array(pageBytes) : stored.image;
  const merged = new Map(chain.merged);
  for (let i = 0; i < changes; i++) {
    const { taken, delta } = chain.changes[i]!;
    applyOps(image, delta.ops);
    merged.set(taken.slice.stream, taken.slice.lsn);
  }
  const { stream, lsn } = last.taken.slice;
  return { version: { stream, lsn }, base: last.delta.base, merged, image };
}

/** Merged or aborted, and no reader is before it. */
function isDone(log: StreamLog, lowWater: ReadonlyMap<StreamId, ReadPoint>): boolean {
  const taken = log.slices[log.first]!;
  if (taken.phase === "committed") return taken.unmerged === 0;
  if (taken.phase === "pending" || log.decided.through < taken.slice.lsn) return false;
  return log.closed !== undefined || (lowWater.get(log.stream)?.includes(taken.slice) ?? false);
}

/** Every peer that is known to be up has the slice and its fate. */
function peersHave(state: PgState, log: StreamLog, at: number): boolean {
  for (const positions of state.peers.values()) {
    const position = positions.get(log.stream);
    if (
      position === undefined
        ? log.stream > state.settledThrough
        : position.scl < at || position.decidedThrough < at
    )
      return false;
  }
  return true;
}
