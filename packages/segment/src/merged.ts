/**
 * Per stream, up to which LSN its deltas of a page are in the stored page. A hundred thousand pages have one each in memory, mostly of one stream: so that
 * is two numbers, and others are a list behind them. A change makes another.
 */
import { lsn, streamId, type Lsn, type StreamId } from "@sixfold/model";

const NO_OTHERS: readonly number[] = [];

/** The streams ascend. A `Map` that was filled so is one, too. */
export interface MergedStreams {
  readonly size: number;
  get(stream: StreamId): number | undefined;
  [Symbol.iterator](): Iterator<readonly [StreamId, number]>;
}

export class Merged implements MergedStreams {
  static readonly NOTHING = new Merged([]);
  /** The first stream, which mostly is the only one; 0 if there is none. */
  private readonly stream: number;
  private readonly through: number;
  /** Stream, LSN, stream, LSN ... of the others. */
  private readonly others: readonly number[];

  /** `numbers`: stream, LSN, stream, LSN ..., the streams ascending. */
  constructor(numbers: readonly number[]) {
    this.stream = numbers[0] ?? 0;
    this.through = numbers[1] ?? 0;
    this.others = numbers.length > 2 ? numbers.slice(2) : NO_OTHERS;
  }

  get size(): number {
    return this.stream === 0 ? 0 : 1 + this.others.length / 2;
  }

  get(stream: StreamId): Lsn | undefined {
    if (this.stream === stream && stream > 0) return lsn(this.through);
    const { others } = this;
    for (let i = 0; i < others.length; i += 2) if (others[i] === stream) return lsn(others[i + 1]!);
    return undefined;
  }

  /** The most of all. */
  get most(): number {
    let most = this.through;
    const { others } = this;
    for (let i = 1; i < others.length; i += 2) if (others[i]! > most) most = others[i]!;
    return most;
  }

  /** The same with this stream's newest. */
  with(stream: StreamId, through: number): Merged {
    if (this.stream === stream && this.others === NO_OTHERS) return new Merged([stream, through]);
    const numbers = this.stream === 0 ? [] : [this.stream, this.through, ...this.others];
    let at = 0;
    while (at < numbers.length && numbers[at]! < stream) at += 2;
    numbers.splice(at, numbers[at] === stream ? 2 : 0, stream, through);
    return new Merged(numbers);
  }

  *[Symbol.iterator](): Generator<readonly [StreamId, number]> {
    if (this.stream === 0) return;
    yield [streamId(this.stream), this.through];
    const { others } = this;
    for (let i = 0; i < others.length; i += 2) yield [streamId(others[i]!), others[i + 1]!];
  }
}
