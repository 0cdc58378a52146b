/**
 * Merge: versions that every reader is past go into the stored pages (DESIGN section 4, "Merge and trim").
 *
 *     log   | merged, kept for peers | planned, being stored | below the low-water mark | newer or undecided |
 *           ^ first                                          ^ mergeCursor
 *
 * The more changes of a page gather, the fewer times it is rewritten. A page of `ripeChanges` would gain little by more, and is merged once `ripePages`
 * are so far; since pages become ripe one after the other, there is never much to do at once. Of pages that change less,
 * those of the oldest slices are merged from when somewhat more than `mergeAboveBytes` waits until no more does. What stands
 * in old log files is merged however little it is, or one slice of a quiet PG would keep all files from it on; so is, before all else, what
 * a peer is about to copy (asked-copies.ts). Slices leave memory at the front of their log when all their deltas are merged, and the
 * peers that are up have them or they are too old or too many to wait for those. A few store batches are under way at a time, each
 * page in at most one; until its completion is told, a chain stays as it is.
 */
import {
  pgOf,
  Random,
  type Geometry,
  type NodeName,
  type Lsn,
  type PageId,
  type PgId,
  type ReadPoint,
  YoungMap,
} from "@sixfold/model";
import { crc32 } from "@sixfold/wire";
import type { Kept } from "./kept.ts";
import { LowWater } from "./low-water.ts";
import type { ChainCount, PageChain } from "./page-chain.ts";
import { decodeHead } from "./page-image.ts";
import { planPage, type PlannedPage } from "./plan-page.ts";
import type { Counters, PgState } from "./pg-state.ts";
import type { SegmentEffect, SegmentSettings } from "./segment-api.ts";
import type { StreamLog, Taken } from "./stream-log.ts";

/** Aborts are remembered at least this far back, for recoveries that know fewer decisions (I2). */
const ABORTS_KEPT = 2 ** 20;
/** Store batches under way: while one is synced the next is built. */
const BATCHES = 4;

/** Up to where the stored pages hold a log's slices, and the last of them that committed. */
export interface Stored {
  readonly through: Lsn;
  readonly tail: Lsn;
}

/** Of those that have left. O(1). */
export const droppedThrough = ({ mergedThrough: through, droppedTail: tail }: StreamLog): Stored => ({
  through,
  tail,
});

/** A page from a peer: replaces what was stored. */
export interface CopiedPage {
  readonly state: PgState;
  readonly page: PageId;
  /** Checked. */
  readonly stored: Uint8Array;
  /** Undefined if nothing was known of the page. */
  readonly chain: PageChain | undefined;
}

interface Planning {
  readonly bound: ReadPoint;
  readonly geometry: Geometry;
  readonly planned: PlannedPage[];
  /** In changes. */
  work: number;
  /** Of what is to be stored. */
  bytes: number;
  readonly bytesMax: number;
}

/** Storing a page takes as long as merging so many changes of it. */
const PAGE_WORK = 4;

/** How far merging falls behind before it begins anew: from so much to twice that. All servers of a PG take the same slices, and would be slow all at once. */
const BEHIND_SHARE = 1 / 16;

/** Share of the memory for slices from which on old readers are overtaken. */
const OVERTAKE_FROM = 0.75;

type Pgs = ReadonlyMap<number, PgState>;

export class Merger {
  readonly lowWater: LowWater;
  private readonly settings: SegmentSettings;
  private readonly counters: Counters;
  private readonly kept: Kept<StreamLog>;
  private readonly chains: ChainCount;
  private readonly batches = new YoungMap<number, readonly PlannedPage[]>();
  private readonly copies = new YoungMap<number, readonly CopiedPage[]>();
  private tokens = 0;
  private lastBound: ReadPoint | undefined;
  private catchesUp = false;
  private readonly random: Random;
  private behindShare: number;
  /** Slices in older log files are due, whatever there is. */
  overdueBefore = 0;

