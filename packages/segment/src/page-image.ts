/**
 * The stored value of a merged page: an image, and patches that were added behind it since. One value, so that version, vector and image can never part:
 *
 *     | image, its head | ops, head | ops, head |          the last head says what the page is
 *
 * A page that one delta meets is not worth the 8 KiB of a new image; what is worth it is several patches together (Levandoski, Lomet and Sengupta,
 * "LLAMA: A Cache/Storage Subsystem for Modern Hardware", VLDB 2013, section 3: delta updates, consolidation). A part is read from its end:
 *
 *     bytes image, without its gap;  or packed operations, one delta's behind another's
 *     f64   per component: stream, lsn
 *     u32   bytes of the first of these
 *     u32   CRC-32 of them, begun with the page's id
 *     u32   where the image's gap begins;  or the head's CRC of the part before
 *     u32   bytes of the gap;              or bytes of all patches up to this one
 *     f64   version: stream, lsn
 *     f64   base of that version: stream, lsn
 *     u8    3: an image;  4: a patch
 *     u8    number of components
 *     u32   CRC-32 of components and head, begun with the page's id
 *
 * (little endian; integers as f64, exact to 2^53). A page that stands under another's id fails the check like a damaged one, and so does a patch behind
 * another part than its own. The gap is zeros: the free middle of a page that is not full. The components say per stream up to which LSN its
 * committed deltas of this page are in the page. The LSNs of one stream ascend along a page's chain (a writer commits in LSN
 * order and never builds a lower LSN on a higher), so "was this delta merged?" is one comparison, however
 * old it is. Recovery and copying rest on that.
 */
import {
  applyOps,
  checkOps,
  lsn,
  MAX_PAGE_BYTES,
  NONE,
  streamId,
  type PageId,
  type PageVersion,
} from "@sixfold/model";
import { crc32 } from "@sixfold/wire";
import { Merged, type MergedStreams } from "./merged.ts";

const IMAGE = 3;
const PATCH = 4;
const VERSION = 16;
const AT = {
  body: 0,
  sum: 4,
  gapFrom: 8,
  gapBytes: 12,
  version: 16,
  base: 32,
  form: 48,
  components: 49,
  own: 50,
};
const HEAD = 54;
/** Enough of a page's end for its head, unless it has more components than pages mostly have. */
export const TAIL_BYTES = HEAD + 8 * VERSION;
/** Gaps are looked for at this distance: none of twice the length is missed, a shorter one saves nothing. */
const PROBE = 64;
/** Components are a byte; the oldest streams go first when it overflows, for their slices are long gone. */
export const COMPONENTS_MAX = 255;

/** What a page is, apart from its bytes. */
export interface PageHead {
  readonly version: PageVersion;
  readonly base: PageVersion;
  readonly merged: MergedStreams;
}

export interface MergedHead extends PageHead {
  readonly merged: Merged;
}

export interface StoredHead extends MergedHead {
  /** CRC of the last part's head, as i32: what is added next says it. */
  readonly sum: number;
  /** Bytes of patches behind the image. */
  readonly patched: number;
}

export interface StoredPage extends PageHead {
  readonly image: Uint8Array;
}

export type DecodedPage = StoredPage & MergedHead;

/** Bytes of a patch, before it is made. */
export const patchBytes = (ops: number, components: number): number => ops + VERSION * components + HEAD;

export function encodePage(id: PageId, page: StoredPage): Uint8Array {
  const { image } = page;
  const gap = widestGap(image);
  const body = image.length - gap.bytes;
  const out = new Uint8Array(body + VERSION * Math.min(COMPONENTS_MAX, page.merged.size) + HEAD);
  out.set(image.subarray(0, gap.from));
  out.set(image.subarray(gap.from + gap.bytes), gap.from);
  writeHead(id, out, page, { form: IMAGE, body, third: gap.from, fourth: gap.bytes });
  return out;
}

/** What is to be added to a page whose head is `before`: packed operations that make `page` of it, in memory of `slab`. */
export function encodePatch(
  id: PageId,
  page: PageHead,
  ops: readonly Uint8Array[],
  before: { readonly sum: number; readonly patched: number },
  slab: Slab,
): Uint8Array {
  let body = 0;
  for (const { length } of ops) body += length;
  const out = slab.take(patchBytes(body, Math.min(COMPONENTS_MAX, page.merged.size)));
  let at = 0;
  for (const bytes of ops) {
    out.set(bytes, at);
    at += bytes.length;
  }
  writeHead(id, out, page, { form: PATCH, body, third: before.sum, fourth: before.patched + out.length });
  return out;
}

