/**
 * Page chains: the committed versions of each page, from the stored one on.
 *
 *     stored ── d1 ── d2 ── d3 = head          committed chain, forward deltas
 *     (merged)                \
 *                              e2, e3          undecided slices on the page (claims and waiters)
 *
 *     detached: committed deltas whose base is not here yet; they join when it comes
 *
 * I3: each version's base is the version before it; a delta that does not fit is never put on the chain.
 * I8: a detached delta marks the chain as incomplete beyond its head.
 */
import { isNone, NONE, sameVersion, type PageId, type PageVersion, type PlantedBugs } from "@sixfold/model";
import { Merged } from "./merged.ts";
import { Detached, NO_CHANGES, type Change, type ReadonlyDetached } from "./detached.ts";
import {
  decodeHead,
  decodePage,
  type DecodedPage,
  TAIL_BYTES,
  type Scratch,
  type StoredHead,
} from "./page-image.ts";
import type { MergedPages } from "./segment-api.ts";
import { StoredHeads } from "./stored-heads.ts";
import type { Taken } from "./stream-log.ts";

/** What an undecided slice does to a page. */
export interface Undecided {
  readonly taken: Taken;
  readonly base: PageVersion;
  /** A delta claims the page alone; a read check shares it. */
  readonly writes: boolean;
}

/** Of all chains that nobody undecided stands on: never added to. */
const NOBODY: Undecided[] = [];

export class PageChain {
  readonly page: PageId;
  /** Version of the stored page; `NONE` if there is none. */
  stored: PageVersion = NONE;
  storedBase: PageVersion = NONE;
  /** Per stream, up to which LSN its deltas of this page are in the stored one. */
  merged = Merged.NOTHING;
  /** The most of these: a look at one chain is all that most questions take. */
  private mostMerged = 0;
  /** Of the stored value, for what is added to it: the CRC that it ends with, and the bytes of patches in it. */
  sum = 0;
  patched = 0;
  /** The store has not been asked for it: what is committed on it is `unread` (recovery, which meets many pages). */
  isUnread = true;
  /** The stored value fails its check. */
  isCorrupt = false;
  /** Oldest first. */
  changes: Change[] = [];
  /** The newest version's name, for what it stands in may be far from the processor. */
  private headStream = NONE.stream;
  private headLsn = NONE.lsn;
  /** Committed before the store was asked, in the order of the log. */
  private unread: Change[] | undefined;
  private aside: Detached | undefined;
  private claims: Undecided[] = NOBODY;
  /** What a store batch under way holds of it. */
  storing: StoredHead | undefined;

  private readonly count: ChainCount;

  constructor(page: PageId, count: ChainCount) {
    this.page = page;
    this.count = count;
  }

  get detached(): ReadonlyDetached {
    return this.aside ?? NO_CHANGES;
  }

  /** In order of arrival. */
  get undecided(): readonly Undecided[] {
    return this.claims;
  }

  isHead(v: PageVersion): boolean {
    return v.lsn === this.headLsn && v.stream === this.headStream;
  }

  isMerged(v: PageVersion): boolean {
    return v.lsn <= this.mostMerged && v.lsn <= (this.merged.get(v.stream) ?? 0);
  }

  /** One more slice that is undecided. Mostly it is alone, and a list of one takes a ninth of the memory of one that has grown. */
  list(undecided: Undecided): void {
    if (this.claims.length === 0) this.claims = [undecided];
    else this.claims.push(undecided);
  }

  /** The slice is not undecided any more. */
  leave(taken: Taken): void {
    const { claims } = this;
    const at = claims.findIndex((u) => u.taken === taken);
    if (at >= 0 && claims.length === 1) this.claims = NOBODY;
    else if (at >= 0) claims.splice(at, 1);
  }

  /**
   * Position of a version on the chain: -1 for the stored one, undefined if it is neither. Along a chain the LSNs of
   * one stream ascend (I3), so a version that is not here yet is told without a look at all of a hot page's chain.
   */
  indexOf(v: PageVersion): number | undefined {
    for (let i = this.changes.length - 1; i >= 0; i--) {
      const { taken } = this.changes[i]!;
      if (taken.stream !== v.stream || taken.lsn > v.lsn) continue;
      if (taken.lsn === v.lsn) return i;
      break;
    }
    return sameVersion(v, this.stored) ? -1 : undefined;
  }