  constructor(
    name: NodeName,
    settings: SegmentSettings,
    counters: Counters,
    kept: Kept<StreamLog>,
    chains: ChainCount,
  ) {
    this.random = new Random(crc32(name));
    this.behindShare = this.nextShare();
    this.chains = chains;
    this.settings = settings;
    this.counters = counters;
    this.kept = kept;
    this.lowWater = new LowWater(settings.lowWaterAgeMs);
  }

  get isStoring(): boolean {
    return this.batches.size > 0 || this.copies.size > 0;
  }

  /** Bytes of memory, about: slices, and the pages that they have changed. */
  private get cost(): number {
    return this.kept.cost + this.chains.cost;
  }

  /** Of these, what no page has yet. */
  private get waits(): number {
    return this.kept.toMerge + this.chains.cost;
  }

  /** Of these, what is decided. */
  get decidedCost(): number {
    return this.kept.decided + this.chains.cost;
  }

  /** The log has gone on to `file`. */
  rotated(file: number): void {
    this.overdueBefore = Math.max(this.overdueBefore, file - this.settings.logFilesKept);
  }

  /** Plans one batch, if there is enough to merge, or something `asked` for. Bounded by `mergePagesPerTick`, `mergeChangesPerTick` and `mergeBytesPerTick`. */
  plan(pgs: Pgs, asked: ReadonlySet<PgId>, geometry: Geometry, now: number, effects: SegmentEffect[]): void {
    const isMuch = this.isBehind();
    const isOverdue = this.kept.firstFile(this.overdueBefore) < this.overdueBefore;
    const isOld = isMuch || isOverdue || asked.size > 0 || this.cost > this.settings.retainBytesMax;
    const isRipe = this.chains.ripe.size >= this.settings.ripePages;
    if (!isOld && !isRipe) return;
    if (this.batches.size >= BATCHES) return;
    const bound = this.bound(pgs, now);
    if (bound === undefined) return;
    const bytesMax = this.bytesMax(asked.size > 0, geometry);
    const p: Planning = { bound, geometry, planned: [], work: 0, bytes: 0, bytesMax };
    if (isOld) this.planLogs(pgs, asked, isMuch, p);
    if (isRipe) this.planRipe(pgs, p);
    this.store(p.planned, effects);
    if (p.planned.length === 0) this.dropAll(pgs);
  }

  /** Up to where each log of a PG can be merged by now; those of which nothing is left to merge are not named. O(slices of the PG). */
  mergeable(state: PgState, pgs: Pgs, now: number): Map<StreamLog, Lsn> {
    const found = new Map<StreamLog, Lsn>();
    const bound = this.bound(pgs, now);
    if (bound === undefined) return found;
    for (const log of state.streams.values())
      for (let i = log.first; i < log.slices.length; i++) {
        const taken = log.slices[i]!;
        if (taken.phase === "pending" || !bound.includes(taken)) break;
        if (taken.phase === "committed" && taken.unmerged > 0) found.set(log, taken.lsn);
      }
    return found;
  }

  /** Of those that are kept for peers, too. O(slices kept). */
  storedThrough(log: StreamLog): Stored {
    let { through, tail } = droppedThrough(log);
    for (let i = log.first; i < log.slices.length; i++) {
      const taken = log.slices[i]!;
      if (!this.isDone(log, taken)) break;
      through = taken.lsn;
      if (taken.phase === "committed") tail = through;
    }
    return { through, tail };
  }

  /** Stores pages copied from peers, as they were stored there; returns the batch's token. None of them is in a batch that is under way. */
  copy(pages: readonly CopiedPage[], effects: SegmentEffect[]): number {
    for (const { chain, page, stored } of pages)
      if (chain !== undefined) chain.storing = decodeHead(page, stored, true);
    const token = ++this.tokens;
    this.copies.set(token, pages);
    effects.push({ kind: "storePages", token, pages: pages.map((p) => [p.page, p.stored] as const) });
    return token;
  }

  /** The batch is durable in the page store. Returns false if there is none of this token. */
  stored(token: number, pgs: Pgs): boolean {
    const copied = this.copies.get(token);
    const batch = this.batches.get(token);
    this.copies.delete(token);
    this.batches.delete(token);
    if (copied !== undefined) this.copied(copied);
    else if (batch !== undefined) this.merged(batch);
    else return false;
    this.dropAll(pgs);
    return true;
  }

