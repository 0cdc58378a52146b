/**
 * A page version names the entry that last changed a page (or a row): `(stream, lsn)`.
 * `NONE` is the version of a page never written. Versions of one page form a chain (I3).
 */
import { lsn, streamId, type Lsn, type StreamId } from "./ids.ts";

export interface PageVersion {
  readonly stream: StreamId;
  readonly lsn: Lsn;
}

/** The version of a page that was never written. */
export const NONE: PageVersion = Object.freeze({ stream: streamId(0), lsn: lsn(0) });

export const version = (stream: StreamId, at: Lsn): PageVersion => ({ stream, lsn: at });

export function sameVersion(a: PageVersion, b: PageVersion): boolean {
  return a.lsn === b.lsn && a.stream === b.stream;
}

export function isNone(v: PageVersion): boolean {
  return v.stream === 0;
}

/** `3:17`, or `none`. For messages and traces. */
export function showVersion(v: PageVersion): string {
  return isNone(v) ? "none" : `${v.stream}:${v.lsn}`;
}
