/**
 * A list of (LSN, hash) as text, for the JSON of a checkpoint: each LSN as its difference to the one before, five bits a character with
 * a sixth for "more", then nine characters of the hash, six bits each, lowest first.
 */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const HASH_CHARS = 9;
const MORE = 32;

const codes = new TextEncoder().encode(ALPHABET);
const values = new Uint8Array(128);
codes.forEach((code, value) => (values[code] = value));

export class EndedWriter {
  private bytes = new Uint8Array(1024);
  private length = 0;
  private last = 0;

  /** LSNs ascend. */
  add(lsn: number, hash: number): void {
    // A difference below 2^53 takes eleven characters at most.
    if (this.length + 11 + HASH_CHARS > this.bytes.length) this.grow();
    let rest = lsn - this.last;
    this.last = lsn;
    for (; rest >= MORE; rest = Math.floor(rest / MORE)) this.put(MORE + (rest % MORE));
    this.put(rest);
    let low = hash % 2 ** 30;
    let high = Math.floor(hash / 2 ** 30);
    for (let i = 0; i < 5; i++, low >>>= 6) this.put(low & 63);
    for (let i = 5; i < HASH_CHARS; i++, high >>>= 6) this.put(high & 63);
  }

  text(): string {
    return new TextDecoder().decode(this.bytes.subarray(0, this.length));
  }

  private put(value: number): void {
    this.bytes[this.length++] = codes[value]!;
  }

  private grow(): void {
    const bytes = new Uint8Array(2 * this.bytes.length);
    bytes.set(this.bytes);
    this.bytes = bytes;
  }
}

export function readEnded(text: string, each: (lsn: number, hash: number) => void): void {
  let lsn = 0;
  for (let at = 0; at < text.length;) {
    for (let unit = 1; ; unit *= MORE) {
      const value = values[text.charCodeAt(at++)]!;
      lsn += (value % MORE) * unit;
      if (value < MORE) break;
    }
    let hash = 0;
    for (let i = HASH_CHARS - 1; i >= 0; i--) hash = hash * 64 + values[text.charCodeAt(at + i)]!;
    at += HASH_CHARS;
    each(lsn, hash);
  }
}