  private merged(batch: readonly PlannedPage[]): void {
    for (const { chain, changes, head } of batch) {
      chain.storing = undefined;
      chain.dropMerged(changes, head);
      if (chain.isIdle) this.chains.idled += 1;
    }
    this.counters.pagesMerged += batch.length;
    for (const { how } of batch) if (how === "add") this.counters.pagesPatched += 1;
  }

  private copied(batch: readonly CopiedPage[]): void {
    for (const { state, page, stored, ...before } of batch) {
      // Of a page that nothing was known of, something may have come meanwhile.
      const chain = before.chain ?? state.pages.known(page);
      if (chain === undefined) continue;
      chain.storing = undefined;
      chain.restore(decodeHead(page, stored, true)!);
      if (chain.undecided.length > 0) state.dirty.add(chain);
      if (chain.isIdle) this.chains.idled += 1;
    }
    this.counters.pagesCopied += batch.length;
  }

  /** Drops slices that nobody needs any more. O(logs that hold any, and what is dropped). */
  dropAll(pgs: Pgs): void {
    for (const log of this.kept.logs) {
      const state = pgs.get(log.pg);
      if (state === undefined) continue;
      const everywhere = peersHave(state, log);
      while (log.count > 0) {
        const taken = log.slices[log.first]!;
        if (!this.isDone(log, taken)) break;
        const isWanted = taken.lsn > everywhere && taken.file >= this.overdueBefore;
        if (isWanted && this.cost <= this.settings.retainBytesMax) break;
        log.shift();
      }
      const upTo = Math.min(log.mergedThrough, log.decided.through - ABORTS_KEPT);
      // In strides, for forgetting looks at every abort remembered.
      if (upTo > log.decided.floor + ABORTS_KEPT / 16) log.decided.forget(upTo as typeof log.scl);
      if (log.count === 0) this.kept.logs.delete(log);
    }
  }

  /** It can be merged, and will be when its turn comes. */
  isOnItsWay(taken: Taken): boolean {
    return taken.phase === "committed" && taken.unmerged > 0 && this.lastBound?.includes(taken) === true;
  }

  /** From when somewhat more waits than should until no more does: pages are stored by hundreds then, and each batch is synced twice. */
  private isBehind(): boolean {
    const { mergeAboveBytes } = this.settings;
    const caughtUp = this.catchesUp;
    this.catchesUp = this.waits > mergeAboveBytes * (caughtUp ? 1 : 1 + this.behindShare);
    if (caughtUp && !this.catchesUp) this.behindShare = this.nextShare();
    return this.catchesUp;
  }

  private nextShare(): number {
    return BEHIND_SHARE * (1 + this.random.next());
  }

  /** The nearer the memory is to its bound, the less of it is left to others; who copies waits for this alone. */
  private bytesMax(isAsked: boolean, { pageBytes }: Geometry): number {
    const { mergeAboveBytes, retainBytesMax, mergePagesPerTick, mergeBytesPerTick } = this.settings;
    const share = (this.waits - mergeAboveBytes) / Math.max(1, retainBytesMax - mergeAboveBytes);
    const all = mergePagesPerTick * pageBytes;
    return isAsked ? all : Math.max(mergeBytesPerTick, Math.min(1, share) * all);
  }

  /** What every reader is past; undefined while that is not known. */
  private bound(pgs: Pgs, now: number): ReadPoint | undefined {
    const overtakes = this.decidedCost > this.settings.keepBytesMax * OVERTAKE_FROM;
    const bound = this.lowWater.bound(pgs.values(), now, overtakes);
    this.lastBound = bound ?? this.lastBound;
    return bound;
  }

  /** Merged or aborted, and no reader is before it. */
  private isDone(log: StreamLog, taken: Taken): boolean {
    if (taken.phase === "committed") return taken.unmerged === 0;
    if (taken.phase === "pending" || log.decided.through < taken.lsn) return false;
    return log.closed !== undefined || (this.lowWater.of(log.stream)?.includes(taken) ?? false);
  }

