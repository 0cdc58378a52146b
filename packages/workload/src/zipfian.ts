/**
 * The request distribution of the Yahoo! Cloud Serving Benchmark.
 *
 * `Zipfian` draws ranks 0, 1, 2 … with probability proportional to 1 / (rank + 1)^theta, by the
 * constant-time approximation of Gray et al., "Quickly Generating Billion-Record Synthetic
 * Databases" (SIGMOD 1994, section 3.2): exact for the two first ranks, inverted integral beyond
 * (with 1,000 ranks, ranks 3 to 10 come 8 % too often).
 *
 * `ScrambledZipfian` scatters the popular ranks over the key space as the YCSB does (Cooper et
 * al., SoCC 2010, section 5.3): a rank out of 10^10 is hashed by 64-bit FNV-1a and taken modulo the
 * number of rows. Which rows are hot then depends neither on insertion order nor on neighbours.
 */
import { assert, type Random } from "@sixfold/model";

export const YCSB_THETA = 0.99;
/** Ranks of the scrambled generator, whatever the number of rows, and the zeta of just these: summing 10^10 terms takes minutes. */
const SCRAMBLED_RANKS = 10_000_000_000;
const SCRAMBLED_ZETA = 26.46902820178302;

/** Sum of 1 / i^theta for i = 1 … n. O(n). */
export function zeta(n: number, theta: number): number {
  let sum = 0;
  for (let i = 1; i <= n; i++) sum += 1 / i ** theta;
  return sum;
}

export class Zipfian {
  readonly ranks: number;
  private readonly zetaRanks: number;
  private readonly alpha: number;
  private readonly eta: number;
  private readonly secondUpTo: number;

  /** `zetaRanks`: `zeta(ranks, theta)` if known beforehand. */
  constructor(ranks: number, theta: number = YCSB_THETA, zetaRanks: number = zeta(ranks, theta)) {
    assert(ranks >= 1, "there is a rank");
    assert(theta > 0 && theta < 1, "the approximation holds for 0 < theta < 1");
    this.ranks = ranks;
    this.zetaRanks = zetaRanks;
    this.alpha = 1 / (1 - theta);
    this.eta = (1 - (2 / ranks) ** (1 - theta)) / (1 - zeta(2, theta) / zetaRanks);
    this.secondUpTo = 1 + 0.5 ** theta;
  }

  /** The next rank; 0 is the most popular. */
  next(random: Random): number {
    const u = fraction53(random);
    const uz = u * this.zetaRanks;
    if (uz < 1 || this.ranks === 1) return 0;
    if (uz < this.secondUpTo || this.ranks === 2) return 1;
    const rank = Math.floor(this.ranks * (this.eta * u - this.eta + 1) ** this.alpha);
    return Math.min(rank, this.ranks - 1);
  }
}

export class ScrambledZipfian {
  readonly rows: number;
  private readonly zipfian = new Zipfian(SCRAMBLED_RANKS, YCSB_THETA, SCRAMBLED_ZETA);

  constructor(rows: number) {
    // (2^32 - 1 mod rows) * (2^32 mod rows) stays a safe integer below 2^26 rows.
    assert(rows >= 1 && rows <= 2 ** 26, "rows fit the modular arithmetic");
    this.rows = rows;
  }

  /** The next row, 0 … rows-1. */
  next(random: Random): number {
    return fnvModulo(this.zipfian.next(random), this.rows);
  }
}

/** Uniform in [0, 1) with 53 bits: 32 are too coarse for 10^10 ranks. */
function fraction53(random: Random): number {
  return ((random.u32() >>> 5) * 2 ** 26 + (random.u32() >>> 6)) / 2 ** 53;
}

/**
 * |FNV-1a(value)| mod `modulus`, over the eight bytes of `value`, least significant first, taken as a
 * signed 64-bit number as the YCSB does. In 16-bit limbs: BigInt is thirty times slower here.
 */
export function fnvModulo(value: number, modulus: number): number {
  // The offset basis cbf29ce484222325, least significant limb first.
  let h0 = 0x2325;
  let h1 = 0x8422;
  let h2 = 0x9ce4;
  let h3 = 0xcbf2;
  let rest = value;
  for (let i = 0; i < 8; i++) {
    h0 ^= rest & 0xff;
    // `&` sees only the low 32 bits, which is right for the low byte of any safe integer.
    rest = Math.floor(rest / 256);
    // Times the prime 2^40 + 0x1b3: the second limb-shifted term starts at bit 40 = 2 limbs and 8 bits.
    const p0 = h0 * 0x1b3;
    const p1 = h1 * 0x1b3 + (p0 >>> 16);
    const p2 = h2 * 0x1b3 + ((h0 << 8) & 0xffff) + (p1 >>> 16);
    const p3 = h3 * 0x1b3 + (h0 >>> 8) + ((h1 << 8) & 0xffff) + (p2 >>> 16);
    h0 = p0 & 0xffff;
    h1 = p1 & 0xffff;
    h2 = p2 & 0xffff;
    h3 = p3 & 0xffff;
  }
  let low = h1 * 0x10000 + h0;
  let high = h3 * 0x10000 + h2;
  if (high >= 0x80000000) {
    // Negate: invert and add one.
    low = (~low >>> 0) + 1;
    high = ~high >>> 0;
    if (low === 2 ** 32) {
      low = 0;
      high = (high + 1) >>> 0;
    }
  }
  return ((((high % modulus) * (2 ** 32 % modulus)) % modulus) + (low % modulus)) % modulus;
}
