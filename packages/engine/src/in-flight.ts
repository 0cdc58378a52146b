/**
 * Own entries between submit and decision.
 *
 *     submit      frames carry the new version on top of their history
 *     commit      in LSN order: reply, and what waited looks again
 *     take back   on abort, or when a foreign commit meets them: the entry and everything built on it, newest first,
 *                 leave the pages; their jobs are built again, in the order they had
 *
 * What was built on an entry is known by own bases: every later version of one of its pages, and every
 * job that read its rows, has it among them. So the versions to take back are always the
 * top of each page's history.
 */
import {
  NONE,
  SixfoldError,
  assert,
  isNone,
  sameVersion,
  transactionId,
  type Entry,
  type Lsn,
  type PageId,
  type PageVersion,
  type TransactionId,
} from "@sixfold/model";
import type { AbortCause, EngineResult } from "./engine-api.ts";
import type { EngineState } from "./engine-state.ts";
import type { InFlightEntry, Job } from "./job.ts";
import { pageConflict } from "./validation.ts";

/** A piece is no transaction: nobody asks what became of it. */
const NO_TRANSACTION = transactionId("");
/** Fields of an entry beside its deltas, roughly. */
const ENTRY_OVERHEAD = 128;

/** Ends the build of a piece that goes ahead of the job's own entry; the job runs again when that is committed. */
export function submitPiece(state: EngineState, job: Job): void {
  launch(state, job, undefined, NO_TRANSACTION);
}

/** Ends the build under way: submits the entry, or, if nothing was changed, settles the job. `value` is what a procedure returned. */
export function submit(state: EngineState, job: Job, value: unknown): void {
  const { builder } = state;
  // Alone, a writer's reads are a prefix of all there is; beside others only storage can tell whether they fit into one order.
  const mustAsk = builder.checksAnything && !state.exclusive;
  if (!builder.changedAnything && !mustAsk) {
    const bases = builder.ownBases();
    builder.undo();
    settle(state, job, bases, resultOf(job, value, NONE));
    return;
  }
  launch(state, job, resultOf(job, value, builder.version), job.transaction);
}

function launch(
  state: EngineState,
  job: Job,
  result: EngineResult | undefined,
  transaction: TransactionId,
): void {
  const { builder } = state;
  const { version } = builder;
  const built = builder.finish(state.horizon, state.inFlight.size);
  assert(version.lsn === state.nextLsn, "LSNs are dense");
  state.nextLsn = (state.nextLsn + 1) as Lsn;
  const bytes = built.bytes + ENTRY_OVERHEAD;
  const inFlight: InFlightEntry = {
    version,
    job,
    frames: built.frames,
    bytes,
    dependents: [],
    waiters: [],
    readers: [],
    result,
  };
  for (const base of built.ownBases) {
    const on = state.inFlight.get(base);
    assert(on !== undefined, "an own base is in flight");
    on.dependents.push(inFlight);
  }
  state.inFlight.set(version.lsn, inFlight);
  state.inFlightBytes += bytes;
  state.counts.builds++;
  job.state = "in-flight";
  job.entry = inFlight;
  job.attempts++;
  state.jobs.add(job);
  if (job.tx === undefined) state.releaseLocks(job);
  const entry: Entry = {
    stream: version.stream,
    lsn: version.lsn,
    supersedes: job.supersedes,
    transaction,
    ownBases: built.ownBases,
    deltas: built.deltas,
    checks: built.checks,
  };
  state.effects.push({ kind: "submit", entry });
}

function resultOf(job: Job, value: unknown, version: PageVersion): EngineResult {
  const attempts = isNone(version) ? job.attempts : job.attempts + 1;
  return job.work.kind === "call"
    ? { kind: "called", value, version, attempts }
    : { kind: "committed", version, attempts };
}

