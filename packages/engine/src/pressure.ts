/**
 * Back-pressure: what a writer does with more than it can take, so that nothing grows without bound (I10), and so that what it takes
 * is answered soon.
 *
 *     ok         writes run as they come
 *     queueing   the bytes in flight are at their bound     they wait for commits to make room
 *     refusing   as many wait as may                        the next is told `overloaded`, and was not begun
 *
 * A queue is as long as what waits in it takes: as many writes may wait as were committed lately within `QUEUE_MS`, but always
 * `QUEUE_MIN`, which a writer needs to fill its batches. So whoever is let in does not wait much longer than that, however fast the
 * cluster is just now; those beyond are better off with an answer now. Who asks for little is refused last. What waits is bounded in bytes, too, and so are the reads that
 * wait for pages and the transactions that are open.
 */
import { assert, LIMITS, SixfoldError, type LimitName } from "@sixfold/model";
import type { CommitPace } from "./commit-pace.ts";
import type { Pressure } from "./engine-api.ts";
import type { EngineState } from "./engine-state.ts";

/** What a write may wait for those before it, about: well below a client's patience, well above a batch's round trip. */
const QUEUE_MS = 250;
/** Some full batches of small writes. */
export const QUEUE_MIN = 512;
assert(QUEUE_MIN <= LIMITS.queuedCommits, "the least queue is within the longest");

/** As many writes may wait. */
export function queueMax(state: {
  readonly counts: { readonly commits: number };
  readonly now: number;
  readonly pace: CommitPace;
  readonly maxQueuedCommits: number;
}): number {
  const { counts, now, pace, maxQueuedCommits } = state;
  return Math.min(
    maxQueuedCommits,
    Math.max(QUEUE_MIN, Math.floor(pace.within(QUEUE_MS, counts.commits, now))),
  );
}

export function pressureOf(state: EngineState): Pressure {
  const { inFlightBytes, maxInFlightBytes, pendingWrites, pendingBytes } = state;
  const isFull = inFlightBytes >= maxInFlightBytes || state.queued.size > 0;
  const pendingWritesMax = queueMax(state);
  const isRefusing = pendingWrites >= pendingWritesMax || pendingBytes >= state.maxQueuedBytes;
  return {
    state: isRefusing ? "refusing" : isFull ? "queueing" : "ok",
    inFlightBytes,
    inFlightBytesMax: maxInFlightBytes,
    queued: state.queued.size,
    pendingWrites,
    pendingWritesMax,
    pendingBytes,
    pendingBytesMax: state.maxQueuedBytes,
    pendingReads: state.pendingReads,
    refused: state.counts.refused,
  };
}

/** Throws if no further write may be taken. Clients that ask for little have as much room again. */
export function checkAdmission(state: EngineState, isModest = false): void {
  if (state.stream === 0) throw new SixfoldError("not-a-writer", "this node does not take writes");
  const max = isModest ? Math.min(2 * queueMax(state), state.maxQueuedCommits) : queueMax(state);
  if (state.pendingWrites >= max) throw refused(state, "queuedCommits", max, state.pendingWrites, "commits");
  const { pendingBytes, maxQueuedBytes } = state;
  if (pendingBytes >= maxQueuedBytes)
    throw refused(state, "queuedBytes", maxQueuedBytes, pendingBytes, "bytes of commits");
}

/** Throws if no further read may be taken: as many wait for pages, or for locks, as may. */
export function checkReads(state: EngineState): void {
  const { pendingReads, maxWaitingReads } = state;
  if (pendingReads >= maxWaitingReads)
    throw refused(state, "waitingReads", maxWaitingReads, pendingReads, "reads");
}

/** Throws if no further transaction may begin. */
export function checkTransactions(state: EngineState): void {
  const { size } = state.transactions;
  const max = state.maxOpenTransactions;
  if (size >= max) throw refused(state, "openTransactions", max, size, "transactions");
}

function refused(
  state: EngineState,
  name: LimitName,
  max: number,
  actual: number,
  what: string,
): SixfoldError {
  state.counts.refused++;
  return new SixfoldError("overloaded", `${actual} ${what} are open or waiting at this node`, {
    details: { limit: { name, max, actual } },
  });
}
