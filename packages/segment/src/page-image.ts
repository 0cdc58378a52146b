/**
 * The stored value of a merged page, one value so that version, vector and image can never part:
 *
 *     u32   CRC-32 of everything after it
 *     u8    1 (form)
 *     u8    number of components
 *     f64   version: stream, lsn
 *     f64   base of that version: stream, lsn
 *     f64   per component: stream, lsn
 *     bytes image
 *
 * (little endian; integers as f64, exact to 2^53). The components say per stream up to which LSN its committed
 * deltas of this page are in the image. The LSNs of one stream ascend along a page's chain (a writer commits in LSN
 * order and never builds a lower LSN on a higher), so "was this delta merged?" is one comparison, however
 * old it is. Recovery and copying rest on that.
 */
import { lsn, NONE, streamId, type PageVersion, type StreamId } from "@sixfold/model";
import { crc32 } from "@sixfold/wire";

const FORM = 1;
const HEADER = 4 + 1 + 1;
const VERSION = 16;
/** Components are a byte; the oldest streams go first when it overflows, for their slices are long gone. */
export const COMPONENTS_MAX = 255;

export interface StoredPage {
  readonly version: PageVersion;
  readonly base: PageVersion;
  readonly merged: ReadonlyMap<StreamId, number>;
  readonly image: Uint8Array;
}

export function encodePage(page: StoredPage): Uint8Array {
  const components = [...page.merged].sort(([a], [b]) => a - b).slice(-COMPONENTS_MAX);
  const at = HEADER + VERSION * (2 + components.length);
  const out = new Uint8Array(at + page.image.length);
  const view = new DataView(out.buffer);
  view.setUint8(4, FORM);
  view.setUint8(5, components.length);
  writeVersion(view, HEADER, page.version.stream, page.version.lsn);
  writeVersion(view, HEADER + VERSION, page.base.stream, page.base.lsn);
  for (let i = 0; i < components.length; i++)
    writeVersion(view, HEADER + VERSION * (2 + i), components[i]![0], components[i]![1]);
  out.set(page.image, at);
  view.setUint32(0, crc32(out.subarray(4)), true);
  return out;
}

/** The page, its image a view into `stored`; undefined if it is damaged. O(bytes), for the checksum. `trusts` is planted: it is not looked at. */
export function decodePage(stored: Uint8Array, trusts = false): StoredPage | undefined {
  if (stored.length < HEADER + 2 * VERSION) return undefined;
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
  if (view.getUint8(4) !== FORM) return undefined;
  if (!trusts && view.getUint32(0, true) !== crc32(stored.subarray(4))) return undefined;
  const n = view.getUint8(5);
  const at = HEADER + VERSION * (2 + n);
  if (at > stored.length) return undefined;
  const merged = new Map<StreamId, number>();
  for (let i = 0; i < n; i++) {
    const from = HEADER + VERSION * (2 + i);
    merged.set(streamId(view.getFloat64(from, true)), view.getFloat64(from + 8, true));
  }
  return {
    version: readVersion(view, HEADER),
    base: readVersion(view, HEADER + VERSION),
    merged,
    image: stored.subarray(at),
  };
}

function writeVersion(view: DataView, at: number, stream: number, lsnAt: number): void {
  view.setFloat64(at, stream, true);
  view.setFloat64(at + 8, lsnAt, true);
}

function readVersion(view: DataView, at: number): PageVersion {
  const stream = view.getFloat64(at, true);
  return stream === 0 ? NONE : { stream: streamId(stream), lsn: lsn(view.getFloat64(at + 8, true)) };
}
