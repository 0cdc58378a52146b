/**
 * What a segment that starts again says of itself, to whoever listens: the facts that it read from its log. Some of them were durable
 * before the crash and never told (model, `trace-event.ts`). What frees, votes, the fences that came after them, positions.
 */
import { lsn, type Decisions, type Lsn, type SegmentEvent } from "@sixfold/model";
import type { PgState } from "./pg-state.ts";
import { statedVote, type StreamLog } from "./stream-log.ts";

const range = (from: number, through: number, aborts: readonly Lsn[] = []): Decisions => ({
  from: lsn(from),
  through: lsn(through),
  aborts,
  earlyAborts: [],
});

export function restatedSteps(state: PgState): SegmentEvent[] {
  const logs = [...state.streams.values()];
  return [
    ...logs.flatMap(known),
    ...logs.flatMap((log) => votes(log, false)),
    ...logs.flatMap((log) => votes(log, true)),
    ...logs
      .filter((log) => log.isFenced)
      .map(({ pg, stream }): SegmentEvent => ({ kind: "fenced", pg, stream })),
    ...logs
      .filter((log) => log.scl > 0)
      .map(({ pg, stream, scl }): SegmentEvent => ({ kind: "stored", pg, stream, scl })),
  ];
}

function known(log: StreamLog): SegmentEvent[] {
  const { pg, stream, decided } = log;
  const saved = decided.save();
  const out: SegmentEvent[] = [];
  const learned = (decisions: Decisions, source: "log" | "close"): void => {
    out.push({ kind: "learned", pg, stream, decisions, source });
  };
  if (saved.floor > 0) out.push({ kind: "copied", pg, stream, through: lsn(saved.floor) });
  const aborts = decided.abortsIn(saved.floor, saved.through);
  const earlyAborts = decided.earlyAborts();
  if (saved.through > saved.floor || earlyAborts.length > 0)
    learned({ ...range(saved.floor, saved.through, aborts), earlyAborts }, "log");
  for (const [from, through] of saved.ranges)
    learned(range(from, through, decided.abortsIn(from, through)), "log");
  for (const at of saved.commits) learned(range(at - 1, at), "log");
  if (log.closed !== undefined) learned(range(saved.through, saved.through), "close");
  return out;
}

/** On what is undecided: the accepts, or everything else. Of a closed stream the manifest has decided everything: no vote counts any more. */
function votes(log: StreamLog, accepts: boolean): SegmentEvent[] {
  const { pg, stream } = log;
  if (log.exclusive || log.closed !== undefined) return [];
  const out: SegmentEvent[] = [];
  for (let i = log.first; i < log.slices.length; i++) {
    const taken = log.slices[i]!;
    const { lsn: at } = taken.slice;
    const { kind: vote } = statedVote(taken);
    if (log.decided.of(at) === undefined && (vote === "accept") === accepts)
      out.push({ kind: "voted", pg, stream, lsn: at, vote });
  }
  return out;
}
