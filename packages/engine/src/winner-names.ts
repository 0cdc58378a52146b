/**
 * Which transaction wrote a recent version: for the errors of those who lost to it.
 * A ring: the last few thousand entries of all streams; older winners stay nameless.
 */
import type { PageVersion, TransactionId } from "@sixfold/model";

const KEPT = 8192;

export class WinnerNames {
  private readonly lsns = new Float64Array(KEPT);
  private readonly streams = new Float64Array(KEPT);
  private readonly names: (TransactionId | undefined)[] = new Array<undefined>(KEPT).fill(undefined);

  note(stream: number, lsn: number, name: TransactionId): void {
    const at = slot(stream, lsn);
    this.lsns[at] = lsn;
    this.streams[at] = stream;
    this.names[at] = name;
  }

  of(v: PageVersion): TransactionId | undefined {
    const at = slot(v.stream, v.lsn);
    return this.lsns[at] === v.lsn && this.streams[at] === v.stream ? this.names[at] : undefined;
  }
}

/** Streams are spread so that the tails of a few of them share the ring. */
const slot = (stream: number, lsn: number): number => (lsn + stream * 1009) % KEPT;
