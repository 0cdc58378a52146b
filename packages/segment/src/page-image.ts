/**
 * The stored value of a merged page, one value so that version, vector and image can never part:
 *
 *     u32   CRC-32 of everything after it, begun with the page's id
 *     u8    2 (form)
 *     u8    number of components
 *     u32   bytes of the image
 *     u32   where its gap begins, u32 the bytes of that
 *     f64   version: stream, lsn
 *     f64   base of that version: stream, lsn
 *     f64   per component: stream, lsn
 *     bytes image, without its gap
 *
 * (little endian; integers as f64, exact to 2^53). A page that stands under another's id fails the check like a damaged one. The gap is
 * zeros: the free middle of a page that is not full. Without it most pages of 8 KiB fit into two of the page store's own pages
 * and not into three. The components say per stream up to which LSN its committed
 * deltas of this page are in the image. The LSNs of one stream ascend along a page's chain (a writer commits in LSN
 * order and never builds a lower LSN on a higher), so "was this delta merged?" is one comparison, however
 * old it is. Recovery and copying rest on that.
 */
import { lsn, NONE, streamId, type PageId, type PageVersion, type StreamId } from "@sixfold/model";
import { crc32 } from "@sixfold/wire";

const FORM = 2;
const HEADER = 4 + 1 + 1 + 4 + 4 + 4;
const VERSION = 16;
/** Gaps are looked for at this distance: none of twice the length is missed, a shorter one saves nothing. */
const PROBE = 64;
/** Components are a byte; the oldest streams go first when it overflows, for their slices are long gone. */
export const COMPONENTS_MAX = 255;

export interface StoredHead {
  readonly version: PageVersion;
  readonly base: PageVersion;
  readonly merged: ReadonlyMap<StreamId, number>;
}

export interface StoredPage extends StoredHead {
  readonly image: Uint8Array;
}

export function encodePage(id: PageId, page: StoredPage): Uint8Array {
  const { image } = page;
  const components = [...page.merged].sort(([a], [b]) => a - b).slice(-COMPONENTS_MAX);
  const at = HEADER + VERSION * (2 + components.length);
  const gap = widestGap(image);
  const out = new Uint8Array(at + image.length - gap.bytes);
  const view = new DataView(out.buffer);
  view.setUint8(4, FORM);
  view.setUint8(5, components.length);
  view.setUint32(6, image.length, true);
  view.setUint32(10, gap.from, true);
  view.setUint32(14, gap.bytes, true);
  writeVersion(view, HEADER, page.version.stream, page.version.lsn);
  writeVersion(view, HEADER + VERSION, page.base.stream, page.base.lsn);
  for (let i = 0; i < components.length; i++)
    writeVersion(view, HEADER + VERSION * (2 + i), components[i]![0], components[i]![1]);
  out.set(image.subarray(0, gap.from), at);
  out.set(image.subarray(gap.from + gap.bytes), at + gap.from);
  view.setUint32(0, crc32(out.subarray(4), id), true);
  return out;
}

/** What is said of the page's image, without it; undefined as for `decodePage`. */
export function decodeHead(id: PageId, stored: Uint8Array, trusts = false): StoredHead | undefined {
  const view = checkedView(id, stored, trusts);
  return view === undefined ? undefined : readHead(view);
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
 * The page; undefined if it is damaged, or another's. The image is a view into `stored` if it has no gap, else a new one, or in `scratch`. O(bytes), for
 * the checksum. `trusts` is planted: it is not looked at.
 */
export function decodePage(
  id: PageId,
  stored: Uint8Array,
  trusts = false,
  scratch?: Scratch,
): StoredPage | undefined {
  const view = checkedView(id, stored, trusts);
  if (view === undefined) return undefined;
  const gap = { from: view.getUint32(10, true), bytes: view.getUint32(14, true) };
  const image = imageWith(gap, stored.subarray(imageAt(view)), view.getUint32(6, true), scratch);
  return image === undefined ? undefined : { ...readHead(view), image };
}

/** Is it this page's stored value, and not damaged? O(bytes); O(1) if it `trusts` whoever has looked at the checksum. */
export const isSound = (id: PageId, stored: Uint8Array, trusts = false): boolean =>
  checkedView(id, stored, trusts) !== undefined;

const imageAt = (view: DataView): number => HEADER + VERSION * (2 + view.getUint8(5));

function checkedView(id: PageId, stored: Uint8Array, trusts: boolean): DataView | undefined {
  if (stored.length < HEADER + 2 * VERSION) return undefined;
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
  if (view.getUint8(4) !== FORM || imageAt(view) > stored.length) return undefined;
  return trusts || view.getUint32(0, true) === crc32(stored.subarray(4), id) ? view : undefined;
}

function readHead(view: DataView): StoredHead {
  const merged = new Map<StreamId, number>();
  for (let i = 0; i < view.getUint8(5); i++) {
    const from = HEADER + VERSION * (2 + i);
    merged.set(streamId(view.getFloat64(from, true)), view.getFloat64(from + 8, true));
  }
  return { version: readVersion(view, HEADER), base: readVersion(view, HEADER + VERSION), merged };
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

/** Undefined if the parts do not make one (only a planted bug sees that: the checksum is right). */
function imageWith(gap: Gap, rest: Uint8Array, bytes: number, scratch?: Scratch): Uint8Array | undefined {
  if (rest.length + gap.bytes !== bytes || gap.from > rest.length) return undefined;
  if (gap.bytes === 0) return rest;
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
