/**
 * What a segment answers to a peer that copies from it: one page with all that is committed on it, or pages as they are stored. Those are read
 * beside the server's turn, and what stands there already is told as of before: stored pages only move forward.
 *
 *     pullPages -> [ what is merged here ] -> readPages ... pagesRead -> pulledPages
 */
import { pageId, ZERO_LSN, type PageId } from "@sixfold/model";
import type { MergedHere, PulledPages, PullPages } from "@sixfold/wire";
import type { Stored } from "./merge.ts";
import { encodePage, isSound } from "./page-image.ts";
import type { PgState } from "./pg-state.ts";
import { imageOf } from "./plan-page.ts";
import type { MergedPages } from "./segment-api.ts";
import type { StreamLog } from "./stream-log.ts";

export const pagesIn = (bytes: number, pageBytes: number): number =>
  Math.max(1, Math.floor(bytes / pageBytes));

type Damaged = { readonly type: "damaged"; readonly damaged: PageId };

/** All of an answer but its pages. */
export type AnswerHead = Omit<PulledPages, "pages">;

/** How many pages are to be read for an answer, and what is known before they are. A copier is told the end by an answer without pages. */
export function planAnswer(
  state: PgState,
  store: MergedPages,
  m: PullPages,
  o: {
    readonly stored: (log: StreamLog) => Stored;
    readonly endPage: number;
    readonly limit: number;
    readonly isCopier: boolean;
  },
): { readonly head: AnswerHead; readonly pages: number } {
  const ids = store.pages(m.from, Math.min(m.limit, o.limit)).filter((page) => page < o.endPage);
  const last = ids.at(-1) as number | undefined;
  const merged = [...state.streams.values()].map((log) => ({
    stream: log.stream,
    ...o.stored(log),
  }));
  const head = {
    type: "pulledPages",
    request: m.request,
    pg: m.pg,
    next: last === undefined || (last + 1 >= o.endPage && !o.isCopier) ? undefined : pageId(last + 1),
    merged,
    settledThrough: state.settledThrough,
  } as const;
  return { head, pages: ids.length };
}

/** The answer, or a page of it that is damaged: a copy without it would pass for whole. `trusts`: who receives it looks at the checksums. */
export function answerRead(
  head: AnswerHead,
  read: readonly (readonly [page: PageId, stored: Uint8Array])[],
  trusts: boolean,
): PulledPages | Damaged {
  for (const [page, stored] of read)
    if (!isSound(page, stored, trusts)) return { type: "damaged", damaged: page };
  return { ...head, pages: read.map(([page, stored]) => ({ page, stored })) };
}

/** Whatever has been put on its pages: it may be merged, dropped already or not. */
export function mergedHere(state: PgState): MergedHere {
  const streams = [];
  for (const log of state.streams.values()) {
    let last = log.slices.length - 1;
    while (last >= log.first && log.slices[last]!.phase !== "committed") last--;
    const through = last >= log.first ? log.slices[last]!.lsn : log.mergedThrough;
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
): PulledPages | Damaged | undefined {
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
    for (let i = log.cursor; i < log.slices.length && log.slices[i]!.lsn <= needed; i++)
      if (log.slices[i]!.phase !== "committed" && log.slices[i]!.phase !== "aborted") return false;
  }
  return true;
}
