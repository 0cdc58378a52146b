/** One round of writing a page store: what several batches come to, where it goes, and what the index and the medium are told. */
import type { Done, PagePut } from "@sixfold/ports";
import { UNIT_BYTES, type Extent } from "./extent.ts";
import type { IndexEntry } from "./index-record.ts";
import type { Run } from "./page-medium.ts";

export interface Batch {
  readonly put: readonly PagePut[];
  readonly remove: readonly number[];
  readonly done: Done;
}

/** What batches make of a page: all of it, or undefined if it is removed; and what is added. */
export interface Net {
  readonly whole: Uint8Array | "kept" | undefined;
  readonly added: Uint8Array[];
}

/** All of a page from now on (nothing, if it is gone), more of it, or all of it with some parts elsewhere than before. */
type How = "put" | "add" | "move";

/** The page's parts: where they lie, or what is to be written. */
export interface Content {
  readonly page: number;
  readonly how: How;
  readonly parts: readonly (Extent | Uint8Array)[];
}

export interface Change {
  readonly page: number;
  readonly how: How;
  readonly parts: readonly Extent[];
  /** Of these, what was given to it in this round. */
  readonly taken: readonly Extent[];
}

export interface Placed {
  readonly bytes: Uint8Array;
  readonly at: number;
}

/** One write. The system cares for larger ones in larger strides, which cost more when a part of them is written again. */
const WRITE_BYTES_MAX = 256 << 10;
const PADDING = new Uint8Array(UNIT_BYTES);

/** The batches one after the other. */
export function netOf(batches: readonly Batch[]): Map<number, Net> {
  const net = new Map<number, Net>();
  for (const { put, remove } of batches) {
    for (const [page, bytes, how] of put) {
      const before = net.get(page);
      if (how !== "add") net.set(page, { whole: bytes, added: [] });
      else if (before === undefined) net.set(page, { whole: "kept", added: [bytes] });
      else if (before.whole !== undefined) before.added.push(bytes);
    }
    for (const page of remove) net.set(page, { whole: undefined, added: [] });
  }
  return net;
}

export function contentsOf(net: ReadonlyMap<number, Net>): Content[] {
  const contents: Content[] = [];
  for (const [page, { whole, added }] of net)
    if (whole === "kept") contents.push({ page, how: "add", parts: added });
    else contents.push({ page, how: "put", parts: whole === undefined ? [] : [whole, ...added] });
  return contents;
}

/** Gives every part that is to be written its place: what begins with a unit first, then what lies close. */
export class Placing {
  /** Complete once all is placed; `taken` says at any time what was. */
  readonly changes: readonly { page: number; how: How; parts: Extent[]; taken: Extent[] }[];
  private readonly take: (page: number, bytes: number, how?: "add") => Extent;
  private readonly contents: readonly Content[];

  constructor(take: (page: number, bytes: number, how?: "add") => Extent, contents: readonly Content[]) {
    this.take = take;
    this.contents = contents;
    this.changes = contents.map(({ page, how }) => ({ page, how, parts: [], taken: [] }));
  }

  /** Throws what `take` throws. */
  place(): Placed[] {
    const placed: Placed[] = [];
    for (const isAdded of [false, true])
      for (const [n, { page, how, parts }] of this.contents.entries()) {
        const change = this.changes[n]!;
        for (const [i, part] of parts.entries()) {
          if ((how === "add" || i > 0) !== isAdded) continue;
          if (!(part instanceof Uint8Array)) {
            change.parts[i] = part;
            continue;
          }
          const extent = this.take(page, part.length, isAdded ? "add" : undefined);
          change.parts[i] = extent;
          change.taken.push(extent);
          placed.push({ bytes: part, at: extent.at });
        }
      }
    return placed;
  }
}

export function entriesOf({ page, parts, how }: Omit<Change, "taken">): IndexEntry[] {
  if (parts.length === 0) return [[page, undefined]];
  return parts.map((part, i) => [page, part, how === "add" || i > 0 ? "add" : undefined]);
}

/**
 * Pages that lie one behind the other become one write; what is between them is filled up. Those that lie in memory as they will in the file, as they do that
 * were read together elsewhere, are one chunk of it: a write costs its caller some µs for each.
 */
export function runsOf(placed: readonly Placed[]): Run[] {
  const runs: { readonly at: number; readonly chunks: Uint8Array[] }[] = [];
  let [begin, end] = [0, -1];
  for (const { bytes, at } of placed) {
    const gap = at - end;
    if (end >= 0 && gap >= 0 && gap < UNIT_BYTES && at + bytes.length - begin <= WRITE_BYTES_MAX) {
      const { chunks } = runs.at(-1)!;
      const before = chunks.at(-1)!;
      if (before.buffer === bytes.buffer && bytes.byteOffset - before.byteOffset === before.length + gap)
        chunks[chunks.length - 1] = new Uint8Array(
          before.buffer,
          before.byteOffset,
          before.length + gap + bytes.length,
        );
      else {
        if (gap > 0) chunks.push(PADDING.subarray(0, gap));
        chunks.push(bytes);
      }
    } else {
      runs.push({ at, chunks: [bytes] });
      begin = at;
    }
    end = at + bytes.length;
  }
  return runs;
}
