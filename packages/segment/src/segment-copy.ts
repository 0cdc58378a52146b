/**
 * Copying pages from a peer (DESIGN section 4: "if peers have already merged past them, pages are copied instead").
 *
 *     pullPages from 0 -> <- pages, merged positions M (of the first answer)
 *     pullPages from n -> <- pages
 *     ...                    last: every slice up to M is in the pages stored here
 *
 * A peer's stored pages only move forward, so when the last one has come, all of them hold at least M. Only then do
 * the positions jump to M, with a checkpoint in the log; a copy cut short has merely brought some pages forward, which
 * their own vectors say.
 *
 * A single damaged page is mended without a jump. Its slices are gone here, so the copy must hold at least what was merged: the peer
 * makes an image of all that it knows to be committed, and does not answer if that is less.
 */
import { pageId, ZERO_LSN, type Lsn, type NodeName, type PageId, type StreamId } from "@sixfold/model";
import type { MergedHere, PulledPages, PullPages, StorageMessage } from "@sixfold/wire";
import { imageOf } from "./merge.ts";
import { decodePage, encodePage, type StoredPage } from "./page-image.ts";
import type { PageChain } from "./page-chain.ts";
import type { PgState } from "./pg-state.ts";
import type { KnownGeometry } from "./known-geometry.ts";
import type { MergedPages, SegmentSettings } from "./segment-api.ts";

interface Copy {
  readonly peer: NodeName;
  /** Only this page. */
  readonly mends: PageId | undefined;
  request: number;
  from: PageId;
  at: number;
  copied: Copied | undefined;
  /** The answer that is being stored; then the next is asked for. */
  storing: boolean;
  /** The next is to be asked for when the bandwidth allows. */
  isDue: boolean;
}

/** What the copied pages hold, as of the first answer. */
export interface Copied {
  readonly peer: NodeName;
  /** Of all streams that the peer still knew. */
  readonly merged: ReadonlyMap<StreamId, { readonly through: Lsn; readonly tail: Lsn }>;
  /** Of others up to this, everything. */
  readonly settledThrough: StreamId;
}

export type SendTo = (peer: NodeName, m: StorageMessage) => boolean;

export class SegmentCopy {
  private readonly copies = new Map<PgState, Copy>();
  private readonly settings: Pick<SegmentSettings, "pullTimeoutMs" | "pullBytesMax" | "copyBytesPerSecond">;
  private readonly geometry: KnownGeometry;
  private requests = 0;
  /** What has come by now is what the setting allows until then. */
  private paidUntil = 0;

  constructor(settings: SegmentCopy["settings"], geometry: KnownGeometry) {
    this.settings = settings;
    this.geometry = geometry;
  }

  get underWay(): number {
    return this.copies.size;
  }

  isUnderWay(state: PgState): boolean {
    return this.copies.has(state);
  }

  forget(state: PgState): void {
    this.copies.delete(state);
  }

  /** Begins, unless one is under way for the PG. */
  begin(state: PgState, peer: NodeName, firstPage: PageId, now: number, send: SendTo, mends?: PageId): void {
    if (this.copies.has(state)) return;
    const copy: Copy = {
      peer,
      mends,
      request: 0,
      from: mends ?? firstPage,
      at: now,
      copied: undefined,
      storing: false,
      isDue: false,
    };
    this.copies.set(state, copy);
    this.ask(state, copy, now, send);
  }

  /** Those that wait for their share of the bandwidth ask on. Copies whose peer went away or fell silent are given up; what lags begins one anew. */
  tick(now: number, send: SendTo): void {
    for (const [state, copy] of this.copies)
      if (copy.isDue) {
        if (now >= this.paidUntil) this.ask(state, copy, now, send);
      } else if (!copy.storing && now - copy.at > this.settings.pullTimeoutMs) this.copies.delete(state);
  }

  /** The pages to store of an answer; undefined if nobody asked. Pages that are further here stay as they are. */
  take(state: PgState, m: PulledPages, now: number): (readonly [PageChain, StoredPage])[] | undefined {
    const copy = this.copies.get(state);
    if (copy === undefined || copy.request !== m.request || copy.storing) return undefined;
    copy.at = now;
    copy.copied ??= {
      peer: copy.peer,
      merged: new Map(m.merged.map((s) => [s.stream, { through: s.through, tail: s.tail }])),
      settledThrough: m.settledThrough,
    };
    const pages: (readonly [PageChain, StoredPage])[] = [];
    let bytes = 0;
    for (const { page, stored } of m.pages) {
      if (copy.mends !== undefined && page !== copy.mends) continue;
      const decoded = decodePage(page, stored);
      const chain = state.pages.at(page);
      if (decoded === undefined) {
        this.copies.delete(state);
        return undefined;
      }
      // A damaged page is mended by itself: what it held is not known here.
      bytes += stored.length;
      const isWanted =
        copy.mends === undefined ? !chain.isCorrupt && isFurther(decoded, chain) : chain.isCorrupt;
      if (isWanted) pages.push([chain, decoded]);
    }
    this.paidUntil = Math.max(now, this.paidUntil) + (bytes * 1000) / this.settings.copyBytesPerSecond;
    copy.storing = true;
    copy.from = m.next ?? pageId(-1);
    return pages;
  }

