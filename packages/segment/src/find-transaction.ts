/**
 * "What became of this transaction?", as far as the slices here tell, and what is remembered of those that have left. Newest first, for
 * a transaction asked for is a recent one, and no further back than it can be.
 */
import { afterOfTransaction, type Decision, type Lsn } from "@sixfold/model";
import type { FindTransaction } from "@sixfold/wire";
import type { PgState, Turn } from "./pg-state.ts";
import type { Link } from "./segment-api.ts";
import { StreamLog } from "./stream-log.ts";

export function findTransaction(state: PgState, m: FindTransaction, from: Link, turn: Turn): void {
  const log = state.streams.get(m.stream) ?? new StreamLog(m.pg, m.stream);
  const { ended } = state.kept;
  const after = afterOfTransaction(m.transaction);
  const attempts: { readonly lsn: Lsn; readonly decision: Decision | undefined }[] = [];
  for (let i = log.slices.length - 1; i >= log.first; i--) {
    const { slice } = log.slices[i]!;
    if (slice.lsn <= after) break;
    if (slice.transaction === m.transaction)
      attempts.push({ lsn: slice.lsn, decision: log.decided.of(slice.lsn) });
  }
  const at = attempts.length > 0 ? undefined : ended.find(m.pg, m.stream, m.transaction, after);
  if (at !== undefined) attempts.push({ lsn: at, decision: "commit" });
  const { request, pg, stream } = m;
  // Nothing beyond a closed stream's tail was committed, and so nothing forgotten.
  if (log.closed !== undefined) ended.closed(pg, stream, log.closed.tail);
  const message = {
    type: "transactionFound",
    request,
    pg,
    stream,
    attempts: attempts.reverse(),
    forgottenThrough: ended.forgottenThrough(pg, stream, state.mayForget(stream)),
    scl: log.scl,
    isClosed: log.closed !== undefined,
  } as const;
  turn.tell(from, message);
}
