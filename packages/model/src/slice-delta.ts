/**
 * A delta where it lies in the frame that brought its slice.
 *
 *     frame  ... | head | page, base | operations | page, base | operations |
 *                                        ^from      ^to
 *
 * One object instead of three, as its base and a view of its operations are made only when they are asked for: a segment keeps hundreds of thousands
 * of deltas until they are merged, and every object among them is looked at by the collector again and again.
 */
import { applyOps, checkOps, type Delta } from "./delta.ts";
import type { Lsn, PageId, StreamId } from "./ids.ts";
import type { PageVersion } from "./version.ts";

export class SliceDelta implements Delta {
  readonly page: PageId;
  private readonly baseStream: StreamId;
  private readonly baseLsn: Lsn;
  private readonly bytes: Uint8Array;
  private readonly from: number;
  private readonly to: number;

  constructor(page: PageId, base: PageVersion, bytes: Uint8Array, from: number, to: number) {
    this.page = page;
    this.baseStream = base.stream;
    this.baseLsn = base.lsn;
    this.bytes = bytes;
    this.from = from;
    this.to = to;
  }

  get base(): PageVersion {
    return { stream: this.baseStream, lsn: this.baseLsn };
  }

  get ops(): Uint8Array {
    return this.bytes.subarray(this.from, this.to);
  }

  get opsBytes(): number {
    return this.to - this.from;
  }

  /** What is wrong with its operations for pages of `pageBytes`, or undefined. */
  fault(pageBytes: number): string | undefined {
    return checkOps(this.bytes, pageBytes, this.from, this.to);
  }

  /** Changes the page in place. */
  applyTo(page: Uint8Array): void {
    applyOps(page, this.bytes, this.from, this.to);
  }
}
