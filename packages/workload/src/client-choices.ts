/** What the clients of all workloads choose alike. */
import { Random } from "@sixfold/model";
import type { TransactionStyle } from "./workload.ts";

/** Of transactions, run in the other style than the one preferred. */
const OTHER_STYLE_FRACTION = 0.2;

/** The generator of one client: its own, so that it chooses the same whatever the others do. */
export function clientRandom(seed: number, client: number): Random {
  return new Random(seed + (client + 1) * 2 ** 32);
}

export function drawStyle(
  preferred: TransactionStyle,
  random: Random,
  otherFraction = OTHER_STYLE_FRACTION,
): TransactionStyle {
  if (!random.chance(otherFraction)) return preferred;
  return preferred === "interactive" ? "procedure" : "interactive";
}
