/**
 * Copying pages from a peer (DESIGN section 4: "if peers have already merged past them, pages are copied instead").
 *
 *     pullPages from 0  -> <- pages, merged positions M (of the first answer)
 *     pullPages from n  -> <- pages                                            asked while those before are being stored
 *     pullPages from 2n -> <- pages                                            and, by a newcomer, while they are on their way
 *     ...                     last: every slice up to M is in the pages stored here
 *
 * A peer's stored pages only move forward, so when the last one has come, all of them hold at least M, whichever came first of those after
 * the first answer. Only then do the positions jump to M, with a checkpoint in the log; a copy cut short has merely brought some pages
 * forward, which their own vectors say.
 *
 * A single damaged page is mended without a jump. Its slices are gone here, so the copy must hold at least what was merged: the peer
 * makes an image of all that it knows to be committed, and does not answer if that is less.
 *
 * How fast copies go, and from whom: copy-pace.ts. What peers answer: copy-answers.ts.
 */
import { pageId, type Lsn, type NodeName, type PageId, type StreamId } from "@sixfold/model";
import type { PulledPages, StorageMessage } from "@sixfold/wire";
import { mergedHere, pagesIn } from "./copy-answers.ts";
import { CopyPace, STEPS_OF_PEER, type Sources } from "./copy-pace.ts";
import type { CopiedPage } from "./merge.ts";
import { PagesLeft, type PageSpan } from "./pages-left.ts";
import { decodeHead, isSound, type StoredHead } from "./page-image.ts";
import type { PageChain } from "./page-chain.ts";
import type { PgState } from "./pg-state.ts";
import type { KnownGeometry } from "./known-geometry.ts";
import type { SegmentSettings } from "./segment-api.ts";

interface Step {
  readonly request: number;
  readonly pages: PageSpan;
  /** Asked then; or the one before was answered. */
  at: number;
}

interface Copy {
  readonly peer: NodeName;
  /** Only this page. */
  readonly mends: PageId | undefined;
  /** Nothing was stored of the PG when it began: what the store has of it, and no chain is known of, is this copy's. */
  readonly isFresh: boolean;
  /** Under way. */
  readonly steps: Step[];
  readonly left: PagesLeft;
  copied: Copied | undefined;
  /** Answers that are being stored. */
  storing: number;
}

/** What the copied pages hold, as of the first answer. */
export interface Copied {
  readonly peer: NodeName;
  /** Of all streams that the peer still knew. */
  readonly merged: ReadonlyMap<StreamId, { readonly through: Lsn; readonly tail: Lsn }>;
  /** Of others up to this, everything. */
  readonly settledThrough: StreamId;
}

/** Pages that came at once, until they are stored. */
export interface CopyAnswer {
  readonly state: PgState;
  readonly from: NodeName;
  readonly copy: object;
  readonly bytes: number;
  /** Those that bring something. */
  readonly pages: readonly CopiedPage[];
  /** There are no more; what was asked for before may still come. */
  readonly isLast: boolean;
}

export type SendTo = (peer: NodeName, m: StorageMessage) => boolean;

type CopySettings = Pick<
  SegmentSettings,
  "pullTimeoutMs" | "copyStepBytes" | "copyAheadBytes" | "copyBytesPerSecond"
>;

export class SegmentCopy {
  private readonly copies = new Map<PgState, Copy>();
  /** Answers that have come and are not stored, also of copies that were given up. */
  private readonly unstored = new Map<PgState, number>();
  private readonly settings: CopySettings;
  private readonly geometry: KnownGeometry;
  private readonly pace: CopyPace;
  private requests = 0;

  constructor(settings: CopySettings, geometry: KnownGeometry) {
    this.settings = settings;
    this.geometry = geometry;
    this.pace = new CopyPace(settings);
  }

  get underWay(): number {
    return this.copies.size;
  }

  isUnderWay(state: PgState): boolean {
    return this.copies.has(state);
  }

  /** Does a newcomer's copy of everything go on, of which no page is merged meanwhile? */
  isOfNewcomer(state: PgState): boolean {
    return !state.isWhole && this.copies.get(state)?.mends === undefined;
  }

  forget(state: PgState): void {
    this.copies.delete(state);
  }

  /** The peer that a newcomer copies from next; undefined while those that could be asked have enough to do. */
  sourceOf(sources: Sources, now: number): NodeName | undefined {
    const load = new Map<NodeName, number>();
    for (const [state, { peer }] of this.copies)
      if (this.isOfNewcomer(state)) load.set(peer, (load.get(peer) ?? 0) + 1);
    return this.pace.sourceOf(sources, load, now);
  }

  /** Begins, unless one is under way for the PG, or something of one is still being stored. */
  begin(
    state: PgState,
    o: {
      readonly peer: NodeName;
      readonly from: PageId;
      readonly isFresh?: boolean;
      readonly mends?: PageId;
    },
    now: number,
    send: SendTo,
  ): void {
    if (this.copies.has(state) || this.unstored.has(state)) return;
    const { peer, from, isFresh = false, mends } = o;
    const left = new PagesLeft(from, mends === undefined ? undefined : pageId(mends + 1));
    this.copies.set(state, { peer, mends, isFresh, steps: [], left, copied: undefined, storing: 0 });
    this.goOn(now, send);
  }

