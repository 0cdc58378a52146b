/** What a segment server says of itself to people: `sixfold status`, metrics. */
import type { NodeName, PgId } from "@sixfold/model";
import type { Counters, PgState } from "./pg-state.ts";

export function statusOf(
  name: NodeName,
  pgs: ReadonlyMap<PgId, PgState>,
  counters: Counters,
  more: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  let logBytes = 0;
  const segments = [...pgs.values()].map((state) => ({
    pg: state.pg,
    isWhole: state.isWhole,
    chainsInMemory: state.pages.size,
    settledThrough: state.settledThrough,
    streams: [...state.streams.values()].map((log) => {
      logBytes += log.bytes;
      return {
        stream: log.stream,
        scl: log.scl,
        decidedThrough: log.decided.through,
        mergedThrough: log.mergedThrough,
        outcomesForgottenThrough: state.kept.ended.forgottenThrough(state.pg, log.stream, false),
        slicesKept: log.count,
        bytesKept: log.bytes,
        exclusive: log.exclusive,
        state: log.closed !== undefined ? "closed" : log.isFenced ? "fenced" : "open",
      };
    }),
  }));
  return { name, segments, bytesKept: logBytes, machine: { ...counters }, ...more };
}