  /**
   * Where on the chain the image stands that was found in the store: -1 for the stored version, an index where the store shows a batch
   * already that is not told yet; undefined while it shows a copy so. Any other image means that an acknowledged
   * write is lost, and the page is damaged.
   */
  placeOf(found: PageVersion): number | undefined {
    const place = sameVersion(found, this.stored) ? -1 : this.indexOf(found);
    if (place === undefined && this.storing === undefined) this.isCorrupt = true;
    return place;
  }

  /** Puts a committed delta on the chain, or aside until its base is there. Returns the changes that joined. */
  commit(change: Change): number {
    if (this.isUnread) {
      (this.unread ??= []).push(change);
      return 0;
    }
    if (this.isMerged(change.taken)) {
      change.taken.unmerged -= 1;
      return 0;
    }
    if (!this.isHead(change.delta.base)) {
      (this.aside ??= new Detached()).add(change);
      return 0;
    }
    this.push(change);
    return 1 + this.attach();
  }

  /** What the store has of it; undefined if nothing. */
  read(stored: StoredHead | "corrupt" | undefined): void {
    this.isUnread = false;
    if (stored === "corrupt") this.isCorrupt = true;
    else if (stored !== undefined) return this.restore(stored);
    if (this.unread !== undefined) this.place([]);
  }

  /** Takes in what others have merged or copied: the stored page is now `page`. */
  restore(page: StoredHead): void {
    this.storedIs(page);
    this.headIs(page.version);
    this.isCorrupt = false;
    const left = [...this.changes, ...this.detached];
    this.clear();
    this.aside = undefined;
    this.place(left);
  }

  private place(left: readonly Change[]): void {
    const unread = this.unread ?? [];
    this.unread = undefined;
    for (const change of left) this.commit(change);
    for (const change of unread) this.commit(change);
    this.attach();
  }

  /** The first `n` changes are in the stored page now. */
  dropMerged(n: number, page: StoredHead): void {
    const merged = this.changes.splice(0, n);
    for (const { taken } of merged) taken.unmerged -= 1;
    if (this.changes.length === 0 && merged.length > 0) this.count.changed -= 1;
    if (this.isRipe) this.count.ripe.add(this.page);
    this.storedIs(page);
  }

  private storedIs({ version, base, merged, sum, patched }: StoredHead): void {
    this.stored = version;
    this.storedBase = base;
    this.merged = merged;
    this.sum = sum;
    this.patched = patched;
    this.mostMerged = merged.most;
  }

  private headIs({ stream, lsn }: PageVersion): void {
    this.headStream = stream;
    this.headLsn = lsn;
  }

  private push(change: Change): void {
    if (this.changes.length === 0) {
      this.changes = [change];
      this.count.changed += 1;
    } else this.changes.push(change);
    if (this.changes.length % this.count.ripeChanges === 0) this.count.ripe.add(this.page);
    this.headIs(change.taken);
  }

  get isRipe(): boolean {
    return this.changes.length >= this.count.ripeChanges;
  }

  /** Forgets its changes. */
  clear(): void {
    if (this.changes.length > 0) this.count.changed -= 1;
    this.changes = [];
  }

  get isIdle(): boolean {
    return (
      this.changes.length === 0 &&
      this.aside === undefined &&
      this.unread === undefined &&
      this.undecided.length === 0 &&
      this.storing === undefined &&
      !this.isCorrupt
    );
  }

  /** What is aside joins where its base has come. */
  private attach(): number {
    const { aside } = this;
    let joined = 0;
    if (aside === undefined) return joined;
    for (;;) {
      const [next] = aside.on({ stream: this.headStream, lsn: this.headLsn });
      if (next === undefined) break;
      aside.remove(next);
      this.push(next);
      joined += 1;
    }
    if (aside.size === 0) this.aside = undefined;
    return joined;
  }
}

/** As in `kept.ts`. */
const CHAIN_COST = 500;

/**
 * Counts the chains of all PGs, and sweeps those that are idle away once they have become many: a page costs memory only while
 * something of it is not in the store, or for a while after. O(1) a page, taken over all of them.
 */
