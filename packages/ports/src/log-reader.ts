/**
 * Reading a log back: every block in order, and a verdict on where and how it ends.
 *
 * The end of the log is the first place where no whole block of the chain stands. Three things look
 * alike there and must not be confused:
 *
 *   - a clean end:  zeros, for nothing was ever written beyond;
 *   - a torn tail:  bytes of one block whose sync never finished. Nobody was told of it (its `done`
 *                   never came), so it is cut off: the next block is written over it;
 *   - corruption:   a place that once held a synced block, as a whole later block of the chain
 *                   proves. Blocks that others rely on are lost: the log must not be written on.
 *
 * The writer has one block under way at a time, so a torn block is always the last; hence "a whole
 * block with the expected or a later sequence stands beyond the end" is a sure sign of corruption. Damage
 * to the very last block cannot be told from a tear by anyone; a segment's peers know (gossip).
 */
import { assert, NO_BUGS, type PlantedBugs } from "@sixfold/model";
import type { Disk } from "./disk.ts";
import type { LogBlock, LogBlockCodec } from "./log-codec.ts";
import { logFileName, logFileNumber } from "./log-codec.ts";

/** Where the next block goes. */
export interface LogEnd {
  readonly fileNumber: number;
  readonly offset: number;
  /** Sequence of the next block. */
  readonly sequence: number;
  /** Header CRC of the last block; 0 in an empty log. */
  readonly previousCrc: number;
  /** The log's salt; `undefined` in an empty log. */
  readonly salt: number | undefined;
  /** Bytes of the last block with its header, which ends at `offset`; 0 in an empty log. */
  readonly lastBlockBytes: number;
}

export interface LogCorruption {
  readonly fileNumber: number;
  readonly offset: number;
  readonly reason: string;
}

export interface LogReport {
  readonly state: "clean" | "torn" | "corrupt";
  /** Log files found, ascending, prepared ones included. */
  readonly files: readonly number[];
  readonly blocks: number;
  readonly end: LogEnd;
  /** Bytes beyond the end that belong to no block. More than 0 iff `state` is "torn". */
  readonly tornBytes: number;
  readonly corruption?: LogCorruption;
}

export interface LogBlockPosition {
  readonly fileNumber: number;
  readonly offset: number;
  readonly sequence: number;
}

/** The payload is a view on the file's buffer and may be kept; keeping it keeps the whole file's bytes. */
export type LogVisitor = (payload: Uint8Array, at: LogBlockPosition) => void;

/**
 * Visits every block in order. Blocks may have been visited before corruption is found: look at the report
 * before acting on them. Reads one file at a time into memory.
 */
export async function readLog<H extends LogBlock>(
  disk: Pick<Disk, "list" | "read">,
  codec: LogBlockCodec<H>,
  visit: LogVisitor,
  planted: PlantedBugs = NO_BUGS,
): Promise<LogReport> {
  const sizes = await logFiles(disk);
  const files = sizes.map((file) => file.number);
  const scan = new Scan(codec, visit, files[0] ?? 1, planted.has("torn-tail-accepted"));
  for (const [index, file] of sizes.entries()) {
    const bytes = await disk.read(logFileName(file.number), 0, file.bytes);
    if (index > 0 && file.number !== sizes[index - 1]!.number + 1) {
      scan.corrupt(file.number - 1, 0, "a log file is missing");
    }
    scan.file(file.number, bytes);
    if (scan.corruption !== undefined) break;
  }
  return scan.report(files);
}

async function logFiles(disk: Pick<Disk, "list">): Promise<{ number: number; bytes: number }[]> {
  const found: { number: number; bytes: number }[] = [];
  for (const { name, bytes } of await disk.list()) {
    const number = logFileNumber(name);
    if (number !== undefined) found.push({ number, bytes });
  }
  return found.sort((a, b) => a.number - b.number);
}

/** The state of one reading: how far the chain reaches, and whether its end has been met. */
class Scan<H extends LogBlock> {
  corruption: LogCorruption | undefined;
  readonly #codec: LogBlockCodec<H>;
  readonly #visit: LogVisitor;
  /** The only file whose first block may found the chain: what came before it was removed on purpose. */
  readonly #firstFile: number;
  #fileNumber: number;
  #offset = 0;
  #previous: H | undefined;
  #blocks = 0;
  #tornBytes = 0;
  /** Planted: payloads are taken whatever their checksum says. */
  readonly #trusts: boolean;

  constructor(codec: LogBlockCodec<H>, visit: LogVisitor, firstFile: number, trusts: boolean) {
    this.#trusts = trusts;
    this.#codec = codec;
    this.#visit = visit;
    this.#firstFile = firstFile;
    this.#fileNumber = firstFile;
  }

