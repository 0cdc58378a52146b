/**
 * The engine's own works, one of each kind at a time: formatting the volume, claiming extents
 * ahead of need, and freeing the pages of dropped tables.
 *
 * They are jobs like any other, without a client. One that failed for lack of pages is begun again later.
 */
import { transactionId } from "@sixfold/model";
import type { EngineState } from "./engine-state.ts";
import { Job, type Work } from "./job.ts";
import { runClaim, runFormat, runReap } from "./writes.ts";

/** The id under which the engine's own entries travel. */
export const OWN_WORK = transactionId("");

export class Upkeep {
  private readonly state: EngineState;
  private format: Job | undefined = undefined;
  /** Claims that are not decided. One that lost is built again on its own, and others wait for it: no further one is begun meanwhile. */
  private readonly claims = new Set<Job>();
  private reaper: Job | undefined = undefined;

  constructor(state: EngineState) {
    this.state = state;
  }

  open(): void {
    this.format = this.start({ kind: "format" });
    this.reap();
  }

  close(): void {
    this.reaper = this.format = undefined;
    this.claims.clear();
  }

  /** A claim, if one is due. To be run at once. */
  next(): Job | undefined {
    const { state } = this;
    if (state.stream === 0) return undefined;
    for (const claim of this.claims) {
      if (claim.state === "done") this.claims.delete(claim);
      else if (claim.state !== "in-flight") return undefined;
    }
    let pages = state.pagesToClaim;
    state.pagesToClaim = 0;
    if (pages === 0 && state.extents.takeAllocated()) {
      state.wants.clear();
      if (state.extents.isLow(state.builder)) pages = 1;
    }
    if (pages === 0) return undefined;
    const claim = this.job({ kind: "claim", pages, extents: [] });
    this.claims.add(claim);
    return claim;
  }

  /** Frees dropped tables, if that is not under way. */
  reap(): void {
    if (this.reaper === undefined || this.reaper.state === "done") this.reaper = this.start({ kind: "reap" });
  }

  run(job: Job): void {
    const { state } = this;
    const { work } = job;
    if (work.kind === "format") runFormat(state, job);
    else if (work.kind === "claim") runClaim(state, job as Job & { work: typeof work });
    else if (work.kind === "reap") {
      const more = runReap(state, job);
      if (this.reaper === job) this.reaper = undefined;
      if (more) this.reap();
    }
  }

  /** Begins again what failed while others wait for it. */
  restart(): void {
    const { state } = this;
    if (state.stream === 0) return;
    if (this.format?.state === "done" && state.waitingForFormat.length > 0)
      this.format = this.start({ kind: "format" });
    let hasFailed = false;
    for (const claim of this.claims)
      if (claim.state === "done") hasFailed = this.claims.delete(claim) || hasFailed;
    if (hasFailed) state.wakeList(state.waitingForPages);
  }

  private start(work: Work): Job {
    const job = this.job(work);
    this.state.makeReady(job);
    return job;
  }

  private job(work: Work): Job {
    const { state } = this;
    state.pendingWrites++;
    return new Job(state.transactions.nextOrder(), -1, work, OWN_WORK, "row", state.now);
  }
}
