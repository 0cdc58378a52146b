/**
 * Checkpoint and recovery of a segment server from its log (DESIGN section 4; ARIES' analysis pass, reduced to facts).
 *
 *     old files                      newest file
 *     slices not yet merged ...  |  [checkpoint: all facts] records ...
 *
 * The log holds facts: slices in order of arrival, votes, decisions, fences, closes, the seat. Chains, claims and waiters
 * are functions of them and are built once at the end, so a recovered machine is exactly one that could have
 * said what was acked. A checkpoint states every fact but the slices, and replaces the facts read before it. SCLs are not
 * stated: they follow from the slices that are really there, whatever block was torn off.
 *
 * The state is JSON: written once per log file, read once per start.
 */
import { ACCEPT, lsn, pgId, streamId, type Lsn, type PgId, type StreamId, type Vote } from "@sixfold/model";
import type { LogRecord } from "@sixfold/wire";
import { settleClosed } from "./fence-close.ts";
import type { PgState } from "./pg-state.ts";
import { DecidedRanges, type RangesState } from "./ranges.ts";
import type { Seat } from "./seat.ts";
import { Taken, type ClosedAt, type StreamLog } from "./stream-log.ts";

interface StreamState {
  readonly stream: number;
  readonly exclusive: boolean;
  readonly decided: RangesState;
  readonly fenced: boolean;
  readonly closed?: ClosedAt;
  readonly mergedThrough: number;
  readonly droppedTail: number;
  /** Of slices still here: not `accept`. */
  readonly votes: readonly (readonly [number, Vote])[];
}

interface CheckpointState {
  readonly form: 1;
  readonly pgs: readonly {
    readonly pg: number;
    readonly settledThrough: number;
    readonly streams: readonly StreamState[];
  }[];
  readonly promised: Seat["promised"];
  readonly accepted?: { readonly ballot: Seat["promised"]; readonly value: unknown };
}

/** Maps do not survive JSON: they travel as tagged lists of pairs. */
const pack = (_: string, value: unknown): unknown => (value instanceof Map ? { "#map": [...value] } : value);
const unpack = (_: string, value: unknown): unknown => {
  if (typeof value !== "object" || value === null || !("#map" in value)) return value;
  return new Map(value["#map"] as [unknown, unknown][]);
};

export function writeCheckpoint(pgs: ReadonlyMap<PgId, PgState>, seat: Seat): LogRecord {
  const state: CheckpointState = {
    form: 1,
    pgs: [...pgs.values()].map((p) => ({
      pg: p.pg,
      settledThrough: p.settledThrough,
      streams: [...p.streams.values()].map(saveStream),
    })),
    promised: seat.promised,
    ...(seat.accepted === undefined ? {} : { accepted: seat.accepted }),
  };
  return { kind: "checkpoint", state: new TextEncoder().encode(JSON.stringify(state, pack)) };
}

function saveStream(log: StreamLog): StreamState {
  const votes: (readonly [number, Vote])[] = [];
  for (let i = log.first; i < log.slices.length; i++) {
    const { slice, vote } = log.slices[i]!;
    if (vote.kind !== "accept") votes.push([slice.lsn, vote]);
  }
  return {
    stream: log.stream,
    exclusive: log.exclusive,
    decided: log.decided.save(),
    fenced: log.isFenced,
    ...(log.closed === undefined ? {} : { closed: log.closed }),
    mergedThrough: log.mergedThrough,
    droppedTail: log.droppedTail,
    votes,
  };
}

/** Where recovery puts what it reads. */
export interface RecoveryInto {
  readonly pgs: ReadonlyMap<PgId, PgState>;
  readonly seat: Seat;
  pg(pg: PgId): PgState;
}

/** Takes in one record. Records of trimmed files may be missing before the first checkpoint; what refers to them is passed over. */
export function replay(into: RecoveryInto, record: LogRecord, file: number): void {
  switch (record.kind) {
    case "slices":
      replaySlices(into.pg(record.pg), record, file);
      return;
    case "votes": {
      const log = into.pg(record.pg).log(record.stream);
      for (const { lsn: at, vote } of record.votes) setVote(log, at, vote);
      return;
    }
    case "decisions":
      into.pg(record.pg).log(record.stream).decided.add(record.decisions);
      return;
    case "outcomes":
      for (const { stream, lsn: at, decision } of record.outcomes)
        into.pg(record.pg).log(stream).decided.set(at, decision, true);
      return;
    case "fence":
      into.pg(record.pg).log(record.stream).isFenced = true;
      return;
    case "close":
      settleClosed(
        into.pg(record.pg).log(record.stream),
        { final: record.final, tail: record.tail },
        record.decisions,
      );
      return;
    case "seat":
      into.seat.promised = record.promised;
      into.seat.accepted = record.accepted;
      return;
    case "checkpoint":
      readCheckpoint(into, record.state);
      return;
  }
}

function replaySlices(state: PgState, record: Extract<LogRecord, { kind: "slices" }>, file: number): void {
  const log = state.log(record.stream);
  log.exclusive = record.exclusive;
  const votes = new Map<Lsn, Vote>(record.votes.map((v) => [v.lsn, v.vote]));
  for (const slice of record.slices) {
    if (slice.lsn <= log.scl) continue;
    const taken = new Taken(slice, log, state.arrivals++, file, votes.get(slice.lsn) ?? ACCEPT);
    taken.recorded = true;
    log.push(taken);
  }
}

function setVote(log: StreamLog, at: Lsn, vote: Vote): void {
  const taken = log.find(at);
  if (taken !== undefined) taken.vote = vote;
}

function readCheckpoint(into: RecoveryInto, bytes: Uint8Array): void {
  const state = JSON.parse(new TextDecoder().decode(bytes), unpack) as CheckpointState;
  for (const saved of state.pgs) {
    const pg = into.pg(pgId(saved.pg));
    pg.settledThrough = streamId(saved.settledThrough);
    const stated = new Set<StreamId>();
    for (const s of saved.streams) {
      stated.add(streamId(s.stream));
      loadStream(pg.log(streamId(s.stream)), s);
    }
    // Forgotten between its last slice and the checkpoint.
    for (const stream of [...pg.streams.keys()]) if (!stated.has(stream)) pg.streams.delete(stream);
  }
  into.seat.promised = state.promised;
  into.seat.accepted = state.accepted as Seat["accepted"];
}

function loadStream(log: StreamLog, s: StreamState): void {
  log.exclusive = s.exclusive;
  log.decided = DecidedRanges.load(s.decided);
  log.isFenced = s.fenced;
  log.closed = s.closed;
  while (log.count > 0 && log.slices[log.first]!.slice.lsn <= s.mergedThrough) log.shift();
  log.mergedThrough = lsn(s.mergedThrough);
  log.droppedTail = lsn(s.droppedTail);
  if (log.count === 0) log.scl = log.mergedThrough;
  for (let i = log.first; i < log.slices.length; i++) log.slices[i]!.vote = ACCEPT;
  for (const [at, vote] of s.votes) setVote(log, lsn(at), vote);
}
