/**
 * Writing many chunks to one place of a file. Small ones are gathered into one buffer first: one system call, and no limit
 * of 1,024 vectors.
 */
import * as fs from "node:fs";

/** Up to here the chunks of a write are copied together: 1 MiB takes some 0.1 ms, less than a system call more. */
const gatherBytesMax = 1 << 20;

/** `writev` takes no more vectors (IOV_MAX of Linux). */
const vectorsMax = 1024;

export type Written = (error: NodeJS.ErrnoException | null) => void;

/** Writes the chunks one after the other from `offset` on, none of them copied. They must not change until `done`. */
export function writeVectors(fd: number, chunks: readonly Uint8Array[], offset: number, done: Written): void {
  writeGroups(fd, cut(chunks), 0, offset, done);
}

/** Writes the chunks one after the other from `offset` on. They must not change until `done`. */
export function writeChunks(fd: number, chunks: readonly Uint8Array[], offset: number, done: Written): void {
  let bytes = 0;
  for (const chunk of chunks) bytes += chunk.byteLength;
  if (bytes <= gatherBytesMax) writeAll(fd, gather(chunks, bytes), 0, offset, done);
  else writeGroups(fd, groups(chunks), 0, offset, done);
}

function gather(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const whole = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

/** Runs of small chunks copied together, large ones as they are, at most `vectorsMax` a group. */
function groups(chunks: readonly Uint8Array[]): Uint8Array[][] {
  const vectors: Uint8Array[] = [];
  let run: Uint8Array[] = [];
  let runBytes = 0;
  const endRun = (): void => {
    if (run.length > 0) vectors.push(gather(run, runBytes));
    run = [];
    runBytes = 0;
  };
  for (const chunk of chunks) {
    if (runBytes + chunk.byteLength > gatherBytesMax) endRun();
    run.push(chunk);
    runBytes += chunk.byteLength;
  }
  endRun();
  return cut(vectors);
}

function cut(vectors: readonly Uint8Array[]): Uint8Array[][] {
  const out: Uint8Array[][] = [];
  for (let i = 0; i < vectors.length; i += vectorsMax) out.push(vectors.slice(i, i + vectorsMax));
  return out;
}

/** A write may end short (a signal, nearly full); go on with the rest until there is none, or an error. */
function writeAll(fd: number, bytes: Uint8Array, from: number, offset: number, done: Written): void {
  fs.write(fd, bytes, from, bytes.byteLength - from, offset, (error, written) => {
    if (error !== null) done(error);
    else if (from + written === bytes.byteLength) done(null);
    else writeAll(fd, bytes, from + written, offset + written, done);
  });
}

function writeGroups(fd: number, all: Uint8Array[][], index: number, offset: number, done: Written): void {
  const group = all[index];
  if (group === undefined) {
    done(null);
    return;
  }
  const bytes = group.reduce((sum, vector) => sum + vector.byteLength, 0);
  const next = (error: NodeJS.ErrnoException | null): void => {
    if (error !== null) done(error);
    else writeGroups(fd, all, index + 1, offset + bytes, done);
  };
  fs.writev(fd, group, offset, (error, written) => {
    if (error !== null || written === bytes) next(error);
    else writeAll(fd, gather(group, bytes), written, offset + written, next);
  });
}
