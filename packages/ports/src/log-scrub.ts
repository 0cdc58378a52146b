/**
 * Scrubbing a log: its older files are read again, a little at a time, before a start needs what they hold.
 *
 *     file 7 [b b b b b] file 8 [b b b b] file 9 (written to)        each block whole, and chained to the one before
 *                  ^ next step
 *
 * Only files that take no more blocks are looked at. While the process lives it knows what stands in a damaged file and can
 * write it anew; after a start that failed, nobody does.
 */
import type { Disk } from "./disk.ts";
import type { LogBlock, LogBlockCodec } from "./log-codec.ts";
import { logFileName } from "./log-codec.ts";

export interface LogScrubbed {
  /** Bytes read. */
  readonly bytes: number;
  /** The file that is damaged, if that was found. */
  readonly damaged: number | undefined;
}

const NOTHING: LogScrubbed = { bytes: 0, damaged: undefined };

export class LogScrub<H extends LogBlock> {
  readonly #disk: Disk;
  readonly #codec: LogBlockCodec<H>;
  #file = 0;
  #offset = 0;
  /** The block before, of this file or the one before it; undefined where the chain is founded. */
  #previous: H | undefined;

  constructor(disk: Disk, codec: LogBlockCodec<H>) {
    this.#disk = disk;
    this.#codec = codec;
  }

  /** Goes on by about `bytes`, and at least a block, in the files from `first` on and before `current`. One call at a time. */
  async step(first: number, current: number, bytes: number): Promise<LogScrubbed> {
    if (first >= current) return NOTHING;
    if (this.#file < first || this.#file >= current) this.#begin(first);
    const file = this.#file;
    const { headerBytes } = this.#codec;
    let done = 0;
    while (done < bytes && this.#file === file) {
      const header = await this.#whole(file, this.#offset);
      if (header === undefined) return { bytes: done, damaged: await this.#end(file, current) };
      this.#previous = header;
      this.#offset += headerBytes + header.payloadBytes;
      done += headerBytes + header.payloadBytes;
    }
    return { bytes: done, damaged: undefined };
  }

  /** The block there, if it is the chain's next. */
  async #whole(file: number, offset: number): Promise<H | undefined> {
    const { headerBytes } = this.#codec;
    const header = this.#codec.decodeHeader(await this.#read(file, offset, headerBytes), 0);
    if (header === undefined || !this.#follows(header)) return undefined;
    const payload = await this.#read(file, offset + headerBytes, header.payloadBytes);
    const isWhole = payload.byteLength === header.payloadBytes && this.#codec.payloadMatches(header, payload);
    return isWhole ? header : undefined;
  }

  /** No block stands here: the file ends (behind it may be what was torn off, once), or something is lost of it, as the next file tells. */
  async #end(file: number, current: number): Promise<number | undefined> {
    const bytes = await this.#read(file + 1, 0, this.#codec.headerBytes);
    const next = this.#codec.decodeHeader(bytes, 0);
    // Its first block may be on its way to the disk.
    if (next === undefined) {
      this.#begin(file + 1);
      return file + 1 < current ? this.#damaged(file + 1) : undefined;
    }
    if (this.#offset === 0 || !this.#follows(next)) return this.#damaged(file);
    this.#file = file + 1;
    this.#offset = 0;
    return undefined;
  }

  #damaged(file: number): number {
    this.#begin(file + 1);
    return file;
  }

  #begin(file: number): void {
    this.#file = file;
    this.#offset = 0;
    this.#previous = undefined;
  }

  #follows(header: H): boolean {
    const previous = this.#previous;
    if (previous === undefined) return true;
    return header.previousCrc === previous.headerCrc && header.sequence === previous.sequence + 1;
  }

  /** Shorter at the file's end. */
  #read(file: number, offset: number, bytes: number): Promise<Uint8Array> {
    return this.#disk.read(logFileName(file), offset, bytes);
  }
}
