/**
 * A running hash over everything that happened, so that two runs of a seed can be compared by one value and the first
 * event in which they differ found by bisection over time.
 *
 * Two 32-bit lanes of multiply-and-rotate (MurmurHash3's mixing step, Appleby 2011): not against an adversary, only
 * against chance; 64 bits make a chance collision over a million runs about 1 in 10^7.
 */
export class TraceHash {
  #a = 0x9747b28c;
  #b = 0x2f3d9a61;
  /** Kinds of events are few; each is hashed once. */
  readonly #kinds = new Map<string, number>();

  /** `timeMs` is a multiple of 2^-10. */
  event(timeMs: number, nameHash: number, kind: string, detail: number): void {
    let kindHash = this.#kinds.get(kind);
    if (kindHash === undefined) {
      kindHash = hashText(kind);
      this.#kinds.set(kind, kindHash);
    }
    const grains = timeMs * 1024;
    this.word(grains);
    this.word(grains / 2 ** 32);
    this.word(nameHash);
    this.word(kindHash);
    this.word(detail);
  }

  /** The low 32 bits of the integer part. */
  word(value: number): void {
    let k = Math.imul(value, 0xcc9e2d51);
    k = (k << 15) | (k >>> 17);
    this.#a ^= Math.imul(k, 0x1b873593);
    this.#a = (Math.imul((this.#a << 13) | (this.#a >>> 19), 5) + 0xe6546b64) | 0;
    k = Math.imul(value ^ this.#a, 0x85ebca6b);
    this.#b ^= (k << 17) | (k >>> 15);
    this.#b = (Math.imul((this.#b << 11) | (this.#b >>> 21), 9) + 0x52dce729) | 0;
  }

  text(value: string): void {
    this.word(value.length);
    for (let i = 0; i < value.length; i++) this.word(value.charCodeAt(i));
  }

  /** 16 hexadecimal digits. */
  digest(): string {
    const hex = (lane: number): string => (lane >>> 0).toString(16).padStart(8, "0");
    return hex(this.#a) + hex(this.#b);
  }
}

/** 32 bits of a byte string, by words of 4 bytes. */
export function hashBytes(bytes: Uint8Array): number {
  let h = bytes.byteLength ^ 0x5bd1e995;
  const words = bytes.byteLength & ~3;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let i = 0; i < words; i += 4) {
    h = Math.imul(h ^ view.getInt32(i, true), 0x9e3779b1);
    h ^= h >>> 15;
  }
  for (let i = words; i < bytes.byteLength; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193);
  return h >>> 0;
}

/** 32 bits of a text, to tell things apart in the trace. */
export function hashText(text: string): number {
  let h = text.length;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}
