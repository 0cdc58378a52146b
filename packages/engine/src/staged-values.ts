/**
 * Long values of a large commit, written ahead of it in pieces, so that nobody waits for more than a piece (I10).
 *
 *     free pages of own extents   [ ][ ][ ][ ][ ][ ]
 *     piece 1                     [x][x][x]            an entry of its own; committed before the next is built
 *     piece 2                              [x][x][x]
 *     the commit                  marks the pages used, and its rows lead to them: a small entry, validated as ever
 *
 * Commits of a stream go in the order of their LSNs, so that whatever comes after an entry waits until all of it is durable. A piece
 * changes nothing that anybody can see: it fills pages that stay *free* until the commit takes them. If that never comes, by a
 * conflict, a fence or the writer's death, there is nothing to take back: free pages may hold anything (`touched`, see `extents`).
 * Meanwhile this writer allocates none of them (`reserved`); nobody else allocates from an extent whose stream is open.
 *
 * A piece that lost is built again on the same pages. Where a page turns out not to be free any more (the entry that had freed it, or had
 * claimed its extent, was taken back) all begins anew. The commit needs no own base for the pieces: they are decided.
 *
 * Values that a procedure puts cannot go ahead: they are not known before it runs.
 */
import { assert, type PageId } from "@sixfold/model";
import type { Write } from "./engine-api.ts";
import type { EntryBuilder } from "./entry-builder.ts";
import type { Extents } from "./extents.ts";
import { overflowPages, writeOverflowPage } from "./overflow.ts";

/** Pages of one piece: 32 KiB of pages of 8 KiB, as much as some hundred small commits bring. */
export const PIECE_PAGES = 4;
/** Commits of up to so many pieces go in one: each piece is a round trip of its own. */
export const PIECES_AT_ONCE = 4;

interface StagedValue {
  readonly value: Uint8Array;
  /** The first, then those it lists. Empty until its first piece. */
  pages: PageId[];
}

export class StagedValues {
  private readonly values: readonly StagedValue[];
  private readonly byValue = new Map<Uint8Array, StagedValue>();
  /** Picked so far, of all values. */
  pages: PageId[] = [];
  private readonly pagesInAll: number;
  /** Pages, counted over all values, in pieces that are committed. */
  private done = 0;
  /** The same with the piece under way. */
  private written = 0;

  constructor(values: readonly Uint8Array[], pageBytes: number) {
    this.values = values.map((value) => ({ value, pages: [] }));
    for (const staged of this.values) this.byValue.set(staged.value, staged);
    this.pagesInAll = values.reduce((pages, value) => pages + overflowPages(pageBytes, value.length), 0);
  }

  get isDone(): boolean {
    return this.done === this.pagesInAll;
  }

  /** Are its pages as they were left? If not, nothing has been written. */
  check(builder: EntryBuilder, extents: Extents): void {
    if (this.pages.every((page) => extents.isFree(builder, page))) return;
    extents.release(this.pages);
    this.pages = [];
    for (const staged of this.values) staged.pages = [];
    this.done = this.written = 0;
  }

  /** Builds the next piece. Unwinds for lack of pages. */
  build(builder: EntryBuilder, extents: Extents, pieceLength: number): void {
    const { pageBytes } = extents;
    this.check(builder, extents);
    let at = 0;
    this.written = this.done;
    for (const staged of this.values) {
      const count = overflowPages(pageBytes, staged.value.length);
      const to = Math.min(at + count, this.done + pieceLength);
      if (to > Math.max(at, this.written)) {
        if (staged.pages.length === 0) {
          staged.pages = extents.pick(builder, count);
          this.pages.push(...staged.pages);
        }
        extents.fetch(builder, staged.pages.slice(this.written - at, to - at));
        for (; this.written < to; this.written++)
          writeOverflowPage(builder, extents, staged.value, staged.pages, this.written - at);
      }
      at += count;
    }
    assert(this.written > this.done, "a piece has a page");
  }

  /** The piece is committed. */
  committed(): void {
    this.done = this.written;
  }

  /** Takes the value's pages into the entry being built, and returns the first; undefined if it was not staged. */
  take(builder: EntryBuilder, extents: Extents, value: Uint8Array): PageId | undefined {
    const staged = this.byValue.get(value);
    if (staged === undefined) return undefined;
    for (const page of staged.pages) extents.take(builder, page);
    return staged.pages[0];
  }
}

/** The long values of a commit: none if they are so few that they may go with it. One object written twice goes with it, too. */
export function valuesToStage(
  writes: readonly Write[],
  isLong: (write: Write) => boolean,
): readonly Uint8Array[] {
  const values = new Set<Uint8Array>();
  const again = new Set<Uint8Array>();
  for (const write of writes) {
    const { value } = write;
    if (value === undefined || !isLong(write)) continue;
    if (values.has(value)) again.add(value);
    values.add(value);
  }
  return [...values].filter((value) => !again.has(value));
}
