/**
 * The other streams and storage, as seen by the pages here.
 *
 *   foreign entry   its deltas go on cached pages by their bases; a cached page that does not match is forgotten;
 *                   own undecided versions in the way have lost
 *   loaded pages    become frames, with the deltas that came meanwhile
 *   gap             part of a stream was missed: every page that can be forgotten is
 */
import {
  SixfoldError,
  sameVersion,
  type Delta,
  type PageId,
  type PageVersion,
  type ReadPoint,
  type StreamId,
} from "@sixfold/model";
import type { Claim, ForeignEntry, LoadedPage } from "./engine-api.ts";
import type { EngineState } from "./engine-state.ts";
import { giveWay } from "./in-flight.ts";
import type { Job } from "./job.ts";

export function applyForeign(state: EngineState, entry: ForeignEntry): void {
  const version: PageVersion = { stream: entry.stream, lsn: entry.lsn };
  if (state.newest.includes(version)) return;
  state.winners.note(entry.stream, entry.lsn, entry.transaction);
  const { horizon } = state;
  for (const delta of entry.deltas) applyDelta(state, version, delta, horizon);
  state.newest.advance(entry.stream, entry.lsn);
}

function applyDelta(state: EngineState, version: PageVersion, delta: Delta, horizon: ReadPoint): void {
  const frame = state.pool.get(delta.page);
  if (frame === undefined) return state.loads.foreignDelta(version, delta);
  if (frame.loadedAt?.includes(version) === true || sameVersion(frame.version, version)) return;
  if (state.isUndecided(frame.version)) giveWay(state, delta.page, delta.base, version);
  // Giving way may have dropped the frame already.
  if (!frame.live) return;
  const fits = sameVersion(frame.version, delta.base) || state.planted.has("foreign-base-unchecked");
  if (!frame.suspect && fits) {
    frame.apply(version, delta.ops);
    frame.trim(horizon, state.inFlight.size);
  } else if (state.isUndecided(frame.version)) frame.suspect = true;
  else state.pool.drop(frame);
}

/** What another writer has sent and nobody has decided yet. */
export function noteClaims(
  state: EngineState,
  stream: StreamId,
  claims: readonly Claim[],
  now: number,
): void {
  if (state.stream === 0 || state.exclusive) return;
  for (const { lsn, deltas } of claims) {
    const version: PageVersion = { stream, lsn };
    if (state.newest.includes(version)) continue;
    for (const { page } of deltas) state.held.claimed(page, version, now);
  }
}

/** Forgets every page it can; pages with own undecided versions follow once these are decided. */
export function dropCleanPages(state: EngineState): void {
  for (const frame of [...state.pool.all()]) {
    if (state.isUndecided(frame.version)) frame.suspect = true;
    else state.pool.drop(frame);
  }
  state.loads.distrust();
}

export function pagesLoaded(state: EngineState, results: readonly LoadedPage[]): void {
  for (const result of results) {
    if (result.image !== undefined && result.image.length !== state.options.geometry.pageBytes) {
      const error = new SixfoldError("corrupt", `page ${result.page} has ${result.image.length} bytes`, {
        details: { page: result.page },
      });
      loadFailed(state, [result.page], result.readPoint, error);
      continue;
    }
    const head = state.loads.headArrived(result, state.pool);
    if (head !== undefined) {
      for (const job of head.waiters) {
        if (job.state !== "waiting") continue;
        state.pin(job, head.frame);
        state.wake(job);
      }
      continue;
    }
    const past = state.loads.pastArrived(result.page, result.readPoint);
    if (past === undefined) continue;
    const image = result.image ?? new Uint8Array(state.options.geometry.pageBytes);
    if (past.view.users > 0) state.views.keep(past.view, result.page, image);
    state.wakeAll(past.waiters);
  }
}

export function loadFailed(
  state: EngineState,
  pages: readonly PageId[],
  readPoint: ReadPoint,
  reason: "too-old" | SixfoldError,
): void {
  for (const page of pages) {
    if (reason === "too-old") state.loads.headTooOld(page, readPoint);
    else for (const job of state.loads.headFailed(page, readPoint)) failJob(state, job, reason);
    for (const job of state.loads.pastArrived(page, readPoint)?.waiters ?? [])
      failJob(state, job, reason === "too-old" ? tooOld(job) : reason);
  }
}

/** A read that cannot go on ends its transaction; the engine's own works are begun again later. */
function failJob(state: EngineState, job: Job, error: SixfoldError): void {
  if (job.state !== "waiting") return;
  const { tx } = job;
  state.fail(job, error);
  if (tx !== undefined) state.endTransaction(tx, error);
}

function tooOld(job: Job): SixfoldError {
  return new SixfoldError("too-old", "the transaction reads at a point in time that is no longer kept", {
    details: { transaction: job.transaction },
  });
}