  /** By logs in turns: whoever had this one comes last in the next. What is asked for comes first in all. */
  private planLogs(pgs: Pgs, asked: ReadonlySet<PgId>, isMuch: boolean, p: Planning): void {
    const { kept } = this;
    const logs = [...kept.logs];
    if (asked.size > 0) logs.sort((a, b) => Number(asked.has(b.pg)) - Number(asked.has(a.pg)));
    for (const log of logs) {
      if (this.isFull(p)) break;
      const state = pgs.get(log.pg);
      const beforeFile = isMuch || asked.has(log.pg) ? Number.POSITIVE_INFINITY : this.overdueBefore;
      if (state?.isWhole === true) this.planLog(state, log, beforeFile, p);
      kept.logs.delete(log);
      kept.logs.add(log);
    }
  }

  /** One that cannot be merged yet is ripe again when it has grown by as much. */
  private planRipe(pgs: Pgs, p: Planning): void {
    for (const page of this.chains.ripe) {
      if (this.isFull(p)) return;
      this.chains.ripe.delete(page);
      const state = pgs.get(pgOf(p.geometry, page));
      const chain = state?.isWhole === true ? state.pages.known(page) : undefined;
      if (chain?.isRipe === true && chain.storing === undefined) this.planChain(state!, chain, p);
    }
  }

  private isFull({ planned, work, bytes, bytesMax }: Planning): boolean {
    const { mergePagesPerTick, mergeChangesPerTick } = this.settings;
    return planned.length >= mergePagesPerTick || work >= mergeChangesPerTick || bytes >= bytesMax;
  }

  /** Slices in log file `beforeFile` and later ones are left. */
  private planLog(state: PgState, log: StreamLog, beforeFile: number, p: Planning): void {
    const all = state.planted?.has("merge-all");
    while (log.mergeCursor < log.slices.length) {
      const taken = log.slices[log.mergeCursor]!;
      if (taken.phase === "pending" || taken.file >= beforeFile) return;
      if (!all && !p.bound.includes(taken)) return;
      if (taken.phase !== "aborted" && taken.unmerged > 0 && !this.planSlice(state, taken, p)) return;
      log.mergeOn();
    }
  }

  /** Plans the pages of a slice that are not merged. False if some of it must wait. */
  private planSlice(state: PgState, { slice }: Taken, p: Planning): boolean {
    for (const { page } of slice.deltas) {
      const chain = state.pages.at(page);
      if (chain.isMerged(slice)) continue;
      if (chain.storing === undefined) {
        // A gap in the chain, or a damaged image: later, when it is mended.
        if (this.isFull(p) || !this.planChain(state, chain, p)) return false;
      }
      // In a batch that was planned before it came: the next one will take it.
      if ((chain.storing!.merged.get(slice.stream) ?? 0) < slice.lsn) return false;
    }
    return true;
  }

  /** False if nothing of it can be merged for now. */
  private planChain(state: PgState, chain: PageChain, p: Planning): boolean {
    const plan = planPage(state, chain, p.bound, p.geometry.pageBytes);
    if (plan === undefined) return false;
    chain.storing = plan.head;
    p.planned.push(plan);
    p.work += PAGE_WORK + plan.changes;
    p.bytes += plan.bytes.length;
    return true;
  }

  private store(planned: readonly PlannedPage[], effects: SegmentEffect[]): void {
    if (planned.length === 0) return;
    const token = ++this.tokens;
    this.batches.set(token, planned);
    const pages = planned.map(({ chain, bytes, how }) => [chain.page, bytes, how] as const);
    effects.push({ kind: "storePages", token, pages });
  }
}

/** Up to where every peer that is known to be up has the stream and its fates. */
function peersHave(state: PgState, log: StreamLog): number {
  let upTo = Number.POSITIVE_INFINITY;
  for (const positions of state.peers.values()) {
    const position = positions.get(log.stream);
    if (position !== undefined) upTo = Math.min(upTo, position.scl, position.decidedThrough);
    else if (log.stream > state.settledThrough) return 0;
  }
  return upTo;
}
