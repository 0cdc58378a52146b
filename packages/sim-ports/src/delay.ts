import type { Random } from "@sixfold/model";

/** A distribution of delays: never below `minMs`, exponential above it up to `meanMs` on average, cut at `maxMs`. */
export interface Delay {
  readonly minMs: number;
  readonly meanMs: number;
  readonly maxMs: number;
}

/** Round trips of about 0.2 ms inside an AZ and 1 ms between AZs: half of each one way. */
export const sameAzDelay: Delay = { minMs: 0.08, meanMs: 0.1, maxMs: 5 };
export const otherAzDelay: Delay = { minMs: 0.4, meanMs: 0.5, maxMs: 10 };

/** A cloud volume or a small NVMe disk without a write cache. */
export const syncDelay: Delay = { minMs: 0.3, meanMs: 0.6, maxMs: 50 };

export function fixedDelay(ms: number): Delay {
  return { minMs: ms, meanMs: ms, maxMs: ms };
}

export function drawDelay(delay: Delay, random: Random): number {
  if (delay.maxMs <= delay.minMs) return delay.minMs;
  const extra = -Math.log(1 - random.next()) * (delay.meanMs - delay.minMs);
  return Math.min(delay.maxMs, delay.minMs + extra);
}

/**
 * Virtual times are multiples of 2^-10 ms. Binary fractions of this grain add exactly, so that "5 ms later" is
 * exactly that, whatever random delays came before. Rounds up: nothing comes early.
 */
export function quantize(ms: number): number {
  return Math.ceil(ms * 1024) / 1024;
}
