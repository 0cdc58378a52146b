/**
 * How far apart machines are. Far ones have much in flight at any instant: what recoveries and the manifest's commits are for
 * happens often there.
 */
import type { Delay } from "@sixfold/sim-ports";

export const DISTANCES = ["near", "apart", "far"] as const;
export type Distance = (typeof DISTANCES)[number];

/** One way, inside a zone and between two; near is what the simulated network is by itself. */
export const DELAYS: Readonly<Record<Distance, Partial<Record<"sameAz" | "otherAz", Delay>>>> = {
  near: {},
  apart: { sameAz: { minMs: 0.3, meanMs: 1, maxMs: 20 }, otherAz: { minMs: 1, meanMs: 4, maxMs: 40 } },
  far: { sameAz: { minMs: 1, meanMs: 6, maxMs: 80 }, otherAz: { minMs: 4, meanMs: 16, maxMs: 150 } },
};