  /** Follows the chain through the next file, then looks for blocks that the chain ought to have reached. */
  file(fileNumber: number, bytes: Uint8Array): void {
    const mayFound = fileNumber === this.#firstFile;
    let offset = 0;
    for (
      let block = this.#next(bytes, 0, mayFound);
      block !== undefined;
      block = this.#next(bytes, offset, false)
    ) {
      const from = offset + this.#codec.headerBytes;
      const payload = bytes.subarray(from, from + block.payloadBytes);
      this.#visit(payload, { fileNumber, offset, sequence: block.sequence });
      this.#previous = block;
      this.#blocks += 1;
      this.#fileNumber = fileNumber;
      offset = from + block.payloadBytes;
      this.#offset = offset;
      // Remains of a tear in the file before, which the chain has since gone past.
      this.#tornBytes = 0;
    }
    const strayBytes = lastByteSet(bytes, offset) + 1 - offset;
    if (strayBytes <= 0) return;
    this.#tornBytes += strayBytes;
    this.#refuseLaterBlock(bytes, offset);
  }

  corrupt(fileNumber: number, offset: number, reason: string): void {
    this.corruption ??= { fileNumber, offset, reason };
  }

  report(files: readonly number[]): LogReport {
    const end: LogEnd = {
      fileNumber: this.#fileNumber,
      offset: this.#offset,
      sequence: this.#previous === undefined ? 1 : this.#previous.sequence + 1,
      previousCrc: this.#previous?.headerCrc ?? 0,
      salt: this.#previous?.salt,
      lastBlockBytes:
        this.#previous === undefined ? 0 : this.#codec.headerBytes + this.#previous.payloadBytes,
    };
    const torn = this.#tornBytes > 0;
    const base = { files, blocks: this.#blocks, end, tornBytes: this.#tornBytes };
    if (this.corruption !== undefined) return { ...base, state: "corrupt", corruption: this.corruption };
    return { ...base, state: torn ? "torn" : "clean" };
  }

  /** The block at `offset` if it is whole and the chain's next, or if it may found the chain. */
  #next(bytes: Uint8Array, offset: number, mayFound: boolean): H | undefined {
    const block = this.#whole(bytes, offset);
    const previous = this.#previous;
    if (block === undefined) return undefined;
    if (previous === undefined) return mayFound ? block : undefined;
    assert(previous.sequence < Number.MAX_SAFE_INTEGER, "block sequences are safe integers");
    const chained = block.previousCrc === previous.headerCrc && block.sequence === previous.sequence + 1;
    return chained && block.salt === previous.salt ? block : undefined;
  }

  #whole(bytes: Uint8Array, offset: number): H | undefined {
    const block = this.#codec.decodeHeader(bytes, offset);
    if (block === undefined) return undefined;
    const from = offset + this.#codec.headerBytes;
    const payload = bytes.subarray(from, from + block.payloadBytes);
    return this.#trusts || this.#codec.payloadMatches(block, payload) ? block : undefined;
  }

  /** Anything whole beyond the end that is not older than it was once synced there after what is missing. */
  #refuseLaterBlock(bytes: Uint8Array, from: number): void {
    const previous = this.#previous;
    for (let at = this.#codec.find(bytes, from); at >= 0; at = this.#codec.find(bytes, at + 1)) {
      const block = this.#whole(bytes, at);
      if (block === undefined) continue;
      const ours =
        previous === undefined || (block.salt === previous.salt && block.sequence > previous.sequence);
      if (ours) {
        this.corrupt(this.#fileNumber, this.#offset, `a gap lies before block ${block.sequence}`);
        return;
      }
    }
  }
}

/** Index of the last byte from `from` on that is not 0; `from - 1` if there is none. */
function lastByteSet(bytes: Uint8Array, from: number): number {
  let at = bytes.byteLength - 1;
  // Most of a prepared file: four bytes a step, as far as these are aligned.
  const start = (4 - (bytes.byteOffset % 4)) % 4;
  const words = Math.max(0, Math.floor((bytes.byteLength - start) / 4));
  const aligned = start + words * 4;
  while (at >= from && at >= aligned && bytes[at] === 0) at -= 1;
  if (at < from || at >= aligned) return at;
  const view = new Int32Array(bytes.buffer, bytes.byteOffset + start, words);
  let word = words - 1;
  while (word >= 0 && start + word * 4 >= from && view[word] === 0) word -= 1;
  at = start + word * 4 + 3;
  while (at >= from && bytes[at] === 0) at -= 1;
  return at;
}