/** Answers a job that wrote nothing once all it has read is committed. */
export function settle(state: EngineState, job: Job, bases: readonly Lsn[], result: EngineResult): void {
  if (bases.length === 0 || state.planted.has("answers-before-bases")) {
    if (result.kind === "failed") state.fail(job, result.error);
    else state.finish(job, result);
    return;
  }
  job.state = "settling";
  job.result = result;
  job.waits = bases.length;
  state.jobs.add(job);
  for (const base of bases) state.inFlight.get(base)!.readers.push({ job, run: job.run });
}

/** Commits come in LSN order. */
export function committed(state: EngineState, lsn: Lsn): void {
  const entry = state.inFlight.get(lsn);
  assert(entry !== undefined, "a committed entry was in flight, and not taken back (I2, I3)");
  assert(
    lsn > state.builder.lastDecided || state.planted.has("commit-out-of-order"),
    "commits come in LSN order",
  );
  state.inFlight.delete(lsn);
  state.inFlightBytes -= entry.bytes;
  state.builder.lastDecided = Math.max(lsn, state.builder.lastDecided);
  state.counts.commits++;
  const { job } = entry;
  state.winners.note(state.stream, lsn, job.transaction);
  state.show(state.stream, lsn);
  job.entry = undefined;
  dropSuspects(state, entry);
  // With no reader of the past around, nothing is kept: reverses die young.
  const { horizon } = state;
  for (const frame of entry.frames) frame.trim(horizon, state.inFlight.size);
  if (entry.result === undefined) pieceCommitted(state, job);
  else state.finish(job, entry.result);
  state.wakeList(entry.waiters);
  for (const { job: reader, run } of entry.readers) {
    if (reader.state !== "settling" || reader.run !== run || --reader.waits > 0) continue;
    const result = reader.result!;
    if (result.kind === "failed") state.fail(reader, result.error);
    else state.finish(reader, result);
  }
  // Or what remembers this entry would remember all that came after it.
  entry.dependents.length = entry.readers.length = 0;
}

/** What it superseded can never be committed now. Aborts of other attempts are still to be durable before a failure is told. */
function pieceCommitted(state: EngineState, job: Job): void {
  job.staged!.committed();
  job.supersedes = 0 as Lsn;
  job.attempts = 0;
  state.makeReady(job);
}

/** An own entry was aborted. Harmless if it was taken back before. */
export function aborted(state: EngineState, lsn: Lsn, cause: AbortCause | undefined): void {
  const entry = state.inFlight.get(lsn);
  if (entry === undefined) return;
  const winner = cause?.winner;
  // A recovery's word stands in the manifest: it is as final as a committed rival.
  const proven = winner !== undefined || cause?.phase === "recovery";
  const safe = cause !== undefined && cause.yielded !== true && proven;
  if (winner !== undefined && !isNone(winner) && cause?.page !== undefined) {
    if (!state.newest.includes(winner)) state.held.awaitWinner(cause.page, winner, safe, state.now);
    else if (cause.yielded === true) state.held.pause(cause.page, state.now);
  }
  takeBack(state, [entry], { safe, winner, page: cause?.page, phase: cause?.phase, decided: lsn });
}

interface Loss {
  /** A committed rival is known: the entries, and all that were built on them, can never be committed. */
  readonly safe: boolean;
  readonly winner: PageVersion | undefined;
  readonly page: PageId | undefined;
  readonly phase: AbortCause["phase"] | undefined;
  /** The entry whose abort the owner knows of already, or 0. */
  readonly decided: number;
}

/** A foreign commit, about to be applied to a page, has met own undecided versions on it: takes back all above `base`. */
export function giveWay(state: EngineState, page: PageId, base: PageVersion, winner: PageVersion): void {
  const frame = state.pool.get(page)!;
  let lowest: InFlightEntry | undefined;
  for (let i = 0, v = frame.version; state.isUndecided(v) && !sameVersion(v, base); i++) {
    lowest = state.inFlight.get(v.lsn);
    v = frame.step(i)!.base;
  }
  if (lowest !== undefined)
    takeBack(state, [lowest], { safe: true, winner, page, phase: "delta", decided: 0 });
}

