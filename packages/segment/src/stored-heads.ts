/**
 * Heads of stored pages whose chains have been swept away, so that the next change of such a page need not read its end: what pages of a
 * large table are read for most.
 *
 *     page ──(its low bits)──> a place of 40 bytes; whoever was there before is forgotten
 *
 * A page has a chain or a place here, not both, for what is stored of it changes by its chain. Only a copy is stored without one, and of such a page
 * nothing was stored before. Pages that several streams have changed are left out.
 */
import { isNone, lsn, NONE, streamId, type PageId } from "@sixfold/model";
import { Merged } from "./merged.ts";
import type { StoredHead } from "./page-image.ts";

const FIRST_PLACES = 1 << 10;
/** Of 4 GiB in pages of 8 KiB each page has one: 20 MiB. */
const PLACES_MAX = 1 << 19;
/** Streams are kept as u32. */
const STREAMS = 2 ** 32;

/** A place: f64 lsn, base's lsn; u32 stream, base's stream, page (0: free), sum, bytes of patches, nothing. */
const FLOATS = 5;
const WORDS = 2 * FLOATS;
const AT = { lsn: 0, baseLsn: 1, stream: 4, baseStream: 5, page: 6, sum: 7, patched: 8 };

export class StoredHeads {
  private places = FIRST_PLACES;
  /** Two views of the same places. */
  private floats = new Float64Array(FIRST_PLACES * FLOATS);
  private words = new Uint32Array(this.floats.buffer);

  put(page: PageId, { version, base, merged, sum, patched }: StoredHead): void {
    const isOfOne = merged.size === 1 && merged.get(version.stream) === version.lsn;
    this.drop(page);
    if (page === 0 || !isOfOne || version.stream >= STREAMS || base.stream >= STREAMS) return;
    const there = this.words[this.word(page) + AT.page]!;
    if (there !== 0 && this.places < PLACES_MAX) this.double();
    const word = this.word(page);
    const { floats, words } = this;
    floats[word / 2 + AT.lsn] = version.lsn;
    floats[word / 2 + AT.baseLsn] = base.lsn;
    words[word + AT.stream] = version.stream;
    words[word + AT.baseStream] = base.stream;
    words[word + AT.page] = page;
    words[word + AT.sum] = sum;
    words[word + AT.patched] = patched;
  }

  /** The page's head, which is its chain's from now on. */
  take(page: PageId): StoredHead | undefined {
    if (!this.drop(page)) return undefined;
    const { floats, words } = this;
    const word = this.word(page);
    const stream = streamId(words[word + AT.stream]!);
    const at = lsn(floats[word / 2 + AT.lsn]!);
    const base = { stream: streamId(words[word + AT.baseStream]!), lsn: lsn(floats[word / 2 + AT.baseLsn]!) };
    return {
      version: { stream, lsn: at },
      base: isNone(base) ? NONE : base,
      merged: new Merged([stream, at]),
      sum: words[word + AT.sum]! | 0,
      patched: words[word + AT.patched]!,
    };
  }

  /** False if the page was not known. */
  private drop(page: PageId): boolean {
    const at = this.word(page) + AT.page;
    if (page === 0 || this.words[at] !== page) return false;
    this.words[at] = 0;
    return true;
  }

  clear(): void {
    this.begin(FIRST_PLACES);
  }

  private word(page: number): number {
    return (page & (this.places - 1)) * WORDS;
  }

  /** No two pages that had places of their own share one now. */
  private double(): void {
    const before = this.words;
    this.begin(2 * this.places);
    for (let from = 0; from < before.length; from += WORDS)
      if (before[from + AT.page] !== 0)
        this.words.set(before.subarray(from, from + WORDS), this.word(before[from + AT.page]!));
  }

  private begin(places: number): void {
    this.places = places;
    this.floats = new Float64Array(places * FLOATS);
    this.words = new Uint32Array(this.floats.buffer);
  }
}