/** The CRC that the last part ends with, as i32. */
export const lastSum = (stored: Uint8Array): number => viewOf(stored).getInt32(stored.length - 4, true);

/** Memory for patches, which are small and many: those of one batch lie together, and so are written together. */
export class Slab {
  private memory = new Uint8Array(0);
  private used = 0;

  take(bytes: number): Uint8Array {
    if (this.memory.length - this.used < bytes) {
      this.memory = new Uint8Array(Math.max(bytes, 65_536));
      this.used = 0;
    }
    this.used += bytes;
    return this.memory.subarray(this.used - bytes, this.used);
  }
}

/** What the page is, by its end; undefined if that is damaged, or not all of the head. Whether what stands before it is sound it does not say. */
export function decodeHead(id: PageId, tail: Uint8Array, trusts = false): StoredHead | undefined {
  const view = viewOf(tail);
  const part = partBefore(id, tail, view, tail.length, trusts);
  if (part === undefined) return undefined;
  const { version, base, merged } = readHead(view, part);
  const sum = view.getInt32(part.at + AT.own, true);
  const patched = part.form === PATCH ? view.getUint32(part.at + AT.gapBytes, true) : 0;
  return { version, base, merged, sum, patched };
}

/** Room for an image that is used at once and kept by nobody: thousands of pages are merged in a second, and the collector would have all of them. */
export class Scratch {
  private bytes = new Uint8Array(0);

  /** So many bytes, whatever stands in them; until the next call. */
  of(bytes: number): Uint8Array {
    if (this.bytes.length < bytes) this.bytes = new Uint8Array(bytes);
    return this.bytes.subarray(0, bytes);
  }
}

/**
 * The page; undefined if it is damaged, or another's. The image is a view into `stored` if it has neither gap nor patches, else a new one, or in
 * `scratch`. O(bytes), for the checksums. `trusts` is planted: they are not looked at.
 */
export function decodePage(
  id: PageId,
  stored: Uint8Array,
  trusts = false,
  scratch?: Scratch,
): DecodedPage | undefined {
  const view = viewOf(stored);
  const parts = partsOf(id, stored, view, trusts);
  if (parts === undefined) return undefined;
  const [first] = parts as [Part];
  const last = parts.at(-1)!;
  const gap = {
    from: view.getUint32(first.at + AT.gapFrom, true),
    bytes: view.getUint32(first.at + AT.gapBytes, true),
  };
  const image = imageWith(gap, stored.subarray(0, first.body), { isCopy: parts.length > 1, scratch });
  if (image === undefined) return undefined;
  for (let i = 1; i < parts.length; i++) {
    const { from, body } = parts[i]!;
    const ops = stored.subarray(from, from + body);
    if (trusts && checkOps(ops, image.length) !== undefined) return undefined;
    applyOps(image, ops);
  }
  return { ...readHead(view, last), image };
}

/** Is it this page's stored value, and not damaged? O(bytes); O(1) if it `trusts` whoever has looked at the checksums. */
export function isSound(id: PageId, stored: Uint8Array, trusts = false): boolean {
  const view = viewOf(stored);
  if (trusts) return partBefore(id, stored, view, stored.length, true) !== undefined;
  return partsOf(id, stored, view, false) !== undefined;
}

