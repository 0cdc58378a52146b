/**
 * Back-pressure: what a writer has on its way is bounded, and so is what waits behind it (DESIGN section 5, "Sending"; I10).
 *
 *     in-flight bytes below their bound     ok         writes run as they come
 *     at the bound                          queueing   they wait for commits to make room
 *     as many wait as may                   refusing   the next is told `overloaded`, and was not begun
 */
import { SixfoldError } from "@sixfold/model";
import type { Pressure } from "./engine-api.ts";
import type { EngineState } from "./engine-state.ts";

export function pressureOf(state: EngineState): Pressure {
  const { inFlightBytes, maxInFlightBytes, pendingWrites, maxQueuedCommits } = state;
  const isFull = inFlightBytes >= maxInFlightBytes || state.queued.size > 0;
  return {
    state: pendingWrites >= maxQueuedCommits ? "refusing" : isFull ? "queueing" : "ok",
    inFlightBytes,
    inFlightBytesMax: maxInFlightBytes,
    queued: state.queued.size,
    pendingWrites,
    pendingWritesMax: maxQueuedCommits,
    refused: state.counts.refused,
  };
}

/** Throws if no further write may be taken. */
export function checkAdmission(state: EngineState): void {
  if (state.stream === 0) throw new SixfoldError("not-a-writer", "this node does not take writes");
  if (state.pendingWrites < state.maxQueuedCommits) return;
  state.counts.refused++;
  throw new SixfoldError("overloaded", `${state.pendingWrites} commits are waiting at this node`, {
    details: {
      limit: { name: "queuedCommits", max: state.maxQueuedCommits, actual: state.pendingWrites },
    },
  });
}
