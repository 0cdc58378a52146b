/**
 * The log's block format, as its writer and reader need it. The bytes themselves are defined in
 * `@sixfold/wire` (log-block), whose `logBlockCodec` has this shape: ports may not look at bytes.
 */

/** A block's header. `sequence` counts the blocks of all files from 1; `previousCrc` is the `headerCrc` before it. */
export interface LogBlock {
  readonly salt: number;
  readonly sequence: number;
  readonly payloadBytes: number;
  readonly previousCrc: number;
  readonly headerCrc: number;
}

export interface LogBlockCodec<Header extends LogBlock = LogBlock> {
  readonly headerBytes: number;
  /** Fills `into` with the header of a block that holds the chunks; returns its `headerCrc`. */
  encodeHeader(
    place: { readonly salt: number; readonly sequence: number; readonly previousCrc: number },
    chunks: readonly Uint8Array[],
    into: Uint8Array,
  ): number;
  decodeHeader(bytes: Uint8Array, offset: number): Header | undefined;
  payloadMatches(header: Header, payload: Uint8Array): boolean;
  /** The first offset at or after `from` where a header may begin, or -1. */
  find(bytes: Uint8Array, from: number): number;
}

const nameDigits = 8;

/** `00000001.log`: sorts as it counts. */
export function logFileName(fileNumber: number): string {
  return `${String(fileNumber).padStart(nameDigits, "0")}.log`;
}

/** The number in a log file's name, or `undefined` for a file that is not part of a log. */
export function logFileNumber(name: string): number | undefined {
  const match = /^(\d{8,})\.log$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}