/** `from`: where its body begins, before the bytes at hand if they are but the end of it. `at`: where its head does. */
interface Part {
  readonly form: number;
  readonly from: number;
  readonly body: number;
  readonly at: number;
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

/** The part that ends there; undefined if its head is not all here, or damaged. */
function partBefore(
  id: PageId,
  stored: Uint8Array,
  view: DataView,
  end: number,
  trusts: boolean,
): Part | undefined {
  const at = end - HEAD;
  if (at < 0) return undefined;
  const form = view.getUint8(at + AT.form);
  const named = at - VERSION * view.getUint8(at + AT.components);
  if (named < 0 || (form !== IMAGE && form !== PATCH)) return undefined;
  if (!trusts && view.getUint32(at + AT.own, true) !== crc32(stored.subarray(named, at + AT.own), id))
    return undefined;
  const body = view.getUint32(at + AT.body, true);
  return { form, from: named - body, body, at };
}

/** The image and its patches in their order, their checksums right; undefined if the value is anything else. */
function partsOf(
  id: PageId,
  stored: Uint8Array,
  view: DataView,
  trusts: boolean,
): readonly Part[] | undefined {
  const parts: Part[] = [];
  let end = stored.length;
  for (let isFirst = false; !isFirst;) {
    const part = partBefore(id, stored, view, end, trusts);
    if (part === undefined || part.from < 0) return undefined;
    const { form, from, body, at } = part;
    isFirst = form === IMAGE;
    if (!trusts && view.getUint32(at + AT.sum, true) !== crc32(stored.subarray(from, from + body), id))
      return undefined;
    if (!isFirst && (from < 4 || view.getInt32(from - 4, true) !== view.getInt32(at + AT.gapFrom, true)))
      return undefined;
    parts.push(part);
    end = from;
  }
  return end === 0 ? parts.reverse() : undefined;
}

function writeHead(
  id: PageId,
  out: Uint8Array,
  page: PageHead,
  is: { readonly form: number; readonly body: number; readonly third: number; readonly fourth: number },
): void {
  const view = viewOf(out);
  const components = Math.min(COMPONENTS_MAX, page.merged.size);
  let at = is.body - VERSION * (page.merged.size - components);
  for (const [stream, through] of page.merged) {
    if (at >= is.body) writeVersion(view, at, stream, through);
    at += VERSION;
  }
  view.setUint32(at + AT.body, is.body, true);
  view.setUint32(at + AT.sum, crc32(out.subarray(0, is.body), id), true);
  view.setUint32(at + AT.gapFrom, is.third >>> 0, true);
  view.setUint32(at + AT.gapBytes, is.fourth, true);
  writeVersion(view, at + AT.version, page.version.stream, page.version.lsn);
  writeVersion(view, at + AT.base, page.base.stream, page.base.lsn);
  view.setUint8(at + AT.form, is.form);
  view.setUint8(at + AT.components, components);
  view.setUint32(at + AT.own, crc32(out.subarray(is.body, at + AT.own), id), true);
}

function readHead(view: DataView, { from, body, at }: Part): MergedHead {
  const merged = [];
  for (let i = from + body; i < at; i += 8) merged.push(view.getFloat64(i, true));
  const [version, base] = [readVersion(view, at + AT.version), readVersion(view, at + AT.base)];
  return { version, base, merged: new Merged(merged) };
}

interface Gap {
  readonly from: number;
  readonly bytes: number;
}

/** The image's longest run of zeros, unless it is short. */
function widestGap(image: Uint8Array): Gap {
  let widest = { from: 0, bytes: 0 };
  for (let at = PROBE; at < image.length;) {
    let end = at;
    while (end < image.length && image[end] === 0) end += 1;
    if (end > at) {
      let from = at;
      while (from > 0 && image[from - 1] === 0) from -= 1;
      if (end - from > widest.bytes) widest = { from, bytes: end - from };
    }
    at = Math.floor(end / PROBE) * PROBE + PROBE;
  }
  return widest.bytes >= PROBE ? widest : { from: 0, bytes: 0 };
}

/** Undefined if the parts do not make one (only a planted bug sees that: the checksum is right). `isCopy`: never the very bytes of `rest`. */
function imageWith(
  gap: Gap,
  rest: Uint8Array,
  { isCopy, scratch }: { readonly isCopy: boolean; readonly scratch: Scratch | undefined },
): Uint8Array | undefined {
  const bytes = rest.length + gap.bytes;
  if (bytes > MAX_PAGE_BYTES || gap.from > rest.length) return undefined;
  if (gap.bytes === 0 && !isCopy) return rest;
  const image = scratch?.of(bytes) ?? new Uint8Array(bytes);
  image.set(rest.subarray(0, gap.from));
  if (scratch !== undefined) image.fill(0, gap.from, gap.from + gap.bytes);
  image.set(rest.subarray(gap.from), gap.from + gap.bytes);
  return image;
}

function writeVersion(view: DataView, at: number, stream: number, lsnAt: number): void {
  view.setFloat64(at, stream, true);
  view.setFloat64(at + 8, lsnAt, true);
}

function readVersion(view: DataView, at: number): PageVersion {
  const stream = view.getFloat64(at, true);
  return stream === 0 ? NONE : { stream: streamId(stream), lsn: lsn(view.getFloat64(at + 8, true)) };
}
