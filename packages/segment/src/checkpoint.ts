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
 * The state is JSON: written once per log file, read once per start. It grows with what is undecided, and an append must fit into a log
 * file: a large one is cut into parts, appended one directly behind the other.
 *
 *     ... records | part 0 | part 1 | part 2 | records ...      whole: counts where its last part stands
 *     ... records | part 0 | part 1 |  (crash)  | records ...   torn: does not count, and what it would have replaced stays
 */
import {
  ACCEPT,
  epoch,
  lsn,
  pgId,
  streamId,
  type Lsn,
  type PgId,
  type StreamId,
  type Vote,
} from "@sixfold/model";
import type { LogRecord } from "@sixfold/wire";
import type { EndedTransactions, SavedPlace } from "./ended.ts";
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
    /** Of a newcomer. */
    readonly since?: number;
    readonly isWhole?: boolean;
    readonly streams: readonly StreamState[];
  }[];
  /** The oldest log file that holds something that was needed then. Absent in a checkpoint from before this was. */
  readonly needsFile?: number;
  /** What is remembered of slices that have left. Absent in a checkpoint from before this was. */
  readonly ended?: readonly SavedPlace[];
  readonly promised: Seat["promised"];
  readonly accepted?: { readonly ballot: Seat["promised"]; readonly value: unknown };
}

/** Maps do not survive JSON: they travel as tagged lists of pairs. */
const pack = (_: string, value: unknown): unknown => (value instanceof Map ? { "#map": [...value] } : value);
const unpack = (_: string, value: unknown): unknown => {
  if (typeof value !== "object" || value === null || !("#map" in value)) return value;
  return new Map(value["#map"] as [unknown, unknown][]);
};

/** Bytes of state in one record. */
const PART_BYTES = 64 << 10;
/** A part begins with this byte, its number and how many there are; a state that is one record, with the brace of its JSON. */
const PART = 1;
const PART_HEADER_BYTES = 9;

/** Every fact but the slices, as records to append one directly behind the other; each at most some 64 KiB. */
export function writeCheckpoint(
  pgs: ReadonlyMap<PgId, PgState>,
  seat: Seat,
  ended: EndedTransactions,
  needsFile: number,
): LogRecord[] {
  const state: CheckpointState = {
    form: 1,
    needsFile,
    pgs: [...pgs.values()].map((p) => ({
      pg: p.pg,
      settledThrough: p.settledThrough,
      ...(p.since === 0 ? {} : { since: p.since, isWhole: p.isWhole }),
      streams: [...p.streams.values()].map(saveStream),
    })),
    ended: ended.save(),
    promised: seat.promised,
    ...(seat.accepted === undefined ? {} : { accepted: seat.accepted }),
  };
  const bytes = new TextEncoder().encode(JSON.stringify(state, pack));
  if (bytes.length <= PART_BYTES) return [{ kind: "checkpoint", state: bytes }];
  const parts = Math.ceil(bytes.length / PART_BYTES);
  return Array.from({ length: parts }, (_, i) => ({
    kind: "checkpoint",
    state: partOf(bytes.subarray(i * PART_BYTES, (i + 1) * PART_BYTES), i, parts),
  }));
}

function partOf(bytes: Uint8Array, part: number, parts: number): Uint8Array {
  const out = new Uint8Array(PART_HEADER_BYTES + bytes.length);
  const view = new DataView(out.buffer);
  view.setUint8(0, PART);
  view.setUint32(1, part, true);
  view.setUint32(5, parts, true);
  out.set(bytes, PART_HEADER_BYTES);
  return out;
}

/** Puts the parts of a checkpoint together again. */
export class CheckpointParts {
  private parts: Uint8Array[] = [];

  /** The whole state, if its last part is here now. Parts whose beginning is not here (its file has been trimmed) are passed over. */
  take(state: Uint8Array): Uint8Array | undefined {
    if (state[0] !== PART) {
      this.drop();
      return state;
    }
    const view = new DataView(state.buffer, state.byteOffset, PART_HEADER_BYTES);
    const part = view.getUint32(1, true);
    if (part === 0) this.drop();
    if (part !== this.parts.length) return undefined;
    this.parts.push(state.subarray(PART_HEADER_BYTES));
    if (this.parts.length < view.getUint32(5, true)) return undefined;
    const whole = joined(this.parts);
    this.drop();
    return whole;
  }

  /** Does a checkpoint begin with it? */
  isFirst(state: Uint8Array): boolean {
    return (
      state[0] !== PART ||
      new DataView(state.buffer, state.byteOffset, PART_HEADER_BYTES).getUint32(1, true) === 0
    );
  }

