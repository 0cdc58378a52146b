/**
 * A segment server's disk: its log as bytes, with a live and a durable image (STYLE 31), and its page store.
 *
 * The log has the production block format, so that a restart reads what a real one would: whole blocks, then a torn
 * one, which ends the log.
 */
import type { PageId } from "@sixfold/model";
import type { SegmentEffect } from "@sixfold/segment";
import { decodeRecords, encodeRecords, logBlockCodec, type LogRecord } from "@sixfold/wire";

const SALT = 0x5eed;

export class SegmentDisk {
  /** False: `append` stays volatile until `sync`. */
  syncsByItself = true;
  private live: Uint8Array = new Uint8Array(0);
  private durableBytes = 0;
  private sequence = 0;
  private previousCrc = 0;
  private readonly stored = new Map<PageId, Uint8Array>();

  append(records: readonly LogRecord[]): void {
    const payload = joined(encodeRecords([...records]));
    const block = new Uint8Array(logBlockCodec.headerBytes + payload.length);
    const place = { salt: SALT, sequence: ++this.sequence, previousCrc: this.previousCrc };
    this.previousCrc = logBlockCodec.encodeHeader(place, [payload], block);
    block.set(payload, logBlockCodec.headerBytes);
    this.live = joined([this.live, block]);
  }

  sync(): void {
    this.durableBytes = this.live.length;
  }

  /** Something is written and not synced. */
  get isDirty(): boolean {
    return this.durableBytes < this.live.length;
  }

  // The page store, atomic and durable at once.

  get(page: PageId): Uint8Array | undefined {
    return this.stored.get(page)?.slice();
  }

  tail(page: PageId, bytesMax: number): Uint8Array | undefined {
    return this.stored.get(page)?.slice(-bytesMax);
  }

  count(): number {
    return this.stored.size;
  }

  pages(from: PageId, limit: number): PageId[] {
    const later = [...this.stored.keys()].filter((page) => page >= from).sort((a, b) => a - b);
    return later.slice(0, limit);
  }

  readPages(from: PageId, limit: number): (readonly [PageId, Uint8Array])[] {
    return this.pages(from, limit).map((page) => [page, this.get(page)!] as const);
  }

  removePages(pages: readonly PageId[]): void {
    for (const page of pages) this.stored.delete(page);
  }

  putPages(pages: Extract<SegmentEffect, { kind: "storePages" }>["pages"]): void {
    for (const [page, bytes, how] of pages) {
      const before = how === "add" ? this.stored.get(page) : new Uint8Array(0);
      if (before !== undefined) this.stored.set(page, Buffer.concat([before, bytes]));
    }
  }

  /** The power fails. What was not synced is gone, or, with `tear`, the first half of it is still there. */
  crash(tear: boolean): { readonly lostBytes: number } {
    const unsynced = this.live.length - this.durableBytes;
    const kept = tear ? Math.floor(unsynced / 2) : 0;
    this.live = this.live.slice(0, this.durableBytes + kept);
    return { lostBytes: unsynced - kept };
  }

  /** The process fails; what it wrote reached the operating system. */
  processCrash(): void {
    this.durableBytes = this.live.length;
  }

  /** Blocks from the start of the log to its end; a torn block after them is cut off. */
  read(): { readonly blocks: LogRecord[][]; readonly tornBytes: number } {
    const blocks: LogRecord[][] = [];
    let at = 0;
    let previousCrc = 0;
    let sequence = 0;
    for (;;) {
      const header = logBlockCodec.decodeHeader(this.live, at);
      if (header === undefined || header.sequence !== sequence + 1 || header.previousCrc !== previousCrc)
        break;
      const start = at + logBlockCodec.headerBytes;
      const payload = this.live.subarray(start, start + header.payloadBytes);
      if (!logBlockCodec.payloadMatches(header, payload)) break;
      blocks.push(decodeRecords(payload));
      at = start + header.payloadBytes;
      previousCrc = header.headerCrc;
      sequence = header.sequence;
    }
    return { blocks, tornBytes: this.live.length - at };
  }

  /** Reads the log after a crash and goes on behind its last whole block. */
  reopen(): { readonly blocks: LogRecord[][]; readonly tornBytes: number } {
    const found = this.read();
    this.rewrite(found.blocks);
    return found;
  }

  /** Puts these blocks in the place of the log: for tests that plant a break in it. */
  rewrite(blocks: readonly (readonly LogRecord[])[]): void {
    this.live = new Uint8Array(0);
    this.sequence = 0;
    this.previousCrc = 0;
    for (const block of blocks) this.append(block);
    this.sync();
  }
}

function joined(parts: Uint8Array | readonly Uint8Array[]): Uint8Array {
  if (parts instanceof Uint8Array) return parts;
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