export class ChainCount {
  /** Of those that were swept away. */
  readonly heads = new StoredHeads();
  chains = 0;
  /** Have changes that are not merged. */
  changed = 0;
  /** Of these, the pages that have had many since they were looked at; perhaps they have been merged since. */
  readonly ripe = new Set<PageId>();
  /** Have become idle since the last sweep, by being merged. */
  idled = 0;
  private left = 0;
  readonly ripeChanges: number;

  constructor(ripeChanges: number) {
    this.ripeChanges = ripeChanges;
  }

  /** Bytes of memory that changed pages take beside their changes, about: of a large table each change may be alone on its page. */
  get cost(): number {
    return CHAIN_COST * this.changed;
  }

  sweep(pgs: Iterable<{ readonly pages: PageTable }>, idleMax: number): void {
    if (this.idled <= idleMax && this.chains <= this.left + Math.max(this.left / 2, idleMax)) return;
    for (const { pages } of pgs) pages.sweep();
    this.left = this.chains;
    this.idled = 0;
  }
}

/** The pages of a PG that something is known of. Others are met in the store when they are asked for. */
export class PageTable {
  private readonly chains = new Map<PageId, PageChain>();
  private readonly store: MergedPages;
  private readonly trusts: boolean;
  private readonly count: ChainCount;

  constructor(store: MergedPages, planted: PlantedBugs, count: ChainCount) {
    this.store = store;
    this.count = count;
    this.trusts = planted.has("page-checksum-ignored");
  }

  get size(): number {
    return this.chains.size;
  }

  /** The page's chain, read from the store if need be. */
  at(page: PageId): PageChain {
    let chain = this.chains.get(page);
    if (chain === undefined) chain = this.add(page);
    if (chain.isUnread) chain.read(this.storedHead(page));
    return chain;
  }

  /** By what was known when its chain was swept away, or by the page's end alone, as a rule. What is damaged before it is found by who reads the page, or scrubs it. */
  private storedHead(page: PageId): StoredHead | "corrupt" | undefined {
    const swept = this.count.heads.take(page);
    if (swept !== undefined) return swept;
    const tail = this.store.tail(page, TAIL_BYTES);
    if (tail === undefined) return undefined;
    const head = decodeHead(page, tail, this.trusts);
    if (head !== undefined) return head;
    const whole = this.store.get(page);
    return whole === undefined ? undefined : (decodeHead(page, whole, this.trusts) ?? "corrupt");
  }

  /** The page's chain, not read from the store if it is not known yet. Only to put what is committed on it. */
  unread(page: PageId): PageChain {
    return this.chains.get(page) ?? this.add(page);
  }

  private add(page: PageId): PageChain {
    const chain = new PageChain(page, this.count);
    this.chains.set(page, chain);
    this.count.chains += 1;
    return chain;
  }

  known(page: PageId): PageChain | undefined {
    return this.chains.get(page);
  }

  /** The page's stored value, its image perhaps in `scratch`; undefined if it was never stored, `"corrupt"` if it fails its check. */
  storedPage(page: PageId, scratch?: Scratch): DecodedPage | "corrupt" | undefined {
    const bytes = this.store.get(page);
    return bytes === undefined ? undefined : (decodePage(page, bytes, this.trusts, scratch) ?? "corrupt");
  }

  /** Forgets the pages that only the store has anything to say of. O(pages known). */
  sweep(): void {
    for (const chain of this.chains.values())
      if (chain.isIdle) {
        this.chains.delete(chain.page);
        this.count.chains -= 1;
        const { stored: version, storedBase: base, merged, sum, patched } = chain;
        if (!isNone(version)) this.count.heads.put(chain.page, { version, base, merged, sum, patched });
      }
  }

  /** Forgets all of them. */
  clear(): void {
    for (const chain of this.chains.values()) chain.clear();
    // Those of all PGs; that one is forgotten is rare.
    this.count.heads.clear();
    this.count.chains -= this.chains.size;
    this.chains.clear();
  }

  [Symbol.iterator](): IterableIterator<PageChain> {
    return this.chains.values();
  }
}