  /** Another record stands where the next part should: the log was cut there, and went on. */
  drop(): void {
    if (this.parts.length > 0) this.parts = [];
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
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
  readonly pgs: Map<PgId, PgState>;
  readonly seat: Seat;
  readonly ended: EndedTransactions;
  readonly parts: CheckpointParts;
  pg(pg: PgId): PgState;
  /** Log files from this one on must be there. */
  needs(file: number): void;
}

/** Takes in one record. Records of trimmed files may be missing before the first checkpoint; what refers to them is passed over. */
export function replay(into: RecoveryInto, record: LogRecord, file: number): void {
  if (record.kind !== "checkpoint") into.parts.drop();
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
    case "newcomer": {
      const state = into.pg(record.pg);
      state.since = record.since;
      state.isWhole = record.isWhole;
      return;
    }
    case "left":
      into.pgs.get(record.pg)?.forget();
      into.pgs.delete(record.pg);
      return;
    case "seat":
      into.seat.promised = record.promised;
      into.seat.accepted = record.accepted;
      return;
    case "checkpoint": {
      const whole = into.parts.take(record.state);
      if (whole !== undefined) readCheckpoint(into, whole);
      return;
    }
  }
}

function replaySlices(state: PgState, record: Extract<LogRecord, { kind: "slices" }>, file: number): void {
  const log = state.log(record.stream);
  log.exclusive = record.exclusive;
  const votes = new Map<Lsn, Vote>(record.votes.map((v) => [v.lsn, v.vote]));
  for (const slice of record.slices) {
    if (slice.lsn <= log.mergedThrough) continue;
    const taken = new Taken(slice, log, state.arrivals++, file, votes.get(slice.lsn) ?? ACCEPT);
    taken.recorded = true;
    putBack(log, taken);
  }
}

/** What was carried forward stands behind later slices: it goes to its old place. If it is here already, only the newer record counts. */
function putBack(log: StreamLog, taken: Taken): void {
  const here = log.find(taken.lsn);
  if (here === undefined) log.insert(taken);
  else log.carried(here, taken.file);
}

function setVote(log: StreamLog, at: Lsn, vote: Vote): void {
  const taken = log.find(at);
  if (taken !== undefined) taken.vote = vote;
}

const parse = (bytes: Uint8Array): CheckpointState =>
  JSON.parse(new TextDecoder().decode(bytes), unpack) as CheckpointState;

/** Up to which LSN a checkpoint needs no slice of the stream any more; of one that it does not state, none at all. */
export type MergedAt = (pg: PgId, stream: StreamId) => number;

export function mergedAt(checkpoint: Uint8Array): MergedAt {
  const merged = new Map<PgId, Map<StreamId, number>>();
  for (const saved of parse(checkpoint).pgs)
    merged.set(pgId(saved.pg), new Map(saved.streams.map((s) => [streamId(s.stream), s.mergedThrough])));
  return (pg, stream) => merged.get(pg)?.get(stream) ?? Number.POSITIVE_INFINITY;
}

function readCheckpoint(into: RecoveryInto, bytes: Uint8Array): void {
  const state = parse(bytes);
  into.ended.load(state.ended ?? []);
  if (state.needsFile !== undefined) into.needs(state.needsFile);
  for (const saved of state.pgs) {
    const pg = into.pg(pgId(saved.pg));
    pg.settledThrough = streamId(saved.settledThrough);
    pg.since = epoch(saved.since ?? 0);
    pg.isWhole = saved.isWhole ?? true;
    const stated = new Set<StreamId>();
    for (const s of saved.streams) {
      stated.add(streamId(s.stream));
      if (state.ended === undefined) into.ended.lost(pg.pg, streamId(s.stream), lsn(s.mergedThrough));
      loadStream(pg.log(streamId(s.stream)), s);
    }
    // Forgotten between its last slice and the checkpoint.
    for (const [stream, log] of pg.streams) {
      if (stated.has(stream)) continue;
      log.forget();
      pg.streams.delete(stream);
    }
  }
  into.seat.promised = state.promised;
  into.seat.accepted = state.accepted as Seat["accepted"];
}

function loadStream(log: StreamLog, s: StreamState): void {
  log.exclusive = s.exclusive;
  log.decided = DecidedRanges.load(s.decided);
  log.isFenced = s.fenced;
  log.closed = s.closed;
  while (log.count > 0 && log.slices[log.first]!.lsn <= s.mergedThrough) log.shift();
  log.mergedThrough = lsn(s.mergedThrough);
  log.droppedTail = lsn(s.droppedTail);
  if (log.count === 0) log.scl = log.mergedThrough;
  for (let i = log.first; i < log.slices.length; i++) log.slices[i]!.vote = ACCEPT;
  for (const [at, vote] of s.votes) setVote(log, lsn(at), vote);
}
