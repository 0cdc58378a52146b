/**
 * "What became of this transaction?", as far as the slices here tell. Newest first, for a transaction asked for is a recent
 * one. O(slices kept) if it is not here.
 */
import { lsn } from "@sixfold/model";
import type { FindTransaction } from "@sixfold/wire";
import type { PgState, Turn } from "./pg-state.ts";
import type { Link } from "./segment-api.ts";
import { StreamLog } from "./stream-log.ts";

/** Merged through it: nothing is left of a stream. */
const EVERYTHING = lsn(Number.MAX_SAFE_INTEGER);

export function findTransaction(state: PgState, m: FindTransaction, from: Link, turn: Turn): void {
  const log = state.streams.get(m.stream) ?? new StreamLog(m.pg, m.stream);
  // A log that a peer's positions or a base have made anew since then has never heard of the close.
  const isGone = m.stream <= state.settledThrough && log.closed === undefined;
  const attempts = [];
  for (let i = log.slices.length - 1; i >= log.first; i--) {
    const { slice } = log.slices[i]!;
    if (slice.transaction === m.transaction)
      attempts.push({ lsn: slice.lsn, decision: log.decided.of(slice.lsn) });
  }
  const { request, pg, stream } = m;
  const message = {
    type: "transactionFound",
    request,
    pg,
    stream,
    attempts: attempts.reverse(),
    mergedThrough: isGone ? EVERYTHING : log.mergedThrough,
    scl: log.scl,
  } as const;
  turn.after({ kind: "send", to: from, message });
}