/** Takes entries back, and everything that was built on them. */
function takeBack(state: EngineState, roots: readonly InFlightEntry[], loss: Loss): void {
  const lost = new Set(roots);
  const open = [...roots];
  while (open.length > 0) {
    const entry = open.pop()!;
    for (const next of entry.dependents) {
      if (lost.has(next) || !state.inFlight.has(next.version.lsn)) continue;
      lost.add(next);
      open.push(next);
    }
  }
  const newestFirst = [...lost].sort((a, b) => b.version.lsn - a.version.lsn);
  for (const entry of newestFirst) {
    for (const frame of entry.frames) {
      assert(sameVersion(frame.version, entry.version), "what is taken back lies on top of its pages");
      frame.pop();
    }
    state.inFlight.delete(entry.version.lsn);
    state.inFlightBytes -= entry.bytes;
    state.counts.takenBack++;
    const { work } = entry.job;
    if (work.kind === "claim") state.extents.disown(work.extents);
  }
  for (const entry of newestFirst) dropSuspects(state, entry);
  // Oldest first, so that those who wait and those who lost look again in the order they came.
  for (let i = newestFirst.length - 1; i >= 0; i--) retry(state, newestFirst[i]!, loss);
}

function retry(state: EngineState, entry: InFlightEntry, loss: Loss): void {
  const { job, version } = entry;
  if (version.lsn !== loss.decided)
    state.effects.push({ kind: "giveUp", lsn: version.lsn, winner: loss.winner ?? NONE });
  job.entry = undefined;
  job.supersedes = version.lsn;
  job.lastPhase = loss.phase;
  if (!loss.safe) job.unsafe.push(version.lsn);
  if (job.conflicts === "page" && job.request >= 0)
    state.fail(job, pageConflict(state, job, loss.page, loss.winner));
  else state.makeReady(job);
  state.wakeAll(entry.waiters);
  for (const { job: reader, run } of entry.readers)
    if (reader.state === "settling" && reader.run === run) state.makeReady(reader);
}

/** Pages that may lack foreign changes go as soon as nothing undecided lies on them. */
function dropSuspects(state: EngineState, entry: InFlightEntry): void {
  for (const frame of entry.frames)
    if (frame.suspect && frame.live && !state.isUndecided(frame.version)) state.pool.drop(frame);
}

/**
 * The stream is closed: everything in flight leaves the pages, which are forgotten, since storage may yet decide either way.
 * Returns the jobs in order; who waited for a decision is woken.
 */
export function takeBackAll(state: EngineState): Job[] {
  const newestFirst = [...state.inFlight.values()].sort((a, b) => b.version.lsn - a.version.lsn);
  for (const entry of newestFirst) for (const frame of entry.frames) frame.pop();
  for (const entry of newestFirst) for (const frame of entry.frames) if (frame.live) state.pool.drop(frame);
  state.inFlight.clear();
  state.inFlightBytes = 0;
  for (const entry of newestFirst) state.wakeAll(entry.waiters);
  return newestFirst.map((e) => e.job).reverse();
}

/** Entries built in this very turn, rebuilt ones above all, have not left yet: now they never will. */
export function dropUnsent({ effects }: EngineState): Set<Lsn> {
  const unsent = new Set<Lsn>();
  let kept = 0;
  for (const effect of effects) {
    if (effect.kind === "submit") unsent.add(effect.entry.lsn);
    else effects[kept++] = effect;
  }
  effects.length = kept;
  return unsent;
}

/** The entry was sent, and its stream closed before it was decided: a recovery decides it. */
export function unknownOutcome(job: Job, cause: SixfoldError): SixfoldError {
  return new SixfoldError(
    "outcome-unknown",
    `the commit was in flight when the node stopped writing: ${cause.message}`,
    {
      cause,
      details: { transaction: job.transaction },
    },
  );
}
