/** Reading many parts of the data file beside the caller's turn, those together that lie together. */
import { setImmediate } from "node:timers/promises";
import type { StoredPage } from "@sixfold/ports";
import { endOf, type Extent } from "./extent.ts";
import type { PageMedium } from "./page-medium.ts";

/** Extents that lie together are read at once if no more than this is between them. */
const READ_OVER_BYTES = 64 << 10;
const READ_BYTES_MAX = 4 << 20;
/** What is no longer takes less time at once than on its way to another thread; so many of them in one turn. */
const AT_ONCE_BYTES = 4096;
const AT_ONCE = 32;

/**
 * Each page as one value: all in `room` if there is any and they fit, else all in new memory. Pages of one part are left where they were read, those of
 * several are put together behind all that was read.
 */
export async function readPages(
  medium: PageMedium,
  pages: readonly (readonly [page: number, parts: readonly Extent[]])[],
  room?: Uint8Array,
): Promise<readonly StoredPage[]> {
  const extents = pages.flatMap(([, parts]) => parts);
  const read = await readExtents(medium, extents, room);
  const end = room === undefined ? 0 : endIn(room, read);
  const rest = end > 0 ? room!.subarray(end) : undefined;
  const joined = sum(pages.flatMap(([, parts]) => (parts.length > 1 ? parts : [])));
  const isLeft = rest === undefined || joined <= rest.length;
  const into = (isLeft ? rest : undefined) ?? Buffer.allocUnsafeSlow(isLeft ? joined : sum(extents));
  let [next, at] = [0, 0];
  return pages.map(([page, { length }]) => {
    if (length === 1 && isLeft) return [page, read[next++]!];
    const from = at;
    for (let n = 0; n < length; n++) {
      into.set(read[next]!, at);
      at += read[next++]!.length;
    }
    return [page, into.subarray(from, at)];
  });
}

/** Behind the last byte of the room that was read into; 0 if none was. */
function endIn(room: Uint8Array, read: readonly Uint8Array[]): number {
  let end = 0;
  for (const { buffer, byteOffset, length } of read)
    if (buffer === room.buffer) end = Math.max(end, byteOffset + length - room.byteOffset);
  return end;
}

/** In the order given. */
export async function readExtents(
  medium: PageMedium,
  extents: readonly Extent[],
  room?: Uint8Array,
): Promise<readonly Uint8Array[]> {
  const groups = together(extents);
  const spans = groups.map((group) => endOf(extents[group.at(-1)!]!) - extents[group[0]!]!.at);
  const fits = room !== undefined && spans.reduce((all, span) => all + span, 0) <= room.length;
  const read: Uint8Array[] = [];
  let [used, atOnce] = [0, 0];
  for (const [n, group] of groups.entries()) {
    const { at: from } = extents[group[0]!]!;
    const span = spans[n]!;
    const bytes = fits ? room.subarray(used, used + span) : Buffer.allocUnsafeSlow(span);
    used += span;
    if (span > AT_ONCE_BYTES) await medium.readLater(bytes, from);
    else {
      if (++atOnce % AT_ONCE === 0) await setImmediate();
      medium.read(bytes, from);
    }
    for (const i of group) read[i] = bytes.subarray(extents[i]!.at - from, endOf(extents[i]!) - from);
  }
  return read;
}

export const sum = (extents: readonly Extent[]): number => extents.reduce((all, { bytes }) => all + bytes, 0);

/** Indexes of extents in the order of their places, in groups that are read at once. */
function together(extents: readonly Extent[]): number[][] {
  const groups: number[][] = [];
  let [begin, end] = [0, Number.NEGATIVE_INFINITY];
  for (const i of extents.map((_, n) => n).sort((a, b) => extents[a]!.at - extents[b]!.at)) {
    const { at } = extents[i]!;
    if (at - end <= READ_OVER_BYTES && endOf(extents[i]!) - begin <= READ_BYTES_MAX) groups.at(-1)!.push(i);
    else {
      groups.push([i]);
      begin = at;
    }
    end = endOf(extents[i]!);
  }
  return groups;
}