  /** What was taken is stored. Asks on, or returns where the copied segment now stands. */
  stored(state: PgState, now: number, send: SendTo): Copied | undefined {
    const copy = this.copies.get(state);
    if (copy === undefined || !copy.storing) return undefined;
    copy.storing = false;
    copy.at = now;
    if (copy.from >= 0 && copy.mends === undefined && !state.planted?.has("copy-half-counts")) {
      copy.isDue = true;
      if (now >= this.paidUntil) this.ask(state, copy, now, send);
      return undefined;
    }
    this.copies.delete(state);
    return copy.mends === undefined ? copy.copied : undefined;
  }

  private ask(state: PgState, copy: Copy, now: number, send: SendTo): void {
    copy.request = ++this.requests;
    copy.at = now;
    copy.isDue = false;
    const mends = copy.mends === undefined ? undefined : mergedHere(state);
    const limit =
      mends === undefined ? pagesIn(this.settings.pullBytesMax, this.geometry.bounds().pageBytes) : 1;
    const { request, from } = copy;
    if (!send(copy.peer, { type: "pullPages", request, pg: state.pg, from, limit, mends }))
      this.copies.delete(state);
  }
}

export const pagesIn = (bytes: number, pageBytes: number): number =>
  Math.max(1, Math.floor(bytes / pageBytes));

/** Answers from what is stored here, or names a page that is damaged: a copy without it would pass for whole. */
export function answerPullPages(
  state: PgState,
  store: MergedPages,
  m: PullPages,
  endPage: number,
  limit: number,
): PulledPages | { readonly type: "damaged"; readonly damaged: PageId } {
  const ids = store.pages(m.from, Math.min(m.limit, limit)).filter((page) => page < endPage);
  const pages: { page: PageId; stored: Uint8Array }[] = [];
  for (const page of ids) {
    const stored = store.get(page);
    if (stored === undefined || decodePage(page, stored) === undefined)
      return { type: "damaged", damaged: page };
    pages.push({ page, stored });
  }
  const last = ids.at(-1) as number | undefined;
  const merged = [...state.streams.values()].map((log) => ({
    stream: log.stream,
    through: log.mergedThrough,
    tail: log.droppedTail,
  }));
  return {
    type: "pulledPages",
    request: m.request,
    pg: m.pg,
    pages,
    next: last === undefined || last + 1 >= endPage ? undefined : pageId(last + 1),
    merged,
    settledThrough: state.settledThrough,
  };
}

/** Whatever has been put on its pages: it may be merged, dropped already or not. */
function mergedHere(state: PgState): MergedHere {
  const streams = [];
  for (const log of state.streams.values()) {
    let last = log.slices.length - 1;
    while (last >= log.first && log.slices[last]!.phase !== "committed") last--;
    const through = last >= log.first ? log.slices[last]!.slice.lsn : log.mergedThrough;
    if (through > 0) streams.push({ stream: log.stream, through });
  }
  return { settledThrough: state.settledThrough, streams };
}

/** Answers with all that is committed on one page, if that is no less than what the peer has lost; undefined otherwise. */
export function answerMend(
  state: PgState,
  page: PageId,
  request: number,
  lost: MergedHere,
  pageBytes: number,
): PulledPages | { readonly type: "damaged"; readonly damaged: PageId } | undefined {
  if (!holds(state, lost)) return undefined;
  const chain = state.pages.at(page);
  const stored = chain.detached.size > 0 ? undefined : imageOf(state, chain, chain.changes.length, pageBytes);
  if (stored === "corrupt") return { type: "damaged", damaged: page };
  if (stored === undefined) return undefined;
  const pages = [{ page, stored: encodePage(page, stored) }];
  return {
    type: "pulledPages",
    request,
    pg: state.pg,
    pages,
    next: undefined,
    merged: [],
    settledThrough: state.settledThrough,
  };
}

/** Has every slice that is lost been put on its pages here? */
function holds(state: PgState, lost: MergedHere): boolean {
  const through = new Map(lost.streams.map((s) => [s.stream, s.through]));
  for (const { stream } of lost.streams)
    if (!state.streams.has(stream) && stream > state.settledThrough) return false;
  for (const log of state.streams.values()) {
    const needed =
      through.get(log.stream) ?? (log.stream <= lost.settledThrough ? log.closed?.tail : ZERO_LSN);
    if (needed === undefined || log.scl < needed || log.decided.through < needed) return false;
    for (let i = log.cursor; i < log.slices.length && log.slices[i]!.slice.lsn <= needed; i++)
      if (log.slices[i]!.phase !== "committed" && log.slices[i]!.phase !== "aborted") return false;
  }
  return true;
}

function isFurther(copied: StoredPage, chain: PageChain): boolean {
  for (const [stream, at] of chain.merged) if ((copied.merged.get(stream) ?? 0) < at) return false;
  return true;
}