  /** What is due is asked for, as far as the pace allows: the copies that began first go first. */
  goOn(now: number, send: SendTo): void {
    if (this.copies.size === 0) return;
    const asked = new Map<NodeName, number>();
    for (const { peer, steps } of this.copies.values())
      if (steps.length > 0) asked.set(peer, (asked.get(peer) ?? 0) + steps.length);
    this.pace.begin(asked);
    for (const [state, copy] of this.copies) {
      // Which positions count the first answer says: none is asked for beside it.
      const most = copy.isFresh && copy.copied !== undefined ? STEPS_OF_PEER : 1;
      while (copy.steps.length < most && (copy.mends !== undefined || this.pace.mayAsk(copy.peer, now)))
        if (!this.ask(state, copy, now, send)) break;
    }
  }

  /** Copies whose peer went away or fell silent are given up; what lags begins one anew. */
  tick(now: number, send: SendTo): void {
    for (const [state, copy] of this.copies)
      if (copy.steps.some(({ at }) => now - at > this.settings.pullTimeoutMs)) this.fail(state, copy, now);
    this.goOn(now, send);
  }

  /** What to store of an answer; undefined if nobody asked. Pages that are further here stay as they are. */
  take(state: PgState, m: PulledPages, now: number): CopyAnswer | undefined {
    const copy = this.copies.get(state);
    const nth = copy === undefined ? -1 : copy.steps.findIndex(({ request }) => request === m.request);
    if (copy === undefined || nth === -1) return undefined;
    const step = copy.steps.splice(nth, 1)[0]!;
    for (const later of copy.steps.slice(nth)) later.at = now;
    copy.copied ??= {
      peer: copy.peer,
      merged: new Map(m.merged.map((s) => [s.stream, { through: s.through, tail: s.tail }])),
      settledThrough: m.settledThrough,
    };
    const next = state.planted?.has("copy-half-counts") ? undefined : m.next;
    const counts = copy.left.covered(step.pages, next);
    const pages: CopiedPage[] = [];
    let bytes = 0;
    for (const { page, stored } of m.pages) {
      if (!counts(page)) continue;
      bytes += stored.length;
      const chain = state.pages.known(page);
      const found =
        chain === undefined && copy.isFresh
          ? fresh(state, page, stored)
          : compared(state, page, stored, copy.mends);
      if (found === "damaged") {
        this.fail(state, copy, now);
        return undefined;
      }
      if (found !== undefined) pages.push(found);
    }
    copy.storing += 1;
    this.unstored.set(state, (this.unstored.get(state) ?? 0) + 1);
    this.pace.came(bytes, now);
    return { state, from: copy.peer, copy, bytes, pages, isLast: next === undefined };
  }

  /** What was taken is stored. Returns where the copied segment now stands, if it was the last. */
  stored({ state, copy: ofCopy, bytes }: CopyAnswer): Copied | undefined {
    this.pace.stored(bytes);
    const left = this.unstored.get(state)! - 1;
    if (left > 0) this.unstored.set(state, left);
    else this.unstored.delete(state);
    const copy = this.copies.get(state);
    if (copy === undefined || copy !== ofCopy) return undefined;
    copy.storing -= 1;
    if (!copy.left.isEmpty || copy.steps.length > 0 || copy.storing > 0) return undefined;
    this.copies.delete(state);
    return copy.mends === undefined ? copy.copied : undefined;
  }

  /** False: there is nothing left to ask for, or nobody to ask. */
  private ask(state: PgState, copy: Copy, now: number, send: SendTo): boolean {
    const mends = copy.mends === undefined ? undefined : mergedHere(state);
    const pages = copy.left.take(pagesIn(this.settings.copyStepBytes, this.geometry.bounds().pageBytes));
    if (pages === undefined) return false;
    const request = ++this.requests;
    const { from, until } = pages;
    const question = { type: "pullPages", request, pg: state.pg, from, limit: until - from, mends } as const;
    if (!send(copy.peer, question)) {
      this.fail(state, copy, now);
      return false;
    }
    copy.steps.push({ request, pages, at: now });
    this.pace.asked(copy.peer);
    return true;
  }

  private fail(state: PgState, copy: Copy, now: number): void {
    this.copies.delete(state);
    if (copy.mends === undefined) this.pace.failed(copy.peer, now);
  }
}

/** Of a page that nothing is known of here. Its checksum was looked at when the peer read it, and the frame's when it came. */
function fresh(state: PgState, page: PageId, stored: Uint8Array): CopiedPage | "damaged" {
  return isSound(page, stored, true) ? { state, page, stored, chain: undefined } : "damaged";
}

function compared(
  state: PgState,
  page: PageId,
  stored: Uint8Array,
  mends: PageId | undefined,
): CopiedPage | "damaged" | undefined {
  const head = isSound(page, stored) ? decodeHead(page, stored, true) : undefined;
  if (head === undefined) return "damaged";
  const chain = state.pages.at(page);
  const isWanted = mends === undefined ? !chain.isCorrupt && isFurther(head, chain) : chain.isCorrupt;
  return isWanted ? { state, page, stored, chain } : undefined;
}

function isFurther(copied: StoredHead, chain: PageChain): boolean {
  for (const [stream, at] of chain.merged) if ((copied.merged.get(stream) ?? 0) < at) return false;
  return true;
}
