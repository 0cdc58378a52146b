/**
 * Small byte arrays cut from larger buffers.
 *
 * A `Uint8Array` of its own costs an allocation outside the heap and work for the collector; on the
 * hot path these were a quarter of the time. Pieces of one buffer live as long as the
 * longest-lived of them, so an arena is for pieces that die together, soon.
 */
const CHUNK = 32 * 1024;
/** Longer pieces get a buffer of their own. */
const LONGEST = 2 * 1024;

export class ByteArena {
  private chunk: ArrayBufferLike = new ArrayBuffer(0);
  private bytes = new Uint8Array(0);
  private at = 0;

  /** Of unspecified content. */
  take(length: number): Uint8Array {
    if (length > LONGEST) return new Uint8Array(length);
    const at = this.reserve(length);
    return new Uint8Array(this.chunk, at, length);
  }

  /** A copy of `from[start .. end)`. */
  copy(from: Uint8Array, start: number, end: number): Uint8Array {
    const length = end - start;
    if (length > LONGEST) return from.slice(start, end);
    const at = this.reserve(length);
    const { bytes } = this;
    // A short loop beats the fixed cost of `set`.
    if (length < 32) for (let i = 0; i < length; i++) bytes[at + i] = from[start + i]!;
    else bytes.set(from.subarray(start, end), at);
    return new Uint8Array(this.chunk, at, length);
  }

  private reserve(length: number): number {
    if (this.at + length > this.bytes.length) {
      this.bytes = new Uint8Array(CHUNK);
      this.chunk = this.bytes.buffer;
      this.at = 0;
    }
    const { at } = this;
    this.at = at + length;
    return at;
  }
}
