/**
 * Per stream, up to which LSN its deltas of a page are in the stored page. A hundred thousand pages have one each in memory, mostly of one stream: so it is a
 * short list of numbers, and a change makes another.
 */
import { lsn, streamId, type Lsn, type StreamId } from "@sixfold/model";

/** The streams ascend. A `Map` that was filled so is one, too. */
export interface MergedStreams {
  readonly size: number;
  get(stream: StreamId): number | undefined;
  [Symbol.iterator](): Iterator<readonly [StreamId, number]>;
}

export class Merged implements MergedStreams {
  static readonly NOTHING = new Merged([]);
  /** Stream, LSN, stream, LSN ... by stream. */
  private readonly numbers: readonly number[];

  /** `numbers`: stream, LSN, stream, LSN ..., the streams ascending. */
  constructor(numbers: readonly number[]) {
    this.numbers = numbers;
  }

  get size(): number {
    return this.numbers.length / 2;
  }

  get(stream: StreamId): Lsn | undefined {
    const { numbers } = this;
    for (let i = numbers.length - 2; i >= 0; i -= 2) if (numbers[i] === stream) return lsn(numbers[i + 1]!);
    return undefined;
  }

  /** The most of all. */
  get most(): number {
    const { numbers } = this;
    let most = 0;
    for (let i = 1; i < numbers.length; i += 2) if (numbers[i]! > most) most = numbers[i]!;
    return most;
  }

  /** The same with this stream's newest. */
  with(stream: StreamId, through: number): Merged {
    const { numbers } = this;
    if (numbers.length === 2 && numbers[0] === stream) return new Merged([stream, through]);
    let at = 0;
    while (at < numbers.length && numbers[at]! < stream) at += 2;
    const after = numbers[at] === stream ? at + 2 : at;
    return new Merged([...numbers.slice(0, at), stream, through, ...numbers.slice(after)]);
  }

  *[Symbol.iterator](): Generator<readonly [StreamId, number]> {
    const { numbers } = this;
    for (let i = 0; i < numbers.length; i += 2) yield [streamId(numbers[i]!), numbers[i + 1]!];
  }
}
